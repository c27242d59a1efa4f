"""What was made for whom, sealed, and in which order?

One matter is one record as told to one recipient: its disclosures and recalls carry a sequence, so that a recipient can
put them in order and a recall never overtakes what it recalls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import AttemptKind
from tiprouter.storage.tables import attempts, deliveries, disclosures, matters
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Matter:
    """One record as told to one recipient; `sequence` is the last one given out."""

    id: str
    record_id: str
    recipient_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A disclosure or recall as stored, without its payload."""

    id: str
    matter_id: str
    sequence: int
    record_id: str
    revision: int
    recipient_id: str
    recalls: str | None
    live: bool
    categories: tuple[str, ...]
    decisions: tuple[str, ...]
    digest: str
    content_digest: str
    made_at: datetime


def matter(tx: Connection, record_id: str, recipient_id: str, new_id: str) -> Matter:
    """The matter of a record and a recipient; a new one under `new_id` when there is none."""
    query = sa.select(matters).where(matters.c.record_id == record_id, matters.c.recipient_id == recipient_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is not None:
        return Matter(**row)
    made = Matter(new_id, record_id, recipient_id, 0)
    tx.execute(matters.insert(), {name: getattr(made, name) for name in Matter.__slots__})
    return made


def matters_of(tx: Connection, record_id: str) -> list[Matter]:
    """Everything any recipient was ever told about a record, a matter each."""
    query = sa.select(matters).where(matters.c.record_id == record_id).order_by(matters.c.id)
    return [Matter(**row) for row in tx.execute(query).mappings()]


def add(tx: Connection, vault: Vault, made: Disclosure, payload: bytes) -> None:
    """Store a disclosure with its payload, sealed under the record's key, and count it in its matter."""
    row = {name: getattr(made, name) for name in Disclosure.__slots__}
    row["categories"], row["decisions"] = list(made.categories), list(made.decisions)
    row["sealed"] = vault.key(tx, made.record_id).seal(payload, _place(made.id), vault.nonce())
    tx.execute(disclosures.insert(), row)
    tx.execute(matters.update().where(matters.c.id == made.matter_id).values(sequence=made.sequence))


def end(tx: Connection, disclosure_id: str) -> None:
    """A disclosure that is superseded, cancelled or recalled is no longer live."""
    tx.execute(disclosures.update().where(disclosures.c.id == disclosure_id).values(live=False))


def live(tx: Connection, record_id: str) -> dict[str, Disclosure]:
    """What stands about a record, by recipient: at most one disclosure each."""
    query = sa.select(disclosures).where(
        disclosures.c.record_id == record_id, disclosures.c.live, disclosures.c.recalls.is_(None)
    )
    return {row.recipient_id: _disclosure(row) for row in tx.execute(query)}


def told(tx: Connection, matter_id: str) -> list[Disclosure]:
    """What a recipient may hold of a matter, in sequence: disclosures that left and were never recalled."""
    recall = disclosures.alias()
    query = (
        sa.select(disclosures)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(
            disclosures.c.matter_id == matter_id,
            disclosures.c.recalls.is_(None),
            _left(),
            ~sa.exists().where(recall.c.recalls == disclosures.c.id, recall.c.matter_id == matter_id),
        )
    )
    return [_disclosure(row) for row in tx.execute(query.order_by(disclosures.c.sequence))]


def sent(tx: Connection, record_ids: Sequence[str]) -> set[str]:
    """The disclosures about these records whose payload was on its way, recalls left out."""
    query = (
        sa.select(disclosures.c.id)
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(disclosures.c.record_id.in_(record_ids), disclosures.c.recalls.is_(None), _left())
    )
    return set(tx.execute(query).scalars())


def load(tx: Connection, disclosure_id: str) -> Disclosure | None:
    """One disclosure, or None."""
    row = tx.execute(sa.select(disclosures).where(disclosures.c.id == disclosure_id)).one_or_none()
    return None if row is None else _disclosure(row)


def payloads(tx: Connection, vault: Vault, disclosure_ids: Sequence[str]) -> dict[str, tuple[bytes, str]]:
    """Payload and digest of each disclosure. Raises `SealError` when a key is gone."""
    query = sa.select(disclosures.c.id, disclosures.c.record_id, disclosures.c.sealed, disclosures.c.digest).where(
        disclosures.c.id.in_(disclosure_ids)
    )
    return {
        row.id: (vault.key(tx, row.record_id).open(row.sealed, _place(row.id)), row.digest) for row in tx.execute(query)
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """A disclosure beside the state of its delivery; `left`: its payload was on its way at least once."""

    disclosure: Disclosure
    delivery_id: str
    state: str
    attempts: int
    deadline: datetime
    finished_at: datetime | None
    left: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """Which disclosures a question is about; None means any."""

    record_id: str | None = None
    recipient_id: str | None = None
    left: bool = False


def page(tx: Connection, wanted: Filter, after: str | None, limit: int) -> list[Listed]:
    """Disclosures and recalls that match, newest first, below `after`."""
    query = _with_delivery().order_by(disclosures.c.id.desc()).limit(limit)
    for column in ("record_id", "recipient_id"):
        if getattr(wanted, column) is not None:
            query = query.where(disclosures.c[column] == getattr(wanted, column))
    if wanted.left:
        query = query.where(_left())
    if after is not None:
        query = query.where(disclosures.c.id < after)
    return [_listed(row) for row in tx.execute(query)]


def listed(tx: Connection, disclosure_id: str) -> Listed | None:
    """One disclosure beside the state of its delivery, or None."""
    row = tx.execute(_with_delivery().where(disclosures.c.id == disclosure_id)).one_or_none()
    return None if row is None else _listed(row)


def _left() -> sa.Exists:
    """Whether the payload was on its way: an announcement carries none."""
    return sa.exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.kind != AttemptKind.ANNOUNCE)


def _with_delivery() -> sa.Select[Any]:
    return sa.select(
        disclosures,
        deliveries.c.id.label("delivery_id"),
        deliveries.c.state,
        deliveries.c.attempts,
        deliveries.c.deadline,
        deliveries.c.finished_at,
        _left().label("left"),
    ).join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)


def _listed(row: Any) -> Listed:  # noqa: ANN401 - a SQLAlchemy row
    return Listed(_disclosure(row), row.delivery_id, row.state, row.attempts, row.deadline, row.finished_at, row.left)


def _disclosure(row: Any) -> Disclosure:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Disclosure.__slots__}
    return Disclosure(**values | {"categories": tuple(row.categories), "decisions": tuple(row.decisions)})


def _place(disclosure_id: str) -> Place:
    return Place("disclosures", disclosure_id, "sealed")
