"""How does a process on one PostgreSQL learn at once that another one committed something?

1. A process that committed says so with NOTIFY, without a payload, in a session of its own and never in a story: a
   transaction that notifies commits behind a lock of the whole server, which would make all commits wait in a line.
2. It says so at most once in `EVERY` seconds, however much it committed.
3. What it hears from others rings `Database.changed`; what it said itself is passed over.
4. A session that breaks is opened anew, with growing pauses; then the bell is rung once, for what was missed.

It is a hint and nothing more: whoever waits looks by itself after a second at the latest.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from tiprouter.storage.database import Commits
from tiprouter.storage.hosts import engine_on

log = structlog.get_logger()

CHANNEL: Final = "tiprouter"
EVERY: Final = 0.02
PAUSE_SECONDS_MAX: Final = 2.0


class _LostError(OSError):
    """The session broke."""


@asynccontextmanager
async def waking(url: str, changed: Commits) -> AsyncIterator[None]:
    """Tell other processes of this one's commits, and hear of theirs, while inside. On SQLite there are no others."""
    if not url.startswith("postgresql"):
        yield
        return
    engine = engine_on(url, poolclass=NullPool)
    listening = asyncio.create_task(_for_ever(engine, changed))
    try:
        yield
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await engine.dispose()


async def _for_ever(engine: AsyncEngine, changed: Commits) -> None:
    """Rule 4."""
    async for attempt in AsyncRetrying(
        # asyncpg's own errors are neither SQLAlchemy's nor the system's; and nobody would miss a bell that is silent.
        retry=retry_if_exception_type(Exception),
        before_sleep=_say,
        wait=wait_exponential_jitter(multiplier=0.05, jitter=0.05, max=PAUSE_SECONDS_MAX),
        reraise=True,
    ):
        with attempt:
            await _one_session(engine, changed)


def _say(state: RetryCallState) -> None:
    error = None if state.outcome is None else state.outcome.exception()
    log.warning("bell.broken", error=type(error).__name__)


async def _one_session(engine: AsyncEngine, changed: Commits) -> None:
    async with engine.connect() as connection:
        # asyncpg's own connection: SQLAlchemy has no word for LISTEN.
        session: Any = (await connection.get_raw_connection()).driver_connection
        me, lost = session.get_server_pid(), asyncio.Event()

        def heard(_session: object, pid: int, _channel: str, _payload: str) -> None:
            if pid != me:
                changed.heard()

        session.add_termination_listener(lambda _session: lost.set())
        await session.add_listener(CHANNEL, heard)
        changed.heard()
        try:
            while await _committed(changed, lost):
                await session.execute(f"NOTIFY {CHANNEL}")
                await asyncio.sleep(EVERY)
        finally:
            with contextlib.suppress(Exception):
                await session.remove_listener(CHANNEL, heard)


async def _committed(changed: Commits, lost: asyncio.Event) -> bool:
    """Wait until this process committed. Raises `_LostError` when the session broke meanwhile."""
    waits = [asyncio.create_task(changed.mine.wait()), asyncio.create_task(lost.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waits:
            one.cancel()
    if lost.is_set():
        raise _LostError
    changed.mine.clear()
    return True
