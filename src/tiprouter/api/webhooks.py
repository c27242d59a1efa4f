"""How are the router's own requests to a recipient described? (OpenAPI 3.1 webhooks, Standard Webhooks 1.0)

Nothing here is ever called: these functions are signatures for the documentation.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header

from tiprouter.api.schemas.webhooks import (
    DisclosureAnswered,
    DisclosureAvailable,
    DisclosureMade,
    DisclosureRecalled,
    EndpointChallenge,
    EndpointChanging,
    EndpointTest,
    NoticeRaised,
)

router = APIRouter()

WebhookId = Annotated[str, Header(description="The delivery's id, the same for every attempt.")]
WebhookTimestamp = Annotated[str, Header(description="When this attempt was signed: seconds since 1970.")]
WebhookSignature = Annotated[
    str, Header(description="Space-separated `v1a,<ed25519>` or `v1,<HMAC-SHA256>` over `id.timestamp.body`, base64.")
]
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Any 2xx: received. It is not sent again."},
    410: {"description": "The endpoint is gone. Nothing is sent again until a person looked."},
    429: {"description": "Too much now; Retry-After is honoured within bounds."},
    503: {"description": "Not now; Retry-After is honoured within bounds. Every other answer is tried again too."},
}


@router.post("disclosure.made", operation_id="disclosureMade", responses=ANSWERS, status_code=200)
async def disclosure_made(
    body: DisclosureMade,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """A record as far as this recipient may read it now. A later one of the same matter replaces it."""


@router.post("disclosure.recalled", operation_id="disclosureRecalled", responses=ANSWERS, status_code=200)
async def disclosure_recalled(
    body: DisclosureRecalled,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Consent was withdrawn for an earlier disclosure: stop using it and delete it, as far as the law lets you."""


@router.post("disclosure.answered", operation_id="disclosureAnswered", responses=ANSWERS, status_code=200)
async def disclosure_answered(
    body: DisclosureAnswered,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """The hotline's answer to what you asked with `needs_information`, as far as you may be told it now."""


@router.post("disclosure.available", operation_id="disclosureAvailable", responses=ANSWERS, status_code=200)
async def disclosure_available(
    body: DisclosureAvailable,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Something waits in your inbox: for agencies that want ids alone. Its webhook-id is not the payload's."""


@router.post("endpoint.challenge", operation_id="endpointChallenge", responses=ANSWERS, status_code=200)
async def endpoint_challenge(
    body: EndpointChallenge,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Prove that this endpoint is yours: until then no disclosure is sent here. Each question is another."""


@router.post("endpoint.changing", operation_id="endpointChanging", responses=ANSWERS, status_code=200)
async def endpoint_changing(
    body: EndpointChanging,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """Somebody proposes to send your disclosures elsewhere, or by other keys. If you know nothing of it, call."""


@router.post("endpoint.test", operation_id="endpointTest", responses=ANSWERS, status_code=200)
async def endpoint_test(
    body: EndpointTest,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """A test that holds nothing of anybody; any 2xx will do."""


@router.post("notice.raised", operation_id="noticeRaised", responses=ANSWERS, status_code=200)
async def notice_raised(
    body: NoticeRaised,
    webhook_id: WebhookId,
    webhook_timestamp: WebhookTimestamp,
    webhook_signature: WebhookSignature,
) -> None:
    """To the operator's own webhook alone: a human must look at something. It holds ids and fixed sentences only."""
