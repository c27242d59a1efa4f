"""How does an auditor get to see one matter, by two other people's word and for a time?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import GrantId
from tiprouter.api.schemas.grants import GrantBody, GrantList, GrantShown, GrantWanted
from tiprouter.api.schemas.matters import MatterOpened
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.storage.grants import Grant
from tiprouter.workflow import granting, opening
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["audit"])


@router.get("/v1/grants", operation_id="listGrants", response_model=GrantList)
async def list_grants(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Grants, newest first. An auditor sees their own."""
    page = await office.database.write(
        lambda tx: granting.list_grants(tx, office.desk, actor, query.after, query.limit), quietly=True
    )
    items = GrantList(items=tuple(GrantBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.post("/v1/grants", status_code=201, operation_id="askGrant", response_model=GrantBody)
async def ask_grant(body: GrantWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Ask that one record's matter be opened to one auditor. Two other people approve before anything is."""

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, granting.ask(tx, office.desk, actor, body.wanted()), 201)

    return await answer_once(office, asked, story)


@router.get("/v1/grants/{grant_id}", operation_id="readGrant", response_model=GrantShown)
async def read_grant(grant_id: GrantId, office: Desks, actor: Caller) -> Response:
    """A grant and why it was asked for."""
    shown = await office.database.write(lambda tx: granting.show(tx, office.desk, actor, grant_id), quietly=True)
    return Response(GrantShown.by(shown).rendered(), 200, None, "application/json")


@router.post("/v1/grants/{grant_id}/approve", status_code=200, operation_id="approveGrant", response_model=GrantBody)
async def approve_grant(
    grant_id: GrantId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Approve a grant that another credential asked for; the second, by a third credential, opens it."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, granting.approve(tx, office.desk, actor, grant_id), 200)

    return await answer_once(office, asked, story)


@router.post("/v1/grants/{grant_id}/revoke", status_code=200, operation_id="revokeGrant", response_model=GrantBody)
async def revoke_grant(
    grant_id: GrantId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """End a grant at once."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, granting.revoke(tx, office.desk, actor, grant_id), 200)

    return await answer_once(office, asked, story)


@router.get("/v1/grants/{grant_id}/matter", operation_id="readMatter", response_model=MatterOpened)
async def read_matter(grant_id: GrantId, office: Desks, actor: Caller) -> Response:
    """The matter that an open grant opens to its auditor: every word of it. Each read is logged under the grant."""
    opened = await office.database.write(lambda tx: opening.open_matter(tx, office.desk, actor, grant_id), quietly=True)
    return Response(MatterOpened.of(opened).rendered(), 200, {"Cache-Control": "no-store"}, "application/json")


def _told(tx: Transaction, office: Office, grant: Grant, status: int) -> Answer:
    return about_nobody(tx, office), status, GrantBody.of(grant).rendered()
