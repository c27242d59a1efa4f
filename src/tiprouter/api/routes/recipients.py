"""How are agencies registered and changed?"""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.preconditions import Required, etag
from tiprouter.api.routes.paths import RecipientId
from tiprouter.api.schemas.endpoints import RecipientNew
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.recipients import (
    RecipientBody,
    RecipientEnrolled,
    RecipientList,
    RecipientShown,
    RecipientStanding,
    enrolled,
    shown,
)
from tiprouter.storage import endpoints
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, enrolment, inquiry
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["recipients"])


@router.post("/v1/recipients", status_code=201, operation_id="registerRecipient", response_model=RecipientEnrolled)
async def register_recipient(body: RecipientNew, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Register an agency. The answer holds what it verifies disclosures with; its endpoint is then asked for proof."""

    def story(tx: Transaction) -> Answer:
        wanted = replace(
            body.to_domain(),
            encryption_keys=tuple(key.to_domain(office.desk.now()) for key in body.encryption_keys),
            authorities=body.authorities,
            certificate=body.certificate,
        )
        done = enrolment.register(tx, office.desk, actor, wanted, body.private_key)
        return done.recipient.id, 201, enrolled(done).rendered()

    return await answer_once(office, asked, story)


@router.put("/v1/recipients/{recipient_id}", operation_id="changeRecipient", response_model=RecipientStanding)
async def change_recipient(
    recipient_id: RecipientId,
    body: RecipientBody,
    office: Desks,
    actor: Caller,
    asked: Asking,
    expected: Required,
) -> Response:
    """Say what an agency is from now on, against the revision in If-Match. Its endpoint and keys take two persons."""

    def story(tx: Transaction) -> Answer:
        done = enrolment.change(tx, office.desk, actor, body.to_domain(recipient_id), expected)
        return done.id, 200, RecipientStanding.of(done).rendered()

    return await answer_once(office, asked, story)


@router.get("/v1/recipients", operation_id="listRecipients", response_model=RecipientList)
async def list_recipients(
    request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller
) -> Response:
    """Agencies, newest first."""
    page = await office.database.read(lambda tx: inquiry.list_recipients(tx, query.after, query.limit))
    await accessing.note(office.database, office.desk, actor, "recipients", len(page.items))
    items = RecipientList(items=tuple(RecipientStanding.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.get("/v1/recipients/{recipient_id}", operation_id="readRecipient", response_model=RecipientShown)
async def read_recipient(recipient_id: RecipientId, office: Desks, actor: Caller) -> Response:
    """An agency, and its public key when it has one."""

    def question(tx: Transaction) -> tuple[bytes, int]:
        found = inquiry.recipient(tx, recipient_id)
        key = enrolment.public_key(tx, office.desk, recipient_id)
        return shown(found, key, endpoints.load(tx, recipient_id)).rendered(), found.revision

    body, revision = await office.database.read(question)
    await accessing.note(office.database, office.desk, actor, "recipient", subject=recipient_id)
    return Response(body, 200, {"ETag": etag(revision)}, "application/json")
