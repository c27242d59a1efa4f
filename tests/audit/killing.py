"""The sequencer is killed with SIGKILL under load, again and again: nothing is lost, doubled or skipped.

`PYTHONPATH=src python -m tests.audit.killing [TIMES] [--database postgresql]` kills 40 times and prints what was found;
the PostgreSQL is one of its own, which survives. What two sequencers do is in `standing_by.py`. Each life writes
entries as fast as it can, says on disk which were committed, and sequences beside that; the next one must find every
committed entry once, at indices without a gap, under checkpoints that all continue each other.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.support import postgres
from tests.support.service import LIBRARY, ORIGIN
from tiprouter.audit.checkpoint import Checkpoint, read_unverified
from tiprouter.audit.entry import compose, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Signer
from tiprouter.audit.verify import verify_folder
from tiprouter.storage import migrations, outbox
from tiprouter.storage.database import Database, Transaction, open_database
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.publish import Sequencer

TIMES = 40
POSTGRESQL = "postgresql"
EACH = 20
SIGNER = Signer(ORIGIN, b"\x07" * 32)


def sequencer_of(database: Database, folder: Path) -> Sequencer:
    """A sequencer as after a start."""
    vault = Vault(FileKeyProvider(folder / "kek", os.urandom), os.urandom)
    desk = Desk(lambda: datetime.now(UTC), os.urandom, vault, LIBRARY, b"", sandbox=True)
    return Sequencer(database, desk, SIGNER, folder / "log")


def entry(number: int) -> bytes:
    """An entry that says its number."""
    return compose(Kind.ACCESS, datetime.now(UTC), os.urandom(16), {"what": "test", "count": number})


def live(url: str, folder: Path, first: int) -> None:
    """Write and sequence until killed; `committed` holds the number of every entry whose transaction ended."""
    asyncio.run(_live(url, folder, first))


async def _live(url: str, folder: Path, first: int) -> None:
    database = open_database(url)
    log = sequencer_of(database, folder)
    await log.start()
    committed = (folder / "committed").open("a", buffering=1)

    async def write() -> None:
        number = first
        while True:
            numbers = range(number, number + EACH)
            await database.write(partial(outbox.add, entries=[entry(one) for one in numbers]))
            committed.write("".join(f"{one}\n" for one in numbers))
            number += EACH
            await asyncio.sleep(0)

    async def sequence() -> None:
        while True:
            await log.step()
            await asyncio.sleep(0)

    (folder / "ready").touch()
    await asyncio.gather(write(), sequence())


async def found(url: str, folder: Path, before: Checkpoint | None) -> tuple[Checkpoint, int, list[str]]:
    """Start again and look: the checkpoint now, how many entries were committed, and what is wrong."""
    database = open_database(url)
    try:
        log = sequencer_of(database, folder)
        await log.start()
        await log.drain()

        def look(tx: Transaction) -> list[tuple[int, bytes]]:
            return [tuple(row) for row in tx.exec_driver_sql('SELECT "index", entry FROM log_entries ORDER BY "index"')]

        rows = await database.read(look)
    finally:
        await database.close()
    committed = [int(line) for line in (folder / "committed").read_text().split()]
    told = [parse(bytes(text)).body.get("count") for _, text in rows]
    numbers = [one for one in told if one is not None]
    report = verify_folder(folder / "log", SIGNER.vkey, before)
    wrong = [step.detail for step in report.steps if not step.ok]
    if [index for index, _ in rows] != list(range(len(rows))) or report.size != len(rows):
        wrong.append("there is a gap in the log")
    if len(set(map(str, numbers))) != len(numbers):
        wrong.append("an entry is in the log twice")
    if set(committed) - set(numbers):
        wrong.append("an entry that was committed is lost")
    return read_unverified((folder / "log" / "checkpoint").read_bytes()), len(committed), wrong


def killed(url: str, folder: Path, times: int, seed: int = 7) -> tuple[int, list[str]]:
    """Kill so many lives, one after the other; how many entries there are then, and the first thing that is wrong."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    asyncio.run(migrations.migrate(url))
    (folder / "committed").touch()
    before: Checkpoint | None = None
    size = 0
    for turn in range(times):
        (folder / "ready").unlink(missing_ok=True)
        process = multiprocessing.get_context("fork").Process(target=live, args=(url, folder, turn * 1_000_000))
        process.start()
        while not (folder / "ready").exists() and process.is_alive():
            time.sleep(0.005)
        time.sleep(chance.uniform(0.01, 0.3))
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            return size, [f"life {turn} ended by itself"]
        before, size, wrong = asyncio.run(found(url, folder, before))
        if wrong:
            return size, wrong
    return size, []


def run(times: int, kind: str) -> int:
    """Kill, and print what was found; the exit code."""
    with tempfile.TemporaryDirectory() as name, postgres.server() if kind == POSTGRESQL else nullcontext() as server:
        if kind == POSTGRESQL and server is None:
            sys.exit(postgres.WHY_NOT)
        url = asyncio.run(postgres.new_database(server)) if server else f"sqlite:///{name}/tiprouter.db"
        size, wrong = killed(url, Path(name), times)
    sys.stdout.write(
        f"{kind}: {times} kills, {size} entries committed: {'; '.join(wrong) or 'all there, once, in one log'}\n"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.audit.killing", description="The sequencer, killed.")
    parser.add_argument("times", type=int, nargs="?", default=TIMES)
    parser.add_argument("--database", choices=("sqlite", POSTGRESQL), default="sqlite")
    given = parser.parse_args()
    sys.exit(run(given.times, given.database))
