"""Who is to be told that something was disclosed about them, and what came of it?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import SubjectNoticeId
from tiprouter.api.schemas.subject_notices import (
    DeferBody,
    GiveBody,
    SubjectNoticeList,
    SubjectNoticeQuery,
    SubjectNoticeTold,
)
from tiprouter.storage.database import Transaction
from tiprouter.workflow import noticing
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["subjects"])


@router.get("/v1/subject-notices", operation_id="listSubjectNotices", response_model=SubjectNoticeList)
async def list_subject_notices(
    request: Request, query: Annotated[SubjectNoticeQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Whom we owe the word that something was disclosed about them, newest first, with how to reach them safely."""

    def story(tx: Transaction) -> tuple[SubjectNoticeList, str | None]:
        items, after = noticing.list_notices(tx, office.desk, actor, query.state, query.after, query.limit)
        return SubjectNoticeList(items=tuple(map(SubjectNoticeTold.of, items))), after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.post(
    "/v1/subject-notices/{notice_id}/give",
    status_code=200,
    operation_id="giveSubjectNotice",
    response_model=SubjectNoticeTold,
)
async def give_subject_notice(
    notice_id: SubjectNoticeId, body: GiveBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """The person was told, by this channel."""

    def story(tx: Transaction) -> Answer:
        done = noticing.give(tx, office.desk, actor, notice_id, body.given())
        return done.notice.record_id, 200, SubjectNoticeTold.of(done).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/subject-notices/{notice_id}/defer",
    status_code=200,
    operation_id="deferSubjectNotice",
    response_model=SubjectNoticeTold,
)
async def defer_subject_notice(
    notice_id: SubjectNoticeId, body: DeferBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """It is not safe to tell the person now; it is due again at `until`."""

    def story(tx: Transaction) -> Answer:
        done = noticing.defer(tx, office.desk, actor, notice_id, body.reason, body.until)
        return done.notice.record_id, 200, SubjectNoticeTold.of(done).rendered()

    return await answer_once(office, asked, story)
