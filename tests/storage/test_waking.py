"""Do processes on one PostgreSQL hear of each other's commits, and of as few as will do?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa

from tests.support import postgres
from tests.support.wall import walled
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.waking import EVERY, waking

SOON = 5.0
PATIENCE = 40.0


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Database, Database, str]]:
    """Two processes' databases, each listening."""
    url = await postgres.new_database(postgres_url)
    async with AsyncExitStack() as stack:
        databases = [open_database(url) for _ in range(2)]
        for database in databases:
            stack.push_async_callback(database.close)
            await stack.enter_async_context(waking(url, database.changed))
        for database in databases:
            await rung(database)
        yield databases[0], databases[1], url
    await postgres.drop_database(url)


async def rung(database: Database) -> None:
    """Wait until the database's bell rings, and let it be silent again."""
    async with asyncio.timeout(SOON):
        await database.changed.wait()
    database.changed.clear()


async def heard(one: Database, other: Database) -> None:
    """Commit now and then until the other hears of it by the bell, which each of them opens anew at its own time."""
    async with asyncio.timeout(PATIENCE):
        while not other.changed.is_set():
            await commit(one)
            await asyncio.sleep(0.1)


async def commit(database: Database, *, quietly: bool = False) -> None:
    """Commit something."""
    await database.write(lambda tx: tx.execute(sa.select(1)).one(), quietly=quietly)


async def test_a_commit_of_one_process_wakes_the_other(two: tuple[Database, Database, str]) -> None:
    """Both ways."""
    one, other, _ = two
    await commit(one)
    await rung(other)
    one.changed.clear()
    await commit(other)
    await rung(one)


async def test_nobody_wakes_itself_nor_is_woken_by_what_is_quiet(two: tuple[Database, Database, str]) -> None:
    """Rule 3: else two processes would wake each other for ever."""
    one, other, _ = two
    await commit(one)
    await rung(other)
    one.changed.clear()
    await commit(one, quietly=True)
    await asyncio.sleep(10 * EVERY)
    assert not one.changed.is_set()
    assert not other.changed.is_set()


async def test_many_commits_are_told_together(
    two: tuple[Database, Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 2: two hundred commits at once are heard of a few times, not two hundred times."""
    one, other, _ = two
    heard = 0

    def count() -> None:
        nonlocal heard
        heard += 1

    monkeypatch.setattr(other.changed, "heard", count)
    begun = asyncio.get_running_loop().time()
    await asyncio.gather(*(commit(one) for _ in range(200)))
    await asyncio.sleep(10 * EVERY)
    slots = (asyncio.get_running_loop().time() - begun) / EVERY
    assert 1 <= heard <= min(slots + 1, 199)


async def test_a_broken_session_is_opened_anew_and_rings_for_what_it_missed(
    two: tuple[Database, Database, str],
) -> None:
    """Rule 4."""
    one, other, _ = two
    kill = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query ILIKE 'LISTEN%' AND pid <> pg_backend_pid()"
    )
    assert len(await one.read(lambda tx: tx.execute(kill).all())) >= 2
    await rung(other)
    one.changed.clear()
    await commit(one)
    await rung(other)


async def test_a_session_that_breaks_while_it_tells_is_opened_anew(postgres_url: str) -> None:
    """Rule 4: the driver's own error for that is nobody's class; twice, for the second bell is not the first."""
    async with walled(await postgres.new_database(postgres_url)) as wall:
        one, other = open_database(wall.url), open_database(wall.url)
        async with waking(wall.url, one.changed), waking(wall.url, other.changed):
            for _ in range(2):
                await rung(other)
                broken = wall.cut_at(b"NOTIFY")
                await commit(one)
                async with asyncio.timeout(PATIENCE):
                    await broken.wait()
                await heard(one, other)
        await one.close()
        await other.close()


async def test_of_several_hosts_the_one_that_can_be_written_to_is_used(postgres_url: str) -> None:
    """A list of hosts, the first of which is gone; for stories, questions and the bell."""
    url = await postgres.new_database(postgres_url)
    place, name = url.rpartition("/")[0].rpartition("@")[2], url.rpartition("/")[2]
    several = f"postgresql+asyncpg://tiprouter@/{name}?host=127.0.0.1:1&host={place}&target_session_attrs=read-write"
    database = open_database(several)
    async with waking(several, database.changed):
        await rung(database)
        await commit(database)
        assert await database.read(lambda tx: tx.execute(sa.select(sa.func.current_database())).scalar_one()) == name
    await database.close()
    await postgres.drop_database(url)
