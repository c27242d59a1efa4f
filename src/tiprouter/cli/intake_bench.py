"""How many tips a second does the edge take, how long does a caller wait, and what part of the limit is that?

1. What runs is `tiprouter serve` without its worker, in a process of its own: edge, decisions and the log. Each tip is
   of two persons in a place with four agencies, so eight decisions; its 201 says that all of it is durable.
2. A caller alone sends one after the other. At the most, `callers` send at once, each its next tip after its answer.
   At half of that rate tips are sent on time, whether earlier ones were answered or not.
3. Beside it stand two limits: an endpoint of the same framework and server that parses the same body and answers 201,
   and commits of one small row, one after the other, by the same machinery on the same kind of database.
"""

import asyncio
import itertools
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, Final

import fastapi
import uvicorn

from tiprouter import wiring
from tiprouter.api.schemas.records import TipBody
from tiprouter.cli import bench_house, logs
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile, settings_of
from tiprouter.cli.bench_sink import Post, bare_client
from tiprouter.errors import UnavailableError
from tiprouter.settings import Settings
from tiprouter.storage.database import open_database
from tiprouter.wiring import House
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole

RECIPIENTS: Final = 4
HALF: Final = 0.5
START_SECONDS: Final = 60.0
CREATED: Final = 201
_BACKLOG: Final = 1_024
_URLS: Final = tuple(f"http://127.0.0.1:9/{number}" for number in range(RECIPIENTS))


@dataclass(slots=True)
class Caller:
    """Sends tips to one URL: how long each waited, and how many were not taken."""

    post: Post
    url: str
    headers: Mapping[str, str]
    bodies: Iterator[bytes]
    numbers: Iterator[int] = field(default_factory=itertools.count)
    refused: int = 0

    async def send(self) -> float:
        """Send the next one; the seconds until its answer was read."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"bench-{next(self.numbers)}"}
        body = next(self.bodies)
        begun = time.perf_counter()
        self.refused += await self.post(self.url, body, {**headers, **self.headers}) != CREATED
        return time.perf_counter() - begun


def run(database_url: str | None, callers: int, count: int, *, as_json: bool) -> int:
    """Print a row for the edge and one for each limit; 1 when a tip was not taken, else 0."""
    return asyncio.run(_measure(database_url or "", callers, count, as_json=as_json))


async def _measure(url: str, callers: int, count: int, *, as_json: bool) -> int:
    async with bench_house.opened(url) as house:
        machine = await bench_house.machine_of(house)
        await house.database.write(partial(bench_house.enrol, house, PLACES[0], _URLS))
        made = await house.database.write(lambda tx: credentials.make(tx, house.desk, BENCH, CallerRole.INTAKE))
        bodies = _bodies(house)
        with _process(_serve, house.settings.model_dump()) as base:
            bearer = {"Authorization": f"Bearer {made[1]}"}
            edge, refused = await _row(f"{base}/v1/tips", bearer, bodies, callers, count)
        with _process(_bare, None) as base:
            bare, _ = await _row(f"{base}/v1/tips", {}, bodies, callers, count)
    commits = await _commits(url, count)
    rows: list[dict[str, object]] = [
        {"what": f"tips, {RECIPIENTS} agencies x 2 persons", **edge},
        {"what": "bare endpoint, same body", **bare},
        {"what": "bare commits, one caller", **dict.fromkeys(edge, "-"), "per second": round(commits, 1)},
    ]
    for row, rate in zip(rows, (edge["per second"], bare["per second"], commits), strict=True):
        row["times tips"] = round(rate / edge["per second"], 1)
    bench_house.tell(machine, rows, as_json=as_json)
    return int(refused > 0)


def _bodies(house: House) -> Iterator[bytes]:
    for number in itertools.count():
        refs = [f"caller-{number}", f"other-{number}"]
        yield TipBody.of(bench_house.tip(house, PLACES[0], f"T-{number}", refs)).rendered()


async def _row(
    url: str, headers: Mapping[str, str], bodies: Iterator[bytes], callers: int, count: int
) -> tuple[dict[str, float], int]:
    """Rule 2."""
    async with bare_client() as post:
        caller = Caller(post, url, headers, bodies)
        await caller.send()  # what the first request alone pays for
        alone = [await caller.send() for _ in range(count)]
        begun = time.perf_counter()
        turns = iter(range(count))
        await asyncio.gather(*(_in_turn(caller.send, turns) for _ in range(callers)))
        rate = count / (time.perf_counter() - begun)
        paced = await _paced(caller.send, rate * HALF, count)
    row = {"per second": round(rate, 1)}
    for name, waits in (("alone", alone), ("at half", paced)):
        row |= {f"p{part} ms {name}": round(quantile(waits, part / 100) * MILLI, 1) for part in (50, 99)}
    return row, caller.refused


async def _in_turn(send: Callable[[], Awaitable[float]], turns: Iterator[int]) -> None:
    for _ in turns:
        await send()


async def _paced(send: Callable[[], Awaitable[float]], rate: float, count: int) -> Sequence[float]:
    begun, sent = time.perf_counter(), list[asyncio.Task[float]]()
    async with asyncio.TaskGroup() as sending:
        for number in range(count):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            sent.append(sending.create_task(_as_task(send)))
    return [one.result() for one in sent]


async def _as_task(send: Callable[[], Awaitable[float]]) -> float:
    return await send()


async def _commits(url: str, count: int) -> float:
    """Commits a second (rule 3), in a table of their own."""
    with tempfile.TemporaryDirectory(prefix="tiprouter-bench-") as folder:
        database = open_database(url or settings_of(folder, "").url)
        try:
            await database.write(lambda tx: tx.exec_driver_sql("CREATE TABLE bench_commits (number INTEGER)"))
            begun = time.perf_counter()
            for _ in range(count):
                await database.write(lambda tx: tx.exec_driver_sql("INSERT INTO bench_commits VALUES (1)"))
            seconds = time.perf_counter() - begun
            await database.write(lambda tx: tx.exec_driver_sql("DROP TABLE bench_commits"))
        finally:
            await database.close()
    return count / seconds


@contextmanager
def _process(target: Callable[[Connection, Any], None], values: object) -> Iterator[str]:
    """A server in a process of its own; its base URL. Raises `UnavailableError`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, values), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise UnavailableError("The measured server did not start in time.")
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection, values: dict[str, Any]) -> None:
    logs.configure("critical")
    settings = Settings.model_validate(values)
    asyncio.run(wiring.serve(settings, worker=False, ready=told.send))


def _bare(told: Connection, _: object) -> None:
    app = fastapi.FastAPI()

    @app.post("/v1/tips", status_code=CREATED)
    async def take(request: fastapi.Request) -> dict[str, str]:
        # As the service reads bodies: straight from JSON, without a dictionary between.
        return {"id": TipBody.model_validate_json(await request.body()).external_id}

    # The protocol is named: asyncio sends small answers without delay only where it reads TCP there.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
        told.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, loop="asyncio"))
        server.run(sockets=[listener])
