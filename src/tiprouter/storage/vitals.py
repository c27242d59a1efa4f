"""How much waits, and for how long?

Counts over what is open only, by closed vocabularies; nothing about anybody. One short question each.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.page_states import PageState
from tiprouter.domain.states import OWING, UNANSWERED, WAITING, DeliveryState
from tiprouter.storage.duties_table import duties
from tiprouter.storage.lines_table import lines
from tiprouter.storage.pages_table import pages
from tiprouter.storage.reviews_table import reviews
from tiprouter.storage.tables import deliveries, outbox

_OPEN = (*sorted(WAITING), DeliveryState.CLAIMED.value)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries of one lane in one state: how many, how many of them are parked, and their nearest deadline.

    What is parked waits for its agency or its endpoint, not for us.
    """

    lane: str
    state: str
    count: int
    parked: int
    deadline: datetime


def waiting(tx: Connection) -> list[Waiting]:
    """Everything that has not ended, by lane and state."""
    columns = (deliveries.c.lane, deliveries.c.state)
    parked = sa.func.count().filter(deliveries.c.parked)
    query = sa.select(*columns, sa.func.count(), parked, sa.func.min(deliveries.c.deadline)).where(
        deliveries.c.state.in_(_OPEN)
    )
    return [Waiting(*row) for row in tx.execute(query.group_by(*columns).order_by(*columns))]


def breakers(tx: Connection) -> dict[str, int]:
    """Endpoints that something was tried to be sent to, by where their breaker is."""
    query = sa.select(lines.c.state, sa.func.count()).group_by(lines.c.state)
    return {row[0]: row[1] for row in tx.execute(query)}


def unlogged(tx: Connection) -> int:
    """Committed audit entries that are not in the tree yet."""
    return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()


def open_duties(tx: Connection) -> dict[str, int]:
    """Duties that are owed, by phase."""
    query = sa.select(duties.c.phase, sa.func.count()).where(duties.c.phase.in_(tuple(sorted(OWING))))
    return {row[0]: row[1] for row in tx.execute(query.group_by(duties.c.phase))}


def open_reviews(tx: Connection) -> dict[str, int]:
    """Reviews that wait for an answer, by urgency."""
    query = sa.select(reviews.c.urgency, sa.func.count()).where(reviews.c.state.in_(tuple(sorted(UNANSWERED))))
    return {row[0]: row[1] for row in tx.execute(query.group_by(reviews.c.urgency))}


def unsent_pages(tx: Connection) -> dict[str, int]:
    """Pages that nobody has got yet, by severity."""
    unsent = (PageState.WAITING.value, PageState.FAILED.value)
    query = sa.select(pages.c.severity, sa.func.count()).where(pages.c.state.in_(unsent))
    return {row[0]: row[1] for row in tx.execute(query.group_by(pages.c.severity))}
