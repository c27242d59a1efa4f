"""How long does an agency wait for its inbox to have something in it?

1. It is answered at once when something waits, otherwise when something comes, at the latest after `seconds`. A later
   page is answered at once.
2. While it waits it holds neither a connection nor a transaction: it looks when something was committed in this
   process, and every second besides, because another process may have committed.
3. However much is committed, it looks a few times a second at most; however many wait for one agency in this process,
   only the first few wait, the others are answered at once.
4. It stops waiting when nobody listens any more, or when the service stops.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tiprouter.storage.database import Database
from tiprouter.storage.inbox import Place
from tiprouter.workflow import inbox
from tiprouter.workflow.happening import Actor, Desk
from tiprouter.workflow.inbox import Shelf

WAIT_SECONDS_MAX: Final = 25
LOOK_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.2
WAITING_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Porch:
    """Who waits in this process: how many for each agency, and whether it stops."""

    waiting: Counter[str] = field(default_factory=Counter)
    closing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose inbox, from which place on, how much of it, and how long the asker would wait."""

    actor: Actor
    after: Place | None
    limit: int
    seconds: float


async def wait_for_inbox(
    database: Database,
    desk: Desk,
    porch: Porch,
    asked: Asked,
    left: Callable[[], Awaitable[bool]],
    still: Callable[[], Awaitable[None]],
) -> Shelf:
    """The inbox's page (rules 1-4); `left` says whether the asker has gone. Raises `NotFoundError`."""
    now = asyncio.get_running_loop().time
    with _among_the_waiting(porch, asked) as may_wait:
        until = now() + (asked.seconds if may_wait and asked.after is None else 0)
        waited = False
        while True:
            committed = database.changed.next
            over = now() >= until or porch.closing.is_set() or await left()
            if over or await database.read(lambda tx: inbox.stirs(tx, desk, asked.actor)):
                if waited:
                    await still()
                shelf = await _open(database, desk, asked, last=over)
                if over or shelf.waits:
                    return shelf
            await _pause(committed, until - now())
            waited = True


async def _open(database: Database, desk: Desk, asked: Asked, *, last: bool) -> Shelf:
    # Quietly: opening an inbox is no news for those who wait for news.
    return await database.write(
        lambda tx: inbox.open_inbox(tx, desk, asked.actor, asked.after, asked.limit, last=last), quietly=True
    )


async def _pause(committed: asyncio.Event, seconds: float) -> None:
    """Rules 2 and 3."""
    await asyncio.sleep(min(PAUSE_SECONDS, max(seconds, 0)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(min(LOOK_SECONDS - PAUSE_SECONDS, max(seconds - PAUSE_SECONDS, 0))):
            await committed.wait()


@contextmanager
def _among_the_waiting(porch: Porch, asked: Asked) -> Iterator[bool]:
    """Whether there is room to wait (rule 3)."""
    whose = asked.actor.recipient_id or ""
    porch.waiting[whose] += 1
    try:
        yield porch.waiting[whose] <= WAITING_MAX
    finally:
        porch.waiting[whose] -= 1
        if not porch.waiting[whose]:
            del porch.waiting[whose]
