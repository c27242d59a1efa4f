"""Is a duty closed by evidence, by nothing else, and does a human hear in time where there is none? (rules 9, 10)"""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.attacks.agreement import entries_of
from tests.support.answering import (
    ACCEPTED,
    REJECTED,
    after,
    answer,
    ask_in_writing,
    call,
    standing,
    told,
    toward,
    watch,
    write,
)
from tests.support.fictional import BLAMELESS, DANGER, agency, grant, person, tip
from tests.support.governing import COUNSEL, approved
from tests.support.reviewing import WITHHOLD, Reviewers, establish, release
from tests.support.service import OPERATOR, START, Service, bundle
from tiprouter.domain.discharge import CallOutcome, EvidenceKind, written_if_asked
from tiprouter.domain.duty import Span
from tiprouter.domain.outcome import verdict_of
from tiprouter.domain.recipient import RecipientStatus
from tiprouter.domain.record import Guardian, Implicated, Jurisdiction, Record
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import (
    AcknowledgementStatus,
    Answer,
    CaseStatus,
    Category,
    Establishable,
    Grantor,
    JurisdictionReason,
    RecipientKind,
    RecordKind,
    SpanUnit,
)
from tiprouter.workflow import enrolment, governing
from tiprouter.workflow.consenting import Whose

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
OPEN, OVERDUE, DISCHARGED, LIFTED = DutyPhase
HARMED_AT_HOME = (Guardian("parent", Answer.YES),)


def places(*codes: str) -> tuple[Jurisdiction, ...]:
    """Where somebody was found."""
    return tuple(Jurisdiction(code, JurisdictionReason.FOUND) for code in codes)


def child(**changes: object) -> Record:
    """A tip about a child of Texas whom somebody not responsible for it harms."""
    return replace(tip(person(years=12, guardians=BLAMELESS)), **changes)  # type: ignore[arg-type] # fields of many types


def case(years: int = 12, **changes: object) -> Record:
    """The same as a case."""
    record = tip(person(years=years, guardians=BLAMELESS))
    return replace(record, kind=RecordKind.CASE, status=CaseStatus.ACTIVE, **changes)  # type: ignore[arg-type] # as above


async def enrolled(service: Service, *kinds: RecipientKind, place: str = "US-TX") -> list[str]:
    """Agencies of these kinds; their ids."""
    return [(await service.enrol(agency(kind, place))).recipient.id for kind in kinds]


async def kinds_logged(service: Service) -> list[str]:
    """The kinds of the entries about duties, first to last."""
    await service.check_house()
    return [entry.kind.value for entry in await entries_of(service) if entry.kind.startswith("duty.")]


async def test_a_childs_report_that_is_accepted_in_time_discharges_the_duty(service: Service) -> None:
    """It opens with the decision, delivery alone leaves it open, acceptance closes it, and nobody is told anything."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    duty = await toward(service, police)
    assert (duty.phase, duty.deadline, duty.needs_call) == (OPEN, START + timedelta(minutes=55), False)
    await service.deliver()
    assert (await toward(service, police)).phase is OPEN
    service.clock.forward(minutes=20)
    acknowledgement = await answer(service, police)
    duty = await toward(service, police)
    assert (duty.phase, duty.discharged_by, duty.evidence_id) == (
        DISCHARGED,
        EvidenceKind.ACKNOWLEDGED,
        acknowledgement,
    )
    assert await watch(service, days=9) == 0
    assert await told(service) == []
    assert await kinds_logged(service) == ["duty.opened", "duty.discharged"]


async def test_a_question_of_the_agency_closes_nothing(service: Service) -> None:
    """It needs information: it has not taken the child's situation on. Closing the matter does."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    await answer(service, police, AcknowledgementStatus.NEEDS_INFORMATION)
    assert (await toward(service, police)).phase is OPEN
    await answer(service, police, AcknowledgementStatus.CLOSED)
    assert (await toward(service, police)).phase is DISCHARGED


async def test_one_agencys_evidence_closes_the_part_for_the_other(service: Service) -> None:
    """Texas wants child protection or police: police accepted, so child protection's duty is discharged elsewhere."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(child())
    await service.deliver()
    acknowledgement = await answer(service, police)
    duty = await toward(service, children)
    assert (duty.phase, duty.discharged_by, duty.evidence_id) == (
        DISCHARGED,
        EvidenceKind.ELSEWHERE,
        acknowledgement,
    )


async def test_another_part_is_not_closed_by_it(service: Service) -> None:
    """Nobody knows who harms the child: were it a caregiver, Texas wants child protection itself; both are needed."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(tip(person(years=12)))
    await service.deliver()
    await answer(service, police)
    assert (await toward(service, police)).phase is DISCHARGED
    assert (await toward(service, children)).phase is OPEN
    await answer(service, children)
    assert (await toward(service, children)).discharged_by is EvidenceKind.ACKNOWLEDGED


async def test_child_protections_answer_does_for_both_where_its_parts_hold_the_polices(service: Service) -> None:
    """The other way round it is enough: the police have no part that child protection does not have."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(tip(person(years=12)))
    await service.deliver()
    await answer(service, children)
    assert (await toward(service, police)).discharged_by is EvidenceKind.ELSEWHERE


async def test_danger_is_the_polices_own(service: Service) -> None:
    """Child protection's answer closes the child's part, not the report of violence: that one only police can take."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(child(violence=DANGER))
    await service.deliver()
    await answer(service, children)
    duty = await toward(service, police)
    assert (duty.phase, duty.deadline) == (OPEN, START + timedelta(minutes=10))
    await answer(service, police)
    assert (await toward(service, police)).phase is DISCHARGED


async def test_california_wants_a_call(service: Service) -> None:
    """Acceptance leaves it open, so does a call that nobody answers; a call that reached somebody closes it."""
    (police,) = await enrolled(service, LE, place="US-CA")
    await service.accept(child(jurisdictions=places("US-CA")))
    await service.deliver()
    await answer(service, police)
    duty = await toward(service, police)
    assert (duty.phase, duty.needs_call) == (OPEN, True)
    assert (await call(service, duty.id, CallOutcome.NO_ANSWER)).phase is OPEN
    duty = await call(service, duty.id)
    assert (duty.phase, duty.discharged_by) == (DISCHARGED, EvidenceKind.CALLED)
    assert await kinds_logged(service) == ["duty.opened", "duty.call", "duty.call", "duty.discharged"]


async def test_californias_report_in_writing_has_its_own_clock(service: Service) -> None:
    """The call did not end it; a human is told at four fifths of 36 hours and once they passed, each once."""
    (police,) = await enrolled(service, LE, place="US-CA")
    await service.accept(child(jurisdictions=places("US-CA")))
    duty = await call(service, (await toward(service, police)).id)
    assert duty.written_by == START - timedelta(minutes=5) + timedelta(hours=36)
    before = await told(service)
    assert await watch(service, hours=29) == 1
    assert await told(service) == sorted([*before, "duty.written-late"])
    assert await watch(service, hours=7) == 1
    assert await told(service) == sorted([*before, "duty.written-late", "duty.written-overdue"])
    assert await watch(service, days=9) == 0
    assert (await write(service, duty.id)).written_id is not None


async def test_a_report_in_writing_in_time_is_heard_of_no_more(service: Service) -> None:
    """Once it is recorded its clock has ended; the duty itself wants its call all the same."""
    (police,) = await enrolled(service, LE, place="US-CA")
    await service.accept(child(jurisdictions=places("US-CA")))
    duty = await write(service, (await toward(service, police)).id)
    assert duty.phase is OPEN
    await call(service, duty.id)
    before = await told(service)
    assert await watch(service, days=9) == 0
    assert await told(service) == before


async def test_minnesotas_report_in_writing_follows_a_call_by_business_days(service: Service) -> None:
    """An accepted webhook owes none; a call does, and its three business days pass over the weekend."""
    thursday = START + timedelta(days=3)
    service.clock.at = thursday
    (police,) = await enrolled(service, LE, place="US-MN")
    record = child(jurisdictions=places("US-MN"), signaled_at=thursday, received_at=thursday)
    await service.accept(record)
    duty = await toward(service, police)
    assert (duty.needs_call, duty.written_by) == (False, None)
    duty = await call(service, duty.id)
    zone = ZoneInfo("America/Chicago")
    # The clocks go forward on the Sunday between: the same time of day, as Minnesota tells it.
    assert duty.written_by == datetime(2026, 3, 10, 9, 0, tzinfo=zone)
    assert thursday.astimezone(zone) == datetime(2026, 3, 5, 9, 0, tzinfo=zone)


async def test_minnesotas_accepted_report_owes_nothing_in_writing(service: Service) -> None:
    """The control of the above: it was in writing."""
    (police,) = await enrolled(service, LE, place="US-MN")
    await service.accept(child(jurisdictions=places("US-MN")))
    await service.deliver()
    await answer(service, police)
    duty = await toward(service, police)
    assert (duty.phase, duty.written_by) == (DISCHARGED, None)


async def test_an_overdue_duty_is_told_once_and_a_late_answer_still_closes_it(service: Service) -> None:
    """A human hears at four fifths and at the deadline, however often somebody looks; evidence is late, not lost."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    assert await watch(service, minutes=42) == 0
    assert await watch(service, minutes=1) == 1
    assert await told(service) == ["duty.late"]
    assert await watch(service, minutes=12) == 1
    assert await watch(service, hours=1) == 0
    assert await told(service) == ["duty.late", "duty.nobody-left", "duty.overdue"]
    assert (await toward(service, police)).phase is OVERDUE
    await answer(service, police)
    assert (await toward(service, police)).phase is DISCHARGED
    entry = (await entries_of(service) if await service.check_house() else [])[-1]
    assert (entry.kind, entry.body["in_time"]) == ("duty.discharged", False)


async def test_an_agency_that_came_meanwhile_gets_an_open_duty_at_once(service: Service) -> None:
    """The tip was delivered and is history, but for its duty: child protection, once registered, need not wait."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    deadline = (await toward(service, police)).deadline
    (children,) = await enrolled(service, CPS)
    assert await service.revisit() == 1
    assert service.clock.at < deadline
    assert (await toward(service, children)).phase is OPEN
    assert [one.recipient_id for one in await service.deliver()] == [children]
    await answer(service, children)
    assert (await toward(service, police)).discharged_by is EvidenceKind.ELSEWHERE


async def test_an_agency_that_came_meanwhile_gets_an_overdue_duty_at_once(service: Service) -> None:
    """Late is not never: whoever can take it now is decided about now."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    await watch(service, hours=1)
    assert (await toward(service, police)).phase is OVERDUE
    (children,) = await enrolled(service, CPS)
    assert await service.revisit() == 1
    assert [one.recipient_id for one in await service.deliver()] == [children]


async def test_an_agency_that_comes_does_not_reopen_what_has_its_evidence(service: Service) -> None:
    """The control of the above: what was decided, delivered and proved is history."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    await answer(service, police)
    await enrolled(service, CPS)
    assert await service.revisit() == 0


async def test_a_duty_goes_on_to_an_agency_that_came_meanwhile(service: Service) -> None:
    """Nobody decided again before the deadline: past it, child protection is decided about, and the entry says so."""
    await enrolled(service, LE)
    await service.accept(child())
    await service.deliver()
    (children,) = await enrolled(service, CPS)
    assert await watch(service, hours=1) == 1
    assert await service.revisit() == 1
    assert (await toward(service, children)).phase is OPEN
    await service.check_house()
    (moved,) = [entry.body for entry in await entries_of(service) if entry.kind == "duty.moved"]
    assert (moved["cause"], moved["asked"], moved["passed_over"]) == ("overdue", [children], [])


async def test_kentuckys_report_in_writing_is_owed_once_the_agency_asks(service: Service) -> None:
    """Before it asks nobody hears of one; its request starts 48 hours, and a human is told near and after their end."""
    (police,) = await enrolled(service, LE, place="US-KY")
    await service.accept(child(jurisdictions=places("US-KY")))
    await service.deliver()
    await answer(service, police)
    duty = await toward(service, police)
    assert (duty.phase, duty.written_by) == (DISCHARGED, None)
    assert await watch(service, days=9) == 0
    duty = await ask_in_writing(service, duty.id)
    assert duty.written_by == service.clock.at + timedelta(hours=48)
    assert await watch(service, hours=38) == 0
    assert await watch(service, hours=1) == 1
    assert await told(service) == ["duty.written-late"]
    assert await watch(service, hours=9) == 1
    assert await told(service) == ["duty.written-late", "duty.written-overdue"]
    assert (await write(service, duty.id)).written_id is not None
    assert await watch(service, days=9) == 0
    assert await kinds_logged(service) == [
        "duty.opened",
        "duty.discharged",
        "duty.written-requested",
        "duty.overdue",
        "duty.written",
    ]


async def test_a_request_counts_business_days_where_the_law_does(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were Kentucky's two days business days, a request on a Friday would be due on the Tuesday there."""
    protocol = bundle().protocol
    (row,) = protocol.rows["US-KY"]
    assert row.written is not None
    counted = replace(row, written=replace(row.written, within=Span(2, SpanUnit.BUSINESS_DAYS)))
    rows = {**protocol.rows, "US-KY": (counted,)}
    monkeypatch.setattr(
        "tiprouter.workflow.evidence.written_if_asked",
        lambda shares, known, at: written_if_asked(shares, replace(known, rows=rows), at),
    )
    (police,) = await enrolled(service, LE, place="US-KY")
    await service.accept(child(jurisdictions=places("US-KY")))
    service.clock.forward(days=4)
    duty = await ask_in_writing(service, (await toward(service, police)).id)
    zone = protocol.majority("US-KY").zone
    assert service.clock.at.astimezone(zone).strftime("%A") == "Friday"
    assert duty.written_by is not None
    assert duty.written_by.astimezone(zone).strftime("%A") == "Tuesday"


async def test_a_request_where_the_law_gives_no_time_is_kept_without_a_clock(service: Service) -> None:
    """Texas wants nothing in writing: that the agency asked is known, and nobody is told that it is late."""
    (police,) = await enrolled(service, LE)
    await service.accept(child())
    duty = await ask_in_writing(service, (await toward(service, police)).id)
    assert (duty.written_by, duty.written_requested) == (None, None)
    ((kept,),) = await service.rows("select duty_id from duty_requests")
    assert kept == duty.id


async def test_what_was_asked_in_writing_outlives_the_duty_that_it_was_asked_for(service: Service) -> None:
    """The case says of age, and then a child again: the request is still unanswered, and its clock is the old one."""
    (police,) = await enrolled(service, LE, place="US-KY")
    await service.put_case(case(jurisdictions=places("US-KY")), None)
    asked = await ask_in_writing(service, (await toward(service, police)).id)
    await service.put_case(case(years=29, jurisdictions=places("US-KY")), 1)
    await service.put_case(case(jurisdictions=places("US-KY")), 2)
    again = await toward(service, police)
    assert again.id != asked.id
    assert (again.written_by, again.written_requested) == (asked.written_by, asked.written_requested)


async def test_a_human_who_withheld_has_not_answered_the_duty(service: Service) -> None:
    """Whether the law of Guam names its police nobody knows; withholding from them leaves the child's duty open."""
    reviewers = Reviewers(service)
    await enrolled(service, LE, place="US-GU")
    await service.accept(child(jurisdictions=places("US-GU")))
    assert await told(service) == []
    await reviewers.answer(WITHHOLD)
    assert sorted(await reviewers.outcomes()) == ["DUTY_BLOCKED", "WITHHOLD"]
    assert "duty.blocked" in await told(service)
    duty = await toward(service, None)
    assert duty.phase is OPEN
    assert (await call(service, duty.id, instead=(LE, None))).phase is DISCHARGED


async def test_a_human_who_released_something_has_not_answered_the_duty(service: Service) -> None:
    """With consent the police are told what happened; that is no report of a child, and the duty stays open."""
    reviewers = Reviewers(service)
    await enrolled(service, LE, place="US-GU")
    accepted = await service.accept(child(jurisdictions=places("US-GU")))
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, grantor=Grantor.BOTH))
    await reviewers.answer(release(Category.INCIDENT))
    assert sorted(await reviewers.outcomes()) == ["DISCLOSE", "DUTY_BLOCKED"]
    assert "duty.blocked" in await told(service)


async def test_a_human_who_finds_no_duty_has_answered_it(service: Service) -> None:
    """The control of the two above: this answer is about the duty itself."""
    reviewers = Reviewers(service)
    await enrolled(service, LE, place="US-GU")
    await service.accept(child(jurisdictions=places("US-GU")))
    await reviewers.answer(establish(Establishable.DUTY, "not_required"))
    assert await reviewers.outcomes() == ["WITHHOLD"]
    assert await told(service) == []


async def test_a_shelters_review_is_no_answer_for_a_child_of_no_known_place(service: Service) -> None:
    """Where she is nobody knows, and she consented to a shelter: its hold is not about her duty to any authority."""
    shelter = (await service.enrol(agency(RecipientKind.SERVICE_PROVIDER))).recipient.id
    unknown = replace(tip(person(years=None)), jurisdictions=())
    accepted = await service.accept(unknown)
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(RecipientKind.SERVICE_PROVIDER, recipients=(shelter,)))
    rows = await service.rows("select outcome from decisions where current order by outcome")
    assert [row[0] for row in rows] == ["DUTY_BLOCKED", "HOLD_REVIEW"]


async def test_a_withheld_hold_lifts_no_duty(service: Service) -> None:
    """She was a child and reported; now her age is in doubt, and a reviewer withholds: nobody said that she is not."""
    reviewers = Reviewers(service)
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    unknown = replace(case(), persons=(person(years=None, guardians=BLAMELESS),))
    await service.put_case(unknown, 1)
    await reviewers.answer(WITHHOLD)
    assert (await toward(service, police)).phase is OPEN


async def test_an_agency_that_rejects_is_told_to_a_human_and_its_duty_goes_on(service: Service) -> None:
    """A rejection is no evidence; the entry says which duties others have, and nothing is sent twice."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(child())
    await service.deliver()
    await answer(service, police, REJECTED)
    assert (await toward(service, police)).phase is OPEN
    assert await told(service) == ["duty.rejected"]
    await service.check_house()
    (moved,) = [entry.body for entry in await entries_of(service) if entry.kind == "duty.moved"]
    other = (await toward(service, children)).id
    assert (moved["cause"], moved["asked"], moved["open"]) == ("rejected", [], [other])
    assert await service.deliver() == []


async def test_accused_police_get_nothing_and_child_protections_evidence_closes_their_part(service: Service) -> None:
    """The duty toward them is open and barred; it is logged where it went on; nothing was sent to them."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(child(implicated=(Implicated(recipient_id=police),)))
    duty = await toward(service, police)
    assert (duty.phase, duty.barred, duty.blocked) == (OPEN, True, True)
    assert [one.recipient_id for one in await service.deliver()] == [children]
    await answer(service, children)
    duty = await toward(service, police)
    assert (duty.phase, duty.discharged_by) == (DISCHARGED, EvidenceKind.ELSEWHERE)
    await service.check_house()
    (moved,) = [entry.body for entry in await entries_of(service) if entry.kind == "duty.moved"]
    assert (moved["cause"], moved["recipient"]) == ("implicated", police)


async def test_accused_police_are_passed_over_when_a_duty_goes_on(service: Service) -> None:
    """Child protection does not answer; the only other agency is accused: a human is told that nobody is left."""
    police, children = await enrolled(service, LE, CPS)
    await service.accept(child(implicated=(Implicated(recipient_id=police),)))
    await service.deliver()
    await watch(service, hours=1)
    assert "duty.nobody-left" in await told(service)
    await service.check_house()
    moved = [entry.body for entry in await entries_of(service) if entry.kind == "duty.moved"]
    (mine,) = [one for one in moved if one["recipient"] == children]
    assert (mine["asked"], mine["passed_over"]) == ([], [police])
    assert [row[0] for row in await service.rows("select distinct recipient_id from deliveries")] == [children]


async def test_police_who_are_accused_later_have_closed_nothing(service: Service) -> None:
    """They accepted; the next revision accuses them: the duty is owed again, with the clock it had."""
    police, children = await enrolled(service, LE, CPS)
    await service.put_case(case(), None)
    await service.deliver()
    await answer(service, police)
    first = await toward(service, children)
    assert first.discharged_by is EvidenceKind.ELSEWHERE
    service.clock.forward(minutes=30)
    await service.put_case(case(implicated=(Implicated(recipient_id=police),)), 1)
    again = await toward(service, children)
    assert (again.phase, again.deadline) == (OPEN, first.deadline)
    assert again.id != first.id
    assert (await toward(service, police)).barred
    await service.deliver()
    await answer(service, children)
    assert {one.phase for one in await standing(service)} == {DISCHARGED}


async def test_a_record_revised_so_that_the_person_is_of_age_lifts_the_duty(service: Service) -> None:
    """The entry says why, nobody hears of it any more, and a child again owes again without a new clock."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    first = await toward(service, police)
    await service.put_case(case(years=29), 1)
    duty = await toward(service, police)
    assert (duty.phase, duty.cause) == (LIFTED, "record.revised")
    assert await watch(service, hours=9) == 0
    await service.put_case(case(received_at=after(hours=9), signaled_at=after(hours=9)), 2)
    again = await toward(service, police)
    assert (again.phase, again.deadline) == (OPEN, first.deadline)
    assert await kinds_logged(service) == ["duty.opened", "duty.lifted", "duty.opened"]


async def test_a_revision_restarts_no_clock(service: Service) -> None:
    """A later receipt moves nothing; an earlier deadline moves it earlier."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    first = await toward(service, police)
    service.clock.forward(minutes=30)
    await service.put_case(case(received_at=service.clock.at), 1)
    second = await toward(service, police)
    assert (second.id, second.deadline, second.phase) == (first.id, first.deadline, OPEN)
    await service.put_case(case(violence=DANGER), 2)
    assert (await toward(service, police)).deadline == START + timedelta(minutes=10)


async def test_a_duty_that_an_error_holds_back_is_not_lifted(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows that it is owed no longer: its clock runs on, and a human hears when it has passed."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    monkeypatch.setattr("tiprouter.workflow.assess.findings_for", lambda *_: 1 / 0)
    await service.put_case(case(), 1)
    assert await service.rows("select outcome from decisions where current") == [("HOLD_ERROR",)]
    assert (await toward(service, police)).phase is OPEN
    await watch(service, hours=1)
    assert "duty.overdue" in await told(service)


async def test_a_person_whose_age_is_in_doubt_again_keeps_the_duty(service: Service) -> None:
    """Unknown is not no: the decision is a human's now, and the clock runs meanwhile."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    unknown = replace(case(), persons=(person(years=None, guardians=BLAMELESS),))
    await service.put_case(unknown, 1)
    assert await service.rows("select outcome from decisions where current") == [("HOLD_REVIEW",)]
    assert (await toward(service, police)).phase is OPEN


async def test_a_duty_without_a_recipient_is_closed_by_a_call_to_each_part(service: Service) -> None:
    """Police or child protection for the one part, child protection itself for the other: a call to police is half."""
    await service.accept(tip(person(years=12)))
    duty = await toward(service, None)
    assert (duty.phase, duty.needs_call) == (OPEN, True)
    assert (await call(service, duty.id, CallOutcome.NO_ANSWER, instead=(CPS, None))).phase is OPEN
    assert (await call(service, duty.id, instead=(LE, None))).phase is OPEN
    duty = await call(service, duty.id, instead=(CPS, None))
    assert (duty.phase, duty.discharged_by) == (DISCHARGED, EvidenceKind.CALLED)
    await service.check_house()


async def test_an_agency_that_registers_takes_a_duty_without_a_recipient_over(service: Service) -> None:
    """The duty that found nobody is lifted, the agency's is opened with the same clock."""
    await service.accept(child())
    lost = await toward(service, None)
    (police,) = await enrolled(service, LE)
    service.clock.forward(minutes=30)
    await service.revisit()
    assert (await toward(service, None)).phase is LIFTED
    assert (await toward(service, police)).deadline == lost.deadline


async def test_several_places_each_want_their_own_call(service: Service) -> None:
    """Nobody is registered in either state: which one's police was called is said, and closes that one alone."""
    await service.accept(child(jurisdictions=places("US-CA", "US-AZ")))
    duty = await toward(service, None)
    assert {share.place for share in duty.shares} == {"US-CA", "US-AZ"}
    assert (await call(service, duty.id, instead=(LE, "US-CA"))).phase is OPEN
    assert (await call(service, duty.id, instead=(LE, "US-AZ"))).phase is DISCHARGED


async def test_an_agency_that_is_suspended_can_still_be_called(service: Service) -> None:
    """Nothing is sent to it; a person's call to it is evidence as any other."""
    entry = await service.enrol(agency(LE))
    await service.put_case(case(), None)
    suspended = replace(entry.recipient, status=RecipientStatus.SUSPENDED)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    await service.revisit()
    duty = await toward(service, entry.recipient.id)
    assert (duty.phase, duty.blocked, duty.barred) == (OPEN, True, False)
    assert (await call(service, duty.id)).discharged_by is EvidenceKind.CALLED


async def test_an_answer_from_before_the_law_wanted_less_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """California's police accepted and were not called; then the law wants no call any more: it is enough."""
    (police,) = await enrolled(service, LE, place="US-CA")
    await service.put_case(case(jurisdictions=places("US-CA")), None)
    await service.deliver()
    acknowledgement = await answer(service, police)
    assert (await toward(service, police)).phase is OPEN
    monkeypatch.setattr("tiprouter.workflow.owing.wants_call", lambda _: False)
    monkeypatch.setattr("tiprouter.workflow.assess.verdict_of", lambda *args: replace(verdict_of(*args), call=False))
    await service.put_case(case(jurisdictions=places("US-CA")), 1)
    duty = await toward(service, police)
    assert (duty.phase, duty.evidence_id) == (DISCHARGED, acknowledgement)


async def test_a_law_that_wants_a_call_now_owes_it_again(service: Service) -> None:
    """The other way round: what Texas's police accepted is no call to California's; the same agency serves both."""
    police = (await service.enrol(agency(LE, "US-CA", "US-TX"))).recipient.id
    await service.put_case(case(), None)
    await service.deliver()
    await answer(service, police)
    assert (await toward(service, police)).phase is DISCHARGED
    await service.put_case(case(jurisdictions=places("US-CA")), 1)
    duty = await toward(service, police)
    assert (duty.phase, duty.needs_call) == (OPEN, True)
    assert len(await standing(service)) == 2


async def test_a_bundle_that_decides_the_same_leaves_duties_as_they_are(service: Service) -> None:
    """Another bundle, other decisions, the same duty: no new clock, no second duty."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    first = await toward(service, police)
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, bundle("tip-sharing").digest))
    (digest,) = await service.rows("select bundle from decisions where current")
    assert digest[0] == bundle("tip-sharing").digest
    duty = await toward(service, police)
    assert (duty.id, duty.deadline, duty.phase) == (first.id, first.deadline, OPEN)
    assert duty.decision_id != first.decision_id


async def test_two_children_are_two_duties_and_one_answer_is_for_whom_it_told(service: Service) -> None:
    """The second child came with a revision: an answer to the first disclosure alone says nothing of her."""
    (police,) = await enrolled(service, LE)
    await service.put_case(case(), None)
    await service.deliver()
    first = (await service.rows("select id from disclosures"))[0][0]
    both = (person(years=12, guardians=BLAMELESS), person("p2", years=9, guardians=BLAMELESS))
    await service.put_case(replace(case(), persons=both), 1)
    await service.deliver()
    await answer(service, police, ACCEPTED, first)
    assert sorted(one.phase.value for one in await standing(service)) == ["discharged", "open"]
    await answer(service, police)
    assert {one.phase for one in await standing(service)} == {DISCHARGED}
