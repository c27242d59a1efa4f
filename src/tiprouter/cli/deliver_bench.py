"""How many deliveries a second does a worker make, how long does one take, and what part of the limit is that?

1. What runs is a real service's database, desk, worker and sender, in one process; the sequencer is not in it, as it is
   not in `tiprouter worker`. What was decided beforehand is not timed (`bench intake` does that).
2. At the most: so many deliveries are due at once; a delivery counts when its answer is durable. Dead endpoints come on
   top of the live ones, each with as many deliveries, met as they are met the first time; only live ones count.
3. At half of that rate, deliveries are handed over one by one, each by a commit of its own, and timed from before that
   commit until their answer is durable.
4. Beside each stands the bare limit (`cli/bench_sink.py`, rule 4), taken right after, with the same body to the same
   sink. Computing is this process's own, all of it, by delivery to a live endpoint.
"""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from tiprouter.cli import bench_house, bench_sink
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile
from tiprouter.cli.bench_sink import Sink
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places
from tiprouter.errors import ConfigurationError
from tiprouter.storage import deliveries
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
_LATER: Final = timedelta(hours=1)
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
        first, second = await _prepare(house, shape, place, count, sink)
        async with _watched(house, first) as worker:
            begun, computing = time.perf_counter(), time.process_time()
            working = asyncio.create_task(worker.run())
            left = await _all_over(worker)
            seconds = max(worker.ended.values(), default=math.inf) - begun
            computed = (time.process_time() - computing) / max(len(first) - left, 1)
            rate = (len(first) - left) / seconds
            waits, late = await _paced(house, worker, second, max(rate * HALF, 1.0))
            bare_seconds, bare_computed = await bench_sink.bare(
                f"{sink.answers}/bare", worker.body, max(len(first), 500)
            )
            worker.stop()
        await working
    await house.database.write(lambda tx: tx.exec_driver_sql(_OVER))
    bare_rate, bare_each = BARE / bare_seconds, bare_computed / BARE
    return {
        "endpoints": shape.endpoints,
        "dead %": shape.dead_percent,
        "deliveries": len(first),
        "left": left + late,
        "per second": round(rate, 1),
        "bare": round(bare_rate),
        "part of bare": round(rate / bare_rate, 3),
        "CPU ms each": round(computed * MILLI, 2),
        "bare CPU ms": round(bare_each * MILLI, 2),
        "times bare": round(computed / bare_each, 1),
        "p50 ms at half": round(quantile(waits, 0.5) * MILLI, 1),
        "p99 ms at half": round(quantile(waits, 0.99) * MILLI, 1),
    }


async def _prepare(
    house: House, shape: Shape, place: str, count: int, sink: Sink
) -> tuple[list[str], list[tuple[str, bool]]]:
    """Deliveries to live endpoints that are due now; and those to hand over later, each with whether it is live."""
    urls = [f"{sink.answers}/{number}" for number in range(shape.endpoints)]
    live = set(await house.database.write(partial(bench_house.enrol, house, place, urls)))
    await house.database.write(partial(bench_house.enrol, house, place, bench_sink.dead(sink, shape.dead)))
    each = math.ceil(count / shape.endpoints)
    ref, person = place.lower(), ""
    for number in range(2 * each):
        record = bench_house.tip(house, place, f"{ref}-{number}", [ref])
        person = await house.database.write(partial(bench_house.accept, house, record))
    whose, consent = Whose(person_id=person), bench_house.consent(house)
    await house.database.write(lambda tx: consenting.give_consent(tx, house.desk, BENCH, whose, consent))
    queued = await house.database.read(lambda tx: tx.exec_driver_sql(_QUEUED).all())
    records = sorted({row.record_id for row in queued})
    at_once = set(records[:each])
    later = [(row.id, row.recipient_id in live) for row in queued if row.record_id not in at_once]
    until = house.desk.now() + _LATER
    await house.database.write(lambda tx: deliveries.change_all(tx, [name for name, _ in later], next_at=until))
    first = [row.id for row in queued if row.record_id in at_once and row.recipient_id in live]
    return first, later


@asynccontextmanager
async def _watched(house: House, wanted: Collection[str]) -> AsyncIterator[Watched]:
    settings = house.settings
    places = Places.share(settings.places, {Lane(name): kept for name, kept in settings.places_kept.items()})
    async with Sender(sandbox=True) as sender:
        worker = Watched(house.database, house.desk, sender, places=places, each=settings.places_each)
        worker.await_these(wanted)
        yield worker


async def _paced(
    house: House, worker: Watched, later: Sequence[tuple[str, bool]], rate: float
) -> tuple[list[float], int]:
    """Rule 3: how long each live one took, and how many did not arrive in time."""
    live = [name for name, lives in later if lives]
    worker.await_these(live)
    order, handed = list(later), dict[str, float]()
    random.shuffle(order)
    step = len(live) / len(order) / rate
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as handing:
        for number, (name, _) in enumerate(order):
            await asyncio.sleep(begun + number * step - time.perf_counter())
            handed[name] = time.perf_counter()
            handing.create_task(house.database.write(partial(_hand_over, house, name)))
    late = await _all_over(worker)
    return [worker.ended[name] - handed[name] for name in live if name in worker.ended], late


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
