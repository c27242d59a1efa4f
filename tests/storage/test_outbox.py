"""No committed audit entry is ever lost on its way to the sequencer."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy.engine import Connection

from tiprouter.storage import outbox
from tiprouter.storage.database import Database, open_database

Drain = Callable[[Connection, int], list[bytes]]


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database, on each of the two kinds."""
    opened = open_database(migrated_url)
    yield opened
    await opened.close()


async def late_and_early(database: Database, drain: Drain) -> list[bytes]:
    """Two stories overlap: the one that drew the lower serial commits last. What two drains got together."""

    def slow(tx: Connection) -> None:
        outbox.add(tx, [b"late"])
        tx.exec_driver_sql("select pg_sleep(0.3)")

    late = asyncio.ensure_future(database.write(slow))
    await asyncio.sleep(0.1)
    await database.write(lambda tx: outbox.add(tx, [b"early"]))
    taken = await database.write(lambda tx: drain(tx, 10))
    assert taken == [b"early"]
    await late
    return taken + await database.write(lambda tx: drain(tx, 10))


async def test_an_entry_that_commits_late_with_a_lower_number_is_not_passed_over(shared: Database) -> None:
    """The first drain cannot see it; the second takes it, although a higher number went before."""
    assert await late_and_early(shared, outbox.drain) == [b"early", b"late"]
    assert await shared.read(outbox.waiting) == 0


async def test_a_drain_by_the_last_number_seen_would_lose_it(shared: Database) -> None:
    """The test of the test: with the drain that remembers a number instead, the scene above loses an entry."""
    seen = [0]

    def by_number(tx: Connection, limit: int) -> list[bytes]:
        query = f"select serial, entry from outbox where serial > {seen[0]} order by serial limit {limit}"  # noqa: S608 - our own numbers
        rows = list(tx.exec_driver_sql(query))
        seen[0] = max([row.serial for row in rows], default=seen[0])
        return [bytes(row.entry) for row in rows]

    assert await late_and_early(shared, by_number) == [b"early"]


async def test_entries_come_out_once_in_the_order_they_went_in(database: Database) -> None:
    """Drained in batches, each entry comes exactly once; what was written together stays together in order."""
    entries = [f"entry {number}".encode() for number in range(25)]
    await database.write(lambda tx: outbox.add(tx, entries[:20]))
    await database.write(lambda tx: outbox.add(tx, []))
    first = await database.write(lambda tx: outbox.drain(tx, 7))
    await database.write(lambda tx: outbox.add(tx, entries[20:]))
    rest = await database.write(lambda tx: outbox.drain(tx, 100))
    assert [bytes(entry) for entry in first + rest] == entries
    assert await database.write(lambda tx: outbox.drain(tx, 100)) == []


async def test_a_drain_that_is_undone_gives_its_entries_back(database: Database) -> None:
    """If the story around it fails, the entries wait again: nothing was taken."""
    await database.write(lambda tx: outbox.add(tx, [b"kept"]))

    def fails(tx: Connection) -> None:
        assert outbox.drain(tx, 10) == [b"kept"]
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fails)
    assert await database.read(outbox.waiting) == 1
    assert await database.write(lambda tx: outbox.drain(tx, 10)) == [b"kept"]
