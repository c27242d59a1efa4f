"""What was decided about whom, and which of it stands?

A decision is never changed; a newer one about the same person and recipient only takes its `current` mark.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

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


_LISTS: Final = ("categories", "policies", "errors")
_TEXTS: Final = (*_LISTS, "facts")
# As texts: many decisions say the same, and each text is read once.
_COLUMNS = tuple(
    sa.cast(decisions.c[name], sa.Text).label(name) if name in _TEXTS else decisions.c[name]
    for name in Decision.__slots__
)
_values = attrgetter(*Decision.__slots__)
_ADD: Final = decisions.insert()
_RETIRE: Final = (
    decisions.update().where(decisions.c.id.in_(sa.bindparam("which", expanding=True))).values(current=False)
)
_CURRENT: Final = (
    sa.select(*_COLUMNS)
    .where(decisions.c.record_id == sa.bindparam("record"), decisions.c.current)
    .order_by(decisions.c.id)
)
_LOAD: Final = sa.select(*_COLUMNS).where(decisions.c.id == sa.bindparam("which"))
_SEVERAL: Final = sa.select(*_COLUMNS).where(decisions.c.id.in_(sa.bindparam("which", expanding=True)))
READ_MAX: Final = 4_096
"""So many different facts and lists are kept as they were read."""

_AT_ONCE = 500
"""So many ids are named in one statement: databases bound the number of parameters."""


def add(tx: Connection, made: Sequence[Decision]) -> None:
    """Store decisions as the current ones; what they replace is to be retired first."""
    if made:
        tx.execute(_ADD, [_row(decision) for decision in made])


def retire(tx: Connection, decision_ids: Sequence[str]) -> None:
    """Take the mark of decisions that were replaced, or whose person or recipient is no longer part of the record."""
    for first in range(0, len(decision_ids), _AT_ONCE):
        tx.execute(_RETIRE, {"which": list(decision_ids[first : first + _AT_ONCE])})


def current(tx: Connection, record_id: str) -> list[Decision]:
    """The decisions about a record that stand."""
    return [_decision(row) for row in tx.execute(_CURRENT, {"record": record_id})]


def load(tx: Connection, decision_id: str) -> Decision | None:
    """One decision, or None."""
    row = tx.execute(_LOAD, {"which": decision_id}).one_or_none()
    return None if row is None else _decision(row)


def several(tx: Connection, decision_ids: Sequence[str]) -> dict[str, Decision]:
    """Those of these decisions that there are, by id."""
    found: dict[str, Decision] = {}
    for first in range(0, len(decision_ids), _AT_ONCE):
        some = list(decision_ids[first : first + _AT_ONCE])
        found |= {row.id: _decision(row) for row in tx.execute(_SEVERAL, {"which": some})}
    return found


def _row(decision: Decision) -> dict[str, Any]:
    return dict(zip(Decision.__slots__, _values(decision), strict=True))


def _decision(row: Any) -> Decision:  # noqa: ANN401 - a SQLAlchemy row
    values = dict(zip(Decision.__slots__, row, strict=True))
    values |= {name: _words(values[name]) for name in _LISTS}
    values["facts"] = None if values["facts"] is None else _facts(values["facts"])
    values["outcome"], values["urgency"] = Outcome(values["outcome"]), Urgency(values["urgency"])
    return Decision(**values)


@functools.lru_cache(maxsize=READ_MAX)
def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@functools.lru_cache(maxsize=READ_MAX)
def _facts(text: str) -> Mapping[str, Any] | None:
    """Facts as they were stored; shared by every decision that rests on the same, and changed by none."""
    found: Mapping[str, Any] | None = json.loads(text)
    return found
