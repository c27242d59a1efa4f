"""What went out, to whom, and how did it arrive?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import DisclosureId
from tiprouter.api.schemas.disclosures import DisclosureBody, DisclosureJourney, DisclosureList, journey
from tiprouter.api.schemas.queries import DisclosureQuery
from tiprouter.storage.disclosures import Filter
from tiprouter.workflow import inquiry
from tiprouter.workflow.credentials import CallerRole

router = APIRouter(route_class=Route, tags=["disclosures"])


@router.get("/v1/disclosures", operation_id="listDisclosures", response_model=DisclosureList)
async def list_disclosures(
    request: Request, query: Annotated[DisclosureQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Disclosures and recalls that match, newest first, never with their payload."""
    wanted = Filter(query.record_id, query.recipient_id)
    page = await office.database.write(
        lambda tx: inquiry.list_disclosures(tx, office.desk, actor, wanted, query.after, query.limit), quietly=True
    )
    items = DisclosureList(items=tuple(DisclosureBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.get("/v1/disclosures/{disclosure_id}", operation_id="readDisclosure", response_model=DisclosureJourney)
async def read_disclosure(disclosure_id: DisclosureId, office: Desks, actor: Caller) -> Response:
    """A disclosure or recall, every attempt to deliver it, and what its recipient said."""
    found = await office.database.write(
        lambda tx: inquiry.disclosure(tx, office.desk, actor, disclosure_id), quietly=True
    )
    told = journey(found, with_words=actor.role != CallerRole.AUDITOR)
    return Response(told.rendered(), 200, None, "application/json")
