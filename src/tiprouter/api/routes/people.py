"""How does the staff get accounts, and lose them?

An invitation is in the first answer alone: what is stored for a replay has null in its place.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import AccountId
from tiprouter.api.schemas.people import PersonBody, PersonInvited, PersonList, PersonWanted
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import Nothing
from tiprouter.domain.accounts import AccountEvent, SignInWay
from tiprouter.errors import InvalidError
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, people
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.once import Answer
from tiprouter.workflow.people import Person

router = APIRouter(route_class=Route, tags=["people"])


@router.post("/v1/people", status_code=201, operation_id="invitePerson", response_model=PersonInvited)
async def invite_person(body: PersonWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Invite somebody of the staff. The invitation is shown in this answer and never again; it is good for 72 hours."""
    shown: list[str] = []
    provider = office.front.provider
    if body.way is SignInWay.OIDC and provider is None:
        raise InvalidError("This service has no identity provider.", "/way")
    wanted = body.to_domain(None if provider is None else provider.client.issuer)

    def story(tx: Transaction) -> Answer:
        account, invitation = people.invite(tx, office.desk, actor, wanted)
        shown.append(invitation)
        return account.id, 201, PersonInvited.of(account).rendered()

    def with_invitation(stored: bytes) -> bytes:
        kept = PersonInvited.model_validate_json(stored)
        return kept.model_copy(update={"invitation": shown[-1]}).rendered()

    return await answer_once(office, asked, story, with_invitation)


@router.get("/v1/people", operation_id="listPeople", response_model=PersonList)
async def list_people(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Who may sign in, newest first; their names are told to operators alone."""
    found = await office.database.read(lambda tx: people.listed(tx, office.desk, actor, query.after, query.limit + 1))
    items = tuple(PersonBody.of(one) for one in found[: query.limit])
    after = items[-1].id if len(found) > query.limit else None
    await accessing.note(office.database, office.desk, actor, "people", len(items))
    return answer_page(visit_of(request), query, PersonList(items=items), after)


@router.post(
    "/v1/people/{account_id}/suspend", status_code=200, operation_id="suspendPerson", response_model=PersonBody
)
async def suspend_person(
    account_id: AccountId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Suspend an account; every session of it ends at once."""
    del body  # it can say nothing: it is read only to refuse one that tries to
    return await _move(office, actor, asked, account_id, AccountEvent.SUSPEND)


@router.post(
    "/v1/people/{account_id}/restore", status_code=200, operation_id="restorePerson", response_model=PersonBody
)
async def restore_person(
    account_id: AccountId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Let a suspended account sign in again."""
    del body  # as above
    return await _move(office, actor, asked, account_id, AccountEvent.RESTORE)


@router.post(
    "/v1/people/{account_id}/confirm", status_code=200, operation_id="confirmPerson", response_model=PersonBody
)
async def confirm_person(
    account_id: AccountId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Confirm an invitation that another operator made. Its code was shown to them, and not here."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        account = people.confirm(tx, office.desk, actor, account_id)
        return account_id, 200, PersonBody.of(Person(account, None)).rendered()

    return await answer_once(office, asked, story)


@router.delete("/v1/people/{account_id}", status_code=204, operation_id="endPerson")
async def end_person(account_id: AccountId, office: Desks, actor: Caller) -> Response:
    """End an account for good, and every session of it at once."""
    await office.database.write(lambda tx: people.move(tx, office.desk, actor, account_id, AccountEvent.END))
    return Response(status_code=204)


async def _move(office: Office, actor: Actor, asked: Asked, account_id: str, event: AccountEvent) -> Response:
    def story(tx: Transaction) -> Answer:
        moved = people.move(tx, office.desk, actor, account_id, event)
        return account_id, 200, PersonBody.of(Person(moved, None)).rendered()

    return await answer_once(office, asked, story)
