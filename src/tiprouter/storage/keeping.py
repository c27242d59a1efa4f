"""Which process keeps the log, of several on one data folder, or on several machines with one PostgreSQL?

1. The keeper holds a lock file in its data folder from its start to its end, and on PostgreSQL an advisory lock of a
   session of its own; a second one is refused at once.
2. The session's lock goes with it: when the process dies the server lets go of it, when the machine vanishes the server
   notices within a minute (TCP keepalives).

Not promised: that a keeper whose session broke stops. Each batch has a lock of its own besides (`treelog.hold`), and is
built on the log as it then is: two keepers would take turns, and lose nothing.
"""

import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tiprouter.errors import ConfigurationError

_KEEPER: Final = 0x7469_7073  # any number that nothing else in the database locks
_KEEPALIVES: Final = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}


@asynccontextmanager
async def keeping_the_log(url: str, lock: Path) -> AsyncIterator[None]:
    """Be the only keeper of the log; raises `ConfigurationError` when there is another one."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError("Another tiprouter already serves this data folder.") from error
        if not url.startswith("postgresql"):
            yield
            return
        async with _only_session(url):
            yield


@asynccontextmanager
async def _only_session(url: str) -> AsyncIterator[None]:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"server_settings": _KEEPALIVES})
    try:
        async with engine.connect() as session:
            held = (await session.execute(sa.select(sa.func.pg_try_advisory_lock(_KEEPER)))).scalar_one()
            # The lock is the session's: it outlives this transaction, which must not stay open beside it.
            await session.commit()
            if not held:
                raise ConfigurationError("Another tiprouter keeps the log in this database already.")
            yield
    finally:
        await engine.dispose()
