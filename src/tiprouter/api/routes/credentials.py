"""How are credentials listed, made, rotated and ended?

A token is in the first answer alone: what is stored for a replay has null in its place. Whoever lost it rotates the
credential without overlap, or ends it by its id and makes another.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api import scopes
from tiprouter.api.access import TABLE, Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import CredentialId
from tiprouter.api.schemas.credentials import (
    CredentialBody,
    CredentialList,
    CredentialMade,
    CredentialRotated,
    CredentialRotation,
    CredentialWanted,
)
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage import callers as storage
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, credentials
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["credentials"])


@router.get("/v1/credentials", operation_id="listCredentials", response_model=CredentialList)
async def list_credentials(
    request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller
) -> Response:
    """Credentials that were not ended, newest first, with the public part of each key."""
    found = await office.database.read(lambda tx: credentials.listed(tx, query.after, query.limit))
    after = found[-1][0].id if len(found) == query.limit else None
    await accessing.note(office.database, office.desk, actor, "credentials", len(found))
    items = CredentialList(items=tuple(CredentialBody.of(*one) for one in found))
    return answer_page(visit_of(request), query, items, after)


@router.post("/v1/credentials", status_code=201, operation_id="makeCredential", response_model=CredentialMade)
async def make_credential(body: CredentialWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Make a credential. Its token is shown in this answer and never again."""
    shown: list[str] = []
    narrowed = scopes.checked(TABLE, body.role, body.scopes)
    terms = Terms(body.label, narrowed, body.expires_days, body.certificate, body.holder_id)

    def story(tx: Transaction) -> Answer:
        made, token = credentials.make(tx, office.desk, actor, body.role, body.recipient_id, terms)
        office.desk.vault.create(tx, made.id, office.desk.now())
        shown.append(token)
        return made.id, 201, _made(made).rendered()

    def with_token(stored: bytes) -> bytes:
        kept = CredentialMade.model_validate_json(stored)
        return kept.model_copy(update={"token": shown[-1]}).rendered()

    return await answer_once(office, asked, story, with_token)


@router.post(
    "/v1/credentials/{credential_id}/rotate", operation_id="rotateCredential", response_model=CredentialRotated
)
async def rotate_credential(
    credential_id: CredentialId, body: CredentialRotation, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Give a credential a new key, shown in this answer and never again; the others end with the overlap."""
    shown: list[str] = []

    def story(tx: Transaction) -> Answer:
        done = credentials.rotate(tx, office.desk, actor, credential_id, body.overlap_days, body.expires_days)
        shown.append(done.token)
        answer = CredentialRotated(
            id=credential_id,
            prefix=f"tr_{done.key.prefix}",
            expires_at=done.key.expires_at,
            old_end_at=done.old_end_at,
            token=None,
            pending=done.key.waits,
        )
        return about_nobody(tx, office), 200, answer.rendered()

    def with_token(stored: bytes) -> bytes:
        kept = CredentialRotated.model_validate_json(stored)
        return kept.model_copy(update={"token": shown[-1]}).rendered()

    return await answer_once(office, asked, story, with_token)


@router.post(
    "/v1/credentials/{credential_id}/confirm",
    status_code=200,
    operation_id="confirmCredential",
    response_model=CredentialMade,
)
async def confirm_credential(
    credential_id: CredentialId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Confirm a credential, or its new key, that another operator made. Its token was shown to them, and not here."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        done = credentials.confirm(tx, office.desk, actor, credential_id)
        return about_nobody(tx, office), 200, _made(done).rendered()

    return await answer_once(office, asked, story)


def _made(caller: storage.Caller) -> CredentialMade:
    return CredentialMade(id=caller.id, role=CallerRole(caller.role), token=None, pending=caller.waits)


@router.delete("/v1/credentials/{credential_id}", status_code=204, operation_id="endCredential")
async def end_credential(credential_id: CredentialId, office: Desks, actor: Caller) -> Response:
    """End a credential at once, with all its keys."""
    await office.database.write(lambda tx: credentials.revoke(tx, office.desk, actor, credential_id))
    return Response(status_code=204)
