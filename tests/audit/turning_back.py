"""A whole database is put back to an older copy of itself: who notices, before anything is signed on top of it?

`PYTHONPATH=src python -m tests.audit.turning_back [DATABASE_URL_OF_A_SERVER]` takes every kind to 200 places on SQLite,
and to 20 on PostgreSQL (each place is a database there), and prints what was found.

1. Before a start: the log's folder, which lies outside the database, is newer, and the start refuses.
2. Under a running keeper, whose service goes on accepting: the next batch is refused, and nothing is published.
3. The same, and another keeper has grown the older copy beyond the log that the running one knows.
4. The folder is put back too, and the log grown again with its real key: nobody inside can tell. `audit verify` tells
   whoever holds a newer checkpoint, whether the new log is shorter than that or longer.

SQLite's copies are made and put back by its backup, PostgreSQL's are databases: that is what restoring does.
"""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

from tests.audit.killing import SIGNER, entry, sequencer_of
from tests.support import postgres
from tests.support.embedded import prepared
from tiprouter.audit.checkpoint import Checkpoint, read_unverified
from tiprouter.audit.folder import last_checkpoint
from tiprouter.audit.verify import verify_folder
from tiprouter.storage import outbox
from tiprouter.storage.database import Database, open_database
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.stored_log import LogRefusedError

PLACES, PLACES_ON_POSTGRESQL = 200, 20
EACH = 2
SQLITE = "sqlite:///"


@dataclass
class Kept:
    """A log that grew from place to place, and at each of them a copy of its database and of its folder."""

    url: str
    folder: Path
    places: int
    outside: Checkpoint = field(default_factory=lambda: Checkpoint(SIGNER.name, 0, b""))

    @property
    def log(self) -> Path:
        """Its folder."""
        return self.folder / "log"

    async def grow(self) -> None:
        """Make the history: at each place some entries more, a checkpoint, and copies."""
        for place in range(self.places + 1):
            async with self.kept() as (database, keeper):
                await written(database, keeper, EACH)
            await self._copy(self.url, self._of(place))
            shutil.copytree(self.log, self.folder / f"log-{place}")
        self.outside = read_unverified(last_checkpoint(self.log) or b"")

    async def put_back(self, place: int) -> None:
        """The database is what it was then, whoever uses it now."""
        if not self.url.startswith(SQLITE):
            await _told(self.url, f"DROP DATABASE {_name(self.url)} WITH (FORCE)")
        await self._copy(self._of(place), self.url)

    def put_folder_back(self, place: int) -> None:
        """And so is the folder."""
        shutil.rmtree(self.log)
        shutil.copytree(self.folder / f"log-{place}", self.log)

    @asynccontextmanager
    async def kept(self, log: Path | None = None) -> AsyncIterator[tuple[Database, Sequencer]]:
        """A keeper that started on it, here or with another folder."""
        database = open_database(self.url)
        try:
            keeper = sequencer_of(database, self.folder if log is None else log)
            await keeper.start()
            await keeper.drain()
            yield database, keeper
        finally:
            await database.close()

    async def dropped(self) -> None:
        """Leave nothing on a server."""
        if not self.url.startswith(SQLITE):
            for place in range(self.places + 1):
                await _told(self.url, f"DROP DATABASE IF EXISTS {_name(self._of(place))}")

    def _of(self, place: int) -> str:
        return f"{self.url}_{place}"

    async def _copy(self, one: str, other: str) -> None:
        if self.url.startswith(SQLITE):
            with closing(sqlite3.connect(_file(one))) as source, closing(sqlite3.connect(_file(other))) as target:
                source.backup(target)
        else:
            await _told(self.url, f"CREATE DATABASE {_name(other)} TEMPLATE {_name(one)}")


async def written(database: Database, keeper: Sequencer, count: int) -> None:
    """So many entries more, and all of them in the log."""
    await database.write(partial(outbox.add, entries=[entry(number) for number in range(count)]))
    await keeper.drain()


async def before_a_start(it: Kept, place: int) -> bool:
    """Rule 1."""
    await it.put_back(place)
    try:
        async with it.kept():
            return False
    except LogRefusedError:
        return _untouched(it)


async def under_a_keeper(it: Kept, place: int) -> bool:
    """Rule 2."""
    async with it.kept() as (database, keeper):
        await it.put_back(place)
        return await _refuses(it, database, keeper)


async def under_a_keeper_and_grown(it: Kept, place: int) -> bool:
    """Rule 3."""
    elsewhere = it.folder / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    elsewhere.mkdir()
    shutil.copy2(it.folder / "kek", elsewhere / "kek")
    async with it.kept() as (database, keeper):
        await it.put_back(place)
        async with it.kept(elsewhere) as (other, another):
            await written(other, another, it.outside.size + 1)
        return await _refuses(it, database, keeper)


async def with_its_folder(it: Kept, place: int) -> bool:
    """Rule 4."""
    await it.put_back(place)
    it.put_folder_back(place)
    shorter = verify_folder(it.log, SIGNER.vkey, it.outside).ok
    async with it.kept() as (database, keeper):
        await written(database, keeper, it.outside.size + 1)
    alone = verify_folder(it.log, SIGNER.vkey)
    longer = verify_folder(it.log, SIGNER.vkey, it.outside).ok
    return alone.ok and (alone.size or 0) > it.outside.size and not shorter and not longer


async def _refuses(it: Kept, database: Database, keeper: Sequencer) -> bool:
    try:
        await written(database, keeper, EACH)
    except LogRefusedError:
        return _untouched(it)
    return False


def _untouched(it: Kept) -> bool:
    """Whether what lies outside still says what it said."""
    return read_unverified(last_checkpoint(it.log) or b"") == it.outside


KINDS: dict[str, Callable[[Kept, int], Awaitable[bool]]] = {
    "set the database back, before a start": before_a_start,
    "set the database back, under a running keeper": under_a_keeper,
    "set the database back, under a running keeper, and grow it past the log": under_a_keeper_and_grown,
    "set database and folder back, grown with the real key": with_its_folder,
}


async def found(it: Kept, kind: str, place: int) -> bool:
    """Whether it is noticed; everything is as it was afterwards."""
    try:
        return await KINDS[kind](it, place)
    finally:
        await it.put_back(it.places)
        it.put_folder_back(it.places)


async def try_all(url: str, folder: Path, places: int, telling: Callable[[str], object]) -> int:
    """Every kind at so many places; how many were missed."""
    it, missed = Kept(url, folder, places), 0
    try:
        await it.grow()
        async with it.kept():
            telling(f"     a log of {it.outside.size} entries; the control starts\n")
        for kind in KINDS:
            hits = sum([await found(it, kind, place) for place in range(places)])
            missed += places - hits
            telling(f"{hits:>4} of {places} found: {kind}, {url.partition(':')[0].partition('+')[0]}\n")
    finally:
        await it.dropped()
    return missed


def run(telling: Callable[[str], object], server: str | None = None) -> int:
    """Both databases, where there is a PostgreSQL; how many were missed."""
    with tempfile.TemporaryDirectory() as name:
        url = f"{SQLITE}{name}/tiprouter.db"
        asyncio.run(prepared(url))
        missed = asyncio.run(try_all(url, Path(name), PLACES, telling))
    with postgres.server() as started, tempfile.TemporaryDirectory() as name:
        if (server or started) is None:
            telling(f"     not tried: {postgres.WHY_NOT}\n")
            return missed
        url = asyncio.run(postgres.new_database(server or started or "", migrated=True))
        missed += asyncio.run(try_all(url, Path(name), PLACES_ON_POSTGRESQL, telling))
        asyncio.run(postgres.drop_database(url))
    return missed


def _file(url: str) -> str:
    return url.removeprefix(SQLITE)


def _name(url: str) -> str:
    return url.rpartition("/")[2]


async def _told(url: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{url.rpartition('/')[0]}/postgres".replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(int(run(sys.stdout.write, sys.argv[1] if sys.argv[1:] else None) > 0))
