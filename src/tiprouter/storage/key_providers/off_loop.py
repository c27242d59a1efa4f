"""How does a story wait for a key service without holding up everything else?

1. On the embedded database stories run in threads; they wait where they are. Its one writer waits with them: at most
   one deadline, because of `resting.py`.
2. On PostgreSQL stories run on the event loop in greenlets; there the call is made in a thread of its own pool, and the
   loop goes on. It is no pool that anything else uses: a service that hangs must not hold up name resolution.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy.util.concurrency import await_only, in_greenlet

T = TypeVar("T")

_CALLS_MAX: Final = 8
_callers: Final = ThreadPoolExecutor(_CALLS_MAX, thread_name_prefix="keys")


def off_the_loop(call: Callable[[], T]) -> T:
    """What a blocking call returns or raises, without blocking the event loop (rules 1, 2)."""
    if not in_greenlet():
        return call()
    return await_only(_elsewhere(call))


async def _elsewhere(call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_callers, call)
