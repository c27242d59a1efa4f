"""By how much does its log entry slow a business transaction?

1. What is timed is two stories of the product, each as the database's writer tells it until it is durable: a tip of two
   persons with four agencies, which is accepted and decided about, and a consent that moves disclosures.
2. Each is told with and without its entries, in alternation, on one database, so that both meet the same growth and the
   same neighbours on the machine. Without, no entry is made, hashed or written; all else is the same story.
3. No decision can be committed without its entry (`storage/outbox.py`). Where there are none, the rows that let it
   through are written between the end of the story and its commit, and that is not counted.
4. Figures are medians; CPU is this process's own: what a PostgreSQL server computed is in the milliseconds alone. The
   first rounds warm up and are not counted.

Not promised: what growing the tree costs afterwards, which is nobody's transaction: `bench log`.
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from tiprouter import wiring
from tiprouter.cli import bench_house
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES
from tiprouter.storage import outbox
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import consenting, happening, intake
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Happening

T = TypeVar("T")

SLOWER_MAX: Final = 15.0
"""Percent."""

WARM: Final = 5
AGENCIES: Final = 4
_SILENT: Final[Sequence[tuple[object, str, object]]] = (
    (happening, "commit", lambda _salt, _value: ""),
    (Happening, "log", lambda _self, _kind, _body: None),
    (Happening, "alike", lambda _self, _kind, _shared: None),
    (Happening, "log_as", lambda _self, _alike, _own: None),
    (Happening, "leave_entries", lambda _self: None),
)
"""All that makes entries, and what stands in its place where there are none."""

_EXCUSED: Final = """
INSERT INTO log_told (subject) SELECT id FROM decisions WHERE record_id = $1
AND NOT EXISTS (SELECT 1 FROM log_told WHERE subject = decisions.id)
"""
"""Rule 3."""


@dataclass(slots=True)
class Times:
    """What one story took each time, in milliseconds, and how many entries it leaves."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    entries: int = 0


def run(database_url: str | None, rounds: int, *, as_json: bool) -> int:
    """Print a row for each story; 1 when one is slowed by more than `SLOWER_MAX` percent, else 0."""
    return asyncio.run(_measure(database_url or "", rounds, as_json=as_json))


async def _measure(url: str, rounds: int, *, as_json: bool) -> int:
    taken = {(what, entries): Times() for what in ("tip", "consent") for entries in (True, False)}
    async with bench_house.opened(url) as house:
        machine = await bench_house.machine_of(house)
        urls = [f"http://127.0.0.1:9/{number}" for number in range(AGENCIES)]
        await house.database.write(partial(bench_house.enrol, house, PLACES[0], urls))
        wiring.settle()
        for number in range(rounds + WARM):
            for entries in (True, False) if number % 2 else (False, True):
                await _round(house, f"{number}-{entries}".lower(), taken, entries=entries)
    rows = [_row(what, taken[what, True], taken[what, False]) for what in ("tip", "consent")]
    bench_house.tell(machine, rows, as_json=as_json)
    return int(any(float(str(row["slower %"])) > SLOWER_MAX for row in rows))


async def _round(house: House, ref: str, taken: Mapping[tuple[str, bool], Times], *, entries: bool) -> None:
    """A tip and the consent of its first person, with or without their entries (rule 2)."""
    tip, said = bench_house.tip(house, PLACES[0], ref, [f"{ref}.a", f"{ref}.b"]), bench_house.consent(house)

    def accepting(tx: Transaction) -> tuple[str, str]:
        stored = intake.accept_tip(tx, house.desk, BENCH, tip).stored
        return stored.id, stored.persons[0]

    record, person = await _told(house, taken["tip", entries], accepting, lambda done: done[0], entries=entries)

    def agreeing(tx: Transaction) -> None:
        consenting.give_consent(tx, house.desk, BENCH, Whose(person_id=person), said)

    await _told(house, taken["consent", entries], agreeing, lambda _: record, entries=entries)


async def _told(
    house: House, times: Times, story: Callable[[Transaction], T], about: Callable[[T], str], *, entries: bool
) -> T:
    """Tell a story and take its time; `about` is the record that it decides about."""
    apart = [0.0, 0.0]

    def timed(tx: Transaction) -> T:
        before = outbox.waiting(tx) if entries and not times.wall else 0
        with _silence(silent=not entries):
            done = story(tx)
        begun = _now()
        if not entries:
            tx.exec_driver_sql(_EXCUSED, (about(done),))
        elif not times.wall:
            times.entries = outbox.waiting(tx) - before
        apart[:] = [after - since for after, since in zip(_now(), begun, strict=True)]
        return done

    begun = _now()
    done = await house.database.write(timed, quietly=True)
    for kept, ended, since, uncounted in zip((times.wall, times.cpu), _now(), begun, apart, strict=True):
        kept.append((ended - since - uncounted) * MILLI)
    return done


def _now() -> tuple[float, float]:
    """By the clock, and by this process's CPU."""
    return time.perf_counter(), time.process_time()


@contextmanager
def _silence(*, silent: bool) -> Iterator[None]:
    """Make no entry while inside, or all of them."""
    with ExitStack() as stack:
        for owner, name, instead in _SILENT if silent else ():
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, instead)
        yield


def _row(what: str, told: Times, untold: Times) -> dict[str, object]:
    """One story's figures (rule 4)."""
    row: dict[str, object] = {"story": what, "entries": told.entries}
    for of, some, none in (("", told.wall, untold.wall), ("CPU ", told.cpu, untold.cpu)):
        with_them, without = (statistics.median(values[WARM:]) for values in (some, none))
        row |= {f"{of}ms with": round(with_them, 2), f"{of}ms without": round(without, 2)}
        row[f"{of}slower %"] = round(100 * (with_them / without - 1), 1)
    return row
