"""What lies in an agency's inbox?

1. What waits for the agency: not ended, not past its time, and nothing earlier of its matter waits or is in flight, so
   that a recall is never taken before what it recalls.
2. What it pulled and has not answered: it may have lost it since.
3. Only what still stands: a disclosure that was superseded, cancelled or recalled lies in no inbox; a recall does.
4. Imminent danger first, then in the order in which they were made; within a matter by sequence.

Not asked here: whether any of it may be told at this moment. That is a decision (`workflow/inbox.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.deliveries import Delivery, behind_another, from_row, waiting
from tiprouter.storage.inbox_table import taken
from tiprouter.storage.tables import STANDS, deliveries, disclosures

PLACE_PATTERN: Final = r"^(imminent|standard)\.[0-9]{1,17}\.[0-9]{1,9}\.msg_[0-9A-Z]{26}$"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PULLED: Final = (DeliveryState.CLAIMED, DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the inbox's order something lies; as text, where a page goes on from."""

    urgency: Urgency
    created_at: datetime
    sequence: int
    delivery_id: str

    def __str__(self) -> str:
        moment = (self.created_at - _EPOCH) // _MICROSECOND
        return f"{self.urgency.value}.{moment}.{self.sequence}.{self.delivery_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place again, from a text of `PLACE_PATTERN`."""
        urgency, moment, sequence, delivery_id = re.split(r"\.", text)
        return cls(Urgency(urgency), _EPOCH + int(moment) * _MICROSECOND, int(sequence), delivery_id)


@dataclass(frozen=True, slots=True)
class Item:
    """Something in an inbox: its delivery, what it recalls if it is a recall, and whether it was pulled before."""

    delivery: Delivery
    recalls: str | None
    taken: bool

    @property
    def place(self) -> Place:
        """Where it lies."""
        one = self.delivery
        return Place(one.urgency, one.created_at, one.sequence, one.id)

    @property
    def waits(self) -> bool:
        """Whether it is new to the agency (rule 1)."""
        return self.delivery.state not in _PULLED


def page(tx: Connection, recipient_id: str, now: datetime, after: Place | None, limit: int) -> list[Item]:
    """What lies in an agency's inbox, in order (rules 1-4), behind `after`."""
    kept = sa.select(taken.c.delivery_id).where(taken.c.recipient_id == recipient_id)
    inside = sa.or_(
        deliveries.c.id.in_(_waiting(recipient_id, now)),
        sa.and_(deliveries.c.id.in_(kept), deliveries.c.state.in_(_PULLED)),
    )
    order = (deliveries.c.urgency, deliveries.c.created_at, deliveries.c.sequence, deliveries.c.id)
    query = _items().where(inside, deliveries.c.recipient_id == recipient_id, _stands())
    if after is not None:
        values = (after.urgency.value, after.created_at, after.sequence, after.delivery_id)
        query = query.where(sa.tuple_(*order) > sa.tuple_(*values, types=[column.type for column in order]))
    return [_item(row) for row in tx.execute(query.order_by(*order).limit(limit))]


def stirs(tx: Connection, recipient_id: str, now: datetime) -> bool:
    """Whether something waits for the agency (rule 1), at the cost of one indexed look."""
    return tx.execute(_waiting(recipient_id, now).limit(1)).first() is not None


def item(tx: Connection, recipient_id: str, delivery_id: str) -> Item | None:
    """One delivery of this agency as it stands, wherever it is, behind nothing of its matter; or None."""
    query = _items().where(
        deliveries.c.id == delivery_id,
        deliveries.c.recipient_id == recipient_id,
        _stands(),
        sa.or_(deliveries.c.state == DeliveryState.DELIVERED, ~behind_another()),
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _item(row)


def record_of(tx: Connection, recipient_id: str, delivery_id: str) -> tuple[str, str] | None:
    """The record and disclosure of one delivery of this agency, or None."""
    query = sa.select(deliveries.c.record_id, deliveries.c.disclosure_id).where(
        deliveries.c.id == delivery_id, deliveries.c.recipient_id == recipient_id
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else (row.record_id, row.disclosure_id)


def take(tx: Connection, pulled: Delivery, now: datetime) -> None:
    """The agency pulls (`pulled` is the delivery from then on): its inbox shows it until it answers."""
    values = {name: getattr(pulled, name) for name in ("state", "lease", "lease_until", "attempts")}
    tx.execute(deliveries.update().where(deliveries.c.id == pulled.id).values(**values))
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    row = {"delivery_id": pulled.id, "recipient_id": pulled.recipient_id, "at": now}
    new = insert(taken).values(row)
    tx.execute(new.on_conflict_do_update(index_elements=[taken.c.delivery_id], set_={"at": new.excluded.at}))


def answered(tx: Connection, delivery_id: str) -> None:
    """The agency acknowledged it: its inbox need not show it again (rule 2)."""
    tx.execute(taken.delete().where(taken.c.delivery_id == delivery_id))


def records_of(items: Sequence[Item]) -> list[str]:
    """The records that these are about."""
    return sorted({one.delivery.record_id for one in items})


def _waiting(recipient_id: str, now: datetime) -> sa.Select[Any]:
    return (
        sa.select(deliveries.c.id)
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .where(
            deliveries.c.recipient_id == recipient_id,
            waiting(),
            deliveries.c.deliver_by > now,
            _stands(),
            ~behind_another(),
        )
        .correlate(None)
    )


def _stands() -> sa.ColumnElement[bool]:
    return sa.or_(STANDS, disclosures.c.recalls.is_not(None))


def _items() -> sa.Select[Any]:
    return (
        sa.select(deliveries, disclosures.c.recalls, taken.c.delivery_id.label("taken"))
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .outerjoin(taken, taken.c.delivery_id == deliveries.c.id)
    )


def _item(row: Any) -> Item:  # noqa: ANN401 - a SQLAlchemy row
    return Item(from_row(row), row.recalls, row.taken is not None)
