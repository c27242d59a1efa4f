"""She withdrew, and it was sent all the same: at no point between claiming, sending and withdrawing may that happen."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.attacks.agreement import entries_of
from tests.attacks.interleaving import interleaved
from tests.support.fictional import agency, grant, person, statement, tip
from tests.support.service import INTAKE, Service, room
from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.errors import UnavailableError
from tiprouter.storage import stopwatch
from tiprouter.workflow import consenting, intake
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.dispatch import Ready, claim

LE = RecipientKind.LAW_ENFORCEMENT
Step = Callable[[Service, list[Ready]], Awaitable[None]]


def kind_of(ready: Ready) -> str:
    """What an envelope says it is."""
    said: str = json.loads(ready.envelope.body.body)["type"]
    return said


async def consenting_adult(service: Service, number: int) -> Given:
    """A tip by an adult, and her consent to tell the police; a disclosure waits."""
    accepted = await service.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))
    return await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))


async def attempts_after(service: Service, consent_id: str, moment: int) -> list[Any]:
    """Attempts to disclose, recalls aside, that started after a moment, about the person of a consent."""
    sql = f"""
        select a.started_at from attempts a join deliveries d on d.id = a.delivery_id
        join disclosures s on s.id = d.disclosure_id join record_persons p on p.record_id = d.record_id
        join consents c on c.person_id = p.person_id and c.id = '{consent_id}'
        where s.recalls is null and a.started_at > {moment}
    """  # noqa: S608 - our own ids
    return await service.rows(sql)


def microseconds(service: Service) -> int:
    """The service's moment as the database keeps it."""
    return int(service.clock.at.timestamp() * 1_000_000)


async def _claim(service: Service, flying: list[Ready]) -> None:
    flying += await service.claim()


async def _fail(service: Service, flying: list[Ready]) -> None:
    while flying:
        await service.finish(flying.pop(), AttemptResult.HTTP_ERROR)


async def _succeed(service: Service, flying: list[Ready]) -> None:
    while flying:
        await service.finish(flying.pop())


async def _die(service: Service, flying: list[Ready]) -> None:
    flying.clear()
    service.clock.forward(seconds=30)


STEPS: tuple[Step, ...] = (_claim, _fail, _claim, _die, _claim, _succeed, _claim)


@pytest.mark.parametrize("position", range(len(STEPS) + 1))
async def test_wherever_the_withdrawal_falls_only_a_recall_leaves_afterwards(service: Service, position: int) -> None:
    """A disclosure fails, its worker dies, it is tried again: after each step the withdrawal is the end of it."""
    await service.enrol(agency(LE))
    given = await consenting_adult(service, 1)
    flying: list[Ready] = []
    claimed_after: list[Ready] = []
    for number, step in enumerate((*STEPS, *STEPS)):
        service.clock.forward(minutes=20)
        if number == position:
            await service.withdraw(given.consent.id)
            moment = microseconds(service)
        before = len(flying)
        await step(service, flying)
        if number >= position:
            claimed_after += flying[before:]
    assert await attempts_after(service, given.consent.id, moment) == []
    assert {kind_of(one) for one in claimed_after} <= {"disclosure.recalled"}
    # The very first withdrawal finds nothing that was ever tried, so there is nothing to recall.
    assert bool(claimed_after) is (position > 0)
    await service.check_house()


async def statements_of_a_withdrawal(service: Service, number: int) -> int:
    """How many statements one takes, with a delivery waiting for each agency there is; each has its entry."""
    given = await consenting_adult(service, number)
    asked: list[int] = []
    with stopwatch.listening(lambda: asked.append(1), lambda: None):
        found = await service.withdraw(given.consent.id)
    (waiting,) = await service.rows("select count(*) from recipients")
    assert (found.cancelled, found.in_flight, found.delivered) == (waiting[0], 0, 0)
    assert await service.claim() == []
    await service.check_house()
    mine = [entry for entry in await entries_of(service) if entry.kind == Kind.DISCLOSURE_CANCELLED]
    assert len({entry.body["delivery"] for entry in mine}) == len(mine)
    (cancelled,) = await service.rows("select count(*) from deliveries where state = 'cancelled'")
    assert len(mine) == cancelled[0]
    return len(asked)


async def test_a_withdrawal_from_many_asks_the_database_no_more_often(service: Service) -> None:
    """Two agencies or twenty: everything is cancelled by the same few statements, and each has its own entry."""
    for _ in range(2):
        await service.enrol(agency(LE))
    few = await statements_of_a_withdrawal(service, 1)
    for _ in range(18):
        await service.enrol(agency(LE))
    assert await statements_of_a_withdrawal(service, 2) <= few


async def test_what_went_out_before_a_revision_is_recalled_too(service: Service) -> None:
    """The agency holds the first version, a second one still waits: the withdrawal cancels that and recalls this."""
    await service.enrol(agency(LE))
    first = tip(kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(first, None)
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    (sent,) = await service.deliver()
    changed = tip(kind=RecordKind.CASE, external_id="C-1", statements=(statement("changed"),))
    await service.put_case(changed, 1)
    await service.withdraw(given.consent.id)
    recalls = [json.loads(one.envelope.body.body) for one in await service.deliver()]
    assert [one["type"] for one in recalls] == ["disclosure.recalled"]
    assert recalls[0]["data"]["recalls"] == json.loads(sent.envelope.body.body)["data"]["disclosure_id"]
    await service.check_house()


async def test_what_went_out_before_the_consent_ran_out_is_recalled_too(service: Service) -> None:
    """The consent expired after the disclosure arrived; withdrawing it all the same still tells the agency."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE, expires_at=service.clock.at + timedelta(hours=1)))
    assert len(await service.deliver()) == 1
    service.clock.forward(hours=2)
    await service.put_case(tip(kind=RecordKind.CASE, external_id="C-1"), None)
    await service.withdraw(given.consent.id)
    assert [kind_of(one) for one in await service.deliver()] == ["disclosure.recalled"]
    await service.check_house()


def claiming(service: Service) -> Callable[[Connection], list[Ready]]:
    """The story of a claim."""
    return lambda tx: claim(tx, service.desk, room())


def withdrawing(service: Service, consent_id: str) -> Callable[[Connection], object]:
    """The story of a withdrawal."""
    return lambda tx: consenting.withdraw(tx, service.desk, INTAKE, consent_id, None)


def only_recalls(answer: object) -> bool:
    """Whether a claim's answer is an answer, and holds no disclosure."""
    assert isinstance(answer, list), answer
    return all(kind_of(one) == "disclosure.recalled" for one in answer)


@pytest.mark.parametrize("withdrawal_first", [True, False])
async def test_a_claim_and_a_withdrawal_cut_into_each_other_anywhere(
    two: tuple[Service, Service], *, withdrawal_first: bool
) -> None:
    """On two machines, stopped at every third statement: neither waits in a circle, and nothing leaves late."""
    here, there = two
    await here.enrol(agency(LE))
    more, number = True, 1
    while more:
        given = await consenting_adult(here, number)
        here.clock.forward(seconds=1)
        stories = (here.database, withdrawing(here, given.consent.id)), (there.database, claiming(there))
        first, second = stories if withdrawal_first else stories[::-1]
        one, other, more = await interleaved(number, first, second)
        withdrawn, claimed = (one, other) if withdrawal_first else (other, one)
        assert not isinstance(withdrawn, BaseException), withdrawn
        assert isinstance(claimed, list), claimed
        moment = microseconds(here)
        here.clock.forward(seconds=1)
        if not only_recalls(claimed):
            # It was claimed before the withdrawal committed, so the withdrawal knew: it is in flight.
            assert withdrawn.in_flight == 1
            for ready in claimed:
                await here.finish(ready)
        assert only_recalls(await here.deliver())
        assert await attempts_after(here, given.consent.id, moment) == []
        number += 3
    await here.check_house()


@pytest.mark.parametrize("withdrawal_first", [True, False])
async def test_a_new_record_about_somebody_who_is_just_withdrawing(
    two: tuple[Service, Service], *, withdrawal_first: bool
) -> None:
    """A case that names her comes in while she withdraws: whichever commits first, nothing of it leaves afterwards."""
    here, there = two
    await here.enrol(agency(LE))
    more, number = True, 1
    while more:
        given = await consenting_adult(here, number)
        await here.deliver()
        case = tip(person(f"p{number}"), kind=RecordKind.CASE, external_id=f"C-{number}")
        withdrawal = (here.database, withdrawing(here, given.consent.id))
        coming = (there.database, lambda tx, case=case: intake.put_case(tx, there.desk, INTAKE, case, None))
        first, second = (withdrawal, coming) if withdrawal_first else (coming, withdrawal)
        one, other, more = await interleaved(number, first, second)
        for answer in (one, other):
            assert not isinstance(answer, BaseException), answer
        here.clock.forward(seconds=1)
        moment = microseconds(here)
        here.clock.forward(seconds=1)
        assert only_recalls(await here.deliver())
        assert await attempts_after(here, given.consent.id, moment) == []
        number += 3
    await here.check_house()


async def test_two_withdrawals_of_one_consent_at_once(two: tuple[Service, Service]) -> None:
    """Two people press the button on two machines: one withdraws, the other hears that it was done, nobody a defect."""
    here, there = two
    await here.enrol(agency(LE))
    more, number = True, 1
    while more:
        given = await consenting_adult(here, number)
        stories = [(one.database, withdrawing(one, given.consent.id)) for one in two]
        one, other, more = await interleaved(number, *stories)
        kinds = sorted(type(answer).__name__ for answer in (one, other))
        assert kinds == ["Withdrawal", "WithdrawnError"], (one, other)
        number += 4
    with pytest.raises(consenting.WithdrawnError):
        await there.withdraw(given.consent.id)
    await here.check_house()


async def test_first_consents_of_one_person_at_once(two: tuple[Service, Service]) -> None:
    """Somebody nobody knew consents on two machines at once: both consents stand, about one person."""
    here, there = two
    await here.enrol(agency(LE))
    more, number = True, 1
    while more:
        whose = Whose(source="hotline-example", ref=f"new{number}")

        def giving(service: Service, whose: Whose = whose) -> Callable[[Connection], Given]:
            return lambda tx: consenting.give_consent(tx, service.desk, INTAKE, whose, grant(LE))

        one, other, more = await interleaved(number, (here.database, giving(here)), (there.database, giving(there)))
        if isinstance(other, UnavailableError):
            other = await there.database.write(giving(there))
        assert isinstance(one, Given), one
        assert isinstance(other, Given), other
        assert one.consent.person_id == other.consent.person_id
        number += 2
    await here.check_house()
