"""How does an agency get its disclosures without a webhook, or with one that carries ids alone?

1. The list waits outside any transaction (`workflow/polling.py`); what it shows may be taken at that moment.
2. A payload is answered as a webhook would carry it, headers included, so that one code verifies both. It leaves after
   the commit that wrote the attempt down, and that it was handed over is written when it was.
3. Whatever may not be taken is one and the same 404.
"""

from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette.background import BackgroundTask

from tiprouter.api.access import Caller, Desks, admit_again, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.acknowledgements import answer_or_log
from tiprouter.api.routes.paths import DeliveryId
from tiprouter.api.schemas.acknowledgements import AcknowledgementBody, AcknowledgementMade
from tiprouter.api.schemas.inbox import InboxItem, InboxList
from tiprouter.api.schemas.queries import InboxQuery
from tiprouter.api.schemas.webhooks import DisclosureAnswered, DisclosureMade, DisclosureRecalled
from tiprouter.delivery.encryption import CONTENT_TYPE as ENCRYPTED_TYPE
from tiprouter.delivery.encryption import Encrypted
from tiprouter.errors import NotFoundError, UnavailableError
from tiprouter.storage.database import Transaction
from tiprouter.storage.inbox import Place
from tiprouter.workflow import inbox
from tiprouter.workflow.inbox import Fetched
from tiprouter.workflow.once import Answer
from tiprouter.workflow.polling import Asked, wait_for_inbox

log = structlog.get_logger()

router = APIRouter(route_class=Route, tags=["inbox"])


@router.get("/v1/inbox", operation_id="listInbox", response_model=InboxList)
async def list_inbox(request: Request, query: Annotated[InboxQuery, Query()], office: Desks, actor: Caller) -> Response:
    """What waits for your agency, and what it took and did not acknowledge yet; imminent danger first, by ids."""
    after = None if query.after is None else Place.parse(query.after)
    asked = Asked(actor, after, query.limit, query.wait)
    shelf = await wait_for_inbox(
        office.database, office.desk, office.porch, asked, request.is_disconnected, lambda: admit_again(request)
    )
    items = InboxList(items=tuple(InboxItem.of(one) for one in shelf.items))
    again = query.model_copy(update={"wait": 0})
    return answer_page(visit_of(request), again, items, None if shelf.after is None else str(shelf.after))


@router.get(
    "/v1/inbox/{delivery_id}",
    operation_id="takeFromInbox",
    response_model=DisclosureMade | DisclosureAnswered | DisclosureRecalled,
)
async def take_from_inbox(delivery_id: DeliveryId, office: Desks, actor: Caller) -> Response:
    """Exactly the signed bytes that a webhook carries, and its headers. Acknowledge it once you have stored it."""
    fetched = await office.database.write(lambda tx: inbox.fetch(tx, office.desk, actor, delivery_id), quietly=True)
    if fetched is None:
        raise NotFoundError
    # If we were to crash here, the log tells of an attempt whose end is unknown; its hold runs out and it waits again.
    done = BackgroundTask(_hand_over, office, fetched)
    kind = ENCRYPTED_TYPE if isinstance(fetched.body, Encrypted) else "application/json"
    return Response(fetched.body.body, 200, dict(fetched.headers), kind, done)


@router.post(
    "/v1/inbox/{delivery_id}/ack",
    status_code=201,
    operation_id="acknowledgeDelivery",
    response_model=AcknowledgementMade,
)
async def acknowledge_delivery(
    delivery_id: DeliveryId, body: AcknowledgementBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """The same as acknowledging the disclosure by its own id; your inbox does not show it again."""

    def story(tx: Transaction) -> Answer:
        made, owner = inbox.answer(tx, office.desk, actor, delivery_id, body.status, body.words())
        return owner, 201, AcknowledgementMade.of(made).rendered()

    return await answer_or_log(office, actor, asked, story)


async def _hand_over(office: Office, fetched: Fetched) -> None:
    try:
        await office.database.write(lambda tx: inbox.handed_over(tx, office.desk, fetched), quietly=True)
    except UnavailableError as error:
        log.warning("inbox.handed-over", delivery=fetched.begun.delivery_id, error=type(error).__name__)
