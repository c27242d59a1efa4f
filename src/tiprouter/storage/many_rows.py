"""How do thousands of rows go into a table at once?

1. On SQLite by statements of `AT_ONCE` rows each: a statement for every row costs twice as much.
2. On PostgreSQL by one COPY. The rows may be made while the server takes those before them: `rows` is asked for some,
   they are sent, and it is asked again.
3. A row whose key is there already is an error, and nothing of the story is kept.
4. Values go to the driver as they are: whole numbers, text, bytes.
5. A server that goes away in the middle of a COPY ends it: the driver by itself would wait for it for ever, whatever
   time it was given (asyncpg 0.32).
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.util import await_only

from tiprouter.storage import ready

AT_ONCE: Final = 64


def add(tx: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Store rows, each with the values of these columns in this order."""
    if tx.dialect.name == "sqlite":
        coming = iter(rows)
        while some := list(islice(coming, AT_ONCE)):
            ready.tell(tx, _inserting(table, tuple(columns), len(some)), [list(chain.from_iterable(some))])
    else:
        _copy(tx, table, columns, rows)


@lru_cache(maxsize=4 * AT_ONCE)
def _inserting(table: sa.Table, columns: tuple[str, ...], count: int) -> str:
    """The statement for so many rows."""
    names = ", ".join(f'"{name}"' for name in columns)
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * count)}"  # noqa: S608 - names of ours


def _copy(tx: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; and a start on SQLite does not wait for it

    driver: Any = tx.connection.driver_connection
    try:
        await_only(_copied(driver, table.name, list(columns), rows))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, _GoneError) as error:
        # Past SQLAlchemy, the driver's errors are its own: told as SQLAlchemy's, a full disk or a lost connection is
        # waited for like everywhere else.
        lost = sa.exc.DBAPIError if isinstance(error, asyncpg.PostgresError) else sa.exc.InterfaceError
        raise lost("COPY", None, error) from error


class _GoneError(Exception):
    """The connection ended while rows were sent over it."""


async def _copied(driver: Any, table: str, columns: list[str], rows: Iterable[Sequence[Any]]) -> None:  # noqa: ANN401 - asyncpg's, untyped
    """Send the rows, for as long as there is a connection (rule 5)."""
    copying = asyncio.ensure_future(driver.copy_records_to_table(table, records=rows, columns=columns))

    def end(_: object) -> None:
        copying.cancel()

    driver.add_termination_listener(end)
    try:
        await copying
    except asyncio.CancelledError:
        if driver.is_closed():
            raise _GoneError from None
        raise
    finally:
        driver.remove_termination_listener(end)
