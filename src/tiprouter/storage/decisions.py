"""What was decided about whom, and which of it stands?

A decision is never changed; a newer one about the same person and recipient only takes its `current` mark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage.tables import decisions


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as stored; `facts` are JSON values, `salt` is their commitment's (hex)."""

    id: str
    record_id: str
    revision: int
    person_id: str
    recipient_id: str | None
    outcome: Outcome
    categories: tuple[str, ...]
    policies: tuple[str, ...]
    review: bool
    deadline: datetime | None
    urgency: Urgency
    notice: str
    errors: tuple[str, ...]
    facts: Mapping[str, Any] | None
    salt: str
    bundle: str
    cause: str
    valid_until: datetime | None
    decided_at: datetime
    received_at: datetime | None = None
    duty_within: int | None = None
    call: bool = False
    written_by: datetime | None = None
    current: bool = True


_COLUMNS = tuple(decisions.c[name] for name in Decision.__slots__)
_AT_ONCE = 500
"""So many ids are named in one statement: databases bound the number of parameters."""


def add(tx: Connection, made: Sequence[Decision]) -> None:
    """Store decisions as the current ones; what they replace is to be retired first."""
    if made:
        tx.execute(decisions.insert(), [_row(decision) for decision in made])


def retire(tx: Connection, decision_ids: Sequence[str]) -> None:
    """Take the mark of decisions that were replaced, or whose person or recipient is no longer part of the record."""
    for first in range(0, len(decision_ids), _AT_ONCE):
        some = decision_ids[first : first + _AT_ONCE]
        tx.execute(decisions.update().where(decisions.c.id.in_(some)).values(current=False))


def current(tx: Connection, record_id: str) -> list[Decision]:
    """The decisions about a record that stand."""
    query = sa.select(*_COLUMNS).where(decisions.c.record_id == record_id, decisions.c.current)
    return [_decision(row) for row in tx.execute(query.order_by(decisions.c.id))]


def load(tx: Connection, decision_id: str) -> Decision | None:
    """One decision, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(decisions.c.id == decision_id)).one_or_none()
    return None if row is None else _decision(row)


def several(tx: Connection, decision_ids: Sequence[str]) -> dict[str, Decision]:
    """Those of these decisions that there are, by id."""
    found: dict[str, Decision] = {}
    for first in range(0, len(decision_ids), _AT_ONCE):
        query = sa.select(*_COLUMNS).where(decisions.c.id.in_(decision_ids[first : first + _AT_ONCE]))
        found |= {row.id: _decision(row) for row in tx.execute(query)}
    return found


def _row(decision: Decision) -> dict[str, Any]:
    row = {name: getattr(decision, name) for name in Decision.__slots__}
    return row | {name: list(row[name]) for name in ("categories", "policies", "errors")}


def _decision(row: Any) -> Decision:  # noqa: ANN401 - a SQLAlchemy row
    values = dict(zip(Decision.__slots__, row, strict=True))
    values["categories"], values["policies"] = tuple(values["categories"]), tuple(values["policies"])
    values["errors"] = tuple(values["errors"])
    values["outcome"], values["urgency"] = Outcome(values["outcome"]), Urgency(values["urgency"])
    return Decision(**values)
