"""A person asks who was told of them, learns of what they did not ask for, and is forgotten in time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.attacks.test_erased_content import ONE, OTHER, erase_record, erase_subject
from tests.support.answering import call, toward, write
from tests.support.fictional import BLAMELESS, DANGER, SECRET, agency, grant, person, tip
from tests.support.service import OPERATOR, START, Service
from tests.support.thief import everything_readable
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.consent import SafeContact
from tiprouter.domain.discharge import CallOutcome
from tiprouter.domain.record import Contact, Implicated
from tiprouter.domain.retention import Retained
from tiprouter.domain.vocabulary import AcknowledgementStatus, CaseStatus, RecipientKind, RecordKind, StatementForm
from tiprouter.errors import InvalidError
from tiprouter.storage import accounting as stored_accounting
from tiprouter.storage import ageing, erasure, subject_notices
from tiprouter.storage.accounting import Suspension
from tiprouter.storage.acknowledgements import Words
from tiprouter.workflow import accounting, consenting, erasing, evidence, holding, noticing
from tiprouter.workflow.accounting import Account
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.noticing import Given, SettledError, Waiting

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
CPS = RecipientKind.CHILD_PROTECTION
ADVOCATE = Actor("cal_advocate", "intake")


async def account(service: Service, person_id: str, since: datetime | None = None, *, staff: bool = False) -> Account:
    """The person's copy, or the staff's."""
    return await service.database.write(
        lambda tx: accounting.account(tx, service.desk, ADVOCATE, person_id, since, for_staff=staff)
    )


async def suspend(
    service: Service, person_id: str, recipient_id: str, form: StatementForm, until: datetime
) -> Suspension:
    """The police ask that she is not told."""
    wanted = Suspension("", person_id, recipient_id, form, until, "", START)
    return await service.database.write(
        lambda tx: accounting.suspend(tx, service.desk, OPERATOR, wanted, "Example Officer")
    )


def told(made: Account) -> list[tuple[str, str, tuple[str, ...]]]:
    """What an accounting says: event, agency, categories."""
    return [(one.told.event.value, one.kind.value, one.categories) for one in made.items]


async def disclosed_and_recalled(service: Service) -> tuple[str, str, str]:
    """The shelter was told, the police were told and recalled; nobody else: her id, the police's, the record's."""
    police = (await service.enrol(agency(LE, name="Example Police"))).recipient
    await service.enrol(agency(PROVIDER))
    accepted = await service.accept(tip(person(), person("p2", years=40)))
    her = accepted.stored.persons[0]
    await service.consent(Whose(person_id=her), grant(PROVIDER))
    await service.deliver()
    service.clock.forward(minutes=20)
    now = service.clock.at
    wider = await service.consent(Whose(person_id=her), grant(LE, PROVIDER, given_at=now, valid_from=now))
    service.clock.forward(minutes=10)
    await service.database.write(lambda tx: consenting.confirm(tx, service.desk, ADVOCATE, wider.consent.id, None))
    await service.deliver(AttemptResult.HTTP_ERROR)
    service.clock.forward(minutes=10)
    less = consenting.Narrower(kinds=(PROVIDER,))
    await service.database.write(lambda tx: consenting.narrow(tx, service.desk, ADVOCATE, wider.consent.id, None, less))
    await service.deliver()
    return her, police.id, accepted.stored.id


ALL = "incident", "location", "identity", "contact", "health", "immigration", "signaler_identity"


async def test_a_person_is_told_who_was_told_what_and_why(service: Service) -> None:
    """Each disclosure, the one whose attempt failed too, and each recall; with recipient, purpose, basis and date."""
    her, _, _ = await disclosed_and_recalled(service)
    made = await account(service, her)
    assert [(event, kind) for event, kind, _ in told(made)] == [
        ("disclosure", "service_provider"),
        ("disclosure", "law_enforcement"),
        ("recall", "law_enforcement"),
    ]
    first, failed, _ = made.items
    assert (first.told.at, failed.told.at) == (START, START + timedelta(minutes=30))
    assert failed.recipient is not None
    assert failed.recipient.name == "Example Police"
    assert all(one.basis and all(note.basis and note.cite for note in one.basis) for one in made.items)
    assert told(await account(service, her, START + timedelta(minutes=1))) == told(made)[1:]
    other = (await service.rows("select person_id from record_persons where position = 1"))[0].person_id
    assert told(await account(service, other)) == []
    assert SECRET not in repr(made)
    await service.check_house()
    assert [one.body["count"] for one in await entries_of(service) if one.body.get("what") == "accounting"] == [3, 2, 0]


async def survives(service: Service, her: str, record_id: str) -> None:
    """Erased, her accounting says the same as before, now and almost six years later; then it ends."""
    before = told(await account(service, her))
    assert len(before) == 3
    for one in (ONE, OTHER):
        await erase_subject(service, one, her)
    for one in (ONE, OTHER):
        await erase_record(service, one, record_id)
    assert told(await account(service, her)) == before
    service.clock.forward(days=365 * 6)
    assert told(await account(service, her)) == before
    service.clock.forward(days=2, hours=1)
    assert told(await account(service, her)) == []
    await service.check_house()


async def test_the_accounting_survives_erasure_for_six_years(service: Service) -> None:
    """Of the person, and of the record that was left of it."""
    her, _, record_id = await disclosed_and_recalled(service)
    await survives(service, her, record_id)


async def reported_by_word(service: Service) -> tuple[str, str, str]:
    """A child whom no agency here may be told of: child protection was called, and written to; her id, both evidences'.

    A call that nobody answered came before, and somebody else stands in the same tip.
    """
    accepted = await service.accept(tip(person(years=12, guardians=BLAMELESS), person("p2", years=40)))
    duty = await toward(service, None)
    await call(service, duty.id, CallOutcome.NO_ANSWER, instead=(CPS, "US-TX"))
    service.clock.forward(minutes=10)
    await call(service, duty.id, instead=(CPS, "US-TX"))
    service.clock.forward(hours=1)
    await write(service, duty.id)
    made = await service.rows("select id from duty_calls where outcome = 'reached' union select id from duty_letters")
    return accepted.stored.persons[0], *sorted(row.id for row in made)


async def spoken_of(service: Service) -> None:
    """The call and the letter, by kind and place where nobody is registered; for six years, and through erasure."""
    her, called, letter = await reported_by_word(service)
    made = await account(service, her)
    assert told(made) == [("call", "child_protection", ()), ("letter", "child_protection", ())]
    assert [one.told.id for one in made.items] == [called, letter]
    assert [(one.recipient, one.told.place) for one in made.items] == [(None, "US-TX")] * 2
    assert [one.told.at for one in made.items] == [START + timedelta(minutes=10), START + timedelta(minutes=70)]
    assert all("Texas" in " ".join(note.basis for note in one.basis) for one in made.items)
    assert told(await account(service, her, START + timedelta(minutes=11))) == told(made)[1:]
    other = (await service.rows("select person_id from record_persons where position = 1"))[0].person_id
    assert told(await account(service, other)) == []
    for one in (ONE, OTHER):
        await erase_subject(service, one, her)
    assert told(await account(service, her)) == told(made)
    service.clock.at = START + accounting.SIX_YEARS + timedelta(minutes=11)
    assert told(await account(service, her)) == told(made)[1:]
    service.clock.forward(hours=1)
    assert told(await account(service, her)) == []
    await service.check_house()


async def test_a_report_by_call_or_letter_is_in_the_accounting(service: Service) -> None:
    """45 CFR 164.528 knows no difference between a webhook and a telephone: what was said was disclosed."""
    await spoken_of(service)


async def test_a_call_and_a_letter_to_an_agency_name_it_and_are_suspended_with_it(service: Service) -> None:
    """A call to the police is the police's in her copy; suspended, it leaves no trace there, and the staff see it."""
    police = (await service.enrol(agency(LE, name="Example Police"))).recipient
    accepted = await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    her, duty = accepted.stored.persons[0], await toward(service, police.id)
    await call(service, duty.id)
    await write(service, duty.id)
    made = await account(service, her)
    assert [(event, kind) for event, kind, _ in told(made)] == [("call", LE.value), ("letter", LE.value)]
    assert {one.recipient.name for one in made.items if one.recipient} == {"Example Police"}
    assert all("identity" in one.categories for one in made.items)
    await suspend(service, her, police.id, StatementForm.WRITTEN, service.clock.at + timedelta(days=1))
    assert told(await account(service, her)) == []
    assert told(await account(service, her, staff=True)) == told(made)


async def test_a_letter_to_an_agency_that_is_accused_later_stays_its_letter(service: Service) -> None:
    """What it was told it was told: an accusation afterwards does not take the agency out of her accounting."""
    police = (await service.enrol(agency(LE, name="Example Police"))).recipient
    case = tip(person(years=12, guardians=BLAMELESS), kind=RecordKind.CASE, status=CaseStatus.ACTIVE)
    accepted = await service.put_case(case, None)
    duty = await toward(service, police.id)
    await write(service, duty.id)
    await service.put_case(replace(case, implicated=(Implicated(recipient_id=police.id),)), 1)
    assert (await toward(service, police.id)).barred
    (letter,) = (await account(service, accepted.stored.persons[0])).items
    assert letter.recipient is not None
    assert letter.recipient.id == police.id


async def test_an_accounting_without_calls_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: read off deliveries alone, a child reported by telephone alone was told of to nobody."""
    monkeypatch.setattr(stored_accounting, "spoken", lambda *_: [])
    with pytest.raises(AssertionError):
        await spoken_of(service)


async def left_out(service: Service) -> None:
    """The police are left out of her copy until the date, without a trace; the staff's copy has them, with the date."""
    her, police, _ = await disclosed_and_recalled(service)
    until = service.clock.at + timedelta(days=30)
    everything = told(await account(service, her))
    await suspend(service, her, police, StatementForm.ORAL, until)
    made = await account(service, her)
    assert {kind for _, kind, _ in told(made)} == {"service_provider"}
    assert all(one.suspended_until is None for one in made.items)
    staff = await account(service, her, staff=True)
    assert told(staff) == everything
    assert {one.suspended_until for one in staff.items} == {None, until}
    service.clock.at = until
    assert told(await account(service, her)) == everything


async def test_law_enforcement_may_be_left_out_until_a_date(service: Service) -> None:
    """45 CFR 164.528(a)(2): her copy has a gap that nobody sees, and the gap ends."""
    await left_out(service)
    assert b"Example Officer" in await everything_readable(service)
    assert await service.rows("select id from suspensions where cast(sealed as varchar) like '%Example Officer%'") == []


@pytest.mark.parametrize(
    ("kind", "form", "days", "pointer"),
    [
        (PROVIDER, StatementForm.WRITTEN, 1, "/recipient"),
        (LE, StatementForm.ORAL, 31, "/until"),
        (LE, StatementForm.WRITTEN, 0, "/until"),
    ],
)
async def test_a_suspension_is_no_wider_than_the_rule(
    service: Service, kind: RecipientKind, form: StatementForm, days: int, pointer: str
) -> None:
    """Only such agencies may ask, orally for 30 days at most, and never for the past."""
    recipient = (await service.enrol(agency(kind))).recipient
    accepted = await service.accept(tip())
    with pytest.raises(InvalidError) as caught:
        await suspend(service, accepted.stored.persons[0], recipient.id, form, START + timedelta(days=days))
    assert caught.value.pointer == pointer


async def chores(service: Service) -> None:
    """What the workers do about subjects."""
    for chore in (noticing.owe_notices, noticing.resume_notices, noticing.remind, erasing.erase_aged):
        while await service.database.write(lambda tx, chore=chore: chore(tx, service.desk)):  # type: ignore[misc] # a default is no argument
            pass


async def told_in_danger(service: Service, **changes: Any) -> Waiting:  # noqa: ANN401 - fields of a person
    """The police were told without her asking, because of imminent danger: the notice that we owe her."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(**changes), violence=DANGER))
    assert await waiting(service) == []
    await service.deliver()
    await chores(service)
    (one,) = await waiting(service)
    return one


async def waiting(service: Service) -> list[Waiting]:
    """The notices there are."""
    found, _ = await service.database.write(
        lambda tx: noticing.list_notices(tx, service.desk, ADVOCATE, None, None, 10)
    )
    return list(found)


async def give(
    service: Service, notice_id: str, channel: str, at: datetime | None = None, *, safe: bool = True
) -> Waiting:
    """The advocate told her, just now or then."""
    given = Given(channel, at or service.clock.at, time_was_safe=safe, note="Example note")
    return await service.database.write(lambda tx: noticing.give(tx, service.desk, ADVOCATE, notice_id, given))


async def test_who_was_disclosed_in_an_emergency_is_owed_a_notice(service: Service) -> None:
    """Due once it was delivered and not before, once; by her safe channel and no other; then it is given, once."""
    one = await told_in_danger(service, contact=Contact(phone="+1-555-0100", safe_channel="text", safe_time="mornings"))
    assert (one.notice.state.value, one.contact) == ("due", SafeContact("text", "mornings"))
    assert one.categories == ("incident", "location")
    with pytest.raises(InvalidError, match="channel"):
        await give(service, one.notice.id, "phone")
    service.clock.forward(hours=20)
    done = await give(service, one.notice.id, " Text ", service.clock.at - timedelta(hours=1))
    assert (done.notice.state.value, done.text) == ("given", " Text \nExample note")
    assert done.notice.given_at == service.clock.at - timedelta(hours=1)
    with pytest.raises(SettledError):
        await give(service, one.notice.id, "text")
    await chores(service)
    assert len(await waiting(service)) == 1
    await service.check_house()
    states = [entry.body["state"] for entry in await entries_of(service) if entry.kind.value == "subject.notice"]
    assert states == ["due", "given"]


async def test_unsafe_now_defers_the_notice_until_a_date(service: Service) -> None:
    """With a reason that only the database's key opens; then it is due again and somebody is told."""
    one = await told_in_danger(service)
    until = service.clock.at + timedelta(days=3)
    deferred = await service.database.write(
        lambda tx: noticing.defer(tx, service.desk, ADVOCATE, one.notice.id, f"He reads her phone {SECRET}", until)
    )
    assert (deferred.notice.state.value, deferred.notice.until) == ("deferred", until)
    service.clock.at = until - timedelta(seconds=1)
    await chores(service)
    assert [each.notice.state.value for each in await waiting(service)] == ["deferred"]
    service.clock.at = until
    await chores(service)
    (again,) = await waiting(service)
    assert (again.notice.state.value, again.text) == ("due", f"He reads her phone {SECRET}")
    assert await subject_reasons(service) == ["subject.notice", "subject.notice-again"]
    later = service.clock.at + timedelta(days=30)
    await service.database.write(
        lambda tx: noticing.defer(tx, service.desk, ADVOCATE, one.notice.id, "He is at home", later)
    )
    service.clock.at = later
    await chores(service)
    assert await subject_reasons(service) == ["subject.notice", "subject.notice-again", "subject.notice-again"]
    await give(service, one.notice.id, "phone")


async def subject_reasons(service: Service) -> list[str]:
    """Why somebody was told of notices to persons, first to last."""
    rows = await service.rows("select reason from notices where reason like 'subject.%' order by raised_at, id")
    return [row.reason for row in rows]


async def time_is_safe(service: Service) -> None:
    """She named mornings: who tells her says that it was then, and when it was; neither the future nor the past."""
    one = await told_in_danger(service, contact=Contact(phone="+1-555-0100", safe_channel="text", safe_time="mornings"))
    for at, safe, pointer in (
        (service.clock.at, False, "/time_was_safe"),
        (service.clock.at + timedelta(seconds=1), True, "/at"),
        (one.notice.disclosed_at - timedelta(seconds=1), True, "/at"),
    ):
        with pytest.raises(InvalidError) as refused:
            await give(service, one.notice.id, "text", at, safe=safe)
        assert refused.value.pointer == pointer
    assert [each.notice.state.value for each in await waiting(service)] == ["due"]
    await give(service, one.notice.id, "text")


async def test_a_notice_is_not_given_outside_the_time_that_the_person_called_safe(service: Service) -> None:
    """Whoever reads her phone in the evening would read it: the time is asked for as the channel is."""
    await time_is_safe(service)


async def test_who_named_no_safe_time_is_told_at_any(service: Service) -> None:
    """The control: nobody is asked for a word about a time that nobody named."""
    one = await told_in_danger(service)
    done = await give(service, one.notice.id, "phone", safe=False)
    assert done.notice.state.value == "given"


async def neglected(service: Service) -> None:
    """A due notice that nobody gives is told of every three days; deferred, it is quiet; given, it is over."""
    one = await told_in_danger(service)
    for days in (3, 3, 3):
        service.clock.forward(days=days, seconds=-1)
        await chores(service)
        late = (await subject_reasons(service)).count("subject.notice-late")
        service.clock.forward(seconds=1)
        await chores(service)
        assert (await subject_reasons(service)).count("subject.notice-late") == late + 1
    until = service.clock.at + timedelta(days=30)
    await service.database.write(
        lambda tx: noticing.defer(tx, service.desk, ADVOCATE, one.notice.id, "Unsafe now", until)
    )
    service.clock.at = until - timedelta(seconds=1)
    await chores(service)
    assert (await subject_reasons(service)).count("subject.notice-late") == 3
    service.clock.at = until + timedelta(days=3)
    await chores(service)
    service.clock.forward(days=3)
    await chores(service)
    assert (await subject_reasons(service)).count("subject.notice-late") == 4
    await give(service, one.notice.id, "phone")
    service.clock.forward(days=30)
    await chores(service)
    assert (await subject_reasons(service)).count("subject.notice-late") == 4
    await service.check_house()


async def test_a_person_whom_nobody_tells_is_not_forgotten(service: Service) -> None:
    """One page on a busy night is not the end of it."""
    await neglected(service)


async def owed_for_word(service: Service) -> None:
    """A child reported by telephone alone is owed a notice of the call, once, as of what is sent."""
    her, called, _ = await reported_by_word(service)
    (one,) = await waiting(service)
    assert (one.notice.person_id, one.notice.state.value, one.notice.rule.value) == (her, "due", "when_safe")
    assert (one.notice.evidence_id, one.notice.disclosure_id, one.notice.recipient_id) == (called, None, None)
    assert (one.kind, one.place, one.notice.disclosed_at) == (CPS, "US-TX", START + timedelta(minutes=10))
    assert await subject_reasons(service) == ["subject.notice"]
    await give(service, one.notice.id, "phone")
    await service.check_house()


async def test_who_was_reported_by_telephone_alone_is_owed_a_notice(service: Service) -> None:
    """The letter that follows to the same agency adds none while it waits; a call that nobody answered never did."""
    await owed_for_word(service)


async def test_a_call_beside_a_delivery_owes_one_notice(service: Service) -> None:
    """The police were sent it and called: one notice about one record and agency waits, whichever came first."""
    police = (await service.enrol(agency(LE))).recipient
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    await call(service, (await toward(service, police.id)).id)
    (one,) = await waiting(service)
    assert (one.notice.recipient_id, one.kind) == (police.id, None)
    assert "identity" in one.categories
    await service.deliver()
    await chores(service)
    assert len(await waiting(service)) == 1


async def test_nobody_is_owed_a_notice_of_what_they_consented_to(service: Service) -> None:
    """She asked for it, so she knows."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    await service.deliver()
    await chores(service)
    assert await waiting(service) == []


async def test_who_was_erased_is_told_nothing(service: Service) -> None:
    """The notice is moot; a consent's safe contact goes with her."""
    one = await told_in_danger(service)
    officer, told_of = Actor("cal_agency", "agency", one.notice.recipient_id), one.notice.disclosure_id or ""
    await service.database.write(
        lambda tx: acknowledge(tx, service.desk, officer, told_of, AcknowledgementStatus.ACCEPTED, Words())
    )
    await erase_subject(service, ONE, one.notice.person_id)
    await erase_subject(service, OTHER, one.notice.person_id)
    (left,) = await waiting(service)
    assert (left.notice.state.value, left.text, left.contact) == ("moot", None, None)
    with pytest.raises(SettledError):
        await give(service, one.notice.id, "phone")


async def aged(service: Service, days: int) -> list[str]:
    """The outside ids of what is not erased, after so many days of a retention of thirty."""
    service.clock.at = START + timedelta(days=days)
    service.desk = replace(service.desk, retention=dict.fromkeys((Retained.TIP, Retained.CASE), timedelta(days=30)))
    await chores(service)
    rows = await service.rows("select kind from records where erased_at is null order by kind")
    return [row.kind for row in rows]


async def a_closed_and_an_open_case(service: Service) -> list[str]:
    """Two cases, one of them closed, and a tip that nobody waits for; their ids."""
    await service.enrol(agency(LE))
    made = [
        await service.put_case(
            tip(person(f"p{number}"), kind=RecordKind.CASE, external_id=f"C-{number}", status=status), None
        )
        for number, status in enumerate((CaseStatus.CLOSED, CaseStatus.ACTIVE))
    ]
    made.append(await service.accept(tip(person("p7"))))
    return [one.stored.id for one in made]


async def test_what_is_closed_is_erased_in_time_and_what_is_open_is_not(service: Service) -> None:
    """Not a day before; the open case stays for ever; nothing is erased by a service that was not set to."""
    await a_closed_and_an_open_case(service)
    await chores(service)
    assert await aged(service, 29) == ["case", "case", "tip"]
    assert await aged(service, 30) == ["case"]
    assert await aged(service, 300) == ["case"]
    await service.check_house()
    entries = [entry.body for entry in await entries_of(service) if entry.kind.value == "record.erased"]
    causes = ["retention.tip", "retention.case"]
    assert [(entry["cause"], entry["actor"]) for entry in entries] == [(cause, "tiprouter") for cause in causes]


async def retention_waits_for_a_hold(service: Service) -> None:
    """Held before its time, the closed case outlives it; released, it goes within a day."""
    closed, _, _ = await a_closed_and_an_open_case(service)
    placed = await service.database.write(lambda tx: holding.hold(tx, service.desk, ONE, closed, "Example litigation"))
    assert await aged(service, 30) == ["case", "case"]
    assert await aged(service, 300) == ["case", "case"]
    await service.database.write(lambda tx: holding.release(tx, service.desk, OTHER, closed, placed.id))
    assert await aged(service, 301) == ["case"]


async def test_retention_never_erases_what_is_held(service: Service) -> None:
    """Nobody has to remember the hold when the day comes."""
    await retention_waits_for_a_hold(service)


async def test_an_accounting_lost_by_erasure_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: were decisions erased with the rest, she would be told that nobody was told."""
    whole = erasure.whole

    def more(tx: Any, vault: Any, record_id: str, now: datetime) -> None:  # noqa: ANN401 - as the real one
        whole(tx, vault, record_id, now)
        tx.exec_driver_sql("update disclosures set decisions = '[]'")

    her, _, record_id = await disclosed_and_recalled(service)
    monkeypatch.setattr(erasure, "whole", more)
    with pytest.raises(AssertionError):
        await survives(service, her, record_id)


async def test_a_suspension_that_is_not_looked_at_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with suspensions not asked for, her copy has no gap and the story above fails."""
    monkeypatch.setattr(stored_accounting, "suspended", lambda *_: {})
    with pytest.raises(AssertionError):
        await left_out(service)


async def test_retention_past_a_hold_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with both looks for holds left out, the held case is gone in time."""
    monkeypatch.setattr(erasure, "keeps", lambda *_: ())
    monkeypatch.setattr(ageing, "held", lambda *_: False)
    with pytest.raises(AssertionError):
        await retention_waits_for_a_hold(service)


async def test_a_call_that_owes_nothing_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with what is told by word not looked at, the child is owed nothing."""
    monkeypatch.setattr(evidence, "owe_for_word", lambda *_: None)
    with pytest.raises(ValueError, match="unpack"):
        await owed_for_word(service)


async def test_a_time_that_nobody_asks_for_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with what she called safe not compared, the notice is given in the evening."""
    monkeypatch.setattr(noticing, "_refuse_unsafe", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        await time_is_safe(service)


async def test_a_notice_without_a_clock_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: told of once and never again, nobody comes back to it."""
    monkeypatch.setattr(subject_notices, "neglected", lambda *_: [])
    with pytest.raises(AssertionError):
        await neglected(service)


async def test_a_notice_that_nobody_owes_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the deliveries that ended not looked at, nobody is owed a notice."""
    monkeypatch.setattr(subject_notices, "ended", lambda *_: [])
    with pytest.raises(ValueError, match="unpack"):
        await told_in_danger(service)
