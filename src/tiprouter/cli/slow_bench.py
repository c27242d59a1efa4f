"""When are callers dropped who take their time, and what do they cost those who do not?

1. What runs is `tiprouter serve` without its worker, in a process of its own, on a temporary SQLite file; its deadlines
   are given. Slow callers are another process: five in eleven never end their heads, five (with a credential) never
   their bodies, one asks for something large and never reads it. Each says a little every second. They come
   evenly over `OPEN_SECONDS`: not in clumps of the generator's own making.
2. Each is timed from its first byte until the service drops it, beside its own deadline: a head's from connecting, a
   body's from its head, an answer's from being asked for. More than `GRACE_SECONDS` after it is late.
3. Honest callers send tips on time, whether earlier ones were answered or not: first alone, then beside the slow ones
   for as long as the last of these may live, in turns, so that both meet the same machine. Their p50 and p99 are the
   medians of the rounds: one round's p99 is one or two tips, and whatever else the machine did at that moment.
4. Beside them stands what the service's process took of a processor meanwhile, which other processes hardly change;
   and how much later than it meant to the honest callers' own process sent: what it waits itself is in their figures.

Not promised: what a thousand callers from a thousand addresses cost a network.
"""

import asyncio
import http.client
import itertools
import multiprocessing
import os
import select
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
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
START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.01
_LARGE: Final = "/openapi.json"
_SMALL_WINDOW: Final = 4_096
_KINDS: Final = ("head", "body", "answer")
_MIX: Final = ("head", "body", "answer", *("head", "body") * 4)
_ANSWERS: Final = 10
_NEVER: Final = float("inf")
_CPU_AT: Final = slice(13, 15)
"""Of /proc/PID/stat, counted from its first field: processor time as the program's and as the system's (proc(5))."""


@dataclass(slots=True)
class Slow:
    """One slow connection: its kind, its socket, when it began, and when it is due to say something again."""

    kind: str
    line: socket.socket
    begun: float
    again_at: float


@dataclass(slots=True)
class Honest:
    """What honest callers waited, how late they were themselves, and what the service took meanwhile; by rounds."""

    waits: list[list[float]] = field(default_factory=list)
    lags: list[list[float]] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def round(self, pid: int) -> AsyncIterator[None]:
        """One round's cost."""
        before = _cpu_seconds(pid)
        yield
        self.cpu_seconds.append(_cpu_seconds(pid) - before)

    async def send(self, honest: Caller, rate: float, seconds: float) -> None:
        """One round's tips (rule 3)."""
        begun, sent, lags = time.perf_counter(), list[asyncio.Task[float]](), list[float]()
        async with asyncio.TaskGroup() as sending:
            for number in range(int(rate * seconds)):
                due = begun + number / rate
                await asyncio.sleep(due - time.perf_counter())
                lags.append(max(0.0, time.perf_counter() - due))
                sent.append(sending.create_task(_sent(honest)))
        self.waits.append([one.result() for one in sent])
        self.lags.append(lags)


def run(slow: int, rate: float, deadlines: tuple[float, float], rounds: int, *, as_json: bool) -> int:
    """Print a row for each kind of slow caller and one each for the honest; 1 when a slow one was dropped late.

    `deadlines` are the seconds for a head and for a body.
    """
    allow_files()
    return asyncio.run(_measure(slow, rate, *deadlines, rounds, as_json=as_json))


async def _measure(
    slow: int, rate: float, head_seconds: float, body_seconds: float, rounds: int, *, as_json: bool
) -> int:
    deadlines = {"head": head_seconds, "body": body_seconds, "answer": body_seconds}
    lasts = OPEN_SECONDS + max(deadlines.values()) + GRACE_SECONDS
    alone, beside, lives = Honest(), Honest(), list[tuple[str, float]]()
    async with bench_house.opened("") as house, bare_client() as post:
        machine = await bench_house.machine_of(house)
        made = await house.database.write(lambda tx: credentials.make(tx, house.desk, BENCH, CallerRole.INTAKE))
        values = house.settings.model_dump() | {"head_seconds": head_seconds, "body_seconds": body_seconds}
        with _process(_serve, values) as ((base, pid), _):
            bearer = {"Authorization": f"Bearer {made[1]}"}
            bodies = (
                TipBody.of(bench_house.tip(house, PLACES[0], f"T-{number}", [f"caller-{number}"])).rendered()
                for number in itertools.count()
            )
            honest = Caller(post, f"{base}/v1/tips", bearer, bodies)
            await honest.send()  # what the first request alone pays for
            await asyncio.to_thread(_ask_for_something_large, base)  # as above
            for _ in range(rounds):
                async with alone.round(pid):
                    await alone.send(honest, rate, lasts)
                with _process(_drip, (base, made[1], slow, deadlines)) as (_, told):
                    async with beside.round(pid):
                        await beside.send(honest, rate, lasts)
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
    return told | dict.fromkeys(("p50 ms", "p99 ms", "own p99 ms", "service cpu s"), "-")


def _honest(who: str, honest: Honest) -> dict[str, object]:
    told: dict[str, object] = {"who": who, "count": sum(map(len, honest.waits))}
    told |= dict.fromkeys(("deadline s", "late", "first s", "median s", "last s"), "-")
    told |= {"p50 ms": _median(honest.waits, 0.5), "p99 ms": _median(honest.waits, 0.99)}
    told |= {"own p99 ms": _median(honest.lags, 0.99)}
    return told | {"service cpu s": round(statistics.median(honest.cpu_seconds), 2)}


def _median(rounds: Sequence[Sequence[float]], part: float) -> float:
    """The median over the rounds of one quantile, in milliseconds."""
    return round(statistics.median(quantile(one, part) for one in rounds) * MILLI, 1)


def _cpu_seconds(pid: int) -> float:
    """What a process took of a processor so far; its name, in brackets, may hold anything."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as told:  # noqa: PTH123 - no file but a question to the kernel
        fields = ["", "", *told.read().rpartition(")")[2].split()]
    return sum(map(int, fields[_CPU_AT])) / os.sysconf("SC_CLK_TCK")


def _ask_for_something_large(base: str) -> None:
    line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=START_SECONDS)
    line.request("GET", _LARGE)
    line.getresponse().read()
    line.close()


async def _sent(honest: Caller) -> float:
    return await honest.send()


@contextmanager
def _process(target: Any, values: object) -> Iterator[tuple[Any, Connection]]:  # noqa: ANN401 - a function to spawn
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
    asyncio.run(wiring.serve(settings, worker=False, ready=lambda base: told.send((base, os.getpid()))))


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
        now = time.monotonic()
        due = [(number, one) for number, one in waiting.items() if one.again_at <= now and number not in gone]
        gone |= {number for number, one in due if not _says(one, now)}
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


def _says(one: Slow, now: float) -> bool:
    """Say a little; whether somebody was there to hear it."""
    one.again_at = now + (0.25 if one.kind == "answer" else 1.0)
    crumbs = {"head": b"X-A: b\r\n", "body": b" ", "answer": b"\r\n"}
    try:
        one.line.send(crumbs[one.kind])
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return True
