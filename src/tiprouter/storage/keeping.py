"""Which process keeps the log, of several on one data folder, or on several machines with one PostgreSQL?

1. A process that may keep the log holds a lock file in its data folder from its start to its end; a second one there
   is refused at once.
2. On PostgreSQL there is one post for all machines: an advisory lock of a session of its own. Whoever finds it taken
   stands by, and asks again in the same session; nobody is refused.
3. The session's lock goes with it: when the process dies the server lets go of it, when the machine vanishes the server
   notices within a minute (TCP keepalives).
4. A keeper asks now and then whether its session still stands; when it does not, it stands by again.

Not promised: that a keeper whose session broke stops at once. Each batch has a lock of its own besides
(`treelog.hold`), and is built on the log as it then is: two keepers would take turns, and lose nothing.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tiprouter.errors import ConfigurationError
from tiprouter.storage.hosts import engine_on

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_KEEPER: Final = 0x7469_7073  # any number that nothing else in the database locks
_KEEPALIVES: Final = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
ANSWER_SECONDS: Final = 5.0
_BROKEN: Final = (sa.exc.SQLAlchemyError, OSError)


class Post(Protocol):
    """The keeper's post."""

    async def take(self) -> bool:
        """Take it, if nobody has it; whether this process has it now."""

    async def held(self) -> bool:
        """Whether this process still has it."""


class _OwnPost:
    """Nobody else's: the data folder is (rule 1)."""

    async def take(self) -> bool:
        """See `Post.take`."""
        return True

    async def held(self) -> bool:
        """See `Post.held`."""
        return True


class _SharedPost:
    """The post of all machines on one PostgreSQL (rules 2 to 4)."""

    def __init__(self, url: str) -> None:
        self._engine = engine_on(url, settings=_KEEPALIVES, poolclass=NullPool)
        self._session: AsyncConnection | None = None
        self._held = False

    async def take(self) -> bool:
        """See `Post.take`."""
        if self._held:
            # Asked twice, the lock would have to be let go of twice.
            return await self.held()
        try:
            self._session = self._session or await self._engine.connect()
            async with asyncio.timeout(ANSWER_SECONDS):
                taking = await self._session.execute(sa.select(sa.func.pg_try_advisory_lock(_KEEPER)))
                self._held = bool(taking.scalar_one())
                # The lock is the session's: it outlives this transaction, which must not stay open beside it.
                await self._session.commit()
        except _BROKEN:
            await self.leave()
        return self._held

    async def held(self) -> bool:
        """See `Post.held`."""
        if self._session is None or not self._held:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._session.execute(sa.select(1))
                await self._session.commit()
        except _BROKEN:
            await self.leave()
            return False
        return True

    async def leave(self) -> None:
        """Let go of the post."""
        session, self._session, self._held = self._session, None, False
        if session is not None:
            with contextlib.suppress(*_BROKEN):
                await session.close()

    async def close(self) -> None:
        """Let go of the post for good."""
        await self.leave()
        await self._engine.dispose()


@asynccontextmanager
async def keeping_the_log(url: str, lock: Path) -> AsyncIterator[Post]:
    """Hold the data folder, and know the post; raises `ConfigurationError` when the folder is held (rule 1)."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError("Another tiprouter already serves this data folder.") from error
        if not url.startswith("postgresql"):
            yield _OwnPost()
            return
        post = _SharedPost(url)
        try:
            yield post
        finally:
            await post.close()
