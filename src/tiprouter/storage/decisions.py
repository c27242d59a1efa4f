"""What was decided about whom, and which of it stands?

A decision is never changed; a newer one about the same person and recipient only takes its `current` mark.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage import rows
from tiprouter.storage.columns import named_in
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
_SOME: Final = named_in(decisions.c.id, "which")
_RETIRE: Final = decisions.update().where(_SOME).values(current=False)
_CURRENT: Final = (
    sa.select(*_COLUMNS)
    .where(decisions.c.record_id == sa.bindparam("record"), decisions.c.current)
    .order_by(decisions.c.id)
)
_LOAD: Final = sa.select(*_COLUMNS).where(decisions.c.id == sa.bindparam("which"))
_SEVERAL: Final = sa.select(*_COLUMNS).where(_SOME)
READ_MAX: Final = 4_096
"""So many different facts and lists are kept as they were read."""


def add(tx: Connection, made: Sequence[Decision]) -> None:
    """Store decisions as the current ones; what they replace is to be retired first."""
    rows.add(tx, decisions, rows.columns_of(Decision.__slots__, made))


def retire(tx: Connection, decision_ids: Sequence[str]) -> None:
    """Take the mark of decisions that were replaced, or whose person or recipient is no longer part of the record."""
    if decision_ids:
        tx.execute(_RETIRE, {"which": decision_ids})


def current(tx: Connection, record_id: str) -> list[Decision]:
    """The decisions about a record that stand."""
    return _read(tx.execute(_CURRENT, {"record": record_id}).all())


def load(tx: Connection, decision_id: str) -> Decision | None:
    """One decision, or None."""
    return next(iter(_read(tx.execute(_LOAD, {"which": decision_id}).all())), None)


def several(tx: Connection, decision_ids: Sequence[str]) -> dict[str, Decision]:
    """Those of these decisions that there are, by id."""
    found: dict[str, Decision] = {}
    if decision_ids:
        found = {one.id: one for one in _read(tx.execute(_SEVERAL, {"which": decision_ids}).all())}
    return found


@functools.lru_cache(maxsize=READ_MAX)
def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


@functools.lru_cache(maxsize=READ_MAX)
def _facts(text: str | None) -> Mapping[str, Any] | None:
    """Facts as they were stored; shared by every decision that rests on the same, and changed by none."""
    found: Mapping[str, Any] | None = None if text is None else json.loads(text)
    return found


_READING: Final[rows.Reading] = {
    **dict.fromkeys(_LISTS, _words),
    "facts": _facts,
    "outcome": Outcome,
    "urgency": Urgency,
}


def _read(found: Sequence[Sequence[Any]]) -> list[Decision]:
    return [Decision(*values) for values in rows.read(found, Decision.__slots__, _READING)]
