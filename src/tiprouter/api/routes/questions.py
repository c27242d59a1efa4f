"""What do agencies ask about what they were sent, and what does the hotline answer?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import QuestionId
from tiprouter.api.schemas.queries import QuestionQuery
from tiprouter.api.schemas.questions import AnswerBody, AnswerGiven, QuestionBody, QuestionFull, QuestionList
from tiprouter.storage.database import Transaction
from tiprouter.workflow import questions
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["questions"])


@router.get("/v1/questions", operation_id="listQuestions", response_model=QuestionList)
async def list_questions(
    request: Request, query: Annotated[QuestionQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Questions of agencies, newest first, without their words."""
    page = await office.database.write(
        lambda tx: questions.list_questions(tx, office.desk, actor, query.state, query.after, query.limit), quietly=True
    )
    items = QuestionList(items=tuple(QuestionBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.get("/v1/questions/{question_id}", operation_id="readQuestion", response_model=QuestionFull)
async def read_question(question_id: QuestionId, office: Desks, actor: Caller) -> Response:
    """A question with what the agency asks, and whom it may be answered about."""
    found = await office.database.write(
        lambda tx: questions.read_question(tx, office.desk, actor, question_id), quietly=True
    )
    return Response(QuestionFull.told(found).rendered(), 200, None, "application/json")


@router.post(
    "/v1/questions/{question_id}/answer", status_code=200, operation_id="answerQuestion", response_model=AnswerGiven
)
async def answer_question(
    question_id: QuestionId, body: AnswerBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Answer a question. It leaves only if today's decisions let it; the result says so, and why not if they do not."""

    def story(tx: Transaction) -> Answer:
        given = questions.answer(tx, office.desk, actor, question_id, body.to_domain())
        return given.standing.question.record_id, 200, AnswerGiven.of(given).rendered()

    return await answer_once(office, asked, story)
