"""One happening, one transaction: group commit, isolation of stories, and what happens when the database refuses."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tests.support import postgres
from tiprouter.errors import UnavailableError
from tiprouter.storage import database as databases
from tiprouter.storage.database import Database, SqliteDatabase, forgiving, open_database

notes = sa.Table("notes", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True), sa.Column("text", sa.Text))


class StoryError(Exception):
    """What a story raises of its own."""


def note(number: int, text: str = "") -> Callable[[Connection], int]:
    """A story that writes one row."""

    def story(tx: Connection) -> int:
        tx.execute(notes.insert(), {"n": number, "text": text})
        return number

    return story


def numbers(tx: Connection) -> set[int]:
    """The rows there are."""
    return set(tx.execute(sa.select(notes.c.n)).scalars())


def pause(tx: Connection, seconds: float) -> None:
    """Let time pass inside a transaction."""
    if tx.dialect.name == "sqlite":
        time.sleep(seconds)
    else:
        tx.execute(sa.text("select pg_sleep(:seconds)"), {"seconds": seconds})


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with one empty table, on each of the two kinds."""
    opened = open_database(database_url)
    await opened.write(notes.create)
    yield opened
    await opened.close()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """The embedded database."""
    opened = SqliteDatabase(f"sqlite:///{tmp_path / 'notes.db'}")
    await opened.write(notes.create)
    yield opened
    await opened.close()


@contextlib.contextmanager
def commits() -> Iterator[list[str]]:
    """What is committed meanwhile, by any engine."""
    seen: list[str] = []

    def committed(connection: Connection) -> None:
        seen.append(connection.dialect.name)

    sa.event.listen(Engine, "commit", committed)
    try:
        yield seen
    finally:
        sa.event.remove(Engine, "commit", committed)


async def test_many_stories_at_once_share_few_commits(embedded: SqliteDatabase) -> None:
    """Three hundred callers need a few dozen commits at most, and every one of them is answered with its own value."""
    with commits() as seen:
        values = await asyncio.gather(*(embedded.write(note(number)) for number in range(300)))
    assert values == list(range(300))
    assert await embedded.read(numbers) == set(range(300))
    assert 300 / databases.GROUP_MAX <= len(seen) <= 30


async def test_a_story_that_raises_is_undone_alone(database: Database) -> None:
    """Every third caller's story fails after it wrote; exactly those rows are missing, and only they hear of it."""

    def failing(number: int) -> Callable[[Connection], int]:
        def story(tx: Connection) -> int:
            note(number)(tx)
            raise StoryError

        return story

    stories = [failing(number) if number % 3 == 0 else note(number) for number in range(60)]
    answers = await asyncio.gather(*(database.write(story) for story in stories), return_exceptions=True)
    assert [isinstance(answer, StoryError) for answer in answers] == [number % 3 == 0 for number in range(60)]
    assert await database.read(numbers) == {number for number in range(60) if number % 3}


async def test_a_constraint_that_one_story_breaks_hurts_nobody_else(database: Database) -> None:
    """Of two equal keys one is refused, with the database's own error; the others of its group are stored."""
    await database.write(note(5))
    answers = await asyncio.gather(*(database.write(note(number)) for number in range(10)), return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, BaseException)] == [5]
    assert await database.read(numbers) == set(range(10))


async def test_a_commit_that_fails_fails_the_whole_group_and_leaves_nothing(embedded: SqliteDatabase) -> None:
    """A foreign key that is checked at the commit breaks it: nobody was told a lie, and the next group goes through."""
    await embedded.write(lambda tx: tx.exec_driver_sql("create table child (n integer references notes(n))"))

    def orphan(tx: Connection) -> None:
        time.sleep(0.1)  # so that the others queue up behind it and share its group
        tx.exec_driver_sql("pragma defer_foreign_keys=on")
        tx.exec_driver_sql("insert into child values (12345)")

    blocking = asyncio.ensure_future(embedded.write(lambda tx: time.sleep(0.1)))
    await asyncio.sleep(0.02)
    answers = await asyncio.gather(
        embedded.write(orphan), *(embedded.write(note(number)) for number in range(5)), return_exceptions=True
    )
    await blocking
    assert [type(answer) for answer in answers] == [UnavailableError] * 6
    assert await embedded.read(numbers) == set()
    assert await embedded.write(note(7)) == 7
    assert await embedded.read(numbers) == {7}


async def test_a_caller_that_goes_away_does_not_tear_its_story(database: Database) -> None:
    """The caller is cancelled in the middle; the story is told to its end and committed."""

    def slow(tx: Connection) -> None:
        note(1)(tx)
        pause(tx, 0.2)
        note(2)(tx)

    caller = asyncio.ensure_future(database.write(slow))
    await asyncio.sleep(0.1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.sleep(0.4)
    assert await database.read(numbers) == {1, 2}


async def test_a_question_is_answered_on_one_snapshot(database: Database) -> None:
    """What commits while a question is being answered is not seen by its later half."""
    await database.write(note(1))

    def twice(tx: Connection) -> tuple[set[int], set[int]]:
        before = numbers(tx)
        pause(tx, 0.3)
        return before, numbers(tx)

    asking = asyncio.ensure_future(database.read(twice))
    await asyncio.sleep(0.1)
    await database.write(note(2))
    assert await asking == ({1}, {1})
    assert await database.read(numbers) == {1, 2}


async def test_a_question_keeps_no_writes(database: Database) -> None:
    """What a question writes is refused or forgotten; it is never stored."""
    with contextlib.suppress(databases.DatabaseError, UnavailableError):
        await database.read(note(1))
    assert await database.read(numbers) == set()
    assert await database.write(note(1)) == 1


async def test_closing_finishes_what_was_begun_and_takes_nothing_more(database_url: str) -> None:
    """Stories handed over before the end are committed when `close` returns; a later one is refused."""
    database = open_database(database_url)
    await database.write(notes.create)

    def slow(number: int) -> Callable[[Connection], int]:
        def story(tx: Connection) -> int:
            pause(tx, 0.05)
            return note(number)(tx)

        return story

    callers = [asyncio.ensure_future(database.write(slow(number))) for number in range(8)]
    await asyncio.sleep(0)
    await database.close()
    again = open_database(database_url)
    assert await again.read(numbers) == set(range(8))
    await again.close()
    assert await asyncio.gather(*callers) == list(range(8))
    with pytest.raises(UnavailableError):
        await database.write(note(99))


async def test_the_embedded_database_is_as_careful_as_it_says(embedded: SqliteDatabase) -> None:
    """Write-ahead log, full synchronisation, foreign keys and secure deletion are on, for writers and readers."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}

    def look(tx: Connection) -> dict[str, object]:
        return {name: tx.exec_driver_sql(f"pragma {name}").scalar_one() for name in pragmas}

    assert await embedded.write(look) == pragmas
    assert await embedded.read(look) == pragmas


async def test_a_full_disk_refuses_what_does_not_fit_and_loses_nothing(embedded: SqliteDatabase) -> None:
    """With no page left every caller is told the truth: who was answered is stored, who was refused is not."""

    def no_more_pages(tx: Connection) -> None:
        pages = tx.exec_driver_sql("pragma page_count").scalar_one()
        tx.exec_driver_sql(f"pragma max_page_count = {pages + 12}")

    await embedded.write(note(-1))
    await embedded.write(no_more_pages)
    answers = await asyncio.gather(
        *(embedded.write(note(number, "x" * (40 if number % 5 else 30_000))) for number in range(200)),
        return_exceptions=True,
    )
    kept = {answer for answer in answers if isinstance(answer, int)}
    refused = [answer for answer in answers if not isinstance(answer, int)]
    assert refused
    assert {type(answer) for answer in refused} == {UnavailableError}
    assert await embedded.read(numbers) == kept | {-1}
    await embedded.write(lambda tx: tx.exec_driver_sql("pragma max_page_count = 100000"))
    assert await embedded.write(note(1000, "x" * 30_000)) == 1000
    assert (await embedded.read(lambda tx: tx.exec_driver_sql("pragma integrity_check").scalar_one())) == "ok"


async def test_a_file_that_another_process_holds_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody else holds the write lock stories are refused, not lost; afterwards they go through."""
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.2)
    path = tmp_path / "notes.db"
    database = SqliteDatabase(f"sqlite:///{path}")
    await database.write(notes.create)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate").close()
    with pytest.raises(UnavailableError):
        await database.write(note(1))
    other.execute("rollback").close()
    other.close()
    assert await database.write(note(2)) == 2
    assert await database.read(numbers) == {2}
    await database.close()


async def test_a_file_that_cannot_be_opened_is_an_error_not_a_wait(tmp_path: Path) -> None:
    """Without its folder the database refuses every story at once, instead of leaving its caller to wait for ever."""
    database = SqliteDatabase(f"sqlite:///{tmp_path / 'missing' / 'notes.db'}")
    async with asyncio.timeout(5):
        with pytest.raises(UnavailableError):
            await database.write(note(1))
        await database.close()


async def test_a_connection_that_is_cut_is_an_unavailable_database(postgres_database: Database) -> None:
    """The server ends the connection in the middle of a story: nothing happened, and asking again works."""

    def cut(tx: Connection) -> None:
        note(1)(tx)
        tx.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(UnavailableError):
        await postgres_database.write(cut)
    assert await postgres_database.write(note(1)) == 1


async def test_a_story_that_goes_on_after_the_cut_is_no_other_error(postgres_database: Database) -> None:
    """A part of it may fail alone, so it catches whatever comes and tells the rest: the caller may ask again."""

    def story(tx: Connection) -> None:
        with contextlib.suppress(Exception), forgiving(tx):
            tx.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
        tx.exec_driver_sql("select 1")

    for told in (postgres_database.write, postgres_database.read):
        with pytest.raises(UnavailableError):
            await told(story)
    await postgres_database.write(lambda tx: tx.exec_driver_sql("select 1") and None)


async def test_sessions_that_broke_in_the_pool_are_replaced_unseen(
    postgres_database: Database, postgres_url: str
) -> None:
    """Rule 3: the server ended them all while nobody used them; whoever comes next is told all the same."""
    cut = sa.text(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = :name AND backend_type = 'client backend'"
    )
    several = 4
    name = await postgres_database.read(lambda tx: tx.execute(sa.select(sa.func.current_database())).scalar_one())
    other = open_database(f"{postgres_url}/postgres")
    for again in (1, 2):
        await asyncio.gather(*(postgres_database.read(partial(pause, seconds=0.2)) for _ in range(several)))
        assert await other.write(lambda tx: tx.execute(cut, {"name": name}).scalar_one()) >= several
        assert await postgres_database.write(note(again)) == again
        assert again in await postgres_database.read(numbers)
    await other.close()


async def test_every_session_plans_for_what_it_is_asked(postgres_database: Database) -> None:
    """No plan from when a table was empty, and no transaction that stays open beside a process that stopped."""

    def shown(tx: Connection) -> list[str]:
        return [tx.exec_driver_sql(f"show {name}").scalar_one() for name in databases.SESSION]

    wanted = ["force_custom_plan", "1min"]
    assert await postgres_database.write(shown) == wanted
    assert await postgres_database.read(shown) == wanted


async def test_two_stories_that_wait_for_each_other_are_told_to_ask_again(postgres_database: Database) -> None:
    """A deadlock's victim gets `UnavailableError`, which every caller knows how to cure, and the other one commits."""
    await postgres_database.write(note(1))
    await postgres_database.write(note(2))

    def both(first: int, second: int) -> Callable[[Connection], None]:
        def story(tx: Connection) -> None:
            tx.execute(notes.update().where(notes.c.n == first).values(text="held"))
            pause(tx, 0.2)
            tx.execute(notes.update().where(notes.c.n == second).values(text="held"))

        return story

    answers = await asyncio.gather(
        postgres_database.write(both(1, 2)), postgres_database.write(both(2, 1)), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "UnavailableError"]


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[Database]:
    """A PostgreSQL database with one empty table."""
    url = await postgres.new_database(postgres_url, migrated=True)
    opened = open_database(url)
    await opened.write(notes.create)
    yield opened
    await opened.close()
    await postgres.drop_database(url)
