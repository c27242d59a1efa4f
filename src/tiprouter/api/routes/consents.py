"""How does a person's consent, refusal or withdrawal arrive?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.naming import names_with_refs
from tiprouter.api.paging import answer_page
from tiprouter.api.preconditions import Named, etag
from tiprouter.api.routes.paths import ConsentId
from tiprouter.api.schemas.consents import (
    ConsentBody,
    ConsentGiven,
    ConsentList,
    ConsentStanding,
    ConsentWithdrawn,
    NarrowBody,
    given,
    withdrawn,
)
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.receipts import ConsentReceipt
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.workflow import consenting, inquiry, receipts
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["consents"])


@router.post("/v1/consents", status_code=201, operation_id="giveConsent", response_model=ConsentGiven)
async def give_consent(body: ConsentBody, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Send a grant or a refusal. Everything about the person's records is decided anew before the answer."""

    def story(tx: Transaction) -> Answer:
        done = consenting.give_consent(tx, office.desk, actor, body.whose, body.to_domain())
        names = names_with_refs(tx, office.desk, done.decisions)
        return done.consent.person_id, 201, given(done, names).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/consents/{consent_id}/withdraw",
    status_code=200,
    operation_id="withdrawConsent",
    response_model=ConsentWithdrawn,
)
async def withdraw_consent(
    consent_id: ConsentId, office: Desks, actor: Caller, asked: Asking, expected: Named, body: Nothing | None = None
) -> Response:
    """Withdraw a grant. When this is answered nothing that rested on it will be sent; what was sent is recalled."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        done = consenting.withdraw(tx, office.desk, actor, consent_id, expected)
        names = names_with_refs(tx, office.desk, done.given.decisions)
        return done.given.consent.person_id, 200, withdrawn(done, names).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/consents/{consent_id}/confirm", status_code=200, operation_id="confirmConsent", response_model=ConsentGiven
)
async def confirm_consent(
    consent_id: ConsentId, office: Desks, actor: Caller, asked: Asking, expected: Named, body: Nothing | None = None
) -> Response:
    """The person said it again, at another moment: a grant that waits stands from now on."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        done = consenting.confirm(tx, office.desk, actor, consent_id, expected)
        names = names_with_refs(tx, office.desk, done.decisions)
        return done.consent.person_id, 200, given(done, names).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/consents/{consent_id}/narrow", status_code=200, operation_id="narrowConsent", response_model=ConsentWithdrawn
)
async def narrow_consent(
    consent_id: ConsentId, body: NarrowBody, office: Desks, actor: Caller, asked: Asking, expected: Named
) -> Response:
    """Take something out of a grant, at once. What rested on it is not sent any more; what was sent is recalled."""

    def story(tx: Transaction) -> Answer:
        done = consenting.narrow(tx, office.desk, actor, consent_id, expected, body.to_domain())
        names = names_with_refs(tx, office.desk, done.given.decisions)
        return done.given.consent.person_id, 200, withdrawn(done, names).rendered()

    return await answer_once(office, asked, story)


@router.get("/v1/consents/{consent_id}/receipt", operation_id="readConsentReceipt", response_model=ConsentReceipt)
async def read_receipt(consent_id: ConsentId, office: Desks, actor: Caller) -> Response:
    """A receipt for the person, when they ask for one: nobody's name in it, and never sent by itself."""
    made = await office.database.write(lambda tx: receipts.receipt(tx, office.desk, actor, consent_id), quietly=True)
    return Response(ConsentReceipt.of(made).rendered(), 200, None, "application/json")


@router.get("/v1/consents", operation_id="listConsents", response_model=ConsentList)
async def list_consents(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Consents and refusals, newest first, as they stand."""

    def story(tx: Transaction) -> tuple[ConsentList, str | None]:
        page = inquiry.list_consents(tx, office.desk, actor, query.after, query.limit)
        now = office.desk.now()
        return ConsentList(items=tuple(ConsentStanding.of(*one, now) for one in page.items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/consents/{consent_id}", operation_id="readConsent", response_model=ConsentStanding)
async def read_consent(consent_id: ConsentId, office: Desks, actor: Caller) -> Response:
    """A consent or refusal as it stands."""
    consent, revision = await office.database.write(
        lambda tx: inquiry.consent(tx, office.desk, actor, consent_id), quietly=True
    )
    told = ConsentStanding.of(consent, revision, office.desk.now())
    return Response(told.rendered(), 200, {"ETag": etag(revision)}, "application/json")
