"""How long do years of a national hotline take to be accepted, decided, delivered, logged and verified?

1. What plays is `cli/national.py`'s history, day by day as `cli/years_day.py` tells it; at the end the verifier reads
   all of the log, and rows are counted against entries.
2. `of` takes one day in so many, at its full size, spread over all the years; the whole is then an estimate, by the
   number of signals. It takes for granted that nothing grows dearer with history: the first and the last quarter of
   the days, each by its cost a signal, are there to show whether that is so. Chores are done on the days that are
   played alone.
3. `burst` adds the last day once more with so many times its signals; its row has how long that took.
4. The worker begins while a day is still being accepted: `deliver` is what was left to wait for after that. CPU is this
   process's own; a PostgreSQL server's and the sink's are in the seconds alone. Memory is the most that a process of it
   ever held.
5. Years may be played in several sittings (`years_kept.py`): one ends with the day in which its minutes are over or a
   signal asks for it, the next goes on from there, and the last one verifies and counts everything.
"""

import asyncio
import hashlib
import resource
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tiprouter import wiring
from tiprouter.audit.verify import verify_folder
from tiprouter.cli import bench_house, bench_sink, national, years_kept
from tiprouter.cli.bench_house import BENCH, MILLI
from tiprouter.cli.national import Shape
from tiprouter.cli.years_day import Hotline, Moving, Unhurried
from tiprouter.cli.years_kept import Kept, Part, Played
from tiprouter.delivery.sender import Sender
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.recipient import NATIONWIDE, Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import ConfigurationError
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import enrolment, log_watch
from tiprouter.workflow.publish import Sequencer

STOPPED: Final = 3
_NOT_YET: Final[dict[str, object]] = {"log verified": "not yet"}
_COUNTS: Final = {
    "persons": "SELECT count(*) FROM persons",
    "decisions": "SELECT count(*) FROM decisions",
    "delivered": "SELECT count(*) FROM deliveries WHERE state = 'delivered'",
    "cancelled": "SELECT count(*) FROM deliveries WHERE state = 'cancelled'",
    "left": "SELECT count(*) FROM deliveries WHERE state IN ('queued', 'claimed', 'retrying')",
    "attempts": "SELECT count(*) FROM attempts",
    "entries": "SELECT count(*) FROM log_entries",
}
_IN_EACH_STATE: Final = (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER)
_NATIONWIDE: Final = (RecipientKind.CLEARINGHOUSE, RecipientKind.FEDERAL_AUTHORITY)


@dataclass(frozen=True, slots=True)
class Sitting:
    """Where what is played is kept, if it is, and after how many minutes this sitting ends; 0 is at the end."""

    folder: Path | None = None
    minutes: float = 0.0


def part_of(text: str) -> int:
    """`1/100` is 100. Raises `ConfigurationError`."""
    one, _, many = text.partition("/")
    if one != "1" or not many.isascii() or not many.isdigit() or not int(many):
        raise ConfigurationError("A part of the history is spelt such as 1/100.")
    return int(many)


def run(  # noqa: PLR0913 - what is asked for
    database_url: str | None,
    shape: Shape,
    of: int,
    burst: float,
    seed: int,
    sitting: Sitting = Sitting(),
    *,
    as_json: bool,
) -> int:
    """Print how long it took, and what; 1 when the log does not verify or something was not delivered.

    3 when this sitting ended before the last day, else 0. Raises `ConfigurationError`.
    """
    if sitting.minutes and sitting.folder is None:
        raise ConfigurationError("A sitting that ends before the years do needs a folder to keep them in (--folder).")
    return asyncio.run(_measure(database_url or "", Asked(shape, of, burst, seed), sitting, as_json=as_json))


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days of which history, and how large a burst."""

    shape: Shape
    of: int
    burst: float
    seed: int

    @property
    def numbers(self) -> range:
        """The days that are played (rule 2)."""
        return range(self.of - 1, national.days_of(self.shape), self.of)

    def words(self, url: str) -> dict[str, object]:
        """What two sittings must have been asked alike; a database is known by a digest, for its URL has a password."""
        database = hashlib.sha256(url.encode()).hexdigest()
        return {"shape": repr(self.shape), "of": self.of, "seed": self.seed, "database": database}


async def _measure(url: str, asked: Asked, sitting: Sitting, *, as_json: bool) -> int:
    words = asked.words(url)
    known = None if sitting.folder is None else years_kept.load(sitting.folder, words)
    async with bench_house.opened(url, sitting.folder) as opened:
        machine = await bench_house.machine_of(opened)
        clock = Moving(opened.desk.now() if known is None else known.at)
        house = replace(opened, desk=replace(opened.desk, now=clock, ahead=timedelta))
        with bench_sink.running(0 if known is None else known.port) as sink:
            if known is None:
                known = Kept(words, clock(), clock(), urlsplit(sink.answers).port or 0)
                await house.database.write(partial(_enrol, house, sink.answers, national.days_of(asked.shape)))
                if sitting.folder is not None:
                    years_kept.save(sitting.folder, known)
            known.sittings += 1
            async with _running(house, clock, known.played) as hotline:
                left = await _play(hotline, asked, sitting, known)
                found = _NOT_YET if left else await _verified(house, known)
                counts = Counter({**known.played.counts, **await house.database.read(_counted)})
                tables = _tables(known, counts, asked)
                if asked.burst and not left:
                    tables["burst"] = await _burst(hotline, asked.shape, asked.seed, known.begins, asked.burst)
    told = machine | {"sittings": known.sittings, "days left": left} | found
    bench_house.tell_all(told, tables, as_json=as_json)
    if left:
        return STOPPED
    return int(not all(found.values()) or counts["left"] > 0)


async def _play(hotline: Hotline, asked: Asked, sitting: Sitting, known: Kept) -> int:
    """The days that were not played yet, until the sitting ends (rule 5); how many are left."""
    ends = time.monotonic() + sitting.minutes * 60 if sitting.minutes else None
    days = national.history(asked.shape, asked.seed, known.begins, asked.numbers)
    done = known.played.counts["days"]
    with _stopping(kept=sitting.folder is not None) as stop:
        for day in islice(days, done, None):
            if sitting.folder is not None:
                known.midway = True
                years_kept.save(sitting.folder, known)
            await hotline.play(day, asked.shape)
            if sitting.folder is not None:
                known.midway, known.at = False, hotline.clock()
                known.peak = max(known.peak, _peak())
                years_kept.save(sitting.folder, known)
            if stop.is_set() or (ends is not None and time.monotonic() >= ends):
                break
    return len(asked.numbers) - known.played.counts["days"]


@contextmanager
def _stopping(*, kept: bool) -> Iterator[asyncio.Event]:
    """Set once somebody wants the sitting to end, where what is played is kept; the day goes on to its end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM) if kept else ()
    for one in signals:
        loop.add_signal_handler(one, stop.set)
    try:
        yield stop
    finally:
        for one in signals:
            loop.remove_signal_handler(one)


async def _verified(house: House, known: Kept) -> dict[str, object]:
    """What the verifier says, and whether rows agree with entries."""
    with known.played.part("verify"):
        verified, agree = await _verify(house)
    return {"log verified": verified, "rows agree with entries": agree}


def _enrol(house: House, url: str, days: int, tx: Transaction) -> None:
    """An agency of each kind in each state, and those of the whole country; each is on the same sink."""
    until = house.desk.now() + timedelta(days=2 * days)
    wanted = [(kind, state) for state in national.STATES for kind in _IN_EACH_STATE]
    for kind, place in wanted + [(kind, NATIONWIDE) for kind in _NATIONWIDE]:
        agency = Recipient(
            id="",
            name=f"Example {kind.value} of {place}",
            kind=kind,
            jurisdictions=(place,),
            counties=(),
            url=f"{url}/{place}/{kind.value}",
            scheme=SignatureScheme.ED25519,
            status=RecipientStatus.ACTIVE,
            agreement_until=until,
            revision=0,
        )
        enrolment.register(tx, house.desk, BENCH, agency)


@asynccontextmanager
async def _running(house: House, clock: Moving, played: Played) -> AsyncIterator[Hotline]:
    """The worker runs beside the days; the log grows at the end of each."""
    settings = house.settings
    places = Places.share(settings.places, {Lane(name): kept for name, kept in settings.places_kept.items()})
    log = Sequencer(house.database, house.desk, house.signer, settings.log_folder)
    await log.start()
    async with Sender(sandbox=True) as sender:
        worker = Unhurried(house.database, house.desk, sender, places=places, each=settings.places_each)
        wiring.settle()
        working = asyncio.create_task(worker.run())
        try:
            yield Hotline(house, clock, played, log)
        finally:
            worker.stop()
            await working


async def _verify(house: House) -> tuple[bool, bool]:
    """The whole log from its folder, under its key; and rows against the entries that tell of them."""
    report = await asyncio.to_thread(verify_folder, house.settings.log_folder, house.signer.vkey)
    counted = await log_watch.reconcile(house.database, house.desk)
    return report.ok, all(one.rows == one.entries for one in counted)


def _counted(tx: Transaction) -> Counter[str]:
    return Counter({name: int(tx.exec_driver_sql(query).scalar_one()) for name, query in _COUNTS.items()})


def _tables(known: Kept, counts: Counter[str], asked: Asked) -> dict[str, list[dict[str, object]]]:
    """What is printed of what was played (rules 2, 4)."""
    times = national.whole(asked.shape) / max(counts["signals"], 1)
    return {
        "time": list(_rows(known.played, counts, times)),
        "counts": _counts(counts, times, max(known.peak, _peak())),
        "history": _quarters(known.played.days),
    }


def _rows(played: Played, counts: Counter[str], times: float) -> Iterator[dict[str, object]]:
    """A row for each part and one for all, with the estimate for the whole (rules 2, 4)."""
    every = list(played.parts.values())
    everything = Part(sum(one.seconds for one in every), sum(one.cpu for one in every))
    for name, part in (*played.parts.items(), ("all", everything)):
        yield {
            "part": name,
            "seconds": round(part.seconds, 2),
            "CPU seconds": round(part.cpu, 2),
            "signals per second": round(counts["signals"] / part.seconds, 1),
            "CPU ms a signal": round(part.cpu / counts["signals"] * MILLI, 2),
            "the whole, an estimate: minutes": round(part.seconds * times / 60, 1),
            "of CPU": round(part.cpu * times / 60, 1),
        }


def _counts(counts: Counter[str], times: float, peak: int) -> list[dict[str, object]]:
    estimate = "the whole, an estimate"
    found = [{"what": name, "counted": count, estimate: round(count * times)} for name, count in counts.items()]
    return [*found, {"what": "MB of memory at most", "counted": peak, estimate: "-"}]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _quarters(days: Sequence[tuple[int, float]]) -> list[dict[str, object]]:
    """What a signal cost in the first and in the last quarter of the days (rule 2)."""
    many = max(len(days) // 4, 1)
    shown = {"first quarter of the days": days[:many], "last quarter of the days": days[-many:]}
    rows: list[dict[str, object]] = []
    for name, some in shown.items():
        signals = sum(count for count, _ in some)
        spent = sum(cpu for _, cpu in some)
        rows.append({"of": name, "signals": signals, "CPU ms a signal": round(spent / max(signals, 1) * MILLI, 2)})
    return rows


async def _burst(hotline: Hotline, shape: Shape, seed: int, begins: datetime, times: float) -> list[dict[str, object]]:
    """Rule 3."""
    (day,) = national.history(shape, seed, begins, [national.days_of(shape)], times)
    begun, spent = time.perf_counter(), time.process_time()
    await hotline.play(day, shape)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
    row = {"burst": f"a day times {times:g}", "signals": len(day.tips), "seconds": round(seconds, 2)}
    return [row | {"CPU seconds": round(cpu, 2), "signals per second": round(len(day.tips) / seconds, 1)}]
