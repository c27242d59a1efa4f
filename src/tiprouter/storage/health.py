"""How did attempts toward one agency's endpoint go, lately?

Read are the newest attempts of its deliveries, at most so many; what an agency fetched by itself says nothing of its
endpoint. Nothing in here is personal: times and results.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.vocabulary import AttemptKind
from tiprouter.storage.endpoints_table import openings
from tiprouter.storage.tables import attempts, deliveries

ATTEMPTS_MAX: Final = 20_000
_BEFORE: Final = timedelta(days=9)
"""A delivery may be tried so long after it was made, and longer still only where people ask for it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt: when it was written and answered, and what came of it."""

    started_at: datetime
    finished_at: datetime | None
    result: str | None


def tried(tx: Connection, recipient_id: str, since: datetime) -> list[Tried]:
    """The attempts since then, newest first, at most `ATTEMPTS_MAX` + 1."""
    first = ids.mint("msg", since - _BEFORE, bytes(ids.RANDOM_BYTES))
    query = (
        sa.select(attempts.c.started_at, attempts.c.finished_at, attempts.c.result)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(
            deliveries.c.recipient_id == recipient_id,
            deliveries.c.id >= first,
            attempts.c.started_at >= since,
            attempts.c.kind != AttemptKind.FETCH,
        )
        .order_by(attempts.c.started_at.desc())
        .limit(ATTEMPTS_MAX + 1)
    )
    return [Tried(row.started_at, row.finished_at, row.result) for row in tx.execute(query)]


def opened(tx: Connection, recipient_id: str, since: datetime) -> list[datetime]:
    """When its breaker opened since then."""
    mine = (openings.c.recipient_id == recipient_id, openings.c.at >= since)
    return list(tx.execute(sa.select(openings.c.at).where(*mine).order_by(openings.c.at)).scalars())
