"""Which deliveries wait, failed or were lost, and what can be done about one?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import DeliveryId
from tiprouter.api.schemas.deliveries import (
    DeadLetterQuery,
    DeliveryInspected,
    DeliveryList,
    DeliveryQuery,
    DeliveryStanding,
    RetryBody,
    RetryWanted,
)
from tiprouter.api.schemas.queries import Paging
from tiprouter.storage.database import Transaction
from tiprouter.storage.delivery_queries import Filter
from tiprouter.workflow import delivery_inquiry, recovery
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["deliveries"])


@router.get("/v1/deliveries", operation_id="listDeliveries", response_model=DeliveryList)
async def list_deliveries(
    request: Request, query: Annotated[DeliveryQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Deliveries that match, newest first. An agency sees its own, once sent."""
    # Not `model_dump`: it spells moments, and the database compares them.
    named = {name: getattr(query, name) for name in DeliveryQuery.model_fields.keys() - Paging.model_fields.keys()}
    return await _list(request, query, office, actor, Filter(**named))


@router.get("/v1/dead-letters", operation_id="listDeadLetters", response_model=DeliveryList)
async def list_dead_letters(
    request: Request, query: Annotated[DeadLetterQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """What ended without arriving, still stands, and nothing newer carries; newest first."""
    return await _list(request, query, office, actor, Filter(recipient_id=query.recipient_id, dead=True))


@router.get("/v1/deliveries/{delivery_id}", operation_id="readDelivery", response_model=DeliveryInspected)
async def read_delivery(delivery_id: DeliveryId, office: Desks, actor: Caller) -> Response:
    """A delivery: why it waits, every attempt, and every time somebody asked for another try."""
    found = await office.database.write(
        lambda tx: delivery_inquiry.delivery(tx, office.desk, actor, delivery_id), quietly=True
    )
    return Response(DeliveryInspected.by(found).rendered(), 200, None, "application/json")


@router.post(
    "/v1/deliveries/{delivery_id}/retry", status_code=200, operation_id="retryDelivery", response_model=RetryBody
)
async def retry_delivery(
    delivery_id: DeliveryId, body: RetryWanted, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Ask for another try. One that waits is made due; one that ended is decided again and, if permitted, made anew.

    The new delivery has an id of its own, in the same matter and later in its sequence.
    """

    def story(tx: Transaction) -> Answer:
        retried = recovery.retry(tx, office.desk, actor, delivery_id, body.wish())
        told = RetryBody.of(retried, with_outcomes=actor.role == CallerRole.REVIEWER)
        return retried.retry.record_id, 200, told.rendered()

    return await answer_once(office, asked, story)


async def _list(request: Request, query: DeadLetterQuery, office: Office, actor: Actor, wanted: Filter) -> Response:
    page = await office.database.write(
        lambda tx: delivery_inquiry.list_deliveries(tx, office.desk, actor, wanted, query.after, query.limit),
        quietly=True,
    )
    items = DeliveryList(items=tuple(DeliveryStanding.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)
