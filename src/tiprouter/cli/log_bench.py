"""How fast does the log grow, start and prove on this machine, and does its size matter?

1. Entries are realistic (a decision's, some 600 bytes) and lie committed in the outbox; what is timed is all that the
   sequencer does with them: drain, number, hash, store, sign, commit, and publish to a folder on disk. The collector is
   set as `serve` sets it.
2. Figures are taken at each power of ten up to the size asked for: entries per second over the last stretch, what one
   cost by the clock and by this process's CPU, the start on the log as it then is, and of a thousand proofs of random
   entries the median, the 99th percentile, and the CPU of each. On a busy machine only the CPU tells; a PostgreSQL
   server's own is not in it.
3. One process, one database. A PostgreSQL database must be empty and of its own; SQLite is a temporary file.
4. Beside them stand two limits of the same machine in the same run, with the same bytes: their SHA-256 alone, and their
   committed insert into a table without an index, with neither numbers, tree, signature nor files.
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
from tiprouter.storage.database import Transaction
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
        clock, spent = await _inserting(house, list(islice(made, FIRST)))
        typer.echo(f"insert of an entry alone: {clock:.1f} us, CPU {spent:.1f} us")
        typer.echo("entries     entries/s   us/entry   CPU us/entry   start ms   proof p50 ms   p99 ms   CPU ms")
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
            spent = time.process_time()
            proofs = [await _proof(house, random.randrange(size)) * 1e3 for _ in range(PROOFS)]  # noqa: S311 - no secret
            each = (time.process_time() - spent) / PROOFS * 1e3
            p99 = statistics.quantiles(proofs, n=100)[-1]
            done = size - start
            grew = f"{size:<12,}{done / seconds:>8,.0f}{seconds / done * 1e6:>11.1f}{cpu / done * 1e6:>15.1f}"
            typer.echo(f"{grew}{started * 1e3:>11.1f}{statistics.median(proofs):>15.2f}{p99:>9.2f}{each:>9.2f}")
            target = min(size * 10, entries)


def _hashing(made: Iterator[bytes]) -> float:
    """What no log can do without: microseconds for an entry, the best of five."""
    some = list(islice(made, FIRST))
    return min(timeit.repeat(lambda: leaf_hashes(some), number=1, repeat=5)) / FIRST * 1e6


async def _inserting(house: House, some: list[bytes]) -> tuple[float, float]:
    """Microseconds for an entry by the clock and of this process's CPU, of a bare insert of these (rule 4)."""

    def insert(tx: Transaction) -> None:
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql("INSERT INTO bench_bare (entry) VALUES (?)", [(one,) for one in some])
        else:
            tx.exec_driver_sql("INSERT INTO bench_bare (entry) SELECT * FROM unnest($1::bytea[])", (some,))

    kind = "BLOB" if await house.database.read(lambda tx: tx.dialect.name) == "sqlite" else "BYTEA"
    await house.database.write(lambda tx: tx.exec_driver_sql(f"CREATE TABLE bench_bare (entry {kind})").close())
    begin, spent = time.perf_counter(), time.process_time()
    await house.database.write(insert)
    clock, cpu = time.perf_counter() - begin, time.process_time() - spent
    await house.database.write(lambda tx: tx.exec_driver_sql("DROP TABLE bench_bare").close())
    return clock / len(some) * 1e6, cpu / len(some) * 1e6


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
