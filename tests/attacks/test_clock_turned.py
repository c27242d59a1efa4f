"""Somebody turns clocks: what ended stays ended, deadlines come, and what was kept is not taken for new."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.ageing import AGEING
from tests.support.answering import told
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.service import START, Clock, Service
from tiprouter.domain.retention import Retained
from tiprouter.domain.vocabulary import Outcome, RecipientKind
from tiprouter.receiver.replays import BoundedReplays, Claim
from tiprouter.storage.database import Transaction
from tiprouter.wiring.timekeeping import Timekeeper
from tiprouter.workflow import erasing
from tiprouter.workflow.chores import Chore
from tiprouter.workflow.clock_watch import watch_clock
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.overdue import watch_duties

RETENTION = dict.fromkeys(Retained, timedelta(days=365))
_TOLD_OF_CLOCK = "select id from notices where reason = 'clock.ahead'"
LE = RecipientKind.LAW_ENFORCEMENT


@dataclass
class Machine:
    """A machine whose clock anybody may set, and what has really passed since it was started."""

    clock: Clock
    passed: float = 0

    def wait(self, **span: float) -> None:
        """Let time pass: the clock shows it, whatever it shows."""
        self.clock.forward(**span)
        self.passed += timedelta(**span).total_seconds()

    def set(self, to: datetime) -> None:
        """Turn the clock; no time passes."""
        self.clock.at = to


def kept(service: Service) -> Machine:
    """The service told time as wiring tells it: by a timekeeper, over a clock that is in other hands."""
    machine = Machine(service.clock)
    keeper = Timekeeper(service.clock, lambda: machine.passed)
    service.desk = replace(service.desk, now=keeper, ahead=keeper.ahead, retention=RETENTION)
    service.desk.now()
    return machine


async def she_consented_for_an_hour(service: Service) -> None:
    """An agency, an adult's tip, and her consent that ends in an hour."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    until = START + timedelta(hours=1)
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE, expires_at=until))


async def an_ended_consent_stays_ended(service: Service) -> None:
    """Two hours later the clock is turned back to when she still consented, and another tip about her comes."""
    machine = kept(service)
    await she_consented_for_an_hour(service)
    machine.wait(hours=2)
    assert await service.claim() == []
    machine.set(START + timedelta(minutes=30))
    again = await service.accept(tip(external_id="T-2"))
    assert [one.outcome for one in again.assessed.decisions] == [Outcome.WITHHOLD]
    await service.revisit()
    assert await service.claim() == []
    assert await service.rows("select id from attempts") == []
    await log_agrees_with_rows(service)


async def a_deadline_comes_though_the_clock_is_turned_back(service: Service) -> None:
    """A child's report is owed within the hour; each time it comes near, somebody turns the clock back."""
    machine = kept(service)
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    for _ in range(3):
        machine.wait(minutes=30)
        await service.database.write(lambda tx: watch_duties(tx, service.desk))
        machine.set(START)
    assert "duty.overdue" in await told(service)


async def test_a_clock_turned_back_gives_nobody_a_consent_back(service: Service) -> None:
    """Neither what waited nor what comes is told on a word that has ended."""
    await an_ended_consent_stays_ended(service)


async def test_a_clock_turned_back_loses_no_deadline(service: Service) -> None:
    """Time passes at the pace of a clock that nobody can set, and a human is told."""
    await a_deadline_comes_though_the_clock_is_turned_back(service)


async def test_a_clock_turned_far_ahead_loses_no_deadline_and_sends_nothing(service: Service) -> None:
    """Two days at once: her consent is over for good, and the child's duty is overdue and told."""
    machine = kept(service)
    await she_consented_for_an_hour(service)
    await service.accept(tip(person("p2", years=12, guardians=BLAMELESS), external_id="T-2"))
    machine.set(START + timedelta(days=2))
    await service.revisit()
    await service.database.write(lambda tx: watch_duties(tx, service.desk))
    assert "duty.overdue" in await told(service)
    machine.set(START)
    told_of = {one.envelope.body.body.count(b"Example-p1") for one in await service.claim()}
    assert told_of <= {0}
    await log_agrees_with_rows(service)


async def a_wrong_reading_erases_nothing(service: Service) -> None:
    """A clock stands 400 days ahead for a moment; a year's retention destroys nothing by that, and a human is told."""
    machine = kept(service)
    await service.accept(tip())
    machine.set(START + timedelta(days=400))
    assert service.desk.now() == START + timedelta(days=400)
    machine.set(START)
    machine.wait(seconds=1)
    for _ in range(2):
        for chore in (*AGEING, watch_clock):
            await service.database.write(partial(_done, chore, service.desk))
    assert await service.rows("select owner from data_keys where destroyed_at is not null") == []
    assert len(await service.rows(_TOLD_OF_CLOCK)) == 1


def _done(chore: Chore, desk: Desk, tx: Transaction) -> int:
    return chore(tx, desk)


async def test_a_clock_that_was_wrong_for_a_moment_erases_nothing(service: Service) -> None:
    """What ended stays ended, and what is erased would be gone for good."""
    await a_wrong_reading_erases_nothing(service)


async def test_a_clock_that_is_right_erases_what_is_old_enough(service: Service) -> None:
    """The test of the test: after 400 days that really passed the same tip is erased, and nobody is told of a clock."""
    machine = kept(service)
    await service.accept(tip())
    machine.wait(days=400)
    await service.database.write(partial(_done, erasing.erase_aged, service.desk))
    await service.database.write(partial(_done, watch_clock, service.desk))
    assert await service.rows("select owner from data_keys where destroyed_at is not null") != []
    assert await service.rows(_TOLD_OF_CLOCK) == []


def test_time_never_goes_back_and_is_believed_ahead() -> None:
    """Rules 1 and 2 of the timekeeper, over a day of a clock that is turned to and fro."""
    machine = Machine(Clock())
    keeper = Timekeeper(machine.clock, lambda: machine.passed)
    seen = [keeper()]
    for hours in (-3, 1, -1, 5, -8, 0):
        machine.wait(hours=1)
        machine.set(machine.clock.at + timedelta(hours=hours))
        seen.append(keeper())
        assert seen[-1] - seen[-2] >= timedelta(hours=1)
        assert seen[-1] >= machine.clock.at
    assert keeper.ahead() == seen[-1] - machine.clock.at
    machine.set(seen[-1] + timedelta(hours=1))
    assert keeper() == machine.clock.at
    assert keeper.ahead() == timedelta()


def a_kept_message_comes_again(replays: BoundedReplays) -> Claim:
    """A receiver's full memory, a clock turned an hour ahead and back, and an attempt from before."""
    tolerance = timedelta(minutes=5)
    replays.claim("msg_a", START, START + tolerance, START)
    later = START + timedelta(hours=1)
    replays.claim("msg_b", later, later + tolerance, later)
    return replays.claim("msg_a", START, START + tolerance, START)


def test_a_receivers_clock_turned_ahead_and_back_takes_nothing_twice() -> None:
    """What a full memory had to forget is a replay, not news."""
    assert a_kept_message_comes_again(BoundedReplays(attempts_max=1)) is Claim.REPLAYED


def test_a_memory_that_forgets_what_it_forgot_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: without the moment up to which it forgot, the same attempt is new again."""

    def forget(self: BoundedReplays, now: datetime) -> None:
        for attempt in [attempt for attempt, until in self._attempts.items() if until < now]:
            del self._attempts[attempt]

    monkeypatch.setattr(BoundedReplays, "_forget", forget)
    assert a_kept_message_comes_again(BoundedReplays(attempts_max=2)) is Claim.REPLAYED
    assert a_kept_message_comes_again(BoundedReplays(attempts_max=1)) is not Claim.REPLAYED


@pytest.mark.parametrize("story", [an_ended_consent_stays_ended, a_deadline_comes_though_the_clock_is_turned_back])
async def test_a_machines_own_clock_is_found_out(
    service: Service, story: Callable[[Service], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the machine's clock believed as it is, each story fails."""
    monkeypatch.setattr(Timekeeper, "__call__", lambda self: self.clock())
    with pytest.raises(AssertionError):
        await story(service)
