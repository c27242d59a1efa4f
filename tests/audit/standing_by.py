"""Two sequencers on one PostgreSQL: does exactly one work, and how soon after its death does the other?

`PYTHONPATH=src python -m tests.audit.standing_by [TIMES]` starts two real `tiprouter sequencer`, writes entries all the
time, kills whichever keeps the log with SIGKILL, and prints how long the log stood still; then the killed one is
started again and stands by. At the end every entry that was committed is in the log once, and both folders verify.

The time is from the kill to the next checkpoint in the database, as this program sees it.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from tests.audit.killing import entry
from tests.kills.parts import Part
from tests.support import postgres
from tiprouter.audit.entry import parse
from tiprouter.audit.folder import VKEY
from tiprouter.audit.verify import verify_folder
from tiprouter.storage import outbox, treelog
from tiprouter.storage.database import Database, Transaction, open_database

TIMES = 10
EACH = 20
START_SECONDS = 120.0
LOOK_SECONDS = 0.01
NAMES = ("one", "two")
STANDING_BY = "log.standing-by"
_KEEPERS = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND (classid::bigint << 32 | objid::bigint) = :post AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_POST = 0x7469_7073


class Load:
    """Writes entries until stopped, and remembers which were committed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.committed: list[int] = []
        self.stopping = False

    async def run(self) -> None:
        """Write."""
        while not self.stopping:
            numbers = range(len(self.committed), len(self.committed) + EACH)
            await self._database.write(partial(outbox.add, entries=[entry(one) for one in numbers]))
            self.committed += numbers
            await asyncio.sleep(LOOK_SECONDS)


async def taken_over(url: str, folder: Path, times: int) -> tuple[list[float], list[str]]:
    """Kill the keeper so many times: seconds until the log grew again, each; and what was wrong."""
    settings = {"TIPROUTER_DATABASE_URL": url, "TIPROUTER_SANDBOX": "1"}
    parts = [Part("sequencer", folder / name, ("sequencer",), settings) for name in NAMES]
    database = open_database(url)
    load, took, wrong = Load(database), list[float](), list[str]()
    try:
        keeper, other = parts
        keeper.start()
        await until(lambda: keeper.starts)
        other.start()
        await until(lambda: STANDING_BY in other.said)
        writing = asyncio.create_task(load.run())
        for _ in range(times):
            await asyncio.sleep(1.5)
            opened = other.starts
            if await _keepers(database) != 1:
                wrong.append("not exactly one keeps the log")
            took.append(await _killed(database, keeper))
            await until(lambda it=other, opened=opened: it.starts > opened)  # type: ignore[misc]
            stood = _words(keeper)[1]
            keeper.start()
            await until(lambda it=keeper, stood=stood: _words(it)[1] > stood)  # type: ignore[misc]
            keeper, other = other, keeper
        load.stopping = True
        await writing
        for part in (other, keeper):
            await asyncio.to_thread(part.stop)
        wrong += await _unlike(database, load.committed, parts)
    finally:
        for part in parts:
            part.kill()
        await database.close()
    return took, wrong


async def _killed(database: Database, keeper: Part) -> float:
    """Seconds from the keeper's death to a longer log."""
    await asyncio.to_thread(keeper.kill)
    at, size = time.monotonic(), await database.read(treelog.size)
    while await database.read(treelog.size) == size:
        if time.monotonic() - at > START_SECONDS:
            raise RuntimeError("nobody took over")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - at


async def _unlike(database: Database, committed: list[int], parts: list[Part]) -> list[str]:
    def look(tx: Transaction) -> list[tuple[int, bytes]]:
        return [tuple(row) for row in tx.exec_driver_sql('SELECT "index", entry FROM log_entries ORDER BY "index"')]

    rows = await database.read(look)
    told = [one for one in (parse(bytes(text)).body.get("count") for _, text in rows) if one is not None]
    wrong = []
    if [index for index, _ in rows] != list(range(len(rows))):
        wrong.append("there is a gap in the log")
    if sorted(map(int, map(str, told))) != committed:
        wrong.append("an entry is lost, or there twice")
    for part in parts:
        log = part.folder / "log"
        report = verify_folder(log, (log / VKEY).read_text().strip())
        wrong += [f"{part.name}: {step.detail}" for step in report.steps if not step.ok]
    return wrong


async def _keepers(database: Database) -> int:
    """How many sessions hold the post."""
    return int(await database.read(lambda tx: tx.execute(_KEEPERS, {"post": _POST}).scalar_one()))


def _words(part: Part) -> tuple[int, int]:
    """How often it opened the log, and how often it said that it stands by."""
    return part.starts, part.said.count(STANDING_BY)


async def until(happened: Callable[[], object]) -> None:
    """Wait. Raises `RuntimeError` where it does not happen."""
    at = time.monotonic()
    while not happened():
        if time.monotonic() - at > START_SECONDS:
            raise RuntimeError("a sequencer did not come")
        await asyncio.sleep(LOOK_SECONDS)


def run(times: int) -> int:
    """Print what was seen; the exit code."""
    with postgres.server() as server, tempfile.TemporaryDirectory() as name:
        if server is None:
            sys.exit(postgres.WHY_NOT)
        url = asyncio.run(postgres.new_database(server, migrated=True))
        took, wrong = asyncio.run(taken_over(url, Path(name), times))
        asyncio.run(postgres.drop_database(url))
    sys.stdout.write(
        f"{times} keepers killed, the other went on after {statistics.median(took):.2f} s (median),"
        f" {max(took):.2f} s (longest): {'; '.join(wrong) or 'one kept the log at any time, and nothing is missing'}\n"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]) if sys.argv[1:] else TIMES))
