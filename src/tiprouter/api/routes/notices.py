"""What must a human look at?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.paging import answer_page
from tiprouter.api.schemas.notices import NoticeBody, NoticeList
from tiprouter.api.schemas.queries import Paging
from tiprouter.workflow import inquiry

router = APIRouter(route_class=Route, tags=["notices"])


@router.get("/v1/notices", operation_id="listNotices", response_model=NoticeList)
async def list_notices(request: Request, query: Annotated[Paging, Query()], office: Desks) -> Response:
    """Notices, newest first."""
    page = await office.database.read(lambda tx: inquiry.list_notices(tx, query.after, query.limit))
    items = NoticeList(items=tuple(NoticeBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)
