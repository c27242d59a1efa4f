"""Which deliveries stand first in each lane, for every recipient?

1. A window shows the longest due of each lane, so many and no more, each lane by its own index: what it costs does not
   depend on how long the lanes are, and one lane's backlog hides nothing of another's.
2. Where a recipient's backlog fills a lane's window, `heads` shows the longest due of every other recipient: one step
   in an index for each that has something in that lane, whatever the length of its backlog.
   `heads_of` shows the same of recipients that are named: what it costs does not depend on who else waits.
3. What is behind another of its matter is passed over.
4. What is parked is in no lane: it waits for its recipient's line, and is found by recipient alone, and only where
   that line may be probed now. A line for which nothing waits hides no other's.
5. What is under way is what somebody holds a lease of, be it one that ran out: nobody knows yet how it ended.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.lanes import Lane
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.columns import named_in
from tiprouter.storage.deliveries import COLUMNS, Delivery, behind_another, due_state, from_columns, with_record
from tiprouter.storage.lines_table import lines
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import deliveries


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery that is due, by where it stands."""

    id: str
    recipient_id: str
    lane: Lane
    next_at: datetime


_SHOWN = (deliveries.c.id, deliveries.c.recipient_id, deliveries.c.lane, deliveries.c.next_at)
_ORDER = (deliveries.c.next_at, deliveries.c.id)


def windows(tx: Connection, now: datetime, limits: Mapping[Lane, int]) -> dict[Lane, list[Standing]]:
    """The longest due of each lane, at most so many (rule 1)."""
    open_to = tuple(lane for lane, limit in limits.items() if limit > 0)
    found: dict[Lane, list[Standing]] = {lane: [] for lane in limits}
    if open_to:
        shown = {"now": now} | {f"limit_{lane.value}": limits[lane] for lane in open_to}
        for one in map(_standing, _windows(open_to).all(tx, shown)):
            found[one.lane].append(one)
    return {lane: sorted(some, key=lambda one: (one.next_at, one.id)) for lane, some in found.items()}


def heads(tx: Connection, now: datetime, lane: Lane, without: Collection[str], limit: int) -> list[Standing]:
    """The longest due of every recipient in a lane but for some, the longest due first (rule 2)."""
    asked = {"lane": lane, "now": now, "without": sorted(without), "most": limit}
    return [_standing(tuple(row)) for row in tx.execute(_heads(), asked)]


def heads_of(
    tx: Connection, now: datetime, lane: Lane, whose: Collection[str], limit: int, behind: int = 0
) -> list[Standing]:
    """The longest due of each of these recipients in a lane, behind so many others of its own (rule 2)."""
    asked = {"lane": lane, "now": now, "whose": sorted(whose), "most": limit, "behind": behind}
    return list(map(_standing, _heads_of().all(tx, asked))) if whose else []


def probes(tx: Connection, now: datetime, limit: int) -> list[Standing]:
    """What would go first by each line that may be probed now, what was never tried before others (rule 4)."""
    return list(map(_standing, _probes().all(tx, {"now": now, "most": limit}))) if limit > 0 else []


def hold(tx: Connection, delivery_ids: Sequence[str]) -> list[Delivery]:
    """Those of these deliveries that are still due and that no other story holds, their records held with them."""
    return list(map(from_columns, _HOLD.all(tx, {"which": list(delivery_ids)}))) if delivery_ids else []


def park(tx: Connection, delivery_ids: Sequence[str], *, pass_on: bool) -> None:
    """Park deliveries, and let the duties they were made for go on or not; without those that another story holds."""
    if delivery_ids:
        (_PARK_AND_PASS_ON if pass_on else _PARK).tell(tx, {"which": list(delivery_ids)})


def under_way(tx: Connection, recipient_ids: Sequence[str]) -> dict[tuple[str, bool], int]:
    """How many attempts to each of these are under way, whoever makes them, by whether they are imminent (rule 5)."""
    rows = _UNDER_WAY.all(tx, {"which": sorted(recipient_ids)})
    return {(whose, urgency == Urgency.IMMINENT): held for whose, urgency, held in rows}


def release(tx: Connection, recipient_id: str, limit: int) -> int:
    """Let so many of a recipient's parked deliveries go; how many there were."""
    return tx.execute(_RELEASE, {"whose": recipient_id, "most": limit}).rowcount


@dataclass(frozen=True, slots=True)
class Stranded:
    """A delivery that will not arrive: what it was, and how it stands."""

    id: str
    record_id: str
    disclosure_id: str
    recipient_id: str
    state: str


def stranded(tx: Connection, limit: int) -> list[Stranded]:
    """Deliveries whose duties are to go on, with their records held; without those that another story holds."""
    return [Stranded(**row) for row in tx.execute(_STRANDED, {"most": limit}).mappings()]


# Made once, each: SQLAlchemy takes longer to make a statement than to run it.
_THESE: Final = named_in(deliveries.c.id, "which")
_HOLD: Final = Ready(with_record(sa.select(*COLUMNS).where(_THESE, due_state())))
_FREE: Final = sa.select(deliveries.c.id).with_for_update(skip_locked=True)
_PARKING: Final = deliveries.update().where(deliveries.c.id.in_(_FREE.where(_THESE))).values(parked=True)
_PARK: Final = Ready(_PARKING)
_PARK_AND_PASS_ON: Final = Ready(_PARKING.values(pass_on=True))
_UNDER_WAY: Final = Ready(
    sa.select(deliveries.c.recipient_id, deliveries.c.urgency, sa.func.count().label("held"))
    .where(deliveries.c.lease.is_not(None), named_in(deliveries.c.recipient_id, "which"))
    .group_by(deliveries.c.recipient_id, deliveries.c.urgency)
)
_PARKED: Final = (
    _FREE.where(deliveries.c.recipient_id == sa.bindparam("whose"), due_state(), deliveries.c.parked)
    .order_by(deliveries.c.lane, *_ORDER)
    .limit(sa.bindparam("most"))
)
_RELEASE: Final = deliveries.update().where(deliveries.c.id.in_(_PARKED)).values(parked=False)
_STRANDED: Final = with_record(
    sa.select(*(deliveries.c[name] for name in Stranded.__slots__))
    .where(deliveries.c.pass_on)
    .order_by(deliveries.c.id)
    .limit(sa.bindparam("most"))
)


@functools.lru_cache
def _heads() -> sa.Select[Any]:
    lane: sa.BindParameter[str] = sa.bindparam("lane")
    now: sa.BindParameter[datetime] = sa.bindparam("now")
    walk = sa.select(sa.func.min(deliveries.c.recipient_id).label("whose")).where(*_in(deliveries, lane))
    whose = walk.cte("whose", recursive=True)
    other = deliveries.alias("other")
    following = sa.select(sa.func.min(other.c.recipient_id)).where(
        *_in(other, lane), other.c.recipient_id > whose.c.whose
    )
    whose = whose.union_all(sa.select(following.scalar_subquery()).where(whose.c.whose.is_not(None)))
    first = (
        sa.select(deliveries.c.id)
        .where(*_in(deliveries, lane), deliveries.c.recipient_id == whose.c.whose)
        .where(deliveries.c.next_at <= now, ~behind_another())
        .order_by(*_ORDER)
        .limit(1)
        .correlate(whose)
        .scalar_subquery()
    )
    shown = deliveries.alias("shown")
    return (
        sa.select(shown.c.id, shown.c.recipient_id, shown.c.lane, shown.c.next_at)
        .join_from(whose, shown, shown.c.id == first)
        .where(whose.c.whose.not_in(sa.bindparam("without", expanding=True)))
        .order_by(shown.c.next_at, shown.c.id)
        .limit(sa.bindparam("most"))
    )


@functools.lru_cache
def _heads_of() -> Ready:
    of_lane = _in(deliveries, sa.bindparam("lane"))
    query = _first_by_line(of_lane, _ORDER, named_in(lines.c.recipient_id, "whose"), sa.bindparam("behind"))
    return Ready(query.order_by(query.selected_columns.next_at, query.selected_columns.id))


@functools.lru_cache
def _probes() -> Ready:
    may_be_probed = sa.and_(lines.c.probe_at.is_not(None), lines.c.probe_at <= sa.bindparam("now"))
    parked = (due_state(), deliveries.c.parked)
    query = _first_by_line(parked, (deliveries.c.lane, *_ORDER), may_be_probed, sa.literal(0))
    return Ready(query.order_by(lines.c.probe_at))


def _first_by_line(
    which: Sequence[sa.ColumnElement[bool]],
    order: Sequence[sa.ColumnElement[Any]],
    by: sa.ColumnElement[bool],
    behind: sa.ColumnElement[int],
) -> sa.Select[Any]:
    """What of these deliveries would go first, in this order and behind so many, by each of these lines."""
    first = (
        sa.select(deliveries.c.id)
        .where(deliveries.c.recipient_id == lines.c.recipient_id, *which)
        .where(deliveries.c.next_at <= sa.bindparam("now"), ~behind_another())
        .order_by(*order)
        .limit(1)
        .offset(behind)
        .correlate(lines)
        .scalar_subquery()
    )
    shown = deliveries.alias("shown")
    query = sa.select(shown.c.id, shown.c.recipient_id, shown.c.lane, shown.c.next_at)
    return query.join_from(lines, shown, shown.c.id == first).where(by).limit(sa.bindparam("most"))


@functools.lru_cache
def _windows(open_to: tuple[Lane, ...]) -> Ready:
    """Made once for each set of lanes: SQLAlchemy takes longer to make it than to run it."""
    return Ready(sa.union_all(*map(_window, open_to)))


def _window(lane: Lane) -> sa.Select[Any]:
    look = (
        sa.select(*_SHOWN)
        .where(*_in(deliveries, lane), deliveries.c.next_at <= sa.bindparam("now"), ~behind_another())
        .order_by(*_ORDER)
        .limit(sa.bindparam(f"limit_{lane.value}", type_=sa.Integer))
    )
    return sa.select(look.subquery(f"of_{lane.value}"))


def _in(table: Any, lane: Any) -> tuple[sa.ColumnElement[bool], ...]:  # noqa: ANN401 - the table or an alias; a lane
    return table.c.lane == lane, due_state(table), ~table.c.parked


def _standing(row: Sequence[Any]) -> Standing:
    delivery_id, recipient_id, lane, next_at = row
    return Standing(delivery_id, recipient_id, _LANES[lane], next_at)


_LANES: Final = {lane.value: lane for lane in Lane}
