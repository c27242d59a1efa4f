"""Somebody wants a duty closed, forgotten or delayed without evidence that the right agency was told."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TypeAlias

import pytest
import sqlalchemy as sa

from tests.acceptance import test_duties as stories
from tests.attacks.agreement import entries_of
from tests.support.answering import WORDS, answer, call, standing, told, toward, watch, write
from tests.support.fictional import BLAMELESS, SECRET, agency, grant, person, tip
from tests.support.service import START, Service, open_service
from tiprouter.domain import discharge, outcome
from tiprouter.domain.discharge import CallOutcome
from tiprouter.domain.record import Implicated, Record
from tiprouter.domain.review import RELEASED, WITHHELD
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import AcknowledgementStatus, CaseStatus, Grantor, RecipientKind, RecordKind
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import duties
from tiprouter.storage.acknowledgements import Words
from tiprouter.workflow import owing
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.evidence import Called, NoLongerOwedError, record_call
from tiprouter.workflow.happening import Actor

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
OPEN, OVERDUE, DISCHARGED, LIFTED = DutyPhase


def child(external_id: str = "T-1", **changes: object) -> Record:
    """A child of Texas whom somebody not responsible for it harms."""
    record = tip(person(years=12, guardians=BLAMELESS), external_id=external_id)
    return replace(record, **changes)  # type: ignore[arg-type] # fields of many types


async def reported(service: Service) -> str:
    """One agency, one child, one delivered report; the agency's id."""
    police = (await service.enrol(agency(LE))).recipient.id
    await service.accept(child())
    await service.deliver()
    return police


async def test_an_agency_answers_for_another(service: Service) -> None:
    """The disclosure is not there for it: nothing is stored, and the duty stays open."""
    police = await reported(service)
    stranger = Actor("cal_stranger", "agency", (await service.enrol(agency(CPS, "US-CA"))).recipient.id)
    ((disclosure,),) = await service.rows("select id from disclosures")
    with pytest.raises(NotFoundError):
        await service.database.write(
            lambda tx: acknowledge(
                tx, service.desk, stranger, disclosure, AcknowledgementStatus.ACCEPTED, Words("EX-1")
            )
        )
    assert (await toward(service, police)).phase is OPEN
    assert await service.rows("select id from acknowledgements") == []


@pytest.mark.parametrize("at", [START - timedelta(minutes=5, microseconds=1), START + timedelta(microseconds=1)])
async def test_evidence_from_before_the_signal_or_from_the_future(service: Service, at: datetime) -> None:
    """A call, or a report in writing, that cannot have been made yet, or not about this, is refused whole."""
    police = await reported(service)
    duty = await toward(service, police)
    for attempt in (call, write):
        with pytest.raises(InvalidError):
            await attempt(service, duty.id, at=at)
    assert await toward(service, police) == duty
    assert await service.rows("select id from duty_calls union select id from duty_letters") == []


async def test_a_call_for_another_record_about_the_same_child(service: Service) -> None:
    """The same person, agency and law, another record: its duty is its own, and so is its evidence."""
    police = (await service.enrol(agency(LE))).recipient.id
    await service.enrol(agency(CPS))
    await service.accept(child())
    await service.accept(child("T-2"))
    first, second = [one for one in await standing(service) if one.recipient_id == police]
    assert first.person_id == second.person_id
    await call(service, first.id)
    phases = {one.record_id: one.phase for one in await standing(service)}
    assert phases == {first.record_id: DISCHARGED, second.record_id: OPEN}


async def test_an_answer_to_a_disclosure_that_was_recalled(service: Service) -> None:
    """The agency was told to disregard it, and holds another: its answer to the old one closes nothing."""
    police = (await service.enrol(agency(LE))).recipient.id
    accepted = await service.accept(child())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE, grantor=Grantor.BOTH))
    await service.deliver()
    ((old,),) = await service.rows("select id from disclosures where state = 'standing'")
    await service.withdraw(given.consent.id)
    recalled = await service.rows(f"select id from disclosures where recalls = '{old}'")  # noqa: S608 - our own ids
    assert len(recalled) == 1
    await service.deliver()
    await service.deliver()  # the recall goes before what takes the place of what it recalls
    for disclosure in (old, recalled[0][0]):
        await answer(service, police, disclosure_id=disclosure)
        assert (await toward(service, police)).phase is OPEN
    await answer(service, police)
    assert (await toward(service, police)).phase is DISCHARGED


async def test_an_accused_agency_cannot_close_what_it_is_accused_in(service: Service) -> None:
    """It held the report before it was accused: neither its answer nor a call to it is evidence."""
    police = (await service.enrol(agency(LE))).recipient.id
    record = replace(child(), kind=RecordKind.CASE, status=CaseStatus.ACTIVE)
    await service.put_case(record, None)
    await service.deliver()
    ((held,),) = await service.rows("select id from disclosures")
    await service.put_case(replace(record, implicated=(Implicated(recipient_id=police),)), 1)
    await answer(service, police, disclosure_id=held)
    duty = await toward(service, police)
    assert (duty.phase, duty.barred) == (OPEN, True)
    with pytest.raises(InvalidError):
        await call(service, duty.id)
    assert (await call(service, duty.id, instead=(CPS, None))).phase is DISCHARGED


async def test_a_call_to_an_agency_that_the_law_does_not_name(service: Service) -> None:
    """A shelter was called in the place of nobody; and no other may be named where the agency itself can be called."""
    await service.accept(child())
    duty = await toward(service, None)
    for instead in ((RecipientKind.SERVICE_PROVIDER, None), (LE, "US-CA"), (None, None)):
        with pytest.raises(InvalidError):
            await call(service, duty.id, instead=instead)
    police = (await service.enrol(agency(LE))).recipient.id
    await service.revisit()
    with pytest.raises(InvalidError):
        await call(service, (await toward(service, police)).id, instead=(CPS, None))
    assert (await toward(service, police)).phase is OPEN


async def test_a_call_without_the_agencys_number(service: Service) -> None:
    """Whom one reached gave a reference; a call that names none is refused."""
    duty = await toward(service, await reported(service))
    called = Called(CallOutcome.REACHED, START, replace(WORDS, reference=None))
    with pytest.raises(InvalidError):
        await service.database.write(lambda tx: record_call(tx, service.desk, Actor("x", "reviewer"), duty.id, called))
    assert (await toward(service, duty.recipient_id)).phase is OPEN


async def test_evidence_for_a_duty_that_is_owed_no_longer(service: Service) -> None:
    """What was lifted, and what another took the place of, takes none: it would look closed and prove nothing."""
    police = (await service.enrol(agency(LE))).recipient.id
    record = replace(child(), kind=RecordKind.CASE, status=CaseStatus.ACTIVE)
    await service.put_case(record, None)
    duty = await toward(service, police)
    grown = replace(record, persons=(person(years=29, guardians=BLAMELESS),))
    await service.put_case(grown, 1)
    for attempt in (call, write):
        with pytest.raises(NoLongerOwedError):
            await attempt(service, duty.id)
    await service.put_case(record, 2)
    with pytest.raises(NoLongerOwedError):
        await call(service, duty.id)
    with pytest.raises(NotFoundError):
        await call(service, "dut_01KJQH0CC0BX86ENBVMH4TY5PG")


async def test_the_database_itself_keeps_no_duty_discharged_without_evidence(service: Service) -> None:
    """Whatever code would write it: the constraint refuses."""
    await reported(service)
    with pytest.raises(sa.exc.IntegrityError):
        await service.database.write(lambda tx: tx.exec_driver_sql("update duties set phase = 'discharged'"))


async def test_what_people_say_of_calls_and_letters_stands_nowhere_in_the_open(service: Service) -> None:
    """Names, numbers and references are sealed; the log has commitments."""
    duty = await toward(service, await reported(service))
    words = replace(WORDS, caller=SECRET, spoken_to=SECRET, reference=SECRET, note=SECRET)
    called = Called(CallOutcome.NO_ANSWER, START, words)
    await service.database.write(lambda tx: record_call(tx, service.desk, Actor("x", "reviewer"), duty.id, called))
    await service.check_house()
    stored = await service.rows("select sealed from duty_calls")
    assert SECRET.encode() not in bytes(stored[0][0])
    assert not any(SECRET in str(entry.body) for entry in await entries_of(service))
    read = await service.database.read(lambda tx: duties.calls_of(tx, service.desk.vault, duty.id, duty.record_id))
    assert read[0].words == words


async def test_two_machines_and_one_duty(two: tuple[Service, Service]) -> None:
    """An answer and the chores at once, at the very deadline: one notice at most; evidence wins, or comes late."""
    here, there = two
    police = await reported(here)
    here.clock.forward(minutes=55)
    await asyncio.gather(watch(here), watch(there), answer(here, police), watch(there))
    assert (await toward(here, police)).phase is DISCHARGED
    assert (await told(here)).count("duty.overdue") <= 1
    await here.check_house()


Story: TypeAlias = Callable[..., Awaitable[None]]
_owed = owing._Toward.owed  # noqa: SLF001 - what a fault is planted in
_speaks = outcome._speaks  # noqa: SLF001 - as above

FAULTS: dict[str, tuple[str, object, Story]] = {
    "an-acceptance-is-a-call": (
        "tiprouter.workflow.owing._Toward.owed",
        lambda toward, decision: replace(_owed(toward, decision), needs_call=False),
        stories.test_california_wants_a_call,
    ),
    "one-part-closes-all": (
        "tiprouter.domain.discharge.closed",
        lambda known, calls: {share: "ack_x" for one in known for share in one.shares},
        stories.test_another_part_is_not_closed_by_it,
    ),
    "an-unanswered-call-is-a-call": (
        "tiprouter.workflow.evidence.CallOutcome",
        SimpleNamespace(REACHED=CallOutcome.NO_ANSWER),
        stories.test_california_wants_a_call,
    ),
    "a-revision-restarts-the-clock": (
        "tiprouter.workflow.owing.renew",
        lambda duty, owed: replace(discharge.renew(duty, owed), deadline=owed.deadline),
        stories.test_a_revision_restarts_no_clock,
    ),
    "an-error-lifts-it": (
        "tiprouter.workflow.owing._undecided",
        lambda *_: False,
        stories.test_a_duty_that_an_error_holds_back_is_not_lifted,
    ),
    "the-accused-are-next": (
        "tiprouter.workflow.overdue._accused",
        lambda _: False,
        stories.test_accused_police_are_passed_over_when_a_duty_goes_on,
    ),
    "nobody-is-told": (
        "tiprouter.workflow.overdue._warn",
        lambda _, duty: duty,
        stories.test_an_overdue_duty_is_told_once_and_a_late_answer_still_closes_it,
    ),
    "a-recall-is-forgotten": (
        "tiprouter.storage.duties.recalled",
        lambda *_: False,
        test_an_answer_to_a_disclosure_that_was_recalled,
    ),
    "any-time-will-do": (
        "tiprouter.workflow.evidence._refuse_time",
        lambda *_: None,
        lambda service: test_evidence_from_before_the_signal_or_from_the_future(service, START + timedelta(days=1)),
    ),
    "the-accused-may-answer": (
        "tiprouter.domain.discharge.StandingDuty.answers",
        property(lambda duty: duty.recipient_id is not None),
        test_an_accused_agency_cannot_close_what_it_is_accused_in,
    ),
    "a-new-agency-waits-for-the-deadline": (
        "tiprouter.workflow.enrolment.agency_changed",
        lambda *_: None,
        stories.test_an_agency_that_came_meanwhile_gets_an_open_duty_at_once,
    ),
    "withheld-is-answered": (
        "tiprouter.domain.outcome._speaks",
        lambda verdict: _speaks(verdict) or WITHHELD in verdict.policies,
        stories.test_a_human_who_withheld_has_not_answered_the_duty,
    ),
    "released-is-answered": (
        "tiprouter.domain.outcome._speaks",
        lambda verdict: _speaks(verdict) or RELEASED in verdict.policies,
        stories.test_a_human_who_released_something_has_not_answered_the_duty,
    ),
    "any-hold-is-about-it": (
        "tiprouter.domain.outcome.AUTHORITIES",
        frozenset(RecipientKind),
        stories.test_a_shelters_review_is_no_answer_for_a_child_of_no_known_place,
    ),
    "withholding-lifts-it": (
        "tiprouter.workflow.owing.answered_in",
        lambda *_: None,
        stories.test_a_withheld_hold_lifts_no_duty,
    ),
    "nobody-hears-the-request": (
        "tiprouter.workflow.evidence.ask",
        lambda duty, *_: duty,
        stories.test_kentuckys_report_in_writing_is_owed_once_the_agency_asks,
    ),
    "every-day-is-a-business-day": (
        "tiprouter.domain.discharge.after",
        lambda span, start, _zone: start + timedelta(days=span.amount),
        stories.test_a_request_counts_business_days_where_the_law_does,
    ),
    "a-request-is-forgotten-with-its-duty": (
        "tiprouter.workflow.owing.begin",
        lambda *args: replace(discharge.begin(*args), written_by=args[2].written_by, written_requested=None),
        stories.test_what_was_asked_in_writing_outlives_the_duty_that_it_was_asked_for,
    ),
}
"""A way to break each promise, and the story that must notice."""


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database: a fault is the same on either."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_planted_fault_is_found_out(fault: str, embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with a promise broken, the story of that promise fails."""
    target, instead, story = FAULTS[fault]
    monkeypatch.setattr(target, instead)
    told = inspect.signature(story).parameters
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await (story(embedded, monkeypatch) if "monkeypatch" in told else story(embedded))
