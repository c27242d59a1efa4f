"""Which reports does the law want, which of them have evidence, and what do people record for them?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import DutyId
from tiprouter.api.schemas.duties import (
    CallBody,
    CallMade,
    CallRecorded,
    DutyBody,
    DutyFull,
    DutyList,
    LetterBody,
    LetterMade,
    LetterRecorded,
    RequestBody,
    RequestMade,
    RequestRecorded,
)
from tiprouter.api.schemas.queries import DutyQuery
from tiprouter.storage.database import Transaction
from tiprouter.storage.duties import Filter
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.duty_inquiry import docket, kinds_of, list_duties
from tiprouter.workflow.evidence import record_call, record_letter, record_request
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["duties"])


@router.get("/v1/duties", operation_id="listDuties", response_model=DutyList)
async def list_them(request: Request, query: Annotated[DutyQuery, Query()], office: Desks, actor: Caller) -> Response:
    """Duties that match, newest first: what must be told, to whom, by when, and whether there is evidence of it."""
    wanted = Filter(query.state, query.record_id, query.recipient_id, query.overdue)

    def story(tx: Transaction) -> tuple[DutyList, str | None]:
        page = list_duties(tx, office.desk, actor, wanted, query.after, query.limit)
        kinds = kinds_of(tx, page.items)
        return DutyList(items=tuple(DutyBody.of(one, kinds) for one in page.items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/duties/{duty_id}", operation_id="readDuty", response_model=DutyFull)
async def read_duty(duty_id: DutyId, office: Desks, actor: Caller) -> Response:
    """A duty, its calls and reports in writing, and where it stands at other agencies."""

    def story(tx: Transaction) -> DutyFull:
        found = docket(tx, office.desk, actor, duty_id)
        kinds = kinds_of(tx, (found.duty, *found.others))
        return DutyFull.told(found, kinds, with_words=actor.role != CallerRole.AUDITOR)

    told = await office.database.write(story, quietly=True)
    return Response(told.rendered(), 200, None, "application/json")


@router.post("/v1/duties/{duty_id}/calls", status_code=201, operation_id="recordDutyCall", response_model=CallRecorded)
async def record_duty_call(duty_id: DutyId, body: CallBody, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Record a telephone call. One that reached the agency discharges the duty; one that nobody answered does not."""

    def story(tx: Transaction) -> Answer:
        call, duty = record_call(tx, office.desk, actor, duty_id, body.called())
        told = CallRecorded(call=CallMade.of(call), duty=DutyBody.of(duty, kinds_of(tx, (duty,))))
        return duty.record_id, 201, told.rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/duties/{duty_id}/written-reports",
    status_code=201,
    operation_id="recordDutyWrittenReport",
    response_model=LetterRecorded,
)
async def record_duty_letter(
    duty_id: DutyId, body: LetterBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Record that a report in writing was sent. It ends that report's clock, and discharges nothing else."""

    def story(tx: Transaction) -> Answer:
        letter, duty = record_letter(tx, office.desk, actor, duty_id, body.wrote())
        told = LetterRecorded(written_report=LetterMade.of(letter), duty=DutyBody.of(duty, kinds_of(tx, (duty,))))
        return duty.record_id, 201, told.rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/duties/{duty_id}/written-requests",
    status_code=201,
    operation_id="recordDutyWrittenRequest",
    response_model=RequestRecorded,
)
async def record_duty_request(
    duty_id: DutyId, body: RequestBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Record that the agency asked for a report in writing. Where the law gives a time for it, its clock starts."""

    def story(tx: Transaction) -> Answer:
        request, duty = record_request(tx, office.desk, actor, duty_id, body.requested_at, body.words())
        told = RequestRecorded(written_request=RequestMade.of(request), duty=DutyBody.of(duty, kinds_of(tx, (duty,))))
        return duty.record_id, 201, told.rendered()

    return await answer_once(office, asked, story)
