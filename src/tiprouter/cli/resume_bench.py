"""How long does a delivery wait whose worker was killed?

1. A worker process makes attempts at an endpoint that never answers; once all of them are under way it is killed
   (SIGKILL), and another worker, which ran beside it, takes over. That one is killed in the next round.
2. What is timed is each delivery by itself: from the kill until an attempt of it arrives again at the endpoint.
3. As many are in flight as retries have places for: each is in the lane of retries from the first kill on.
"""

import asyncio
import multiprocessing
import os
import statistics
from functools import partial
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Final

from tiprouter import wiring
from tiprouter.cli import bench_house, bench_sink, logs
from tiprouter.cli.bench_house import BENCH, PLACES
from tiprouter.cli.bench_sink import Sink
from tiprouter.errors import UnavailableError
from tiprouter.settings import Settings
from tiprouter.wiring import House
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Whose

TARGET_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.02


def run(database_url: str | None, rounds: int, count: int, *, as_json: bool) -> int:
    """Print a row; 1 when a delivery waited longer than the target, else 0. Raises `UnavailableError`."""
    return asyncio.run(_measure(database_url or "", rounds, count, as_json=as_json))


async def _measure(url: str, rounds: int, count: int, *, as_json: bool) -> int:
    async with bench_house.opened(url) as house:
        machine = await bench_house.machine_of(house)
        with bench_sink.running() as sink:
            await _prepare(house, sink, count)
            waits = await _rounds(house.settings, sink, rounds, count)
    longest = max(waits)
    row = {
        "rounds": rounds,
        "in flight": count,
        "median s": round(statistics.median(waits), 2),
        "max s": round(longest, 2),
        "target s": TARGET_SECONDS,
    }
    bench_house.tell(machine, [row], as_json=as_json)
    return int(longest > TARGET_SECONDS)


async def _prepare(house: House, sink: Sink, count: int) -> None:
    """So many deliveries to the endpoint that never answers, each to an agency of its own."""
    urls = [f"{sink.silent}/{number}" for number in range(count)]
    await house.database.write(partial(bench_house.enrol, house, PLACES[0], urls))
    record = bench_house.tip(house, PLACES[0], "resume", ["caller"])
    whose = Whose(person_id=await house.database.write(partial(bench_house.accept, house, record)))
    consent = bench_house.consent(house)
    await house.database.write(lambda tx: consenting.give_consent(tx, house.desk, BENCH, whose, consent))


async def _rounds(settings: Settings, sink: Sink, rounds: int, count: int) -> list[float]:
    """Rules 1 and 2."""
    waits: list[float] = []
    holder, other = _worker(settings), None
    try:
        await _arrived(sink, 0, count)
        for _ in range(rounds):
            other = _worker(settings)
            await asyncio.sleep(_settled())
            before = len(sink.arrivals())
            killed = monotonic()
            holder.kill()
            holder.join()
            waits += [moment - killed for _, moment in await _arrived(sink, before, count)]
            holder, other = other, None
    finally:
        for process in (holder, other):
            if process is not None:
                process.kill()
                process.join()
    return waits


def _settled() -> float:
    """Until a process is up and idle, and no longer than leaves its attempts their time; a different moment each."""
    return 2.0 + int.from_bytes(os.urandom(2), "big") / 2**16


async def _arrived(sink: Sink, before: int, count: int) -> list[tuple[str, float]]:
    """What arrived after so many, once that is every delivery."""
    until = monotonic() + PATIENCE_SECONDS
    while len(dict(new := sink.arrivals()[before:])) < count:
        if monotonic() > until:
            raise UnavailableError("Not every delivery was attempted in time.")
        await asyncio.sleep(LOOK_SECONDS)
    return new


def _worker(settings: Settings) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(settings.model_dump(),), daemon=True)
    process.start()
    return process


def _work(values: dict[str, object]) -> None:
    logs.configure("critical")
    settings = Settings.model_validate(values)
    asyncio.run(wiring.work(settings, asyncio.Event()))
