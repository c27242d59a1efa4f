"""What must a human look at?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import NoticeId
from tiprouter.api.schemas.notices import NoticeBody, NoticeList
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, heeding, inquiry
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["notices"])


@router.get("/v1/notices", operation_id="listNotices", response_model=NoticeList)
async def list_notices(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Notices, newest first."""
    page = await office.database.read(lambda tx: inquiry.list_notices(tx, query.after, query.limit))
    await accessing.note(office.database, office.desk, actor, "notices", len(page.items))
    items = NoticeList(items=tuple(NoticeBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.post(
    "/v1/notices/{notice_id}/acknowledge",
    status_code=200,
    operation_id="acknowledgeNotice",
    response_model=NoticeBody,
)
async def acknowledge_notice(
    notice_id: NoticeId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Say that you have seen a notice: it is paged no more. The first to say so stays named."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        standing = heeding.acknowledge(tx, office.desk, actor, notice_id)
        return about_nobody(tx, office), 200, NoticeBody.of(standing).rendered()

    return await answer_once(office, asked, story)
