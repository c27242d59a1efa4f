"""What is known of each endpoint, and what waits to be said to it?

1. A row a recipient, made with it. A recipient without one is sent nothing.
2. Who changes rows of several tables takes them in this order: recipient, change, endpoint, message, line.
3. A message is sent under a lease of a minute: who comes later finds `attempts` grown, and changes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.endpoint import MessageForm
from tiprouter.domain.endpoint_states import EndpointState
from tiprouter.domain.recipient import Recipient
from tiprouter.storage.codec import from_plain, to_plain
from tiprouter.storage.columns import named_in
from tiprouter.storage.endpoints_table import endpoint_messages, endpoints, openings
from tiprouter.storage.lines_table import lines
from tiprouter.storage.ready import Ready

LEASE: Final = timedelta(minutes=1)
OPENINGS_KEPT: Final = timedelta(days=32)
_AMONG: Final = Ready(
    sa.select(endpoints.c.recipient_id).where(
        named_in(endpoints.c.recipient_id, "whose"), named_in(endpoints.c.state, "states")
    )
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of one recipient's endpoint."""

    recipient_id: str
    state: EndpointState
    since: datetime
    verified_at: datetime | None
    check_at: datetime | None
    looked_at: datetime
    look_at: datetime | None


@dataclass(frozen=True, slots=True)
class EndpointMessage:
    """Something to say to an endpoint; `target` is whom it was meant for, where that is not today's recipient."""

    id: str
    recipient_id: str
    form: MessageForm
    created_at: datetime
    next_at: datetime
    change_id: str | None = None
    target: Recipient | None = None
    attempts: int = 0
    finished_at: datetime | None = None
    result: str | None = None
    status: int | None = None
    duration_ms: int | None = None


def open_row(tx: Connection, endpoint: Endpoint) -> None:
    """Store what is known of a new recipient's endpoint."""
    tx.execute(endpoints.insert(), {name: getattr(endpoint, name) for name in Endpoint.__slots__})


def load(tx: Connection, recipient_id: str, *, lock: bool = False) -> Endpoint | None:
    """One endpoint, or None."""
    query = sa.select(endpoints).where(endpoints.c.recipient_id == recipient_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _endpoint(row)


def among(tx: Connection, recipient_ids: Collection[str], states: Collection[EndpointState]) -> set[str]:
    """Those of these recipients whose endpoint is in one of these states."""
    return set(_AMONG.firsts(tx, {"whose": sorted(recipient_ids), "states": sorted(states)}))


def change(tx: Connection, recipient_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one endpoint."""
    tx.execute(endpoints.update().where(endpoints.c.recipient_id == recipient_id).values(**values))


def to_ask(tx: Connection, now: datetime, limit: int) -> list[Endpoint]:
    """Endpoints that are to be asked now and that nobody else holds."""
    return _due(tx, endpoints.c.check_at, now, limit)


def to_look_at(tx: Connection, now: datetime, limit: int) -> list[Endpoint]:
    """Endpoints of whose papers something is to be told now, and that nobody else holds."""
    return _due(tx, endpoints.c.look_at, now, limit)


def let_go(tx: Connection, recipient_id: str) -> None:
    """What is parked for a recipient is to be looked at again."""
    tx.execute(lines.update().where(lines.c.recipient_id == recipient_id).values(release=True))


def say(tx: Connection, message: EndpointMessage) -> None:
    """Store a message to be sent."""
    row = {name: getattr(message, name) for name in EndpointMessage.__slots__}
    tx.execute(endpoint_messages.insert(), row | {"target": message.target and to_plain(message.target)})


def to_say(tx: Connection, now: datetime, limit: int) -> list[EndpointMessage]:
    """Messages that are due and that nobody else holds; each is leased, and counted as one attempt more (rule 3)."""
    query = (
        sa.select(endpoint_messages)
        .where(endpoint_messages.c.finished_at.is_(None), endpoint_messages.c.next_at <= now)
        .order_by(endpoint_messages.c.next_at, endpoint_messages.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [_message(row) for row in tx.execute(query)]
    for one in found:
        change_message(tx, one.id, attempts=one.attempts + 1, next_at=now + LEASE)
    return found


def message(tx: Connection, message_id: str, *, lock: bool = False) -> EndpointMessage | None:
    """One message, or None."""
    query = sa.select(endpoint_messages).where(endpoint_messages.c.id == message_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _message(row)


def change_message(tx: Connection, message_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one message."""
    tx.execute(endpoint_messages.update().where(endpoint_messages.c.id == message_id).values(**values))


def take_back_challenges(tx: Connection, recipient_id: str, now: datetime) -> None:
    """What was asked of the endpoint as it was is asked no more, and no answer to it counts."""
    mine = (
        endpoint_messages.c.recipient_id == recipient_id,
        endpoint_messages.c.form == MessageForm.CHALLENGE,
        endpoint_messages.c.finished_at.is_(None),
    )
    tx.execute(endpoint_messages.update().where(*mine).values(finished_at=now, result="superseded"))


def next_due_at(tx: Connection) -> datetime | None:
    """When the next message is due, or None."""
    query = sa.select(sa.func.min(endpoint_messages.c.next_at)).where(endpoint_messages.c.finished_at.is_(None))
    found: datetime | None = tx.execute(query).scalar_one_or_none()
    return found


def note_opening(tx: Connection, recipient_id: str, now: datetime) -> None:
    """Remember that a breaker opened; what is older than anybody may ask for is forgotten."""
    mine = openings.c.recipient_id == recipient_id
    tx.execute(openings.delete().where(mine, sa.or_(openings.c.at < now - OPENINGS_KEPT, openings.c.at == now)))
    tx.execute(openings.insert(), {"recipient_id": recipient_id, "at": now})


def _due(tx: Connection, column: sa.Column[Any], now: datetime, limit: int) -> list[Endpoint]:
    query = sa.select(endpoints).where(column.is_not(None), column <= now).order_by(column).limit(limit)
    return [_endpoint(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def _endpoint(row: Any) -> Endpoint:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Endpoint.__slots__}
    return Endpoint(**values | {"state": EndpointState(row.state)})


def _message(row: Any) -> EndpointMessage:  # noqa: ANN401 - as above
    values = {name: getattr(row, name) for name in EndpointMessage.__slots__}
    target = None if row.target is None else from_plain(Recipient, row.target)
    return EndpointMessage(**values | {"form": MessageForm(row.form), "target": target})
