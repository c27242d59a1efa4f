"""How many tips a second come to their agencies, and how long after a tip was accepted does an agency have it?

1. What runs is what `serve` runs but for HTTP, in this one process: stories that accept, the worker, and the sequencer.
   (`bench intake` measures the edge.) A tip is decided, redacted, sealed, stored, logged, signed and sent.
2. Each tip is about one person, whose consent stands, and goes to the agencies of one county: `AGENCIES` that live, or
   all there are; of dead ones as many as their share. The endpoints of a shape are spread over counties, and tips over
   both. The dead have been so for an hour (`cli/deliver_bench.py`, rule 3).
3. At the most: `CALLERS` callers hand over one tip after another until all are accepted; a tip counts when the last of
   its live agencies' answers is durable, so that what is left behind by the worker is in the figure.
4. At half of that rate tips come one by one. A delivery is timed from the moment at which its tip's acceptance is
   durable, which is when the caller has its 201, until the agency's answer is durable, a moment after it has the body.
5. Computing is this process's own, all of it, by tip; memory is the most that it ever held.
"""

import asyncio
import contextlib
import itertools
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias

from tiprouter import wiring
from tiprouter.cli import bench_house, bench_sink
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile
from tiprouter.cli.bench_sink import Sink
from tiprouter.cli.deliver_bench import HALF, PATIENCE_SECONDS, Shape, dead_for_long, set_breakers
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.record import Jurisdiction, Record
from tiprouter.domain.vocabulary import JurisdictionReason
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import consenting, intake
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import Ready
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.worker import Worker

AGENCIES: Final = 4
CALLERS: Final = 8
_NOWHERE: Final = "US-ME"
"""A place without agencies, where people tell of themselves for the first time."""

Journey: TypeAlias = tuple[str, str]
"""Of a record to a recipient."""


@dataclass(frozen=True, slots=True)
class County:
    """Where some agencies serve one person."""

    place: Jurisdiction
    ref: str
    live: frozenset[str]


@dataclass(slots=True)
class Seen:
    """When each delivery's answer was durable, and when the tip of each awaited one was accepted."""

    ended: dict[Journey, float] = field(default_factory=dict)
    accepted: dict[Journey, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def left(self) -> int:
        """How many that are awaited have not ended."""
        return len(self.accepted.keys() - self.ended.keys())

    def waits(self) -> list[float]:
        """How long each awaited delivery took that came to its end."""
        return [self.ended[name] - since for name, since in self.accepted.items() if name in self.ended]

    async def all_over(self) -> int:
        """Wait for all that is awaited, so long and no longer; how much has not ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.left:
                    self.news.clear()
                    await self.news.wait()
        return self.left


class Noting(Worker):
    """A worker that notes when each answer was durable."""

    seen: Seen

    async def _deliver(self, ready: Ready) -> None:
        await super()._deliver(ready)
        self.seen.ended[ready.record_id, ready.recipient_id] = time.perf_counter()
        self.seen.news.set()


def run(database_url: str | None, shapes: Sequence[Shape], tips: int, *, as_json: bool) -> int:
    """Print a row for each shape; 1 when something did not arrive in time, else 0."""
    return asyncio.run(_measure(database_url or "", shapes, tips, as_json=as_json))


async def _measure(url: str, shapes: Sequence[Shape], tips: int, *, as_json: bool) -> int:
    async with bench_house.opened(url) as house:
        machine = await bench_house.machine_of(house)
        rows = [await _row(house, shape, PLACES[number], tips) for number, shape in enumerate(shapes)]
    bench_house.tell(machine, rows, as_json=as_json)
    return int(any(row["left"] for row in rows))


async def _row(house: House, shape: Shape, place: str, tips: int) -> dict[str, object]:
    with bench_sink.running() as sink:
        counties = itertools.cycle(await _peopled(house, shape, place, tips, sink))
        async with _running(house) as seen:
            computing, begun = time.process_time(), time.perf_counter()
            await _crowd(house, seen, counties, tips)
            left = await seen.all_over()
            seconds = max(seen.ended.values(), default=begun) - begun
            computed = (time.process_time() - computing) / tips
            rate, sent = tips / seconds, len(seen.accepted)
            seen.accepted.clear()
            accepting = await _one_by_one(house, seen, counties, tips, rate * HALF)
            late = await seen.all_over()
            waits = seen.waits()
    return {
        "endpoints": shape.endpoints,
        "dead %": shape.dead_percent,
        "tips": tips,
        "left": left + late,
        "tips per second": round(rate, 1),
        "deliveries per second": round(sent / seconds, 1),
        "CPU ms a tip": round(computed * MILLI, 2),
        "accept p50 ms": round(quantile(accepting, 0.5) * MILLI, 1),
        "delivered p50 ms": round(quantile(waits, 0.5) * MILLI, 1),
        "delivered p99 ms": round(quantile(waits, 0.99) * MILLI, 1),
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def _crowd(house: House, seen: Seen, counties: Iterator[County], tips: int) -> None:
    """Rule 3."""
    numbers = iter(range(tips))

    async def caller() -> None:
        for number in numbers:
            await _hand_over(house, seen, next(counties), f"most-{number}")

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _one_by_one(house: House, seen: Seen, counties: Iterator[County], tips: int, rate: float) -> list[float]:
    """Rule 4: how long each acceptance took."""
    took: list[float] = []

    async def one(number: int) -> None:
        handed = time.perf_counter()
        await _hand_over(house, seen, next(counties), f"half-{number}")
        took.append(time.perf_counter() - handed)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as handing:
        for number in range(tips):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            handing.create_task(one(number))
    return took


async def _hand_over(house: House, seen: Seen, county: County, external_id: str) -> None:
    record = _tip(house, county.place, external_id, county.ref)

    accepted = await house.database.write(lambda tx: intake.accept_tip(tx, house.desk, BENCH, record))
    seen.accepted |= dict.fromkeys(((accepted.stored.id, one) for one in county.live), time.perf_counter())


def _tip(house: House, place: Jurisdiction, external_id: str, ref: str) -> Record:
    made = bench_house.tip(house, place.code, f"{place.code}-{place.county}-{external_id}", [ref])
    return replace(made, jurisdictions=(place,))


async def _peopled(house: House, shape: Shape, place: str, tips: int, sink: Sink) -> list[County]:
    """The counties that tips will come from, each with its agencies and a person whose consent stands (rule 2)."""
    live = [f"{sink.answers}/{number}" for number in range(shape.endpoints)]
    dead = bench_sink.dead(sink, shape.dead)
    many = -(-shape.endpoints // AGENCIES)
    counties, all_dead = list[County](), list[str]()
    for number in range(many):
        code = f"{number:05d}"
        enrol = partial(bench_house.enrol, house, place, county=code)
        mine = await house.database.write(partial(_told, enrol, live[number::many]))
        all_dead += await house.database.write(partial(_told, enrol, dead[number::many]))
        where = Jurisdiction(place, JurisdictionReason.FOUND, code)
        counties.append(County(where, f"{place}-{number}".lower(), frozenset(mine)))
    for county in counties[:tips]:
        await house.database.write(partial(_consented, house, county))
    now = house.desk.now()
    await house.database.write(lambda tx: set_breakers(tx, all_dead, lambda: dead_for_long(now)))
    return counties[:tips]


def _told(enrol: Callable[..., list[str]], urls: Sequence[str], tx: Transaction) -> list[str]:
    return enrol(urls, tx)


def _consented(house: House, county: County, tx: Transaction) -> None:
    told = _tip(house, Jurisdiction(_NOWHERE, JurisdictionReason.FOUND), f"of-{county.ref}", county.ref)
    person = bench_house.accept(house, told, tx)
    consenting.give_consent(tx, house.desk, BENCH, Whose(person_id=person), bench_house.consent(house))


@asynccontextmanager
async def _running(house: House) -> AsyncIterator[Seen]:
    """Rule 1."""
    settings = house.settings
    places = Places.share(settings.places, {Lane(name): kept for name, kept in settings.places_kept.items()})
    log = Sequencer(house.database, house.desk, house.signer, settings.log_folder)
    await log.start()
    async with Sender(sandbox=True) as sender:
        worker = Noting(house.database, house.desk, sender, places=places, each=settings.places_each)
        worker.seen = Seen()
        wiring.settle()
        parts = [asyncio.create_task(part.run()) for part in (worker, log)]
        yield worker.seen
        worker.stop()
        log.stop()
        await asyncio.gather(*parts)
