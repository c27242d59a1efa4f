"""How long do years of a national hotline take to be accepted, decided, delivered, logged and verified?

1. What plays is `cli/national.py`'s history, by the real stories: tips, cases and their revisions, consents and
   withdrawals are told as the edge tells them; the worker signs and sends to a sink over HTTP; agencies acknowledge;
   the sequencer grows the log; at the end the verifier reads all of it, and rows are counted against entries. HTTP on
   the way in is not in it: `bench intake` has what the edge costs a tip.
2. The service's clock goes as ever while a day is worked on, and at the day's end jumps to the next one. A day's
   signals come all at once: that is the load, speeded up as far as the machine goes.
3. What is due without anybody asking is done at the end of each day, of every chore at most `CHORE_STEPS` steps. Nobody
   reviews here, so that what waits for a human repeats itself for years; chores that had more to do are counted as
   `chores left`.
4. `of` takes one day in so many, at its full size, spread over all the years; the whole is then an estimate, times so
   many. It takes for granted that nothing grows dearer with history: the first and the last quarter of the days, each
   by its cost a signal, are there to show whether that is so. Chores are done on the days that are played alone.
5. `burst` adds the last day once more with so many times its signals; its row has how long that took.
6. The worker begins while a day is still being accepted: `deliver` is what was left to wait for after that. CPU is this
   process's own; a PostgreSQL server's and the sink's are in the seconds alone. Memory is the most that the process
   ever held.
"""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from tiprouter import wiring
from tiprouter.audit.verify import verify_folder
from tiprouter.cli import bench_house, bench_sink, national
from tiprouter.cli.bench_house import BENCH, MILLI
from tiprouter.cli.national import CaseSent, Day, Shape
from tiprouter.delivery.sender import Sender
from tiprouter.domain.consent import Consent
from tiprouter.domain.lanes import Lane, Places
from tiprouter.domain.recipient import NATIONWIDE, Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind, Role
from tiprouter.errors import ConfigurationError
from tiprouter.storage.acknowledgements import Words
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import acknowledging, consenting, enrolment, intake, log_watch
from tiprouter.workflow.chores import CHORES, Chore
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.happening import Actor, Desk
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.worker import Worker

T = TypeVar("T")
S = TypeVar("S")

CALLERS: Final = 32
CHORE_STEPS: Final = 20
PATIENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.02
_WAITING: Final = "SELECT 1 FROM deliveries WHERE state IN ('queued', 'claimed', 'retrying') LIMIT 1"
_ARRIVED: Final = "SELECT disclosure_id, recipient_id FROM deliveries WHERE state = 'delivered' AND id > $1 ORDER BY id"
_LAST: Final = "SELECT coalesce(max(id), '') FROM deliveries"
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


@dataclass(slots=True)
class Moving:
    """The service's clock (rule 2): what it last jumped to, and what has passed since."""

    at: datetime
    since: float = field(default_factory=time.monotonic)

    def __call__(self) -> datetime:
        """This moment."""
        return self.at + timedelta(seconds=time.monotonic() - self.since)

    def jump(self, to: datetime) -> None:
        """To the next day; never back."""
        self.at, self.since = max(to, self()), time.monotonic()


@dataclass(slots=True)
class Part:
    """What one part of the work took."""

    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(slots=True)
class Played:
    """What was told so far, and what each part took."""

    counts: Counter[str] = field(default_factory=Counter)
    parts: dict[str, Part] = field(default_factory=dict)
    tips: dict[str, str] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    days: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        kept = self.parts.setdefault(name, Part())
        begun, spent = time.perf_counter(), time.process_time()
        yield
        kept.seconds += time.perf_counter() - begun
        kept.cpu += time.process_time() - spent


class Unhurried(Worker):
    """A worker whose chores are done at the end of each day by whoever plays it (rule 3)."""

    async def _tend(self) -> None:
        await asyncio.Event().wait()


class Hotline:
    """Plays days against a house."""

    def __init__(self, house: House, clock: Moving, played: Played, log: Sequencer) -> None:
        self._house, self._clock, self._log, self.played = house, clock, log, played

    async def play(self, day: Day, shape: Shape) -> None:
        """One day, all of it (rules 1-3)."""
        spent = time.process_time()
        self._clock.jump(day.at)
        last: str = await self._house.database.read(lambda tx: str(tx.exec_driver_sql(_LAST).scalar_one()))
        with self.played.part("accept and decide"):
            await self._all(self._withdraw, day.withdrawals)
            await self._all(self._tip, day.tips)
            await self._all(self._case, day.cases)
            await self._all(self._consent, day.consents)
        with self.played.part("deliver"):
            await self._delivered()
        with self.played.part("acknowledge"):
            arrived: list[tuple[str, str]] = await self._house.database.read(
                lambda tx: [(row[0], row[1]) for row in tx.exec_driver_sql(_ARRIVED, (last,))]
            )
            await self._all(self._acknowledge, arrived[: round(len(arrived) * shape.acknowledged_share)])
        with self.played.part("chores"):
            await self._chores()
        with self.played.part("deliver"):
            await self._delivered()
        with self.played.part("log"):
            await self._log.drain()
        self.played.days.append((len(day.tips), time.process_time() - spent))
        self.played.counts["days"] += 1
        self.played.counts["signals"] += len(day.tips)

    async def _all(self, tell: Callable[[S], Awaitable[None]], some: Sequence[S]) -> None:
        turns = iter(some)

        async def caller() -> None:
            for one in turns:
                await tell(one)

        await asyncio.gather(*(caller() for _ in range(min(CALLERS, len(some)))))

    async def _told(self, story: Callable[[Transaction], T]) -> T:
        return await self._house.database.write(story)

    async def _tip(self, record: Record) -> None:
        desk = self._house.desk
        done = await self._told(lambda tx: intake.accept_tip(tx, desk, BENCH, record))
        self.played.tips[record.external_id] = done.stored.id

    async def _case(self, case: CaseSent) -> None:
        desk, tips = self._house.desk, tuple(self.played.tips[name] for name in case.tips)
        record = replace(case.record, tips=tips)
        await self._told(lambda tx: intake.put_case(tx, desk, BENCH, record, case.expected))
        self.played.counts["cases" if case.expected is None else "revisions"] += 1
        if case.expected is None:
            found = [one for one in record.persons if one.role is Role.POTENTIAL_VICTIM]
            self.played.counts["persons of cases"] += len(found)

    async def _consent(self, said: tuple[str, Consent]) -> None:
        desk, whose = self._house.desk, Whose(source=national.SOURCE, ref=said[0])
        given: Given = await self._told(lambda tx: consenting.give_consent(tx, desk, BENCH, whose, said[1]))
        self.played.consents[said[0]] = given.consent.id
        self.played.counts["consents"] += 1

    async def _withdraw(self, ref: str) -> None:
        desk, name = self._house.desk, self.played.consents[ref]
        await self._told(lambda tx: consenting.withdraw(tx, desk, BENCH, name, None))
        self.played.counts["withdrawals"] += 1

    async def _acknowledge(self, arrived: tuple[str, str]) -> None:
        desk, agency = self._house.desk, Actor("benchmark-agency", "agency", arrived[1])
        accepted, words = AcknowledgementStatus.ACCEPTED, Words(case_number="EXAMPLE-1")
        await self._told(lambda tx: acknowledging.acknowledge(tx, desk, agency, arrived[0], accepted, words))
        self.played.counts["acknowledgements"] += 1

    async def _delivered(self) -> None:
        """Wait until nothing is on its way, so long and no longer; what is left is counted at the end."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while await self._house.database.read(lambda tx: tx.exec_driver_sql(_WAITING).first()) is not None:
            if time.monotonic() > ends:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _chores(self) -> None:
        """Rule 3."""
        for chore in CHORES:
            for step in range(CHORE_STEPS):
                did = await self._house.database.write(partial(_done, chore, self._house.desk), quietly=True)
                self.played.counts["chores"] += did
                if not did:
                    break
                self.played.counts["chores left"] += step == CHORE_STEPS - 1


def _done(chore: Chore, desk: Desk, tx: Transaction) -> int:
    """A step of a chore: how much it did."""
    return chore(tx, desk)


def part_of(text: str) -> int:
    """`1/100` is 100. Raises `ConfigurationError`."""
    one, _, many = text.partition("/")
    if one != "1" or not many.isascii() or not many.isdigit() or not int(many):
        raise ConfigurationError("A part of the history is spelt such as 1/100.")
    return int(many)


def run(database_url: str | None, shape: Shape, of: int, burst: float, seed: int, *, as_json: bool) -> int:
    """Print how long it took, and what; 1 when the log does not verify or something was not delivered, else 0."""
    return asyncio.run(_measure(database_url or "", shape, of, burst, seed, as_json=as_json))


async def _measure(url: str, shape: Shape, of: int, burst: float, seed: int, *, as_json: bool) -> int:
    numbers = range(of - 1, national.days_of(shape), of)
    async with bench_house.opened(url) as opened:
        machine = await bench_house.machine_of(opened)
        clock = Moving(opened.desk.now())
        house = replace(opened, desk=replace(opened.desk, now=clock, ahead=timedelta))
        played, begins = Played(), clock()
        with bench_sink.running() as sink:
            await house.database.write(partial(_enrol, house, sink.answers, national.days_of(shape)))
            async with _running(house, clock, played) as hotline:
                for day in national.history(shape, seed, begins, numbers):
                    await hotline.play(day, shape)
                with played.part("verify"):
                    verified, agree = await _verify(house)
                counts = Counter({**played.counts, **await house.database.read(_counted)})
                rows, quarters = list(_rows(played, counts, of)), _quarters(played.days)
                bursts = await _burst(hotline, shape, seed, begins, burst) if burst else []
    tables = {"time": rows, "counts": _counts(counts, of), "history": quarters, "burst": bursts}
    found = {"log verified": verified, "rows agree with entries": agree}
    bench_house.tell_all(machine | found, tables, as_json=as_json)
    return int(not verified or not agree or counts["left"] > 0)


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


def _rows(played: Played, counts: Counter[str], of: int) -> Iterator[dict[str, object]]:
    """A row for each part and one for all, with the estimate for the whole (rules 4, 6)."""
    every = list(played.parts.values())
    played.parts["all"] = Part(sum(one.seconds for one in every), sum(one.cpu for one in every))
    for name, part in played.parts.items():
        yield {
            "part": name,
            "seconds": round(part.seconds, 2),
            "CPU seconds": round(part.cpu, 2),
            "signals per second": round(counts["signals"] / part.seconds, 1),
            "CPU ms a signal": round(part.cpu / counts["signals"] * MILLI, 2),
            f"estimate of the whole, times {of}, minutes": round(part.seconds * of / 60, 1),
        }


def _counts(counts: Counter[str], of: int) -> list[dict[str, object]]:
    found = [{"what": name, "counted": count, f"times {of}, an estimate": count * of} for name, count in counts.items()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return [*found, {"what": "MB of memory at most", "counted": peak, f"times {of}, an estimate": "-"}]


def _quarters(days: Sequence[tuple[int, float]]) -> list[dict[str, object]]:
    """What a signal cost in the first and in the last quarter of the days (rule 4)."""
    many = max(len(days) // 4, 1)
    shown = {"first quarter of the days": days[:many], "last quarter of the days": days[-many:]}
    rows: list[dict[str, object]] = []
    for name, some in shown.items():
        signals = sum(count for count, _ in some)
        spent = sum(cpu for _, cpu in some)
        rows.append({"of": name, "signals": signals, "CPU ms a signal": round(spent / max(signals, 1) * MILLI, 2)})
    return rows


async def _burst(hotline: Hotline, shape: Shape, seed: int, begins: datetime, times: float) -> list[dict[str, object]]:
    """Rule 5."""
    (day,) = national.history(shape, seed, begins, [national.days_of(shape)], times)
    begun, spent = time.perf_counter(), time.process_time()
    await hotline.play(day, shape)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
    row = {"burst": f"a day times {times:g}", "signals": len(day.tips), "seconds": round(seconds, 2)}
    return [row | {"CPU seconds": round(cpu, 2), "signals per second": round(len(day.tips) / seconds, 1)}]
