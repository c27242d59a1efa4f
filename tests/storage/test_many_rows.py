"""Thousands of rows are stored whole or not at all, however many they are and whoever makes them."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import pytest

from tests.support.patience import PATIENCE
from tests.support.service import Service
from tiprouter.errors import UnavailableError
from tiprouter.storage import many_rows
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.log_tables import log_mentions
from tiprouter.storage.many_rows import AT_ONCE

COLUMNS = ("bundle", "word")
FIRST = 10_000


class UnmadeError(Exception):
    """A row could not be made."""


def made(count: int, *, broken: bool = False) -> Iterator[tuple[int, str]]:
    """So many rows, each when it is asked for, the last one of another length; or an error in its place."""
    yield from ((FIRST + number, f'"rcp_{number}"') for number in range(count - 1))
    if broken:
        raise UnmadeError
    if count:
        yield FIRST + count - 1, "x" * 150


async def stored(service: Service) -> Sequence[tuple[int, str]]:
    """What there is of them."""
    rows = await service.rows(f"SELECT bundle, word FROM log_mentions WHERE bundle >= {FIRST} ORDER BY bundle")  # noqa: S608 - a number
    return [(bundle, word) for bundle, word in rows]


@pytest.mark.parametrize("count", [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 5 * AT_ONCE + 7, 20_000])
async def test_every_row_is_stored_once(service: Service, count: int) -> None:
    """Rules 1, 2 and 4: no row is lost between two statements, nor where what is sent is cut."""
    await service.database.write(lambda tx: many_rows.add(tx, log_mentions, COLUMNS, made(count)))
    assert await stored(service) == list(made(count))


@pytest.mark.parametrize("count", [2, 3 * AT_ONCE, 20_000])
async def test_a_key_twice_is_an_error_and_nothing_is_kept(service: Service, count: int) -> None:
    """Rule 3: the story fails, by an error that its callers know, and the next one is told on a session that works."""

    def story(tx: Transaction) -> None:
        many_rows.add(tx, log_mentions, COLUMNS, [*made(count), (FIRST, '"rcp_0"')])

    # On PostgreSQL another story may have made the key meanwhile: its caller is told to ask again.
    with pytest.raises((DatabaseError, UnavailableError)):
        await service.database.write(story)
    assert await stored(service) == []
    await service.database.write(lambda tx: many_rows.add(tx, log_mentions, COLUMNS, made(count)))
    assert len(await stored(service)) == count


@pytest.mark.parametrize("count", [1, 3 * AT_ONCE, 20_000])
async def test_a_row_that_cannot_be_made_leaves_nothing(service: Service, count: int) -> None:
    """Rule 2: its error is told as it is, though the server was already taking the rows before it."""
    with pytest.raises(UnmadeError):
        await service.database.write(lambda tx: many_rows.add(tx, log_mentions, COLUMNS, made(count, broken=True)))
    assert await stored(service) == []
    await service.database.write(lambda tx: many_rows.add(tx, log_mentions, COLUMNS, made(count)))
    assert len(await stored(service)) == count


async def test_a_server_that_goes_away_meanwhile_is_not_waited_for(service: Service) -> None:
    """Rule 5: the log's keeper hung for ever, with its post; SQLite has no server that could go."""
    if service.url.startswith("sqlite"):
        return

    def story(tx: Transaction) -> None:
        session = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        many_rows.add(tx, log_mentions, COLUMNS, _left_by_the_server(service.url, session))

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(UnavailableError):
            await service.database.write(story)
    assert await stored(service) == []


def _left_by_the_server(url: str, session: int) -> Iterator[tuple[int, str]]:
    """Many more rows than a socket holds; while they are sent their session is ended."""
    ending = threading.Thread(target=lambda: asyncio.run(_ended(url, session)))
    for number in range(1_000_000):
        if number == 10_000:
            ending.start()
        yield FIRST + number, "x" * 150


async def _ended(url: str, session: int) -> None:
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    await other.execute("SELECT pg_terminate_backend($1)", session)
    await other.close()
