"""How far is an attempt, and how is it ended from outside?

1. Nothing of the request counts as sent before its first byte is handed to a connection; all of it does once the last
   byte has left the process. What stands between is a part.
2. Ended, its connection is closed at once and what was not written is dropped; no byte of the request is written after
   (`AbortedError`).
3. Whoever ends an attempt that is over, or ends it twice, changes nothing.

It does not promise that what left has arrived. Under TLS, what the library still holds of a record counts as sent: of
two errors, the one that claims too much.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import StrEnum, unique

from tiprouter.errors import TiprouterError


@unique
class Sent(StrEnum):
    """How much of a request had left when its attempt was ended."""

    NOTHING = "nothing"
    PART = "part"
    ALL = "all"


class AbortedError(TiprouterError):
    """The attempt was ended before its request was written."""


class Flight:
    """One attempt: where it was dialled last, how much of it has left, and the way to end it.

    `vetted` are the addresses that were found and checked for it.
    """

    def __init__(self) -> None:
        self.address: str | None = None
        self.vetted: frozenset[str] = frozenset()
        self.aborted: Sent | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._limit: asyncio.Timeout | None = None
        self._begun = self._written = self._over = False

    @property
    def sent(self) -> Sent:
        """How much has left by now (rule 1)."""
        if not self._begun:
            return Sent.NOTHING
        waits = self._transport is None or self._transport.get_write_buffer_size() > 0
        return Sent.ALL if self._written and not waits else Sent.PART

    def abort(self) -> bool:
        """End it (rules 2, 3), or keep it from beginning; whether it was not over."""
        if self.aborted is not None or self._over:
            return False
        self.aborted = self.sent
        if self._transport is not None:
            self._transport.abort()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())
        return True

    @asynccontextmanager
    async def lasting(self, seconds: float) -> AsyncIterator[None]:
        """Be under way for so long at most. Raises `TimeoutError` when time is up, and when it was ended."""
        async with asyncio.timeout(seconds if self.aborted is None else 0) as self._limit:
            try:
                yield
            finally:
                self._over = True

    def use(self, transport: asyncio.WriteTransport) -> None:
        """The request goes by this connection. Raises `AbortedError`."""
        if self.aborted is not None:
            raise AbortedError
        self._transport, self._begun, self._written = transport, False, False

    def begin(self) -> None:
        """The first byte is written now."""
        self._begun = True

    def written(self) -> None:
        """The last byte was handed over."""
        self._written = True


# An attempt runs in one task, and tasks made for it inherit this; so the socket knows whose attempt it serves.
CURRENT: ContextVar[Flight | None] = ContextVar("tiprouter_flight", default=None)
