"""What does a whole service do here on each database, and what part is that of the machine's limits?

1. What runs are the real processes (`cli/bench_fleet.py`). SQLite has one process: a second one refuses to start.
2. A tip comes over HTTP, is about two persons who consented, and goes to four agencies: eight decisions, and four
   deliveries to a sink. At the most, `CALLERS` callers send one tip after another, to each `serve` in turn. `tips
   accepted` is by the last answer; `tips delivered`, and with them decisions and deliveries, by the moment at which the
   last delivery had its answer written down; log entries by when the last one was in the tree.
3. At half of the delivered rate tips come one by one: how long a caller waits, and how long after the beginning of its
   acceptance the worker wrote down an agency's answer, by the rows' own moments (all processes have one clock).
4. The auditor asks for the first page of decisions and of disclosures, in turn. Memory is the most that the largest
   process ever held. `CPU ms a tip` is the service's processes' own; a PostgreSQL server's is not in it.
5. `log alone` is `ENTRIES` entries from the outbox to signed and published, in this process.
6. The machine's limits, in the same run: fsynced writes of 4 KB where the database's file would lie, `pgbench`, an
   endpoint of the same framework with the same body, a bare aiohttp client against the same sink. Each figure is also
   told as a part of the limit nearest to it; where one transaction carries many, it may be above 1.
7. PostgreSQL is a throwaway cluster (`cli/bench_postgres.py`); where the system has no binaries it is left out, and
   that is said.

Not promised: that a machine on which callers, sink, database and service share its cores says what four machines do.
"""

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Final

import httpx2

from tiprouter.api.schemas.records import TipBody
from tiprouter.cli import bench_fleet, bench_house, bench_postgres, bench_sink, log_bench
from tiprouter.cli.bench_fleet import CREATED, Fleet
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile
from tiprouter.cli.bench_postgres import Cluster
from tiprouter.errors import ConfigurationError
from tiprouter.storage import outbox
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import consenting, credentials
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.publish import Sequencer

CALLERS: Final = 16
COUPLES: Final = 16
AGENCIES: Final = 4
ENTRIES: Final = 10_000
FSYNCS: Final = 300
BARE: Final = 1_000
QUESTIONS: Final = 20
HALF: Final = 0.5
PATIENCE_SECONDS: Final = 180.0
_COMMIT_SECONDS: Final = 3
_LOOK_SECONDS: Final = 0.05
_MICRO: Final = 1e6
_UNFINISHED: Final = "SELECT count(*) FROM deliveries WHERE finished_at IS NULL"
_DONE: Final = "SELECT coalesce(max(finished_at), 0), count(*) FROM deliveries"
_WAITS: Final = "SELECT finished_at - created_at FROM deliveries WHERE state = 'delivered' AND created_at >= $1"
_MADE: Final = "SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM log_entries)"
_QUESTIONS: Final = ("/v1/decisions?limit=50", "/v1/disclosures?limit=50")


@dataclass(slots=True)
class Crowd:
    """Who sends tips to a fleet: how long each waited, and how many were not taken."""

    post: bench_sink.Post
    urls: Iterator[str]
    token: str
    bodies: Iterator[bytes]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    refused: int = 0

    async def send(self) -> float:
        """One more tip; the seconds until its answer was read."""
        key = f"bench-{next(self.numbers)}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Authorization": f"Bearer {self.token}"}
        begun = time.perf_counter()
        self.refused += await self.post(f"{next(self.urls)}/v1/tips", next(self.bodies), headers) != CREATED
        return time.perf_counter() - begun

    async def at_the_most(self, count: int) -> float:
        """So many by `CALLERS` callers; the seconds until the last answer."""
        turns, begun = iter(range(count)), time.perf_counter()

        async def caller() -> None:
            for _ in turns:
                await self.send()

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return time.perf_counter() - begun

    async def on_time(self, count: int, rate: float) -> list[float]:
        """So many at this rate, whether earlier ones were answered or not; what each waited."""
        begun, sent = time.perf_counter(), list[asyncio.Task[float]]()
        async with asyncio.TaskGroup() as sending:
            for number in range(count):
                await asyncio.sleep(begun + number / rate - time.perf_counter())
                sent.append(sending.create_task(self.send()))
        return [one.result() for one in sent]


def counts_of(text: str) -> list[int]:
    """`1,2,4` as numbers. Raises `ConfigurationError`."""
    made = [int(one) for one in text.split(",") if one in {"1", "2", "4"}]
    if not made or len(made) != text.count(",") + 1:
        raise ConfigurationError("The numbers of processes are 1, 2 and 4, with commas between.")
    return made


def run(tips: int, processes: Sequence[int], *, as_json: bool) -> int:
    """Print all of it; 1 when a tip was not taken or a delivery was not made in time, else 0."""
    binaries = bench_postgres.found()
    with ExitStack() as stack:
        cluster = None if binaries is None else stack.enter_context(bench_postgres.running(binaries))
        return asyncio.run(_measure(cluster, tips, processes, as_json=as_json))


async def _measure(cluster: Cluster | None, tips: int, processes: Sequence[int], *, as_json: bool) -> int:
    with bench_sink.running() as sink:
        limits, machine = await _limits(cluster, sink.answers)
        kinds: list[tuple[str, Callable[[], str]]] = [("sqlite", str)]
        if cluster is not None:
            kinds.append(("postgresql", cluster.database))
        rows = [
            await _row(name, make(), count, tips, sink.answers)
            for name, make in kinds
            for count in processes
            if count == 1 or name != "sqlite"
        ]
        alone = [await _log_alone(name, make()) for name, make in kinds]
    said = machine | {"PostgreSQL": "its own throwaway cluster" if cluster else "left out: no binaries here"}
    tables = {
        "limits": [{"limit": name, "per second": round(rate, 1)} for name, rate in limits.items()],
        "service": rows,
        "log alone": alone,
        "parts of the limits": list(_parts(rows, alone, limits)),
    }
    bench_house.tell_all(said, tables, as_json=as_json)
    return int(any(row["refused"] or row["left"] for row in rows))


async def _limits(cluster: Cluster | None, sink: str) -> tuple[dict[str, float], dict[str, object]]:
    """Rule 6."""
    async with bench_house.opened("") as house:
        machine = await bench_house.machine_of(house)
        body = next(_bodies(house))
    limits = {"fsynced writes of 4 KB": await asyncio.to_thread(_fsyncs)}
    if cluster is not None:
        for clients in (1, 8):
            name = f"PostgreSQL commits, {clients} client(s)"
            limits[name] = await asyncio.to_thread(cluster.commits, clients, _COMMIT_SECONDS)
    with bench_fleet.bare() as fleet:
        async with bench_sink.bare_client() as post:
            crowd = Crowd(post, itertools.cycle(fleet.urls), "", itertools.repeat(body))
            await crowd.at_the_most(CALLERS)
            limits["bare endpoint"] = BARE / await crowd.at_the_most(BARE)
    seconds, _ = await bench_sink.bare(f"{sink}/bare", body, BARE)
    limits["bare client to the sink"] = BARE / seconds
    return limits, machine


def _fsyncs() -> float:
    with tempfile.NamedTemporaryFile(prefix="tiprouter-bench-") as file:
        begun = time.perf_counter()
        for number in range(FSYNCS):
            os.pwrite(file.fileno(), bytes(4_096), number * 4_096)
            os.fsync(file.fileno())
        return FSYNCS / (time.perf_counter() - begun)


async def _row(name: str, url: str, count: int, tips: int, sink: str) -> dict[str, object]:
    """One database by so many processes (rules 2-4)."""
    async with bench_house.opened(url) as house:
        intake, auditor = await house.database.write(partial(_peopled, house, sink))
        with bench_fleet.running(house.settings, count) as fleet:
            async with bench_sink.bare_client() as post:
                crowd = Crowd(post, itertools.cycle(fleet.urls), intake, _bodies(house))
                await crowd.at_the_most(CALLERS)  # what the first tips alone pay for
                await _settled(house)
                most = await _at_the_most(house, fleet, crowd, tips)
                half = await _at_half(house, crowd, tips, float(str(most["tips delivered"])) * HALF)
                crowd.refused += await _asked(fleet, auditor, asked := list[float]())
            left = await house.database.read(lambda tx: int(tx.exec_driver_sql(_UNFINISHED).scalar_one()))
            row = {"database": name, "processes": count, "tips": tips, "refused": crowd.refused, "left": left}
            pages = {f"auditor p{part} ms": round(quantile(asked, part / 100) * MILLI, 1) for part in (50, 99)}
            return row | most | half | pages | {"MB": fleet.memory()}


def _peopled(house: House, sink: str, tx: Transaction) -> tuple[str, str]:
    """Agencies, couples whose consents stand, and the tokens of intake and auditor."""
    bench_house.enrol(house, PLACES[0], [f"{sink}/{number}" for number in range(AGENCIES)], tx)
    for ref in itertools.chain.from_iterable(map(_couple, range(COUPLES))):
        whose = Whose(source="hotline-example", ref=ref)
        consenting.give_consent(tx, house.desk, BENCH, whose, bench_house.consent(house))
    intake, auditor = (
        credentials.make(tx, house.desk, BENCH, role)[1] for role in (CallerRole.INTAKE, CallerRole.AUDITOR)
    )
    return intake, auditor


def _couple(number: int) -> list[str]:
    return [f"caller-{number}", f"other-{number}"]


def _bodies(house: House) -> Iterator[bytes]:
    for number in itertools.count():
        record = bench_house.tip(house, PLACES[0], f"T-{number}", _couple(number % COUPLES))
        yield TipBody.of(record).rendered()


async def _at_the_most(house: House, fleet: Fleet, crowd: Crowd, tips: int) -> dict[str, object]:
    """Rule 2."""
    _, done = await house.database.read(_done)
    decided, logged = await house.database.read(_made)
    began, computed = house.desk.now(), fleet.computed()
    accepting = await crowd.at_the_most(tips)
    logging = (await _settled(house) - began).total_seconds()
    last, delivered = await house.database.read(_done)
    decided_now, logged_now = await house.database.read(_made)
    seconds = max(last / _MICRO - began.timestamp(), accepting)
    return {
        "tips accepted": round(tips / accepting, 1),
        "tips delivered": round(tips / seconds, 1),
        "deliveries": round((delivered - done) / seconds, 1),
        "decisions": round((decided_now - decided) / seconds, 1),
        "log entries": round((logged_now - logged) / logging, 1),
        "CPU ms a tip": round((fleet.computed() - computed) / tips * MILLI, 2),
    }


async def _at_half(house: House, crowd: Crowd, tips: int, rate: float) -> dict[str, object]:
    """Rule 3."""
    since = int(house.desk.now().timestamp() * _MICRO)
    answered = await crowd.on_time(tips, max(rate, 1.0))
    await _settled(house)
    waits = await house.database.read(lambda tx: [row[0] / _MICRO for row in tx.exec_driver_sql(_WAITS, (since,))])
    kinds = (("answered", answered), ("delivered", waits))
    return {f"{n} p{p} ms at half": round(quantile(w, p / 100) * MILLI, 1) for n, w in kinds for p in (50, 99)}


async def _asked(fleet: Fleet, token: str, waits: list[float]) -> int:
    """Rule 4: how many questions were not answered."""
    failed = 0
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {token}"}) as asking:
        for number in range(2 * QUESTIONS):
            url = f"{fleet.urls[number % len(fleet.urls)]}{_QUESTIONS[number % len(_QUESTIONS)]}"
            begun = time.perf_counter()
            failed += (await asking.get(url)).is_error
            waits.append(time.perf_counter() - begun)
    return failed


async def _settled(house: House) -> datetime:
    """Wait until every delivery is over and every entry in the tree, so long and no longer; when that was."""
    ends = time.monotonic() + PATIENCE_SECONDS

    def unsettled(tx: Transaction) -> bool:
        return outbox.waiting(tx) > 0 or tx.exec_driver_sql(_UNFINISHED).scalar_one() > 0

    while time.monotonic() < ends and await house.database.read(unsettled):  # noqa: ASYNC110 - others settle it
        await asyncio.sleep(_LOOK_SECONDS)
    return house.desk.now()


def _done(tx: Transaction) -> tuple[int, int]:
    last, many = tx.exec_driver_sql(_DONE).one()
    return int(last), int(many)


def _made(tx: Transaction) -> tuple[int, int]:
    decided, logged = tx.exec_driver_sql(_MADE).one()
    return int(decided), int(logged)


async def _log_alone(name: str, url: str) -> dict[str, object]:
    """Rule 5."""
    async with bench_house.opened(url) as house:
        log = Sequencer(house.database, house.desk, house.signer, house.settings.log_folder)
        await log.start()
        await log.drain()
        some = list(islice(log_bench.made_entries(), ENTRIES))
        await house.database.write(partial(outbox.add, entries=some))
        begun, spent = time.perf_counter(), time.process_time()
        await log.drain()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
    return {
        "database": name,
        "entries per second": round(ENTRIES / seconds),
        "CPU us each": round(cpu / ENTRIES * _MICRO, 1),
    }


def _parts(
    rows: Sequence[Mapping[str, object]], alone: Sequence[Mapping[str, object]], limits: Mapping[str, float]
) -> Iterator[dict[str, object]]:
    """Each figure as a part of the limit nearest to it (rule 6)."""
    commits = {"sqlite": "fsynced writes of 4 KB", "postgresql": "PostgreSQL commits, 8 client(s)"}
    for row in rows:
        against = {
            "tips accepted": "bare endpoint",
            "tips delivered": commits[str(row["database"])],
            "deliveries": "bare client to the sink",
            "decisions": commits[str(row["database"])],
            "log entries": commits[str(row["database"])],
        }
        for what, limit in against.items():
            yield _part(f"{row['database']}, {row['processes']}: {what}", row[what], limit, limits)
    for one in alone:
        name = str(one["database"])
        yield _part(f"{name}: log alone", one["entries per second"], commits[name], limits)


def _part(what: str, rate: object, limit: str, limits: Mapping[str, float]) -> dict[str, object]:
    return {"figure": what, "per second": rate, "limit": limit, "part": round(float(str(rate)) / limits[limit], 3)}
