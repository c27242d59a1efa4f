"""What is a person owed of what we keep about them: an accounting, and an end?"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.routes.paths import PersonId
from tiprouter.api.schemas.subjects import (
    Accounting,
    AccountingQuery,
    ErasureTold,
    SuspensionBody,
    SuspensionMade,
)
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.accounting import Suspension
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accounting, erasing
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["subjects"])


@router.get("/v1/subjects/{person_id}/accounting", operation_id="accountToSubject", response_model=Accounting)
async def account_to_subject(
    person_id: PersonId, query: Annotated[AccountingQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Who was told what about a person, for six years back. `copy=staff` shows what is suspended, too."""
    staff = query.copy_for == "staff"
    made = await office.database.write(
        lambda tx: accounting.account(tx, office.desk, actor, person_id, query.since, for_staff=staff), quietly=True
    )
    return Response(Accounting.of(made).rendered(), 200, None, "application/json")


@router.post(
    "/v1/subjects/{person_id}/accounting/suspend",
    status_code=201,
    operation_id="suspendAccounting",
    response_model=SuspensionMade,
)
async def suspend_accounting(
    person_id: PersonId, body: SuspensionBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Leave an agency of law enforcement out of a person's copy until a date, because it asked for that."""

    def story(tx: Transaction) -> Answer:
        now = office.desk.now()
        wanted = Suspension("", person_id, body.recipient, body.form, body.until, actor.id, now)
        made = accounting.suspend(tx, office.desk, actor, wanted, body.asked_by)
        return made.id, 201, SuspensionMade.of(made).rendered()

    return await answer_once(office, asked, story)


@router.post("/v1/subjects/{person_id}/erase", status_code=200, operation_id="eraseSubject", response_model=ErasureTold)
async def erase_subject(
    person_id: PersonId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Ask to erase everything about a person; the same from a second credential does it. Nothing sent is recalled."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        done = erasing.erase_subject(tx, office.desk, actor, person_id)
        return about_nobody(tx, office), 200, ErasureTold.of(done).rendered()

    return await answer_once(office, asked, story)
