"""An agency's endpoint is dead, gone, or slow: nobody else pays for it, nothing is lost, and a human is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.support.endpoints import change_by_two
from tests.support.fictional import DANGER, agency, person, tip
from tests.support.service import START, Clock, Service, open_service, room
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain import breaker as breakers
from tiprouter.domain.breaker import TRIP_AFTER
from tiprouter.domain.lanes import Lane, Places, Room
from tiprouter.domain.pace import Pace
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import deliveries as stored
from tiprouter.storage import lanes, lines
from tiprouter.workflow import dispatch
from tiprouter.workflow.dispatch import Ready, claim, finish_all
from tiprouter.workflow.happening import Happening
from tiprouter.workflow.inbox import end_overdue

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
FAILED, GONE = AttemptResult.HTTP_ERROR, AttemptResult.GONE
ARRIVED = Attempted(AttemptResult.SUCCESS, 200, None, 5, "203.0.113.9", b"ok")


async def children(service: Service, count: int, first: int = 0) -> None:
    """So many tips about children: each is one disclosure to every police and child protection agency."""
    for number in range(first, first + count):
        await service.accept(tip(person(f"c{number}", years=12), external_id=f"C-{number}"))


async def said(service: Service, kind: str, name: str) -> list[Any]:
    """A field of every entry of a kind."""
    await service.sequencer.drain()
    return [entry.body[name] for entry in await entries_of(service) if entry.kind == kind]


async def one(service: Service, sql: str) -> Any:  # noqa: ANN401 - the database's own
    """The one value of a query."""
    return (await service.rows(sql))[0][0]


async def shut(service: Service) -> Recipient:
    """One agency whose breaker is open, with two deliveries that were never tried."""
    enrolled = await service.enrol(agency(LE))
    await children(service, TRIP_AFTER)
    assert len(await service.deliver(FAILED)) == TRIP_AFTER
    assert await one(service, "select state from lines") == "open"
    await children(service, 2, TRIP_AFTER)
    return enrolled.recipient


async def waiting_costs_nothing(service: Service) -> None:
    """While the breaker is open nothing standard is tried, no attempt is used up, and a human knows."""
    assert await service.claim() == []
    assert await one(service, "select count(*) from attempts") == TRIP_AFTER
    assert await one(service, "select count(*) from notices where reason = 'endpoint.failing'") == 1
    assert await said(service, "breaker.opened", "failures") == [TRIP_AFTER]


async def test_five_failures_in_a_row_shut_the_line_and_what_is_new_waits(service: Service) -> None:
    """Nothing is burnt; then one probe goes, one never tried, and its success lets everything go."""
    await shut(service)
    await waiting_costs_nothing(service)
    service.clock.forward(seconds=13)
    (probe,) = await service.claim()
    assert probe.attempt.number == 1
    assert await service.claim() == []
    assert await service.finish(probe) == "delivered"
    assert await one(service, "select state from lines") == "closed"
    assert await service.tend() > 0
    service.clock.forward(minutes=1)
    assert len(await service.deliver()) == TRIP_AFTER + 1
    assert await one(service, "select count(*) from deliveries where state <> 'delivered'") == 0
    assert await one(service, "select count(*) from notices where reason = 'endpoint.recovered'") == 1
    await service.check_house()


async def test_a_probe_that_fails_waits_longer_and_danger_waits_for_nobody(service: Service) -> None:
    """The pause doubles; imminent danger goes at once all the same, and its success opens the way."""
    await shut(service)
    service.clock.forward(seconds=13)
    (probe,) = await service.deliver(FAILED)
    service.clock.forward(seconds=13)
    assert await service.claim() == []
    await service.accept(tip(violence=DANGER))
    (danger,) = await service.deliver()
    assert danger.delivery_id != probe.delivery_id
    assert await one(service, "select state from lines") == "closed"
    await service.check_house()


async def test_a_probe_whose_worker_died_is_made_again_within_the_lease(service: Service) -> None:
    """Nothing stays half open: six seconds later the same delivery goes, or another."""
    await shut(service)
    service.clock.forward(seconds=13)
    (lost,) = await service.claim()
    service.clock.forward(seconds=6)
    (again,) = await service.claim()
    assert again.lease != lost.lease
    await service.finish(lost, GONE)
    assert await one(service, "select state from lines") == "probing"
    await service.finish(again)
    assert await one(service, "select state from lines") == "closed"


async def test_an_open_line_does_not_stop_a_deadline(service: Service) -> None:
    """What waits for a line warns and ends as it would have: a human is told of each."""
    await shut(service)
    await service.claim()
    service.clock.forward(hours=25)
    await service.claim()
    for _ in range(3):
        await service.database.write(lambda tx: end_overdue(tx, service.desk))
    told = {row[0] for row in await service.rows("select reason from notices")}
    assert {"delivery.late", "delivery.exhausted", "endpoint.failing"} <= told
    assert await one(service, "select count(*) from deliveries where state <> 'exhausted'") == 0
    await service.check_house()


async def test_an_endpoint_that_is_gone_gets_nothing_more_and_its_duties_go_on_at_once(service: Service) -> None:
    """410: danger is not sent either, a human is told, the duties move on before any deadline; a new entry ends it."""
    police = (await service.enrol(agency(LE))).recipient
    await children(service, 2)
    first, second = await service.claim()
    await service.finish(first, GONE)
    await service.finish(second, FAILED)
    await service.accept(tip(violence=DANGER))
    service.clock.forward(minutes=1)
    await service.tend()
    assert await service.claim() == []
    await service.tend()
    assert sorted(await said(service, "duty.moved", "cause")) == ["refused", "unreachable", "unreachable"]
    told = [row[0] for row in await service.rows("select reason from notices order by reason")]
    assert told.count("endpoint.gone") == 1
    assert told.count("delivery.refused") == 1
    moved_house = replace(police, url="https://new.example/hook")
    await service.database.write(lambda tx: change_by_two(tx, service.desk, moved_house, 1))
    await service.tend()
    again = await service.deliver()
    assert {ready.envelope.url for ready in again} == {"https://new.example/hook"}
    assert len(again) == 2
    await service.check_house()


async def exhausted_goes_on(service: Service) -> None:
    """A report that was refused lets its duty go on to the agency that has none yet, within a second."""
    await service.enrol(agency(LE))
    await children(service, 1)
    await service.deliver(GONE)
    await service.tend()
    assert await said(service, "duty.moved", "cause") == ["refused"]
    assert await one(service, "select count(*) from deliveries where pass_on") == 0


async def test_what_is_refused_passes_its_duty_on_once(service: Service) -> None:
    """And the chore does not do it again."""
    await exhausted_goes_on(service)
    assert await service.tend() == 0


async def three_finish_together(service: Service) -> list[Any]:
    """Three attempts end at once, and the second one's answer cannot be written."""
    await service.enrol(agency(LE))
    await children(service, 3)
    ready = await service.claim()

    def story(tx: Any) -> list[Any]:  # noqa: ANN401 - a transaction
        strange: Any = Strange()
        return finish_all(tx, service.desk, [(ready[0], ARRIVED), (ready[1], strange), (ready[2], ARRIVED)])

    return await service.database.write(story)


class Strange:
    """An answer without a result."""

    snippet = b""
    duration_ms = 1
    status = None

    @property
    def result(self) -> AttemptResult:
        """There is none."""
        raise ValueError("no result")


async def test_one_answer_that_cannot_be_written_does_not_undo_the_others(service: Service) -> None:
    """Two are delivered, the third keeps its lease and is made again when that runs out."""
    states = await three_finish_together(service)
    assert [str(state) for state in states] == ["delivered", "no result", "delivered"]
    assert sorted(row[0] for row in await service.rows("select state from deliveries")) == [
        "claimed",
        "delivered",
        "delivered",
    ]
    await service.check_house()


async def test_a_worker_that_lost_its_lease_neither_finishes_nor_renews(service: Service) -> None:
    """Its token is an old one: the delivery, its lease and the breaker are the new holder's."""
    await service.enrol(agency(LE))
    await children(service, 1)
    (lost,) = await service.claim()
    service.clock.forward(seconds=6)
    (again,) = await service.claim()
    await late_answer_changes_nothing(service, lost, again)


async def late_answer_changes_nothing(service: Service, lost: Ready, again: Ready) -> None:
    """The late one says the endpoint is gone."""
    before = await service.rows("select lease, lease_until from deliveries")
    until = service.clock.at + timedelta(hours=1)
    await service.database.write(lambda tx: stored.renew(tx, [lost.lease], until))
    assert await service.finish(lost, GONE) == "claimed"
    assert await service.rows("select lease, lease_until from deliveries") == before
    assert await one(service, "select state from lines") == "closed"
    assert await service.finish(again) == "delivered"


async def paced(service: Service, other: Service) -> int:
    """How many attempts two processes begin in one moment, at ten a minute."""
    await service.enrol(agency(LE))
    await children(service, 6)
    begun = 0
    for each in (service, other):
        desk = replace(each.desk, pace=Pace(10))
        begun += len(await each.database.write(lambda tx, desk=desk: claim(tx, desk, room())))  # type: ignore[misc]  # bound now
    return begun


async def test_the_pace_is_one_for_all_processes(two: tuple[Service, Service]) -> None:
    """One at once, whoever asks; six seconds later the next."""
    assert await paced(*two) == 1


async def first_attempts_have_their_places(service: Service) -> int:
    """How many first attempts go while retries crowd: eight places, of which two are kept for first attempts."""
    for number in range(12):
        await service.enrol(agency(LE, name=f"Example {number}"))
    await children(service, 1)
    await service.deliver(FAILED)
    service.clock.forward(minutes=1)
    places = Places(8, {Lane.FIRST: 2})
    held = await service.database.write(lambda tx: claim(tx, service.desk, Room(places, 8)))
    await children(service, 1, 50)
    busy = {(ready.recipient_id, Lane.RETRY): 1 for ready in held}
    new = await service.database.write(lambda tx: claim(tx, service.desk, Room(places, 8, busy)))
    return sum(ready.attempt.number == 1 for ready in new)


async def test_retries_leave_the_places_of_first_attempts_alone(service: Service) -> None:
    """Twelve retries are due before it: a first attempt goes at once."""
    assert await first_attempts_have_their_places(service) == 2


@contextmanager
def _unforgiving(_: object) -> Iterator[None]:
    """A part that fails takes the whole story with it."""
    try:
        yield
    except Exception as error:
        raise SystemError("everything is undone") from error


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "stale worker finishes": lambda patch: patch.setattr(dispatch, "_finish", _finishes_without_the_token),
    "retry takes a first attempt's place": lambda patch: patch.setattr(Places, "room", _any_place),
    "breaker forgets a delivery": lambda patch: patch.setattr(lanes, "release", lambda *_: 0),
    "breaker never opens": lambda patch: patch.setattr(breakers, "TRIP_AFTER", 1_000),
    "one answer undoes the others": lambda patch: patch.setattr(Happening, "forgiving", _unforgiving),
    "refused and nobody is next": lambda patch: patch.setattr(lanes, "stranded", lambda *_: []),
}
FINDS: dict[str, Callable[[Service], Any]] = {
    "stale worker finishes": test_a_worker_that_lost_its_lease_neither_finishes_nor_renews,
    "retry takes a first attempt's place": test_retries_leave_the_places_of_first_attempts_alone,
    "breaker forgets a delivery": test_five_failures_in_a_row_shut_the_line_and_what_is_new_waits,
    "breaker never opens": test_five_failures_in_a_row_shut_the_line_and_what_is_new_waits,
    "one answer undoes the others": test_one_answer_that_cannot_be_written_does_not_undo_the_others,
    "refused and nobody is next": test_what_is_refused_passes_its_duty_on_once,
}

_honest_finish = dispatch._finish  # noqa: SLF001 - the fault is planted in it


def _finishes_without_the_token(it: Any, delivery: Any, ready: Any, attempted: Any) -> Any:  # noqa: ANN401 - as the story's own
    return _honest_finish(it, replace(delivery, lease=ready.lease), ready, attempted)


def _any_place(self: Places, _lane: Lane, held: Any) -> int:  # noqa: ANN401 - a mapping
    free: int = self.total - sum(held.values())
    return max(free, 0)


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_planted_fault_is_found(fault: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - a path
    """The tests of the tests: with the fault in, the story that is about it fails."""
    PLANTED[fault](monkeypatch)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path, Clock(START)) as service:
        with pytest.raises((AssertionError, RuntimeError, ValueError)):
            await FINDS[fault](service)


async def test_a_pace_kept_in_each_process_is_found(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: with what the pace remembers not stored, two processes begin twice as many."""
    monkeypatch.setattr(lines, "save", lambda *_: None)
    assert await paced(*two) > 1
