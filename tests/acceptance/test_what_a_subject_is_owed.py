"""A person asks who was told of them, learns of what they did not ask for, and is forgotten in time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.attacks.test_erased_content import ONE, OTHER, erase_record, erase_subject
from tests.support.fictional import DANGER, SECRET, agency, grant, person, tip
from tests.support.service import OPERATOR, START, Service
from tests.support.thief import everything_readable
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.consent import SafeContact
from tiprouter.domain.record import Contact
from tiprouter.domain.vocabulary import AcknowledgementStatus, CaseStatus, RecipientKind, RecordKind, StatementForm
from tiprouter.errors import InvalidError
from tiprouter.storage import accounting as stored_accounting
from tiprouter.storage import erasure, subject_notices
from tiprouter.storage.accounting import Suspension
from tiprouter.storage.acknowledgements import Words
from tiprouter.workflow import accounting, consenting, erasing, holding, noticing
from tiprouter.workflow.accounting import Account
from tiprouter.workflow.acknowledging import acknowledge
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.noticing import SettledError, Waiting

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
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
    return [
        ("recall" if one.told.recalls else "disclosure", one.recipient.kind.value, one.categories) for one in made.items
    ]


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
    for chore in (noticing.owe_notices, noticing.resume_notices, erasing.erase_aged):
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


async def give(service: Service, notice_id: str, channel: str) -> Waiting:
    """The advocate told her."""
    return await service.database.write(
        lambda tx: noticing.give(tx, service.desk, ADVOCATE, notice_id, channel, "Example note")
    )


async def test_who_was_disclosed_in_an_emergency_is_owed_a_notice(service: Service) -> None:
    """Due once it was delivered and not before, once; by her safe channel and no other; then it is given, once."""
    one = await told_in_danger(service, contact=Contact(phone="+1-555-0100", safe_channel="text", safe_time="mornings"))
    assert (one.notice.state.value, one.contact) == ("due", SafeContact("text", "mornings"))
    assert one.categories == ("incident", "location")
    with pytest.raises(InvalidError, match="channel"):
        await give(service, one.notice.id, "phone")
    done = await give(service, one.notice.id, " Text ")
    assert (done.notice.state.value, done.text) == ("given", " Text \nExample note")
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
    reasons = [row.reason for row in await service.rows("select reason from notices order by id")]
    assert {"subject.notice", "subject.notice-again"} <= set(reasons)
    await give(service, one.notice.id, "phone")


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
    officer, told_of = Actor("cal_agency", "agency", one.notice.recipient_id), one.notice.disclosure_id
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
    service.desk = replace(service.desk, retention=timedelta(days=30))
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
    assert [(entry["cause"], entry["actor"]) for entry in entries] == [("retention", "tiprouter")] * 2


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
    """The test of the tests: with the look for holds left out, the held case is gone in time."""
    monkeypatch.setattr(erasure, "keeps", lambda *_: ())
    with pytest.raises(AssertionError):
        await retention_waits_for_a_hold(service)


async def test_a_notice_that_nobody_owes_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with the deliveries that ended not looked at, nobody is owed a notice."""
    monkeypatch.setattr(subject_notices, "ended", lambda *_: [])
    with pytest.raises(ValueError, match="unpack"):
        await told_in_danger(service)
