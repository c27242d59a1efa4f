"""Which deliveries are due, who holds them, and what came of each attempt?

1. A claim is a lease with a fencing token: only the holder of the token may finish it, and only once.
2. What is due is picked per recipient first (at most `each`), so that one dead agency never fills the batch; imminent
   before standard, first attempts before retries.
3. A delivery waits for earlier ones of its matter: a recall never overtakes what it recalls.
4. A row keeps its lease after a cancellation in flight, until the attempt is finished or the lease expires.
5. On PostgreSQL a claim locks the record before the delivery, as every story that decides does, and passes over what
   another story holds (`SKIP LOCKED`): it never waits for one. Finishing locks the delivery alone.
6. What waits for an agency that only pulls is never due: the agency takes it from its inbox (`storage/inbox.py`).
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.states import DUE, WAITING, DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.storage.tables import attempts, deliveries, recipients, records
from tiprouter.storage.vault import Place, SealError, Vault

_DUE = tuple(sorted(DUE))
_WAITING = tuple(sorted(WAITING))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as stored; `id` is the webhook-id."""

    id: str
    disclosure_id: str
    matter_id: str
    sequence: int
    record_id: str
    recipient_id: str
    urgency: Urgency
    state: DeliveryState
    attempts: int
    next_at: datetime
    deadline: datetime
    warn_at: datetime | None
    deliver_by: datetime
    basis: str
    valid_until: datetime | None
    lease: str | None
    lease_until: datetime | None
    created_at: datetime
    finished_at: datetime | None


def add(tx: Connection, delivery: Delivery) -> None:
    """Store a new delivery, in the transaction that made its disclosure."""
    tx.execute(deliveries.insert(), {name: getattr(delivery, name) for name in Delivery.__slots__})


def change(tx: Connection, delivery_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one delivery."""
    tx.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**values))


def load(tx: Connection, delivery_id: str) -> Delivery | None:
    """One delivery, or None; on PostgreSQL, held until this story commits."""
    row = tx.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id).with_for_update()).one_or_none()
    return None if row is None else from_row(row)


def of_disclosures(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, Delivery]:
    """The delivery of each disclosure; on PostgreSQL, held until this story commits."""
    if not disclosure_ids:
        return {}
    query = sa.select(deliveries).where(deliveries.c.disclosure_id.in_(disclosure_ids)).order_by(deliveries.c.id)
    return {row.disclosure_id: from_row(row) for row in tx.execute(query.with_for_update())}


def due(tx: Connection, now: datetime, limit: int, each: int, held: Mapping[str, int]) -> list[Delivery]:
    """What to try now (rules 2 and 3): at most `limit`, and per recipient `each` less what is `held` already."""
    order = (deliveries.c.urgency, deliveries.c.attempts > 0, deliveries.c.next_at, deliveries.c.id)
    place = sa.func.row_number().over(partition_by=deliveries.c.recipient_id, order_by=order).label("place")
    ready = (
        sa.select(deliveries.c.id, place)
        .join(recipients, recipients.c.id == deliveries.c.recipient_id)
        .where(deliveries.c.state.in_(_DUE), deliveries.c.next_at <= now, ~behind_another(), _sent())
        .subquery()
    )
    query = (
        sa.select(deliveries, ready.c.place)
        .join(ready, ready.c.id == deliveries.c.id)
        .where(ready.c.place <= each, deliveries.c.state.in_(_DUE))
        .order_by(*order)
        .limit(limit + sum(held.values()))
    )
    allowed = [row for row in tx.execute(_with_record(query)) if row.place <= each - held.get(row.recipient_id, 0)]
    return [from_row(row) for row in allowed[:limit]]


def behind_another() -> sa.Exists:
    """Rule 3: something earlier of its matter waits, or is in flight."""
    earlier = deliveries.alias()
    return sa.exists().where(
        earlier.c.matter_id == deliveries.c.matter_id,
        earlier.c.sequence < deliveries.c.sequence,
        sa.or_(earlier.c.state.in_(_WAITING), earlier.c.lease.is_not(None)),
    )


def _sent() -> sa.ColumnElement[bool]:
    return recipients.c.delivery_mode != DeliveryMode.PULL


def claim(tx: Connection, delivery_id: str, lease: str, lease_until: datetime) -> bool:
    """Take one due delivery; False when somebody else has it or it is due no more."""
    taken = tx.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(_DUE))
        .values(
            state=DeliveryState.CLAIMED,
            lease=lease,
            lease_until=lease_until,
            attempts=deliveries.c.attempts + 1,
        )
    )
    return taken.rowcount == 1


def renew(tx: Connection, leases: Sequence[str], lease_until: datetime) -> None:
    """Keep the leases this worker still holds."""
    tx.execute(deliveries.update().where(deliveries.c.lease.in_(leases)).values(lease_until=lease_until))


def expired(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries whose holder stopped renewing."""
    query = sa.select(deliveries).where(deliveries.c.lease.is_not(None), deliveries.c.lease_until <= now).limit(limit)
    return [from_row(row) for row in tx.execute(_with_record(query))]


def late(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries about which a human must be told now, because their deadline is near."""
    query = sa.select(deliveries).where(deliveries.c.warn_at.is_not(None), deliveries.c.warn_at <= now)
    return [from_row(row) for row in tx.execute(_with_record(query.order_by(deliveries.c.warn_at).limit(limit)))]


def overdue(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries that nobody holds and for which trying is over."""
    query = sa.select(deliveries).where(waiting(), deliveries.c.deliver_by <= now)
    return [from_row(row) for row in tx.execute(_with_record(query.order_by(deliveries.c.deliver_by).limit(limit)))]


def waiting() -> sa.ColumnElement[bool]:
    """Nobody holds it and it has not ended. Written out, or SQLite would not see that the index holds it."""
    return deliveries.c.state.in_(sa.bindparam("waiting", _WAITING, expanding=True, literal_execute=True))


def _with_record(query: sa.Select[Any]) -> sa.Select[Any]:
    """The same deliveries without those that another story holds, their records locked with them (rule 5)."""
    query = query.join(records, records.c.id == deliveries.c.record_id)
    return query.with_for_update(of=[records, deliveries], key_share=True, skip_locked=True)


def next_due_at(tx: Connection) -> datetime | None:
    """When the next delivery falls due, or None when none waits."""
    query = sa.select(sa.func.min(deliveries.c.next_at)).join(recipients, recipients.c.id == deliveries.c.recipient_id)
    moment: datetime | None = tx.execute(query.where(deliveries.c.state.in_(_DUE), _sent())).scalar_one()
    return moment


def unfinished(tx: Connection) -> int:
    """How many deliveries are neither done nor given up."""
    open_states = (*_WAITING, DeliveryState.CLAIMED.value)
    query = sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.state.in_(open_states))
    return tx.execute(query).scalar_one()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP request for one delivery, ours or its agency's; the first bytes of an answer to us stay sealed."""

    id: str
    delivery_id: str
    number: int
    started_at: datetime
    finished_at: datetime | None = None
    result: str | None = None
    status: int | None = None
    kind: AttemptKind = AttemptKind.PUSH


def start(tx: Connection, attempt: Attempt) -> None:
    """Store an attempt before it is made."""
    tx.execute(attempts.insert(), {name: getattr(attempt, name) for name in Attempt.__slots__})


def finish(tx: Connection, vault: Vault, attempt: Attempt, owner: str, snippet: bytes) -> None:
    """Store what came of an attempt; the snippet is sealed under the record's (`owner`'s) key.

    When that key was destroyed meanwhile the snippet is forgotten; what came of the attempt is not.
    """
    sealed = None
    if snippet:
        with contextlib.suppress(SealError):
            sealed = vault.key(tx, owner).seal(snippet, Place("attempts", attempt.id, "sealed"), vault.nonce())
    tx.execute(
        attempts.update()
        .where(attempts.c.id == attempt.id)
        .values(
            finished_at=attempt.finished_at,
            result=attempt.result,
            status=attempt.status,
            sealed=sealed,
        )
    )


def attempts_of(tx: Connection, delivery_id: str) -> list[Attempt]:
    """The attempts of one delivery, first to last."""
    query = sa.select(*(attempts.c[name] for name in Attempt.__slots__)).where(attempts.c.delivery_id == delivery_id)
    rows = tx.execute(query.order_by(attempts.c.number)).mappings()
    return [Attempt(**dict(row) | {"kind": AttemptKind(row["kind"])}) for row in rows]


def from_row(row: Any) -> Delivery:  # noqa: ANN401 - a SQLAlchemy row
    """A delivery from a row with all its columns."""
    values = {name: getattr(row, name) for name in Delivery.__slots__}
    return Delivery(**values | {"urgency": Urgency(row.urgency), "state": DeliveryState(row.state)})
