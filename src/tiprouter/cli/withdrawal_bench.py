"""How long does a withdrawal take until it is committed, when a thousand deliveries wait on it?

1. A round makes fictional records, lets a person consent, sees that the deliveries are queued, and withdraws. What is
   timed begins when the story is handed to the database and ends when the commit is durable.
2. Each shape is another way to a thousand: many agencies, many records of one person, many persons in a record. The
   agencies of a shape are of one kind and place, and their agreements end at different times.
3. The parts are measured inside the same runs, each without what it calls of another part: `sql` is statements, `log`
   the making of entries, `decision` facts, policy and comparison; `other` is the rest, and `commit` what follows the
   story's end. Measuring costs a little, and is part of what is printed.
4. What is loaded is kept from the collector, as the service does. `computed` is the processor's own time in the story:
   what a quiet machine would need.
5. The first round of a shape warms up and is not counted. The embedded database is a temporary file; another one is
   used as it is found, so it must be empty, and nobody else's.
"""

import asyncio
import functools
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import typer

from tiprouter import wiring
from tiprouter.cli import bench_house
from tiprouter.cli.bench_house import BENCH
from tiprouter.domain.record import Record
from tiprouter.storage import stopwatch
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import assess, consenting
from tiprouter.workflow.consenting import Whose, Withdrawal
from tiprouter.workflow.happening import Happening

TARGET_MS: Final = 200
_MILLI: Final = 1e3

PARTS: Final[Sequence[tuple[str, object, str]]] = (
    ("log", Happening, "log"),
    ("log", Happening, "alike"),
    ("log", Happening, "log_as"),
    ("log", Happening, "salted"),
    ("log", Happening, "leave_entries"),
    ("decision", assess, "verdicts_toward"),
    ("decision", assess, "unrouted"),
    ("decision", assess, "facts_bytes"),
)
"""What is counted under which part (rule 3)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to many deliveries (rule 2); each shape has agencies of its own place."""

    place: str
    recipients: int
    records: int
    persons: int

    def __str__(self) -> str:
        """The shape in words."""
        return f"{self.recipients:,} agencies x {self.records} record(s) of {self.persons} person(s)"


SHAPES: Final = (Shape("US-TX", 1_000, 1, 1), Shape("US-CA", 100, 10, 1), Shape("US-NY", 1_000, 1, 10))


@dataclass(slots=True)
class Clocks:
    """How long each part took, without what it called of another part."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    statements: int = 0
    _open: list[str] = field(default_factory=list)
    _since: float = 0.0

    def begin(self, part: str) -> None:
        """A part begins; the one around it waits."""
        self._count()
        self._open.append(part)
        self.statements += part == "sql"

    def end(self) -> None:
        """The part that began last ends."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the parts, while inside."""
        with ExitStack() as stack:
            stack.enter_context(stopwatch.listening(lambda: self.begin("sql"), self.end))
            for part, owner, name in PARTS:
                original = getattr(owner, name)
                stack.callback(setattr, owner, name, original)
                setattr(owner, name, self._timed(part, original))
            yield

    def _timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the work takes and gives
            self.begin(part)
            try:
                return work(*args, **named)
            finally:
                self.end()

        return timed


@dataclass(frozen=True, slots=True)
class Round:
    """What one withdrawal took, in milliseconds, and what it did."""

    total: float
    parts: dict[str, float]
    statements: int
    cancelled: int


def run(database_url: str | None, rounds: int, shapes: Sequence[Shape] = SHAPES) -> int:
    """Print what withdrawals take on this machine; 1 when a shape misses the target, else 0."""
    return asyncio.run(_measure(database_url or "", rounds, shapes))


async def _measure(url: str, rounds: int, shapes: Sequence[Shape]) -> int:
    slow = 0
    async with bench_house.opened(url) as house:
        for shape in shapes:
            await house.database.write(functools.partial(_enrol, house, shape))
            wiring.settle()
            made = [await _round(house, shape, number) for number in range(rounds + 1)]
            slow += _tell(shape, made[1:])
    return int(slow > 0)


def _tell(shape: Shape, rounds: Sequence[Round]) -> bool:
    """Print a shape's figures; whether it missed the target."""
    totals = sorted(one.total for one in rounds)
    middle = statistics.median(totals)
    typer.echo(
        f"{shape}: {middle:.0f} ms until committed (median of {len(rounds)}; {totals[0]:.0f} to {totals[-1]:.0f}),"
        f" {rounds[-1].cancelled:,} cancelled, {rounds[-1].statements:,} statements"
    )
    means = {part: statistics.median(one.parts[part] for one in rounds) for part in rounds[0].parts}
    typer.echo("  " + ", ".join(f"{part} {milliseconds:.0f} ms" for part, milliseconds in means.items()))
    return middle >= TARGET_MS


async def _round(house: House, shape: Shape, number: int) -> Round:
    """Rule 1."""
    ref = f"{shape.place.lower()}-{number}"
    accepted = [
        await house.database.write(functools.partial(bench_house.accept, house, _record(house, shape, ref, each)))
        for each in range(shape.records)
    ]
    whose = Whose(person_id=accepted[0])
    consent = bench_house.consent(house)
    given = await house.database.write(
        lambda tx: consenting.give_consent(tx, house.desk, BENCH, whose, consent), quietly=True
    )
    clocks, ended = Clocks(), 0.0

    def story(tx: Transaction) -> Withdrawal:
        nonlocal ended
        with clocks.running():
            computing = time.thread_time()
            clocks.begin("other")
            done = consenting.withdraw(tx, house.desk, BENCH, given.consent.id, None)
            clocks.end()
            clocks.seconds["computed"] = time.thread_time() - computing
        ended = time.perf_counter()
        return done

    begun = time.perf_counter()
    done = await house.database.write(story, quietly=True)
    total = time.perf_counter() - begun
    clocks.seconds["commit"] = begun + total - ended
    parts = {part: clocks.seconds[part] * _MILLI for part in ("sql", "decision", "log", "other", "commit", "computed")}
    return Round(total * _MILLI, parts, clocks.statements, done.cancelled)


def _enrol(house: House, shape: Shape, tx: Transaction) -> None:
    urls = [f"http://127.0.0.1:9/{number}" for number in range(shape.recipients)]
    bench_house.enrol(house, shape.place, urls, tx, apart=timedelta(seconds=1))


def _record(house: House, shape: Shape, ref: str, number: int) -> Record:
    refs = [ref, *(f"{ref}.{other}" for other in range(1, shape.persons))]
    return bench_house.tip(house, shape.place, f"{ref}-{number}", refs)
