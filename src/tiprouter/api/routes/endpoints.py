"""How does an agency's endpoint change, prove itself, and show how it is?

1. What takes two persons is proposed here, and confirmed by another credential.
2. A test is sent by a worker; the answer waits for it, at most twenty seconds.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once, answer_prepared
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.preconditions import Required
from tiprouter.api.routes.paths import ChangeId, RecipientId
from tiprouter.api.schemas.endpoints import (
    ChangeBody,
    ChangeList,
    ChangeWanted,
    HealthBody,
    HealthQuery,
    RotatedBody,
    RotationWanted,
    TestBody,
)
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.recipients import RecipientStanding
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage import endpoints
from tiprouter.storage.database import Transaction
from tiprouter.storage.endpoints import EndpointMessage
from tiprouter.workflow import accessing, endpoint_changes
from tiprouter.workflow.endpoint_health import health_of
from tiprouter.workflow.endpoint_messages import order_test
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.key_rotation import rotate_key
from tiprouter.workflow.once import Answer

TEST_WAIT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.1

router = APIRouter(route_class=Route, tags=["recipients"])


@router.post(
    "/v1/recipients/{recipient_id}/signing-keys",
    status_code=201,
    operation_id="rotateSigningKey",
    response_model=RotatedBody,
)
async def rotate_signing_key(
    recipient_id: RecipientId, body: RotationWanted, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Make, by a second word, another key that signs what goes to the agency; the old ones sign on for the overlap."""

    def story(tx: Transaction) -> Answer:
        done = rotate_key(tx, office.desk, actor, recipient_id, timedelta(days=body.overlap_days))
        return recipient_id, 201, RotatedBody.of(done).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/recipients/{recipient_id}/changes",
    status_code=201,
    operation_id="proposeEndpointChange",
    response_model=ChangeBody,
)
async def propose_change(
    recipient_id: RecipientId, body: ChangeWanted, office: Desks, actor: Caller, asked: Asking, expected: Required
) -> Response:
    """Propose where or how disclosures go, or keys. The endpoint as it is is told; nothing changes before a confirm."""

    def story(tx: Transaction) -> Answer:
        wish = body.wish(recipient_id, expected, office.desk.now())
        change = endpoint_changes.propose(tx, office.desk, actor, wish)
        return recipient_id, 201, ChangeBody.of(change).rendered()

    return await answer_once(office, asked, story)


@router.get("/v1/recipients/{recipient_id}/changes", operation_id="listEndpointChanges", response_model=ChangeList)
async def list_changes(
    recipient_id: RecipientId, request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller
) -> Response:
    """Proposed changes of an agency's endpoint, newest first."""
    found = await office.database.read(
        lambda tx: endpoint_changes.changes_of(tx, recipient_id, query.after, query.limit + 1)
    )
    shown = found[: query.limit]
    await accessing.note(office.database, office.desk, actor, "recipient.changes", len(shown), recipient_id)
    items = ChangeList(items=tuple(ChangeBody.of(one) for one in shown))
    return answer_page(visit_of(request), query, items, shown[-1].id if len(found) > query.limit else None)


@router.post(
    "/v1/endpoint-changes/{change_id}/confirm",
    status_code=200,
    operation_id="confirmEndpointChange",
    response_model=RecipientStanding,
)
async def confirm_change(
    change_id: ChangeId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Put into force what another credential proposed. The endpoint proves itself before disclosures are sent there."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        done = endpoint_changes.confirm(tx, office.desk, actor, change_id)
        return done.id, 200, RecipientStanding.of(done).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/endpoint-changes/{change_id}/withdraw",
    status_code=200,
    operation_id="withdrawEndpointChange",
    response_model=ChangeBody,
)
async def withdraw_change(
    change_id: ChangeId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """End a proposed change."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        change = endpoint_changes.withdraw(tx, office.desk, actor, change_id)
        return change.recipient_id, 200, ChangeBody.of(change).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/recipients/{recipient_id}/test", status_code=200, operation_id="testEndpoint", response_model=TestBody
)
async def send_test(
    recipient_id: RecipientId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Send `endpoint.test` now, which holds nothing of anybody, and answer what came of it."""
    del body  # as above

    def story(tx: Transaction, made: EndpointMessage) -> Answer:
        del tx  # what there was to write was written by those who sent it
        return recipient_id, 200, TestBody.of(made).rendered()

    return await answer_prepared(office, asked, lambda: _tested(office, actor, recipient_id), story)


@router.get("/v1/recipients/{recipient_id}/health", operation_id="readEndpointHealth", response_model=HealthBody)
async def read_health(
    recipient_id: RecipientId, query: Annotated[HealthQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """How an agency's endpoint is, and how attempts went on each of the last days; numbers and times only."""
    found = await office.database.read(lambda tx: health_of(tx, office.desk, recipient_id, query.days))
    await accessing.note(office.database, office.desk, actor, "recipient.health", subject=recipient_id)
    return Response(HealthBody.of(found).rendered(), 200, None, "application/json")


async def _tested(office: Office, actor: Actor, recipient_id: str) -> EndpointMessage:
    """Rule 2."""
    made = await office.database.write(lambda tx: order_test(tx, office.desk, actor, recipient_id))

    def seen(tx: Transaction) -> EndpointMessage | None:
        return endpoints.message(tx, made.id)

    clock = asyncio.get_running_loop().time
    until = clock() + TEST_WAIT_SECONDS
    while made.finished_at is None and clock() < until and not office.porch.closing.is_set():
        await asyncio.sleep(_LOOK_SECONDS)
        found: EndpointMessage | None = await office.database.read(seen)
        made = found or made
    return made
