"""How many deliveries a second does a worker make, how long does one take, and what part of the limit is that?

1. What runs is a real service's database, desk, worker and sender, in one process; the sequencer is not in it, as it is
   not in `tiprouter worker`. What was decided beforehand is not timed (`bench intake` does that).
2. At the most: so many deliveries are due at once; a delivery counts when its answer is durable. Dead endpoints come on
   top of the live ones, each with as many deliveries, due at the same moment; only live ones count.
3. The dead have been so for an hour: each breaker is as its own rules leave it after an hour of failures.
4. At half of that rate, deliveries are handed over one by one, each by a commit of its own, and timed from before that
   commit until their answer is durable.
5. Then the same once more with the dead ones met for the first time: nothing is known of them, while the living have
   answered just before. Where none is dead that would be the same figure, and is not taken.
6. Beside it stands the bare limit (`cli/bench_sink.py`, rule 4), with the same body to the same sink. Computing is this
   process's own, all of it, by delivery to a live endpoint.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tiprouter import wiring
from tiprouter.cli import bench_house, bench_sink
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile
from tiprouter.cli.bench_sink import Sink
from tiprouter.delivery.sender import Sender
from tiprouter.domain.breaker import TRIP_AFTER, Breaker, Heard, hear, probe
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.states import DeliveryState
from tiprouter.errors import ConfigurationError
from tiprouter.storage import deliveries, lines
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import Ready
from tiprouter.workflow.worker import Worker

PATIENCE_SECONDS: Final = 180.0
BARE: Final = 1_000
HALF: Final = 0.5
_PERCENT: Final = 100
LATER: Final = timedelta(hours=1)
DEAD_FOR: Final = timedelta(hours=1)
_LINES_AT_ONCE: Final = 500
_QUEUED: Final = "SELECT id, record_id, recipient_id FROM deliveries WHERE state = 'queued' ORDER BY id"
_OVER: Final = "UPDATE deliveries SET state = 'cancelled' WHERE state IN ('queued', 'retrying')"


@dataclass(frozen=True, slots=True)
class Shape:
    """So many live endpoints, and of all the percentage that is dead."""

    endpoints: int
    dead_percent: int

    @property
    def dead(self) -> int:
        """How many dead ones come on top (rule 2)."""
        return round(self.endpoints * self.dead_percent / (_PERCENT - self.dead_percent))


@dataclass(frozen=True, slots=True)
class Due:
    """Deliveries that fall due together, by whether their endpoint lives."""

    live: list[str]
    dead: list[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is due now, what is handed over one by one, and what meets the dead as strangers; and who the dead are."""

    first: Due
    second: Due
    third: Due
    dead: list[str]


def shapes(endpoints: str, dead: str) -> list[Shape]:
    """Every number of endpoints with every percentage, both as lists with commas. Raises `ConfigurationError`."""
    try:
        made = [Shape(int(many), int(part)) for many in endpoints.split(",") for part in dead.split(",")]
    except ValueError as error:
        raise ConfigurationError("Endpoints and percentages are whole numbers with commas between.") from error
    if any(one.endpoints < 1 or not 0 <= one.dead_percent < _PERCENT for one in made) or len(made) > len(PLACES):
        raise ConfigurationError(f"At most {len(PLACES)} shapes, of one endpoint or more, and less than 100 % dead.")
    return made


class Watched(Worker):
    """A worker that notes when each answer was durable."""

    body = b""

    def await_these(self, names: Collection[str]) -> None:
        """Wait for these from here on."""
        self.ended: dict[str, float] = {}
        self.open = set(names)
        self.over = asyncio.Event()

    async def _deliver(self, ready: Ready) -> None:
        self.body = ready.envelope.body.body
        await super()._deliver(ready)
        self.ended[ready.delivery_id] = time.perf_counter()
        self.open.discard(ready.delivery_id)
        if not self.open:
            self.over.set()


def run(database_url: str | None, shapes: Sequence[Shape], count: int, *, as_json: bool) -> int:
    """Print a row for each shape; 1 when one of them did not end in time, else 0."""
    return asyncio.run(_measure(database_url or "", shapes, count, as_json=as_json))


async def _measure(url: str, shapes: Sequence[Shape], count: int, *, as_json: bool) -> int:
    async with bench_house.opened(url) as house:
        machine = await bench_house.machine_of(house)
        rows = [await _row(house, shape, PLACES[number], count) for number, shape in enumerate(shapes)]
    bench_house.tell(machine, rows, as_json=as_json)
    return int(any(row["left"] for row in rows))


async def _row(house: House, shape: Shape, place: str, count: int) -> dict[str, object]:
    with bench_sink.running() as sink:
        made = await _prepare(house, shape, place, count, sink)
        wiring.settle()
        async with _watched(house, made.first.live) as worker:
            computing = time.process_time()
            working = asyncio.create_task(worker.run())
            rate, left = await _burst(worker, made.first.live)
            computed = (time.process_time() - computing) / max(len(made.first.live) - left, 1)
            waits, late = await _paced(house, worker, made.second, max(rate * HALF, 1.0))
            strange, lost = await _strangers(house, worker, made) if shape.dead else (rate, 0)
            bare_seconds, bare_computed = await bench_sink.bare(f"{sink.answers}/bare", worker.body, BARE)
            worker.stop()
        await working
    await house.database.write(lambda tx: tx.exec_driver_sql(_OVER))
    bare_rate, bare_each = BARE / bare_seconds, bare_computed / BARE
    return {
        "endpoints": shape.endpoints,
        "dead %": shape.dead_percent,
        "deliveries": len(made.first.live),
        "left": left + late + lost,
        "per second": round(rate, 1),
        "dead met first": round(strange, 1),
        "bare": round(bare_rate),
        "part of bare": round(rate / bare_rate, 3),
        "CPU ms each": round(computed * MILLI, 2),
        "bare CPU ms": round(bare_each * MILLI, 2),
        "times bare": round(computed / bare_each, 1),
        "p50 ms at half": round(quantile(waits, 0.5) * MILLI, 1),
        "p99 ms at half": round(quantile(waits, 0.99) * MILLI, 1),
    }


async def _burst(worker: Watched, live: Sequence[str]) -> tuple[float, int]:
    """How many of these a second came to their end, and how many did not in time (rule 2)."""
    begun = time.perf_counter()
    left = await _all_over(worker)
    seconds = max(worker.ended.values(), default=math.inf) - begun
    return (len(live) - left) / seconds, left


async def _strangers(house: House, worker: Watched, made: Prepared) -> tuple[float, int]:
    """The same, with dead endpoints of which nothing is known (rule 5)."""
    worker.await_these(made.third.live)
    now = house.desk.now()

    def story(tx: Transaction) -> None:
        deliveries.change_all(tx, [*made.first.dead, *made.second.dead], state=DeliveryState.CANCELLED)
        set_breakers(tx, made.dead, Breaker)
        deliveries.change_all(tx, [*made.third.live, *made.third.dead], next_at=now)

    await house.database.write(story)
    return await _burst(worker, made.third.live)


async def _prepare(house: House, shape: Shape, place: str, count: int, sink: Sink) -> Prepared:
    urls = [f"{sink.answers}/{number}" for number in range(shape.endpoints)]
    live = set(await house.database.write(partial(bench_house.enrol, house, place, urls)))
    dead = await house.database.write(partial(bench_house.enrol, house, place, bench_sink.dead(sink, shape.dead)))
    each = math.ceil(count / shape.endpoints)
    ref, person = place.lower(), ""
    for number in range((3 if dead else 2) * each):
        record = bench_house.tip(house, place, f"{ref}-{number}", [ref])
        person = await house.database.write(partial(bench_house.accept, house, record))
    whose, consent = Whose(person_id=person), bench_house.consent(house)
    await house.database.write(lambda tx: consenting.give_consent(tx, house.desk, BENCH, whose, consent))
    queued = await house.database.read(lambda tx: [(row[0], row[1], row[2]) for row in tx.exec_driver_sql(_QUEUED)])
    records = sorted({record_id for _, record_id, _ in queued})
    first, second, third = (_due(queued, set(records[begin : begin + each]), live) for begin in (0, each, 2 * each))
    now = house.desk.now()

    def story(tx: Transaction) -> None:
        later = [*second.live, *second.dead, *third.live, *third.dead]
        deliveries.change_all(tx, later, next_at=now + LATER)
        set_breakers(tx, dead, lambda: dead_for_long(now))

    await house.database.write(story)
    return Prepared(first, second, third, dead)


def _due(queued: Sequence[tuple[str, str, str]], records: Collection[str], live: Collection[str]) -> Due:
    mine = [(name, whose) for name, record_id, whose in queued if record_id in records]
    return Due([name for name, whose in mine if whose in live], [name for name, whose in mine if whose not in live])


def set_breakers(tx: Transaction, recipient_ids: Sequence[str], breaker: Callable[[], Breaker]) -> None:
    """Have these agencies' lines be as these breakers leave them."""
    for begin in range(0, len(recipient_ids), _LINES_AT_ONCE):
        held = lines.at_once(tx, recipient_ids[begin : begin + _LINES_AT_ONCE])
        lines.save(tx, [replace(line, breaker=breaker()) for line in held.values()])


def dead_for_long(now: datetime) -> Breaker:
    """The breaker of an endpoint that has answered nothing for an hour: probed in vain after every pause (rule 3)."""
    breaker, moment = Breaker(), now - DEAD_FOR
    for _ in range(TRIP_AFTER):
        breaker = hear(breaker, Heard.FAILED, BENCH.id, moment, _jitter())
    while breaker.probe_at is not None and breaker.probe_at <= now:
        moment = breaker.probe_at
        breaker = hear(probe(breaker, BENCH.id, moment), Heard.FAILED, BENCH.id, moment, _jitter())
    return breaker


def _jitter() -> float:
    return random.SystemRandom().random()


@asynccontextmanager
async def _watched(house: House, wanted: Collection[str]) -> AsyncIterator[Watched]:
    settings = house.settings
    places = Places.share(settings.places, {Lane(name): kept for name, kept in settings.places_kept.items()})
    async with Sender(sandbox=True) as sender:
        worker = Watched(house.database, house.desk, sender, places=places, each=settings.places_each)
        worker.await_these(wanted)
        yield worker


async def _paced(house: House, worker: Watched, due: Due, rate: float) -> tuple[list[float], int]:
    """Rule 4: how long each live one took, and how many did not arrive in time."""
    worker.await_these(due.live)
    order, handed = [*due.live, *due.dead], dict[str, float]()
    random.shuffle(order)
    step = len(due.live) / len(order) / rate
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as handing:
        for number, name in enumerate(order):
            await asyncio.sleep(begun + number * step - time.perf_counter())
            handed[name] = time.perf_counter()
            handing.create_task(house.database.write(partial(_hand_over, house, name)))
    late = await _all_over(worker)
    return [worker.ended[name] - handed[name] for name in due.live if name in worker.ended], late


def _hand_over(house: House, name: str, tx: Transaction) -> None:
    deliveries.change(tx, name, next_at=house.desk.now())


async def _all_over(worker: Watched) -> int:
    """Wait for what is awaited, so long and no longer; how much of it has not ended."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await worker.over.wait()
    except TimeoutError:
        return len(worker.open)
    return 0
