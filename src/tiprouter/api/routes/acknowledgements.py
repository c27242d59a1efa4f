"""What does an agency say of what it was sent, and who may see its signature?"""

from collections.abc import Callable

from fastapi import APIRouter, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.office import Office
from tiprouter.api.routes.paths import AcknowledgementId, DisclosureId
from tiprouter.api.schemas.acknowledgements import AcknowledgementBody, AcknowledgementMade
from tiprouter.storage.answers import Asked
from tiprouter.storage.database import Transaction
from tiprouter.workflow.acknowledging import UntrustedError, acknowledge, log_refusal, signature
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["disclosures"])


@router.post(
    "/v1/disclosures/{disclosure_id}/acknowledgements",
    status_code=201,
    operation_id="acknowledgeDisclosure",
    response_model=AcknowledgementMade,
)
async def acknowledge_disclosure(
    disclosure_id: DisclosureId, body: AcknowledgementBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Accept, reject, ask about or close a disclosure that was sent to your agency; signed, if you registered a key."""

    def story(tx: Transaction) -> Answer:
        made, owner = acknowledge(tx, office.desk, actor, disclosure_id, body.status, body.words())
        return owner, 201, AcknowledgementMade.of(made).rendered()

    return await answer_or_log(office, actor, asked, story)


@router.get(
    "/v1/acknowledgements/{acknowledgement_id}/jws",
    operation_id="exportAcknowledgementSignature",
    response_class=Response,
    responses={
        200: {
            "description": "The compact JWS as the agency sent it. It holds none of the agency's words.",
            "content": {"application/jose": {"schema": {"type": "string"}}},
        }
    },
)
async def export_signature(acknowledgement_id: AcknowledgementId, office: Desks, actor: Caller) -> Response:
    """The JWS of a signed acknowledgement, to verify elsewhere: ids, a digest, a status and a time."""
    compact = await office.database.write(
        lambda tx: signature(tx, office.desk, actor, acknowledgement_id), quietly=True
    )
    return Response(compact, 200, None, "application/jose")


async def answer_or_log(office: Office, actor: Actor, asked: Asked, story: Callable[[Transaction], Answer]) -> Response:
    """Answer an acknowledgement; a signature that is refused is logged after its story was undone."""
    try:
        return await answer_once(office, asked, story)
    except UntrustedError as error:
        refused = error.disclosure_id
        await office.database.write(lambda tx: log_refusal(tx, office.desk, actor, refused))
        raise
