"""How does one person get another's word for another key, an export or a roll-back?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import WordId
from tiprouter.api.schemas.queries import WordQuery
from tiprouter.api.schemas.second_words import SecondWordBody, SecondWordList, SecondWordWanted
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.storage.second_words import SecondWord
from tiprouter.workflow import second_words
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["second words"])


@router.get("/v1/second-words", operation_id="listSecondWords", response_model=SecondWordList)
async def list_second_words(
    request: Request, query: Annotated[WordQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """What was asked of the acts of your role, newest first; all of it, or what waits."""
    page = await office.database.write(
        lambda tx: second_words.listed(tx, office.desk, actor, query.after, query.limit, waiting=query.waiting),
        quietly=True,
    )
    items = SecondWordList(items=tuple(SecondWordBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.get("/v1/second-words/{word_id}", operation_id="readSecondWord", response_model=SecondWordBody)
async def read_second_word(word_id: WordId, office: Desks, actor: Caller) -> Response:
    """One of them: what was asked, by whom, until when, and what became of it."""
    found = await office.database.write(lambda tx: second_words.read(tx, office.desk, actor, word_id), quietly=True)
    return Response(SecondWordBody.of(found).rendered(), 200, None, "application/json")


@router.post("/v1/second-words", status_code=201, operation_id="askSecondWord", response_model=SecondWordBody)
async def ask_second_word(body: SecondWordWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Ask another person's word for a new signing key, an export or a roll-back. Nothing happens yet."""

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, second_words.ask(tx, office.desk, actor, body.act, body.subject), 201)

    return await answer_once(office, asked, story)


@router.post(
    "/v1/second-words/{word_id}/say", status_code=200, operation_id="saySecondWord", response_model=SecondWordBody
)
async def say_second_word(
    word_id: WordId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Say yes to what another person asked. Nothing happens by it: whoever asked may do it now, and nobody else."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, second_words.say(tx, office.desk, actor, word_id), 200)

    return await answer_once(office, asked, story)


@router.post(
    "/v1/second-words/{word_id}/withdraw",
    status_code=200,
    operation_id="withdrawSecondWord",
    response_model=SecondWordBody,
)
async def withdraw_second_word(
    word_id: WordId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Take back what was asked or said, alone and at once."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, second_words.withdraw(tx, office.desk, actor, word_id), 200)

    return await answer_once(office, asked, story)


def _told(tx: Transaction, office: Office, one: SecondWord, status: int) -> Answer:
    return about_nobody(tx, office), status, SecondWordBody.of(one).rendered()
