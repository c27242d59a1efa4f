"""Waiting for what comes, however slow the machine is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE: Final = 60.0
_PAUSE: Final = 0.02


async def until(look: Callable[[], Awaitable[object] | object]) -> None:
    """Look again and again until what is seen is true; fail after a minute."""
    for _ in range(int(PATIENCE / _PAUSE)):
        seen = look()
        if await seen if isinstance(seen, Awaitable) else seen:
            return
        await asyncio.sleep(_PAUSE)
    raise AssertionError("It did not come.")
