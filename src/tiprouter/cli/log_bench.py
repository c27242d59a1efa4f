"""How fast does the log grow, start and prove on this machine, and does its size matter?

1. Entries are realistic (a decision's, some 600 bytes) and lie committed in the outbox; what is timed is all that the
   sequencer does with them: drain, number, hash, store, sign, commit, and publish to a folder on disk. The collector is
   set as `serve` sets it.
2. Figures are taken at each power of ten up to the size asked for: entries per second over the last stretch, what one
   cost by the clock and by this process's CPU, the start on the log as it then is, and the median of a thousand proofs
   of random entries. On a busy machine only the CPU tells; a PostgreSQL server's own is not in it.
3. One process, one database. A PostgreSQL database must be empty and of its own; SQLite is a temporary file.
"""

import asyncio
import random
import statistics
import tempfile
import time
import timeit
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Final

import typer

from tiprouter import wiring
from tiprouter.audit.entry import JSON, compose
from tiprouter.audit.kinds import Kind
from tiprouter.audit.merkle import leaf_hashes
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.storage import outbox, treelog
from tiprouter.wiring import House
from tiprouter.workflow import inquiry
from tiprouter.workflow.publish import Sequencer

STRETCH_MAX: Final = 50_000
FIRST: Final = 10_000
PROOFS: Final = 1_000
_NONCE: Final = b"\x11" * 16
_BODY: Final[dict[str, JSON]] = {
    "decision": "dec_01K8EXAMPXE000000000000000",
    "record": "tip_01K8EXAMPXE000000000000000",
    "record_kind": "TIP",
    "revision": 1,
    "person": "prs_01K8EXAMPXE000000000000000",
    "recipient": "rcp_01K8EXAMPXE000000000000000",
    "outcome": "DISCLOSE",
    "categories": ["identity", "contact", "location", "narrative"],
    "policies": ["consent-given", "minor-duty"],
    "bundle": "ab" * 32,
    "cause": "record.accepted",
    "actor": "tiprouter",
    "actor_class": "router",
}


def run(entries: int, database_url: str | None) -> int:
    """Print a line for each power of ten; the exit code."""
    with tempfile.TemporaryDirectory(prefix="tiprouter-bench-log-") as folder:
        asyncio.run(_bench(entries, Settings(data=Path(folder), database_url=database_url or "")))
    return 0


async def _bench(entries: int, settings: Settings) -> None:
    async with wiring.open_house(settings, migrate=True) as house:
        if await house.database.read(treelog.last_checkpoint) is not None:
            raise ConfigurationError("The database of a benchmark must be empty.")
        made, size, target = made_entries(), 0, min(FIRST, entries)
        log = await _started(house)
        await log.drain()
        wiring.settle()
        typer.echo(f"SHA-256 of an entry alone: {_hashing(made):.2f} us")
        typer.echo("entries     entries/s   us/entry   CPU us/entry   start ms   proof p50 ms")
        while size < entries:
            seconds, cpu, start = 0.0, 0.0, size
            while size < target:
                some = [next(made) for _ in range(min(STRETCH_MAX, target - size))]
                await house.database.write(partial(outbox.add, entries=some))
                begin, spent = time.perf_counter(), time.process_time()
                await log.drain()
                seconds, cpu = seconds + time.perf_counter() - begin, cpu + time.process_time() - spent
                size += len(some)
            begin = time.perf_counter()
            log = await _started(house)
            started = time.perf_counter() - begin
            proof = statistics.median([await _proof(house, random.randrange(size)) for _ in range(PROOFS)])  # noqa: S311 - no secret
            done = size - start
            grew = f"{size:<12,}{done / seconds:>8,.0f}{seconds / done * 1e6:>11.1f}{cpu / done * 1e6:>15.1f}"
            typer.echo(f"{grew}{started * 1e3:>11.1f}{proof * 1e3:>15.2f}")
            target = min(size * 10, entries)


def _hashing(made: Iterator[bytes]) -> float:
    """What no log can do without: microseconds for an entry, the best of five."""
    some = list(islice(made, FIRST))
    return min(timeit.repeat(lambda: leaf_hashes(some), number=1, repeat=5)) / FIRST * 1e6


async def _started(house: House) -> Sequencer:
    log = Sequencer(house.database, house.desk, house.signer, house.settings.log_folder)
    await log.start()
    return log


async def _proof(house: House, index: int) -> float:
    begin = time.perf_counter()
    await house.database.read(lambda tx: inquiry.proof(tx, index))
    return time.perf_counter() - begin


def made_entries() -> Iterator[bytes]:
    """A decision's entry, again and again, each with a nonce and a decision of its own; eight decide about a record."""
    entry = compose(Kind.DECISION, datetime.now(UTC), _NONCE, _BODY)
    nonce, ids = _NONCE.hex().encode(), (b"dec_01K8EXAMPXE", b"tip_01K8EXAMPXE")
    for number in count(1):
        made = entry.replace(nonce, b"%032x" % number)
        for one, of in zip(ids, (number, number // 8), strict=True):
            made = made.replace(one + bytes(b"0" * 15), one + b"%015d" % of)
        yield made
