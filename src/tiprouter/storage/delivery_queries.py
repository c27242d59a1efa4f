"""Which deliveries does a person ask about, and what stands in the way of each?

1. A list is newest first, paged by id; a filter that is None means any.
2. A dead letter ended without arriving, and nothing newer says the same in its place: a disclosure that still stands,
   or a recall that was not made again. What was decided otherwise since is none: nothing may leave of it.
3. An agency's own question finds only what left for it.

4. What an endpoint answered is opened for one delivery at a time, of its newest attempts alone (`snippets`).

Nothing else in here is personal: ids, states, times and results of attempts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.disclosure_states import DisclosureState
from tiprouter.domain.recovery import DEAD
from tiprouter.domain.states import WAITING, DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.storage.deliveries import Delivery, behind_another, from_row
from tiprouter.storage.tables import STANDS, attempts, deliveries, disclosures
from tiprouter.storage.vault import ErasedError, Place, Vault

_DEAD: Final = tuple(sorted(DEAD))
SNIPPETS_MAX: Final = 20
"""Of so many attempts the answers are opened (rule 4); each is at most 1,024 bytes (`delivery/attempts.py`)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A delivery beside its disclosure: what it recalls, whether it answers a question, and whether it still stands.

    `replaced`: something newer of its matter stands in its place. `behind`: something earlier of it is in the way.
    `parked`: nothing is sent to its agency for now. `result` is its last attempt's.
    """

    delivery: Delivery
    recalls: str | None
    answers: bool
    stands: bool
    replaced: bool
    behind: bool
    parked: bool
    result: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries a question is about; `result` of the last attempt, `since` and `until` of when it was made."""

    state: DeliveryState | None = None
    recipient_id: str | None = None
    record_id: str | None = None
    disclosure_id: str | None = None
    urgency: Urgency | None = None
    result: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    dead: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """Deliveries to one agency, made in [since, until), in some states; what is None means any, as in `Filter`."""

    recipient_id: str
    since: datetime
    until: datetime
    states: tuple[DeliveryState, ...]
    urgency: Urgency | None = None
    result: str | None = None
    record_id: str | None = None


def page(tx: Connection, wanted: Filter, after: str | None, limit: int) -> list[Seen]:
    """Deliveries that match, newest first, below `after` (rules 1-3)."""
    query = _seen().order_by(deliveries.c.id.desc()).limit(limit)
    for column in ("state", "recipient_id", "record_id", "disclosure_id", "urgency"):
        if (value := getattr(wanted, column)) is not None:
            query = query.where(deliveries.c[column] == value)
    if wanted.result is not None:
        query = query.where(_last_result() == wanted.result)
    if wanted.since is not None:
        query = query.where(deliveries.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(deliveries.c.created_at < wanted.until)
    if wanted.dead:
        query = query.where(_dead())
    if wanted.left:
        query = query.where(_left())
    if after is not None:
        query = query.where(deliveries.c.id < after)
    return [_from_row(row) for row in tx.execute(query)]


def one(tx: Connection, delivery_id: str, recipient_id: str | None = None) -> Seen | None:
    """One delivery, or None; `recipient_id` is the agency that asks, if one does (rule 3)."""
    query = _seen().where(deliveries.c.id == delivery_id)
    if recipient_id is not None:
        query = query.where(deliveries.c.recipient_id == recipient_id, _left())
    row = tx.execute(query).one_or_none()
    return None if row is None else _from_row(row)


def record_of(tx: Connection, delivery_id: str) -> str | None:
    """The record behind a delivery, or None."""
    return tx.execute(sa.select(deliveries.c.record_id).where(deliveries.c.id == delivery_id)).scalar_one_or_none()


def in_the_way(tx: Connection, delivery: Delivery) -> str | None:
    """The first delivery of its matter for which this one waits, or None."""
    query = (
        sa.select(deliveries.c.id)
        .where(deliveries.c.matter_id == delivery.matter_id, deliveries.c.sequence < delivery.sequence)
        .where(sa.or_(deliveries.c.state.in_(tuple(sorted(WAITING))), deliveries.c.lease.is_not(None)))
    )
    return tx.execute(query.order_by(deliveries.c.sequence).limit(1)).scalar_one_or_none()


def newest_recall(tx: Connection, matter_id: str, recalled: str) -> str | None:
    """The delivery of the last recall of a disclosure, or None."""
    query = (
        sa.select(deliveries.c.id)
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .where(disclosures.c.matter_id == matter_id, disclosures.c.recalls == recalled)
    )
    return tx.execute(query.order_by(disclosures.c.sequence.desc()).limit(1)).scalar_one_or_none()


def within(tx: Connection, span: Span, limit: int) -> Sequence[tuple[str, str, DeliveryState]]:
    """Id, record and state of each delivery of a span that nothing newer replaced, oldest first; no answers."""
    query = (
        sa.select(deliveries.c.id, deliveries.c.record_id, deliveries.c.state)
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .where(
            deliveries.c.recipient_id == span.recipient_id,
            deliveries.c.created_at >= span.since,
            deliveries.c.created_at < span.until,
            deliveries.c.state.in_(span.states),
            disclosures.c.answers.is_(None),
            ~_replaced(),
        )
    )
    for column in ("urgency", "record_id"):
        if (value := getattr(span, column)) is not None:
            query = query.where(deliveries.c[column] == value)
    if span.result is not None:
        query = query.where(_last_result() == span.result)
    rows = tx.execute(query.order_by(deliveries.c.created_at, deliveries.c.id).limit(limit))
    return [(row.id, row.record_id, DeliveryState(row.state)) for row in rows]


def snippets(tx: Connection, vault: Vault, delivery: Delivery) -> dict[str, bytes]:
    """What was answered to the newest attempts of a delivery, by attempt (rule 4); nothing once its key is gone."""
    query = sa.select(attempts.c.id, attempts.c.sealed).where(attempts.c.delivery_id == delivery.id)
    rows = tx.execute(
        query.where(attempts.c.sealed.is_not(None)).order_by(attempts.c.number.desc()).limit(SNIPPETS_MAX)
    )
    kept = {row.id: row.sealed for row in rows if row.sealed}
    if not kept:
        return {}
    try:
        key = vault.key(tx, delivery.record_id)
    except ErasedError:
        return {}
    return {name: key.open(sealed, Place("attempts", name, "sealed")) for name, sealed in kept.items()}


def _seen() -> sa.Select[Any]:
    return sa.select(
        deliveries,
        disclosures.c.recalls,
        disclosures.c.answers.is_not(None).label("an_answer"),
        STANDS.label("live"),
        _replaced().label("replaced"),
        behind_another().label("behind"),
        _last_result().label("result"),
    ).join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)


def _replaced() -> sa.Exists:
    newer = disclosures.alias()
    same_recall = newer.c.recalls == disclosures.c.recalls
    same_kind = sa.and_(
        disclosures.c.recalls.is_(None),
        newer.c.recalls.is_(None),
        newer.c.answers.is_(None),
        newer.c.state == DisclosureState.STANDING.value,
    )
    return sa.exists().where(
        newer.c.matter_id == disclosures.c.matter_id,
        newer.c.sequence > disclosures.c.sequence,
        sa.or_(same_recall, same_kind),
    )


def _dead() -> sa.ColumnElement[bool]:
    """Rule 2. The states are written out, or SQLite would not see that its index holds them."""
    ended = deliveries.c.state.in_(sa.bindparam("dead", _DEAD, expanding=True, literal_execute=True))
    return sa.and_(ended, sa.or_(STANDS, disclosures.c.recalls.is_not(None)), ~_replaced())


def _left() -> sa.Exists:
    """Whether its payload was on its way: an announcement carries none."""
    return sa.exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.kind != AttemptKind.ANNOUNCE)


def _last_result() -> sa.ScalarSelect[Any]:
    return (
        sa.select(attempts.c.result)
        .where(attempts.c.delivery_id == deliveries.c.id)
        .order_by(attempts.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )


def _from_row(row: Any) -> Seen:  # noqa: ANN401 - a SQLAlchemy row
    return Seen(from_row(row), row.recalls, row.an_answer, row.live, row.replaced, row.behind, row.parked, row.result)
