"""What does the hotline tell the public about its work?

1. Tables of closed quarters, and nothing about an open one. What must not be told is left out before anything is stored
   (`domain/suppression.py`); the counts themselves are kept nowhere.
2. A quarter is counted once, when it is first asked for after it closed, and never again: two answers about it are the
   same for ever, so nothing is learnt from their difference. A later threshold is for later quarters.
3. What was decided stands beside what the other shipped bundle would have decided (`workflow/comparing.py`).
4. Counting is asked of a snapshot, so that no story waits for it; that a quarter was published stands in the log.

Not promised: that a word about the open quarter cannot be had elsewhere. Auditors see what is not withheld.
"""

import asyncio
from datetime import datetime
from functools import partial
from typing import Any

from tiprouter.domain.quarter import Quarter, closed_quarters
from tiprouter.domain.suppression import published
from tiprouter.errors import NotFoundError
from tiprouter.storage import quarters
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.quarters import Counted, Decided, Published
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.comparing import compared, in_json, places
from tiprouter.workflow.happening import ROUTER, Desk, happening


def told(tx: Transaction, quarter: str | None) -> tuple[list[str], Published | None]:
    """The quarters that were published, newest first, and one of them: the newest when none is named.

    Raises `NotFoundError` for one that was not published.
    """
    known = quarters.names(tx)
    if quarter is None:
        return known, quarters.load(tx, known[0]) if known else None
    found = quarters.load(tx, quarter)
    if found is None:
        raise NotFoundError
    return known, found


def missing(tx: Transaction, now: datetime) -> list[Quarter]:
    """Closed quarters that were not published yet, oldest first."""
    first = quarters.begun(tx)
    if first is None:
        return []
    known = set(quarters.names(tx))
    return [one for one in closed_quarters(first, now) if one.name not in known]


async def publish(database: Database, desk: Desk) -> None:
    """Count and publish the closed quarters that were not (rules 1-4)."""
    now = desk.now()
    for quarter in await database.read(lambda tx: missing(tx, now)):
        counts = await database.read(partial(quarters.counted, quarter=quarter, now=now))
        decided = await database.read(partial(quarters.decided, quarter=quarter))
        tables = await asyncio.to_thread(_safe, counts, decided, desk)
        made = Published(quarter.name, desk.small_cell, tables, now)
        await database.write(partial(_freeze, desk=desk, made=made), quietly=True)


def _safe(counts: list[Counted], decided: list[Decided], desk: Desk) -> list[dict[str, Any]]:
    told = (published(places(one.counts, one.axes), one.counts, desk.small_cell) for one in counts)
    plain = [in_json(one.name, one.axes, cells) for one, cells in zip(counts, told, strict=True)]
    return [*plain, *compared(decided, desk.library, desk.small_cell)]


def _freeze(tx: Transaction, desk: Desk, made: Published) -> None:
    with happening(tx, desk, ROUTER) as it:
        if quarters.freeze(tx, made):
            # If we were to crash before the commit, it is counted again; after it, it never is.
            seen(it, "transparency.published", subject=made.quarter)
