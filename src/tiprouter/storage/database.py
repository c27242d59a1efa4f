"""How does a happening become one transaction, on either database?

1. A story is a plain function of one connection: it reads, decides and writes, and is committed whole or not at all.
2. SQLite has one writer: a thread that takes every story that queued up during the last commit, runs each under a
   savepoint and commits them together (group commit; `synchronous=FULL`, so a committed story survives power loss).
3. PostgreSQL runs the same function on asyncpg through SQLAlchemy's greenlets, one transaction per story. Its BEGIN is
   sent first, alone: a session that broke while it lay in the pool says so there, where nothing has happened yet, and
   the story is told on another one. To ask each session before is three more ways to the server and back.
4. A story that raises is rolled back alone; the others of its group commit. If the commit itself fails, all of them
   fail with `UnavailableError` and nothing has happened: what is checked at the end (a decision without its entry) is
   a defect of ours, and costs whoever was told beside it a second try.
5. `changed` tells waiting loops of this process that something was committed, by others too (`storage/waking.py`); it
   is a hint, never the only way.

Not promised: that a caller who went away knows whether its story committed. That is what Idempotency-Key is for.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import await_only

from tiprouter.errors import UnavailableError
from tiprouter.storage import ready
from tiprouter.storage.hosts import engine_on

T = TypeVar("T")

_ONCE: Final = ((),)

Transaction = Connection
"""What a story is told in. Outside this room it is only passed on."""

DatabaseError = sa.exc.SQLAlchemyError
"""Whatever the database refuses; a story lets it pass, so that it is rolled back."""

Story = Callable[[Connection], T]

_UNANSWERED = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.TimeoutError,  # no connection of the pool came free
    sa.exc.PendingRollbackError,  # a story went on after the connection was lost: what it holds back alone may fail
    OSError,
)

_ASK_AGAIN: Final = ("08", "23505", "40", "53", "55P03", "57", "58")
"""SQLSTATEs that another try cures: connection lost, two stories at once (a key both made, a deadlock), no resources,
lock not had, the server stopping, its disk (PostgreSQL, appendix A). asyncpg's arrive as plain `DBAPIError`."""

SESSION: Final = {"plan_cache_mode": "force_custom_plan", "idle_in_transaction_session_timeout": "60s"}
"""Of each session on PostgreSQL. A plan kept from when a table was empty reads all of it once it is full: a fresh
service's worker fell behind for good. And a process that stopped in the middle of a story must not hold its rows."""

GROUP_MAX: Final = 64
READERS: Final = 4
BUSY_SECONDS: Final = 10


class Commits(asyncio.Event):
    """Set when something may have changed. One loop may clear it; any number may wait for the next time beside it.

    `mine` is set by this process's own commits alone, and cleared by whoever tells other processes of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mine = asyncio.Event()
        self._next = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """What the next one sets, whoever clears this; taken before a look, it misses none after it."""
        return self._next

    def set(self) -> None:
        """Have everybody in this process look."""
        super().set()
        self._next, rung = asyncio.Event(), self._next
        rung.set()

    def committed(self) -> None:
        """This process committed something."""
        self.set()
        self.mine.set()

    def heard(self) -> None:
        """Another process committed something."""
        self.set()


class Database(Protocol):
    """Where stories are told."""

    changed: Commits

    async def write(self, story: Story[T], *, quietly: bool = False) -> T:
        """Run a story and commit it; its value is returned only once it is durable. `quietly` rings no `changed`."""

    async def read(self, question: Story[T]) -> T:
        """Answer a question on one snapshot; nothing it writes is kept."""

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""


def open_database(url: str) -> Database:
    """The database behind a SQLAlchemy URL: `sqlite:///PATH` or `postgresql+asyncpg://...`."""
    if url.startswith("sqlite:"):
        return SqliteDatabase(url)
    return PostgresDatabase(url)


class SqliteDatabase:
    """One file, one writer thread, a few readers (rules 1, 2, 4)."""

    def __init__(self, url: str) -> None:
        self.changed = Commits()
        self._engine = sqlite_engine(url, begin="BEGIN IMMEDIATE")
        self._snapshots = sqlite_engine(url, begin="BEGIN")
        self._stories: queue.Queue[tuple[Story[Any], Future[Any]] | None] = queue.Queue()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._writer = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._writer.start()
        self._closed = False

    async def write(self, story: Story[T], *, quietly: bool = False) -> T:
        """See `Database.write`."""
        if self._closed:
            raise UnavailableError("The service is stopping.")
        told: Future[T] = Future()
        self._stories.put((story, told))
        # A caller that goes away must not tear a running transaction: the story is told to its end regardless.
        value = await asyncio.shield(asyncio.wrap_future(told))
        if not quietly:
            self.changed.committed()
        return value

    async def read(self, question: Story[T]) -> T:
        """See `Database.read`."""
        if self._closed:
            raise UnavailableError("The service is stopping.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._answer, question)

    async def close(self) -> None:
        """See `Database.close`."""
        if not self._closed:
            self._closed = True
            self._stories.put(None)
            await asyncio.to_thread(self._writer.join)
            self._readers.shutdown(wait=True)
            self._engine.dispose()
            self._snapshots.dispose()

    def _answer(self, question: Story[T]) -> T:
        try:
            # Never committed: what a question writes is undone when the connection goes back.
            with self._snapshots.connect() as connection:
                return question(connection)
        except _UNANSWERED as error:
            raise UnavailableError("The database does not answer.") from error

    def _write_forever(self) -> None:
        while (first := self._stories.get()) is not None:
            group = [first]
            last = self._gather(group)
            self._commit(group)
            if last:
                return

    def _gather(self, group: list[tuple[Story[Any], Future[Any]]]) -> bool:
        """Take what queued up meanwhile; whether the end was among it."""
        while len(group) < GROUP_MAX:
            try:
                following = self._stories.get_nowait()
            except queue.Empty:
                return False
            if following is None:
                return True
            group.append(following)
        return False

    def _commit(self, group: list[tuple[Story[Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            # If we were to crash after this begins and before it ends, none of the group has happened and none of
            # its callers was answered; after it ends, all of it has, and each caller may ask again by its key.
            # A connection fresh from the pool: a commit that failed leaves its transaction open on the old one.
            with self._engine.begin() as connection:
                outcomes.extend(_told(connection, story, future) for story, future in group)
        except sa.exc.SQLAlchemyError:
            outcomes = [(future, None, UnavailableError("The database could not commit.")) for _, future in group]
        for future, value, error in outcomes:
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


def _told(
    connection: Connection, story: Story[Any], future: Future[Any]
) -> tuple[Future[Any], Any, BaseException | None]:
    """One story under its own savepoint; its error, if any, is its caller's and nobody else's."""
    ready.tell(connection, "SAVEPOINT story", _ONCE)
    try:
        value = story(connection)
        ready.tell(connection, "RELEASE story", _ONCE)
    except Exception as error:  # noqa: BLE001 - handed to the caller whole, in `_commit`
        ready.tell(connection, "ROLLBACK TO story", _ONCE)
        ready.tell(connection, "RELEASE story", _ONCE)
        refused = isinstance(error, _UNANSWERED)
        return future, None, UnavailableError("The database could not write.") if refused else error
    return future, value, None


PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    # A story of a thousand decisions changes 4 MB of pages. Within the 2 MB that SQLite keeps unasked they went to the
    # disk twice, and what a savepoint may need again to a file of its own.
    "cache_size=-16384",
    "temp_store=MEMORY",
)


def sqlite_engine(url: str, *, begin: str) -> Engine:
    """A SQLite engine that begins transactions itself, in WAL mode, fully synchronous, with foreign keys enforced."""
    engine = sa.create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own types
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


class PostgresDatabase:
    """Any number of processes on one PostgreSQL (rules 1, 3, 4)."""

    def __init__(self, url: str) -> None:
        self.changed = Commits()
        self._engine = engine_on(url, settings=SESSION, pool_size=10, max_overflow=10)
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._telling: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def write(self, story: Story[T], *, quietly: bool = False) -> T:
        """See `Database.write`."""
        if self._closed:
            raise UnavailableError("The service is stopping.")
        telling = asyncio.ensure_future(self._tell(story))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        value = await asyncio.shield(telling)
        if not quietly:
            self.changed.committed()
        return value

    async def _tell(self, story: Story[T]) -> T:
        try:
            async with _begun(self._engine) as connection:
                value = await connection.run_sync(story)
                # If we were to crash before this line ends nothing has happened; after it, everything has.
                await connection.commit()
                return value
        except (sa.exc.SQLAlchemyError, OSError) as error:
            if _again(error):
                raise UnavailableError("The database could not commit.") from error
            raise

    async def read(self, question: Story[T]) -> T:
        """See `Database.read`."""
        try:
            async with _begun(self._snapshots) as connection:
                return await connection.run_sync(question)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            if _again(error):
                raise UnavailableError("The database does not answer.") from error
            raise

    async def close(self) -> None:
        """See `Database.close`."""
        self._closed = True
        if self._telling:
            await asyncio.wait(self._telling)
        await self._engine.dispose()


@contextlib.asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which a transaction has begun (rule 3); what is not committed is undone."""
    while True:
        async with engine.connect() as connection:
            lent_before, connection.info["lent"] = "lent" in connection.info, True
            try:
                await connection.run_sync(_begin)
            except BaseException as error:
                # Nobody knows how much of it was said. No session is tried twice, so that this ends.
                await connection.invalidate(error)
                if lent_before and isinstance(error, (sa.exc.DBAPIError, OSError)):
                    continue
                raise
            yield connection
            return


def _begin(tx: Connection) -> None:
    tx.begin()
    session: Any = tx.connection.dbapi_connection
    try:
        # SQLAlchemy's adapter would do so before the first statement, and has no public word for it.
        await_only(session._start_transaction())  # noqa: SLF001
    except tx.dialect.loaded_dbapi.Error as error:
        raise sa.exc.OperationalError("BEGIN", None, error) from error


def _again(error: Exception) -> bool:
    """Whether nothing happened and asking again may help."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    lost = getattr(error, "connection_invalidated", False)
    return lost or isinstance(error, _UNANSWERED) or state.startswith(_ASK_AGAIN)


@contextlib.contextmanager
def forgiving(tx: Connection) -> Iterator[None]:
    """A part of a story that may fail alone: its writes are undone, the error goes on to the caller."""
    with tx.begin_nested():
        yield
