"""What is told of a whole period: what was not disclosed and why, how long things took, which duties were kept?

1. A period is at most 366 days, the last 90 when nothing is said; it ends no later than now.
2. Such a question reads much: it is asked of a snapshot, so that nobody waits for it, and logged before it is answered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from tiprouter.errors import InvalidError
from tiprouter.storage import timeliness, withheld
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.timeliness import Kept, Spans, Took
from tiprouter.storage.withheld import Withheld
from tiprouter.workflow import inquiry
from tiprouter.workflow.happening import Actor, Desk

T = TypeVar("T")

USUAL: Final = timedelta(days=90)
LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until), as seen at `now`."""

    since: datetime
    until: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Timeliness:
    """How long things took, and how duties were kept."""

    took: tuple[Took, ...]
    kept: tuple[Kept, ...]


def period(desk: Desk, since: datetime | None, until: datetime | None) -> Period:
    """The period that is asked for (rule 1). Raises `InvalidError`."""
    now = desk.now()
    end = now if until is None else min(until, now)
    begin = end - USUAL if since is None else since
    if not timedelta() < end - begin <= LONGEST:
        raise InvalidError("A period ends after it begins, and is at most 366 days long.", "/since")
    return Period(begin, end, now)


async def timely(database: Database, desk: Desk, actor: Actor, over: Period) -> Timeliness:
    """How long things took in a period, and how its duties were kept."""

    def question(tx: Transaction) -> tuple[Spans, tuple[Kept, ...]]:
        kept = timeliness.kept(tx, over.since, over.until, over.now)
        return timeliness.spans(tx, over.since, over.until), tuple(kept)

    spans, kept = await asked(database, desk, actor, "timeliness", question)
    # Sorting a year's spans is too long for the loop.
    return Timeliness(tuple(await asyncio.to_thread(timeliness.summed, spans)), kept)


async def not_disclosed(database: Database, desk: Desk, actor: Actor, over: Period) -> Withheld:
    """What was not disclosed in a period, by reason."""
    return await asked(database, desk, actor, "withheld", lambda tx: withheld.counted(tx, over.since, over.until))


async def asked(database: Database, desk: Desk, actor: Actor, what: str, question: Callable[[Transaction], T]) -> T:
    """The answer to a question about a period; the log has it under `what` (rule 2)."""
    found = await database.read(question)
    await database.write(lambda tx: inquiry.history_read(tx, desk, actor, what, 1), quietly=True)
    return found
