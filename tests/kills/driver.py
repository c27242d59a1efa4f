"""One run: start everything, put it under load, kill in turn, let it come to rest, and say what was seen.

1. What is killed comes from the seed: every kind of part in turn, in an order and at moments of chance, and each is
   started again at once. The next kill comes some moments after that part is back.
2. At rest means that all that was allowed arrived, or that nothing arrived for long. Then everything is told to stop,
   the sequencer last, and the log is read from its folder alone.
3. The log is verified as `tiprouter audit verify` does, with the key that it had at the start: in the middle, and at
   the end against the checkpoint that was remembered then.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx2

from tests.kills import agencies as hearing_agencies
from tests.kills.agencies import Agencies
from tests.kills.evidence import Evidence, Kill
from tests.kills.load import AGAIN, Callers
from tests.kills.parts import Part, Server, own_server, parts_of, prepared
from tiprouter.audit import merkle
from tiprouter.audit.checkpoint import Checkpoint, read_unverified
from tiprouter.audit.entry import Entry, parse
from tiprouter.audit.folder import VKEY, last_checkpoint, read_tile
from tiprouter.audit.tiles import ENTRIES, TILE_WIDTH, decode_bundle, hash_reader, tile_at
from tiprouter.audit.verify import verify_folder

AGENCIES: Final = ("police-1", "police-2")
START_SECONDS: Final = 120.0
REST_SECONDS: Final = 180.0
QUIET_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.05
POSTGRESQL: Final = "postgresql"

Telling = Callable[["Running", float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """So many seconds of load at a rate (tips a second), a kill every `gap` seconds on average; None kills nothing."""

    seconds: float
    postgresql: bool
    seed: int
    rate: float
    gap: float | None


@dataclass
class Running:
    """Everything that runs, and what was seen of it so far."""

    plan: Plan
    parts: list[Part]
    server: Server | None
    key: str
    agencies: Agencies
    callers: Callers
    kills: list[Kill] = field(default_factory=list)
    growths: list[float] = field(default_factory=list)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    remembered: Checkpoint | None = None
    faults: list[str] = field(default_factory=list)
    killing: str = ""
    ended: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        """Where the log is published."""
        return self.parts[-1].folder / "log"

    def verify(self) -> None:
        """Rule 3."""
        report = verify_folder(self.log, self.key, self.remembered)
        self.faults += [f"{step.title}: {step.detail}" for step in report.steps if not step.ok]
        self.remembered = (
            read_unverified(last_checkpoint(self.log) or b"") if self.remembered is None else self.remembered
        )


async def run(plan: Plan, telling: Telling | None = None) -> Evidence:
    """Run once. `telling` is called now and then. Raises `NoServerError` where there is no PostgreSQL."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiprouter-kills-")))
        server, database = None, ""
        if plan.postgresql:
            server, database = await prepared(stack.enter_context(own_server()))
        async with hearing_agencies.hearing(plan.seed) as agencies, started(plan, folder, database, agencies) as begun:
            begun.server = server
            await _under_load(begun, telling)
            kept = await stored(begun)
            await asyncio.to_thread(stop, begun.parts)
            begun.verify()
            return evidence(begun, kept)


@asynccontextmanager
async def started(plan: Plan, folder: Path, database: str, agencies: Agencies) -> AsyncIterator[Running]:
    """Everything runs while inside."""
    parts = parts_of(folder, database)
    try:
        for part in parts:
            part.start(traced=plan.gap is None)
            if part is parts[0]:
                await _until(part, lambda it: it.starts)
        for part in parts:
            await _until(part, lambda it: it.starts)
        await _until(parts[-1], lambda it: last_checkpoint(it.folder / "log"))
        token = await asyncio.to_thread(_furnish, parts[0], agencies.url)
        edges = {part.url: part.name for part in parts if part.url}
        callers = Callers(edges, token, Random(plan.seed))  # noqa: S311 - a load, no secret
        key = (parts[-1].folder / "log" / VKEY).read_text().strip()
        yield Running(plan, parts, None, key, agencies, callers)
    finally:
        for part in parts:
            part.kill()


def _furnish(edge: Part, url: str) -> str:
    """Register the agencies and make a credential of the intake; its token."""
    operator = json.loads(edge.ask("credential", "create", "--role", "operator"))["token"]

    def made(path: str, key: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {operator}", "Idempotency-Key": key}
        answer = httpx2.post(f"{edge.url}{path}", json=body, headers=headers, timeout=START_SECONDS)
        return answer.raise_for_status().json()

    until = (datetime.now(UTC) + timedelta(days=365)).isoformat(timespec="seconds").replace("+00:00", "Z")
    for name in AGENCIES:
        police = {"name": f"Example {name}", "kind": "law_enforcement", "jurisdictions": ["US-TX"], "counties": []}
        police |= {"agreement_until": until}
        made("/v1/recipients", name, police | {"url": f"{url}/{name}", "signature_scheme": "v1a", "status": "active"})
    return str(made("/v1/credentials", "intake", {"role": "intake"})["token"])


async def _under_load(it: Running, telling: Telling | None) -> None:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(it, telling))
        working = [tasks.create_task(it.callers.call(it.plan.rate, stopping)), tasks.create_task(_kill_in_turn(it))]
        await asyncio.sleep(it.plan.seconds / 2)
        await asyncio.to_thread(it.verify)
        await asyncio.gather(working[1], asyncio.sleep(it.plan.seconds / 2))
        stopping.set()
        await working[0]
        await rested(it)
        watching.cancel()


async def _kill_in_turn(it: Running) -> None:
    """Rule 1."""
    if it.plan.gap is None:
        return
    chance, until = Random(it.plan.seed), time.monotonic() + it.plan.seconds  # noqa: S311 - a choice, no secret
    kinds = sorted({part.kind for part in it.parts} | ({POSTGRESQL} if it.server else set()))
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            await asyncio.sleep(it.plan.gap * chance.uniform(0.5, 1.5))
            if time.monotonic() > until:
                return
            await _kill(it, kind, chance)


async def _kill(it: Running, kind: str, chance: Random) -> None:
    at = time.time()
    if kind == POSTGRESQL and it.server is not None:
        await asyncio.to_thread(it.server.crash)
        it.kills.append(Kill(kind, kind, at, time.time()))
        return
    part = chance.choice([one for one in it.parts if one.kind == kind])
    it.killing, before = part.name, part.starts
    await asyncio.to_thread(part.kill)
    part.start()
    it.killing = ""
    await _until(part, lambda it: it.starts > before)
    it.kills.append(Kill(kind, part.name, at, time.time()))


async def watch(it: Running, telling: Telling | None) -> None:
    """See every longer log, and start what ended by itself again, as whoever runs the service does."""
    begun = time.monotonic()
    while True:
        note = last_checkpoint(it.log)
        if note is not None and (signed := read_unverified(note)).size not in it.checkpoints:
            it.checkpoints[signed.size] = signed
            it.growths.append(time.time())
        for part in it.parts:
            if not part.alive and part.name != it.killing:
                it.ended.append(f"{part.name}: {part.last_words}")
                part.start(traced=it.plan.gap is None)
        if telling is not None:
            telling(it, time.monotonic() - begun)
        await asyncio.sleep(LOOK_SECONDS)


async def rested(it: Running) -> None:
    """Rule 2."""
    until, quiet = time.monotonic() + REST_SECONDS, time.time()
    while time.monotonic() < until:
        owed = {(agency, tip.number) for tip in it.callers.tips.values() for agency in AGENCIES if tip.owed}
        since = time.time() - max(quiet, it.agencies.arrivals[-1].at if it.agencies.arrivals else quiet)
        if owed <= it.agencies.tips.keys() and since > QUIET_SECONDS:
            return
        await asyncio.sleep(LOOK_SECONDS * 5)


async def stored(it: Running) -> frozenset[str]:
    """Which of the accepted tips the service still has."""
    edge = next(part for part in it.parts if part.url)
    found: set[str] = set()
    headers = {"Authorization": f"Bearer {it.callers.token}"}
    async with httpx2.AsyncClient(base_url=edge.url, headers=headers, timeout=START_SECONDS) as line:
        for tip in it.callers.tips.values():
            answer = await line.get(f"/v1/tips/{tip.accepted.id}")
            while answer.status_code in AGAIN:
                await asyncio.sleep(LOOK_SECONDS)
                answer = await line.get(f"/v1/tips/{tip.accepted.id}")
            found |= {tip.accepted.id} if answer.status_code == httpx2.codes.OK else set()
    return frozenset(found)


def stop(parts: list[Part]) -> None:
    """Workers, then edges, then the sequencer."""
    order = ("worker", "edge", "service", "sequencer")
    for part in sorted(parts, key=lambda one: order.index(one.kind)):
        part.stop()


def evidence(it: Running, kept: frozenset[str]) -> Evidence:
    """What was seen, once everything was told to stop."""
    note = last_checkpoint(it.log)
    signed = read_unverified(note or b"")
    reader = hash_reader(signed.size, lambda tile: read_tile(it.log, tile) or b"")
    unlike = [size for size, one in it.checkpoints.items() if merkle.root(size, reader) != one.root]
    return Evidence(
        agencies=AGENCIES,
        tips=tuple(it.callers.tips.values()),
        arrivals=tuple(it.agencies.arrivals),
        entries=tuple(_entries(it.log, signed.size)),
        stored=kept,
        kills=tuple(it.kills),
        growths=tuple(it.growths),
        ended=tuple(it.ended),
        unanswered=tuple(it.callers.unanswered),
        log_faults=(*it.faults, *(f"the log is not the one that had {size} entries" for size in unlike)),
    )


def _entries(folder: Path, size: int) -> Iterator[Entry]:
    for index in range(-(-size // TILE_WIDTH)):
        tile = tile_at(ENTRIES, index, size)
        yield from map(parse, decode_bundle(read_tile(folder, tile) or b"", tile.width))


async def _until(part: Part, happened: Callable[[Part], object]) -> None:
    until = time.monotonic() + START_SECONDS
    while not happened(part):
        if time.monotonic() > until:
            raise RuntimeError(f"{part.name} did not start:\n{part.said[-2_000:]}")
        await asyncio.sleep(LOOK_SECONDS)
