"""How are credentials made and ended?

A token is in the first answer alone: what is stored for a replay has null in its place. Whoever lost it ends the
credential by its id and makes another.
"""

from fastapi import APIRouter, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.routes.paths import CredentialId
from tiprouter.api.schemas.credentials import CredentialMade, CredentialWanted
from tiprouter.storage.database import Transaction
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["credentials"])


@router.post("/v1/credentials", status_code=201, operation_id="makeCredential", response_model=CredentialMade)
async def make_credential(body: CredentialWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Make a credential. Its token is shown in this answer and never again."""
    shown: list[str] = []

    def story(tx: Transaction) -> Answer:
        made, token = credentials.make(tx, office.desk, actor, body.role, body.recipient_id)
        office.desk.vault.create(tx, made.id, office.desk.now())
        shown.append(token)
        return made.id, 201, CredentialMade(id=made.id, role=CallerRole(made.role), token=None).rendered()

    def with_token(stored: bytes) -> bytes:
        kept = CredentialMade.model_validate_json(stored)
        return kept.model_copy(update={"token": shown[-1]}).rendered()

    return await answer_once(office, asked, story, with_token)


@router.delete("/v1/credentials/{credential_id}", status_code=204, operation_id="endCredential")
async def end_credential(credential_id: CredentialId, office: Desks, actor: Caller) -> Response:
    """End a credential at once."""
    await office.database.write(lambda tx: credentials.revoke(tx, office.desk, actor, credential_id))
    return Response(status_code=204)
