"""When are callers dropped who take their time, and what do they cost those who do not?

1. What runs is `tiprouter serve` without its worker, in a process of its own, on a temporary SQLite file; its deadlines
   are given. Slow callers are another process: five in eleven never end their heads, five (with a credential) never
   their bodies, one asks for something large and never reads it. Each says a little every second.
2. Each is timed from its first byte until the service drops it, beside its own deadline: a head's from connecting, a
   body's from its head, an answer's from being asked for. More than `GRACE_SECONDS` after it is late.
3. Honest callers send tips on time, whether earlier ones were answered or not: first alone, then beside the slow ones
   for as long as the last of these may live, in turns, so that both meet the same machine.

Not promised: what a thousand callers from a thousand addresses cost a network.
"""

import asyncio
import http.client
import itertools
import multiprocessing
import select
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import urlsplit

from tiprouter import wiring
from tiprouter.api.schemas.records import TipBody
from tiprouter.cli import bench_house, logs
from tiprouter.cli.bench_house import BENCH, MILLI, PLACES, quantile
from tiprouter.cli.bench_sink import bare_client
from tiprouter.cli.intake_bench import Caller
from tiprouter.errors import UnavailableError
from tiprouter.settings import Settings
from tiprouter.wiring.edge import allow_files
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole

GRACE_SECONDS: Final = 2.0
OPEN_SECONDS: Final = 3.0
ROUNDS: Final = 2
START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05
_LARGE: Final = "/openapi.json"
_SMALL_WINDOW: Final = 4_096
_KINDS: Final = ("head", "body", "answer")
_MIX: Final = ("head", "body", "answer", *("head", "body") * 4)
_ANSWERS: Final = 10
_NEVER: Final = float("inf")


@dataclass(slots=True)
class Slow:
    """One slow connection: its kind, its socket, when it began, and when it is due to say something again."""

    kind: str
    line: socket.socket
    begun: float
    again_at: float


def run(slow: int, rate: float, head_seconds: float, body_seconds: float, *, as_json: bool) -> int:
    """Print a row for each kind of slow caller and one each for the honest; 1 when a slow one was dropped late."""
    allow_files()
    return asyncio.run(_measure(slow, rate, head_seconds, body_seconds, as_json=as_json))


async def _measure(slow: int, rate: float, head_seconds: float, body_seconds: float, *, as_json: bool) -> int:
    deadlines = {"head": head_seconds, "body": body_seconds, "answer": body_seconds}
    lasts = OPEN_SECONDS + max(deadlines.values()) + GRACE_SECONDS
    alone, beside, lives = list[float](), list[float](), list[tuple[str, float]]()
    async with bench_house.opened("") as house, bare_client() as post:
        machine = await bench_house.machine_of(house)
        made = await house.database.write(lambda tx: credentials.make(tx, house.desk, BENCH, CallerRole.INTAKE))
        values = house.settings.model_dump() | {"head_seconds": head_seconds, "body_seconds": body_seconds}
        with _process(_serve, values) as (base, _):
            bearer = {"Authorization": f"Bearer {made[1]}"}
            bodies = (
                TipBody.of(bench_house.tip(house, PLACES[0], f"T-{number}", [f"caller-{number}"])).rendered()
                for number in itertools.count()
            )
            honest = Caller(post, f"{base}/v1/tips", bearer, bodies)
            await honest.send()  # what the first request alone pays for
            await asyncio.to_thread(_ask_for_something_large, base)  # as above
            for _ in range(ROUNDS):
                alone += await _paced(honest, rate, lasts)
                with _process(_drip, (base, made[1], slow, deadlines)) as (_, told):
                    beside += await _paced(honest, rate, lasts)
                    lives += await asyncio.to_thread(_told, told)
    rows = [_row(kind, deadlines[kind], [life for one, life in lives if one == kind]) for kind in _KINDS]
    rows += [_honest("honest, alone", alone), _honest("honest, beside", beside)]
    bench_house.tell(machine, rows, as_json=as_json)
    return int(honest.refused > 0 or any(life > deadlines[kind] + GRACE_SECONDS for kind, life in lives))


def _row(kind: str, deadline: float, lives: list[float]) -> dict[str, object]:
    late = sum(life > deadline + GRACE_SECONDS for life in lives)
    told: dict[str, object] = {"who": f"slow {kind}", "count": len(lives), "deadline s": deadline, "late": late}
    for name, part in (("first s", 0.0), ("median s", 0.5), ("last s", 1.0)):
        told[name] = round(quantile(lives, part), 2)
    return told | {"p50 ms": "-", "p99 ms": "-"}


def _honest(who: str, waits: list[float]) -> dict[str, object]:
    told: dict[str, object] = {"who": who, "count": len(waits)}
    told |= dict.fromkeys(("deadline s", "late", "first s", "median s", "last s"), "-")
    return told | {f"p{part} ms": round(quantile(waits, part / 100) * MILLI, 1) for part in (50, 99)}


async def _paced(honest: Caller, rate: float, seconds: float) -> list[float]:
    """Rule 3."""
    begun, sent = time.perf_counter(), list[asyncio.Task[float]]()
    async with asyncio.TaskGroup() as sending:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(begun + number / rate - time.perf_counter())
            sent.append(sending.create_task(_sent(honest)))
    return [one.result() for one in sent]


def _ask_for_something_large(base: str) -> None:
    line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=START_SECONDS)
    line.request("GET", _LARGE)
    line.getresponse().read()
    line.close()


async def _sent(honest: Caller) -> float:
    return await honest.send()


@contextmanager
def _process(target: Any, values: object) -> Iterator[tuple[str, Connection]]:  # noqa: ANN401 - a function to spawn
    """A process of its own: the first thing it says, and the line to it. Raises `UnavailableError`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, values), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise UnavailableError("The measured process did not start in time.")
        yield ours.recv(), ours
    finally:
        process.terminate()
        process.join()


def _told(line: Connection) -> list[tuple[str, float]]:
    if not line.poll(START_SECONDS):
        raise UnavailableError("The slow callers did not come to an end.")
    lives: list[tuple[str, float]] = line.recv()
    return lives


def _serve(told: Connection, values: dict[str, Any]) -> None:
    logs.configure("critical")
    settings = Settings.model_validate(values)
    asyncio.run(wiring.serve(settings, worker=False, ready=told.send))


def _drip(told: Connection, values: tuple[str, str, int, Mapping[str, float]]) -> None:
    """Open the slow connections one after the other, drip until all are dropped, say how long each lived (rule 2)."""
    base, token, count, deadlines = values
    allow_files()
    told.send("begun")
    waiting, lives = dict[int, Slow](), list[tuple[str, float]]()
    poll, begun = select.poll(), time.monotonic()
    kinds = itertools.cycle(_MIX)
    give_up = begun + 2 * max(deadlines.values()) + START_SECONDS / 2
    opened = 0
    while (waiting or opened < count) and time.monotonic() < give_up:
        while opened < count and opened <= count * (time.monotonic() - begun) / OPEN_SECONDS:
            one = _open(base, token, next(kinds), deadlines)
            waiting[one.line.fileno()] = one
            poll.register(one.line, 0 if one.kind == "answer" else select.POLLIN)
            opened += 1
        gone = {number for number, _ in poll.poll(_LOOK_SECONDS * MILLI) if _is_gone(waiting[number])}
        gone |= {number for number, one in waiting.items() if number not in gone and not _says(one)}
        for number in gone:
            one = waiting.pop(number)
            poll.unregister(number)
            lives.append((one.kind, time.monotonic() - one.begun))
            one.line.close()
    told.send(lives + [(one.kind, _NEVER) for one in waiting.values()])


def _open(base: str, token: str, kind: str, deadlines: Mapping[str, float]) -> Slow:
    line = socket.socket()
    if kind == "answer":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_WINDOW)
    url = urlsplit(base)
    line.connect((url.hostname, url.port))
    begun = time.monotonic()
    heads = {
        "head": "POST /v1/tips HTTP/1.1\r\nHost: x\r\n",
        "body": f"POST /v1/tips HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: slow\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        "answer": f"GET {_LARGE} HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    # So many large answers are more than the system takes in the caller's place.
    line.sendall(heads[kind].encode() * (_ANSWERS if kind == "answer" else 1))
    line.settimeout(0)
    # Who takes no answer has nothing to say; near its end it asks whether anybody is still there.
    return Slow(kind, line, begun, begun + (deadlines[kind] - 0.5 if kind == "answer" else 1.0))


def _is_gone(one: Slow) -> bool:
    """Whether the service closed it; what it said before is thrown away."""
    if one.kind == "answer":
        return True  # only an error is looked for
    try:
        return not one.line.recv(65_536)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def _says(one: Slow) -> bool:
    """Say a little, when it is time; whether somebody was there to hear it."""
    now = time.monotonic()
    if now < one.again_at:
        return True
    one.again_at = now + (0.25 if one.kind == "answer" else 1.0)
    crumbs = {"head": b"X-A: b\r\n", "body": b" ", "answer": b"\r\n"}
    try:
        one.line.send(crumbs[one.kind])
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return True
