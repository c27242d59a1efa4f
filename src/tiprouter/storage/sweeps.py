"""Which records may a changed agency or bundle touch, and how far did looking through them come?

1. A sweep goes through records in the order of their ids, some at a time, and keeps the last one that was looked at.
   Nothing is marked beforehand: what begins one costs the same, however many records there are.
2. What presses goes first: a delivery not ended, somebody waiting, a duty without evidence.
3. Of what is left an open case may be touched, and whatever the agency is withheld; by a bundle, whatever is withheld
   under another one. What was decided, delivered and done is history.
4. Where an agency came, or is of another kind or elsewhere, whatever was decided toward it is touched. Every record
   that never was may concern it: whether it does stands in the record itself, so that is for whoever asked to find out
   (`Look.unsure`).
5. An erased record is touched by nothing, a closed case by nothing but what presses; what came after the change, or was
   withheld after it, was decided on it (`CLOCKS` apart, for another machine's clock may be ahead).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.routing import Reach
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.columns import Moment
from tiprouter.storage.deliveries_table import WAITS
from tiprouter.storage.duties_table import OWES, duties
from tiprouter.storage.sweeps_table import sweeps
from tiprouter.storage.tables import OPEN_CASE, UNSETTLED, decisions, deliveries, records


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is being looked through: since when, why, and after which record it goes on."""

    id: str
    reach: Reach
    recipient_id: str | None
    cause: str
    after: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """Some of a sweep's records in their order: which are touched, and of which the record itself must be asked."""

    ids: tuple[str, ...]
    touched: frozenset[str]
    unsure: frozenset[str]


_ORDER: Final = sa.case({reach.value: rank for rank, reach in enumerate(Reach)}, value=sweeps.c.reach)
_NEXT: Final = sa.select(sweeps).order_by(_ORDER, sweeps.c.id).limit(1).with_for_update(skip_locked=True)
_AFTER: Final[sa.BindParameter[str]] = sa.bindparam("after")
_TO: Final[sa.BindParameter[str]] = sa.bindparam("to")
_WITHHELD: Final[sa.ColumnClause[str]] = sa.literal_column("'WITHHOLD'")
_CURRENT: Final = decisions.c.current == sa.true()


def _past(record_id: sa.Column[str]) -> sa.ColumnElement[bool]:
    """Whether it comes after. Spelt so that no index of all records is taken for the partial one of the few."""
    return (record_id + sa.literal_column("''")) > _AFTER


_PRESSES: Final = (
    sa.select(deliveries.c.record_id).where(WAITS, _past(deliveries.c.record_id)),
    sa.select(deliveries.c.record_id).where(deliveries.c.lease.is_not(None), _past(deliveries.c.record_id)),
    sa.select(decisions.c.record_id).where(UNSETTLED, _past(decisions.c.record_id)),
    sa.select(duties.c.record_id).where(OWES, _past(duties.c.record_id)),
)
_CASES: Final = sa.select(records.c.id).where(OPEN_CASE, records.c.id > _AFTER)
_TOWARD: Final = (
    sa.select(decisions.c.record_id).where(_CURRENT, decisions.c.recipient_id == _TO, decisions.c.record_id > _AFTER)
).distinct()
_EVERY: Final = sa.select(records.c.id).where(records.c.id > _AFTER)
_ANY: Final = sa.select(records.c.id).limit(1)
_MOST: Final = sa.bindparam("most", type_=sa.Integer)


@cache
def _walk(reach: Reach, *, bundle: bool) -> sa.Select[Any]:
    """The next records of a sweep, in order."""
    match reach:
        case Reach.PRESSING:
            found = sa.union(*_PRESSES).subquery()
            return sa.select(found.c.record_id).order_by(found.c.record_id).limit(_MOST)
        case Reach.OPEN if bundle:
            return _CASES.order_by(records.c.id).limit(_MOST)
        case Reach.OPEN | Reach.TOWARD:
            return _TOWARD.order_by(decisions.c.record_id).limit(_MOST)
        case Reach.EVERYTHING:
            return _EVERY.order_by(records.c.id).limit(_MOST)


def _some(*more: sa.ColumnElement[bool]) -> sa.Exists:
    return sa.exists().where(decisions.c.record_id == records.c.id, _CURRENT, *more)


CLOCKS: Final = timedelta(minutes=1)
"""So far apart the clocks of two machines are taken to be at most."""

_BEGUN: Final[sa.BindParameter[datetime]] = sa.bindparam("begun", type_=Moment)
_HELD_BACK: Final = sa.and_(decisions.c.outcome == _WITHHELD, decisions.c.decided_at <= _BEGUN)
_ASKED: Final = sa.and_(
    records.c.id.in_(sa.bindparam("which", expanding=True)),
    records.c.erased_at.is_(None),
    records.c.accepted_at <= _BEGUN,
)
_OF_AGENCY: Final = sa.select(
    records.c.id,
    records.c.kind,
    records.c.open,
    _some(decisions.c.recipient_id == _TO).label("toward"),
    _some(decisions.c.recipient_id == _TO, _HELD_BACK).label("withheld"),
).where(_ASKED)
_OF_BUNDLE: Final = sa.select(
    records.c.id,
    records.c.kind,
    records.c.open,
    sa.true().label("toward"),
    _some(_HELD_BACK, decisions.c.bundle != sa.bindparam("bundle")).label("withheld"),
).where(_ASKED)


def begin(tx: Connection, sweep: Sweep) -> None:
    """Begin a sweep, if there is any record; an unfinished one alike, that nobody goes on with, ends."""
    if tx.execute(_ANY).first() is None:
        return
    same = sweeps.c.recipient_id.is_not_distinct_from(sweep.recipient_id)
    idle = sa.select(sweeps.c.id).where(sweeps.c.reach == sweep.reach, same).with_for_update(skip_locked=True)
    tx.execute(sweeps.delete().where(sweeps.c.id.in_(tx.execute(idle).scalars().all())))
    tx.execute(sweeps.insert().values({name: getattr(sweep, name) for name in Sweep.__slots__}))


def next_one(tx: Connection) -> Sweep | None:
    """The sweep to go on with, which nobody else goes on with until this story commits."""
    row = tx.execute(_NEXT).mappings().one_or_none()
    return None if row is None else Sweep(**{**row, "reach": Reach(row["reach"])})


def look(tx: Connection, sweep: Sweep, bundle: str, most: int) -> Look:
    """The next records of a sweep, at most so many; none when there are no more. `bundle` is what is in force."""
    whose = sweep.recipient_id is None
    some = {"after": sweep.after, "to": sweep.recipient_id, "most": most}
    ids = tuple(tx.execute(_walk(sweep.reach, bundle=whose), some).scalars())
    if not ids:
        return Look((), frozenset(), frozenset())
    asked = _OF_BUNDLE if whose else _OF_AGENCY
    found = tx.execute(
        asked, {"which": ids, "to": sweep.recipient_id, "bundle": bundle, "begun": sweep.begun_at + CLOCKS}
    ).all()
    said = {row.id: _touched(sweep, row) for row in found}
    return Look(
        ids,
        frozenset(key for key, touched in said.items() if touched),
        frozenset(key for key, touched in said.items() if touched is None),
    )


def _touched(sweep: Sweep, row: Any) -> bool | None:  # noqa: ANN401 - a SQLAlchemy row
    """Whether this record is touched (rules 2-5); None where only the record itself can tell."""
    case = bool(row.open) and row.kind == RecordKind.CASE
    match sweep.reach:
        case Reach.PRESSING:
            return True if row.toward else None
        case Reach.OPEN:
            return case
        case Reach.TOWARD:
            return bool(row.open and (case or row.withheld))
        case Reach.EVERYTHING:
            if sweep.recipient_id is None or not row.open:
                return bool(row.open and row.withheld)
            return True if row.toward else None


def move_on(tx: Connection, sweep: Sweep, after: str) -> None:
    """Everything up to this record was looked at."""
    tx.execute(sweeps.update().where(sweeps.c.id == sweep.id).values(after=after))


def end(tx: Connection, sweep: Sweep) -> None:
    """Everything was looked at."""
    tx.execute(sweeps.delete().where(sweeps.c.id == sweep.id))


def count_open(tx: Connection) -> int:
    """How many records press or are open cases."""
    found = sa.union(*_PRESSES, _CASES).subquery()
    kept = sa.select(sa.func.count()).select_from(found.join(records, records.c.id == found.c.record_id))
    return int(tx.execute(kept.where(records.c.erased_at.is_(None)), {"after": ""}).scalar_one())
