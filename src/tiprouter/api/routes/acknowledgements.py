"""What does an agency say of what it was sent?"""

from fastapi import APIRouter, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.routes.paths import DisclosureId
from tiprouter.api.schemas.acknowledgements import AcknowledgementBody, AcknowledgementMade
from tiprouter.storage.database import Transaction
from tiprouter.workflow.acknowledging import acknowledge
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
    """Accept, reject, ask about or close a disclosure that was sent to your agency."""

    def story(tx: Transaction) -> Answer:
        made, owner = acknowledge(tx, office.desk, actor, disclosure_id, body.status, body.words())
        return owner, 201, AcknowledgementMade.of(made).rendered()

    return await answer_once(office, asked, story)
