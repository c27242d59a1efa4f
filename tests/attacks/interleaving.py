"""Two stories on one PostgreSQL, one of them stopped at a chosen statement while the other runs.

1. `Stop(number)` holds the story it wraps before its statement `number` until the other has ended or is seen to wait.
2. The other story is given `PATIENCE` to end; a story that waits for a lock is left waiting, and the first goes on.
3. What either raises is returned, not swallowed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.util import await_only

from tiprouter.storage.database import Database

T = TypeVar("T")
PATIENCE: Final = 0.06


class Stop:
    """Holds one story before one of its statements."""

    def __init__(self, number: int) -> None:
        self._number, self._seen = number, 0
        self._connection: Connection | None = None
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    @property
    def statements(self) -> int:
        """How many statements the story made."""
        return self._seen

    def around(self, story: Callable[[Connection], T]) -> Callable[[Connection], T]:
        """The story, stopped at its statement; after its last one too when it has no more."""

        def told(tx: Connection) -> T:
            self._connection = tx
            value = story(tx)
            if self._seen < self._number:
                self._hold()
            return value

        return told

    def __enter__(self) -> Self:
        sa.event.listen(Engine, "before_cursor_execute", self._before)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(Engine, "before_cursor_execute", self._before)

    def _before(self, connection: Connection, *_: Any) -> None:  # noqa: ANN401 - the event's own arguments
        if connection is self._connection:
            self._seen += 1
            if self._seen == self._number:
                self._hold()

    def _hold(self) -> None:
        self.reached.set()
        await_only(self.go.wait())


async def interleaved(
    number: int,
    first: tuple[Database, Callable[[Connection], Any]],
    second: tuple[Database, Callable[[Connection], Any]],
) -> tuple[Any, Any, bool]:
    """What both stories gave or raised, and whether the first had as many statements as it was to be stopped at."""
    with Stop(number) as stop:
        running = asyncio.ensure_future(first[0].write(stop.around(first[1])))
        await asyncio.wait({running, asyncio.ensure_future(stop.reached.wait())}, return_when=asyncio.FIRST_COMPLETED)
        other = asyncio.ensure_future(second[0].write(second[1]))
        await asyncio.wait({other}, timeout=PATIENCE)
        stop.go.set()
        answers = await asyncio.gather(running, other, return_exceptions=True)
    return answers[0], answers[1], stop.statements >= number
