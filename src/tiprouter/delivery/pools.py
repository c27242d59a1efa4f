"""Which connections may an attempt use, when recipients trust differently?

1. One pool for each distinct trust: a connection that was opened with one set of authorities, or with our certificate
   shown, never carries a message under another.
2. At most `size_max` pools are kept; beyond that the one that was used least recently is closed.
3. A pool in use is never closed under its user; so there may be as many more as there are attempts at once.
4. A pool is opened once, however many ask for it at the same time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tiprouter.delivery.trust import Trust


class Closable(Protocol):
    """Something with connections that can be closed."""

    async def close(self) -> None:
        """Close all of them."""


PoolT = TypeVar("PoolT", bound=Closable)


@dataclass(slots=True)
class _Lent(Generic[PoolT]):
    pool: PoolT
    users: int = 0


class Pools(Generic[PoolT]):
    """The pools there are, by trust; `open_pool` makes one."""

    def __init__(self, open_pool: Callable[[Trust], Awaitable[PoolT]], size_max: int) -> None:
        self._open_pool, self._size_max = open_pool, size_max
        self._kept: OrderedDict[str, _Lent[PoolT]] = OrderedDict()
        self._opening = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @asynccontextmanager
    async def lend(self, trust: Trust) -> AsyncIterator[PoolT]:
        """Give the pool for `trust` for the length of the block. Raises what `open_pool` raises."""
        key = trust.fingerprint
        if key not in self._kept:
            async with self._opening:
                if key not in self._kept:
                    self._kept[key] = _Lent(await self._open_pool(trust))
        lent = self._kept[key]
        self._kept.move_to_end(key)
        lent.users += 1
        try:
            await self._shrink()
            yield lent.pool
        finally:
            lent.users -= 1
            await self._shrink()

    async def close(self) -> None:
        """Close all pools, used or not."""
        while self._kept:
            _, lent = self._kept.popitem()
            await lent.pool.close()

    async def _shrink(self) -> None:
        idle = [key for key, lent in self._kept.items() if not lent.users]
        gone = [self._kept.pop(key) for key in idle[: max(0, len(self._kept) - self._size_max)]]
        for lent in gone:
            await lent.pool.close()
