"""Which deliveries are due, who holds them, and what came of each attempt?

1. A claim is a lease with a fencing token: only the holder of the token may renew or finish it, and only once.
2. Each delivery is in one lane at a time (`domain/lanes.py`); which goes first there is asked in `storage/lanes.py`.
3. A delivery waits for earlier ones of its matter: a recall never overtakes what it recalls.
4. A row keeps its lease after a cancellation in flight, until the attempt is finished or the lease expires.
5. On PostgreSQL a claim locks the record before the delivery, as every story that decides does, and passes over what
   another story holds (`SKIP LOCKED`): it never waits for one. Finishing locks the deliveries alone, and where several
   are finished at once it passes over what another story holds, too.
6. What cannot be sent for a reason of its recipient's is parked: not due, until its line is let go. It still waits, for
   its agency's inbox, its warning and its end.
"""

import contextlib
import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.lanes import Lane, lane_of
from tiprouter.domain.states import DUE, WAITING, DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.storage import rows
from tiprouter.storage.columns import named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import attempts, deliveries, records
from tiprouter.storage.vault import Place, SealError, Vault


def _written(states: Collection[DeliveryState]) -> list[sa.ColumnElement[str]]:
    """States, written out: as parameters, SQLite would not see that a partial index holds them."""
    return [sa.literal_column("'" + state.value + "'", sa.String()) for state in sorted(states)]


_DUE = tuple(sorted(DUE))
_WAITING = _written(WAITING)

# Made once, each: SQLAlchemy takes longer to make a statement than to run it.
_CLAIM: Final = (
    deliveries.update()
    .where(deliveries.c.id == sa.bindparam("which"), sa.or_(*(deliveries.c.state == state for state in _DUE)))
    .values(
        state=DeliveryState.CLAIMED,
        attempts=deliveries.c.attempts + 1,
        parked=False,
        **{name: sa.bindparam(name) for name in ("lease", "lease_until", "lane")},
    )
)
_CLAIM_EACH: Final = Ready(_CLAIM)
_LEASES: Final = Ready(sa.select(deliveries.c.id, deliveries.c.lease).where(named_in(deliveries.c.id, "ids")))
_HELD: Final = sa.and_(deliveries.c.lease.is_not(None), named_in(deliveries.c.lease, "leases"))
_RENEW: Final = Ready(deliveries.update().where(_HELD).values(lease_until=sa.bindparam("until")))
_STANDING: Final = Ready(sa.select(deliveries.c.lease).where(_HELD, deliveries.c.state == DeliveryState.CLAIMED))
_LOAD: Final = sa.select(deliveries).where(deliveries.c.id == sa.bindparam("which")).with_for_update()
_OF_DISCLOSURES: Final = (
    sa.select(deliveries)
    .where(deliveries.c.disclosure_id.in_(sa.bindparam("which", expanding=True)))
    .order_by(deliveries.c.id)
    .with_for_update()
)
_FINISH: Final = Ready(
    attempts.update()
    .where(attempts.c.id == sa.bindparam("which"))
    .values({name: sa.bindparam(name) for name in ("finished_at", "result", "status", "sealed")})
)


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


COLUMNS: Final = tuple(deliveries.c[name] for name in Delivery.__slots__)
"""What a delivery is read from (`from_columns`)."""


def add(tx: Connection, delivery: Delivery) -> None:
    """Store a new delivery, in the transaction that made its disclosure."""
    add_all(tx, (delivery,))


def change(tx: Connection, delivery_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one delivery."""
    _setting(tuple(sorted(values))).tell(tx, {"which": delivery_id, **values})


def change_each(tx: Connection, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set columns of several deliveries, of each its own."""
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for delivery_id, values in changes.items():
        alike.setdefault(tuple(sorted(values)), []).append({"which": delivery_id, **values})
    for names, some in alike.items():
        _setting(names).tell(tx, *some)


@functools.lru_cache
def _setting(names: tuple[str, ...]) -> Ready:
    """The change of these columns of one delivery. Made once: SQLAlchemy takes longer to make it than to run it."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return Ready(deliveries.update().where(deliveries.c.id == sa.bindparam("which")).values(values))


@functools.lru_cache
def _setting_all(names: tuple[str, ...]) -> sa.Update:
    """The same change of many deliveries."""
    values: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    return deliveries.update().where(named_in(deliveries.c.id, "which")).values(values)


def load(tx: Connection, delivery_id: str) -> Delivery | None:
    """One delivery, or None; on PostgreSQL, held until this story commits."""
    row = tx.execute(_LOAD, {"which": delivery_id}).one_or_none()
    return None if row is None else from_row(row)


def held_at_once(tx: Connection, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    """These deliveries, held until this story commits; on PostgreSQL, without those that another story holds."""
    found = map(from_columns, _HELD_AT_ONCE.all(tx, {"which": sorted(delivery_ids)}))
    return {delivery.id: delivery for delivery in found}


def of_disclosures(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, Delivery]:
    """The delivery of each disclosure; on PostgreSQL, held until this story commits."""
    if not disclosure_ids:
        return {}
    found = tx.execute(_OF_DISCLOSURES, {"which": list(disclosure_ids)})
    return {row.disclosure_id: from_row(row) for row in found}


def behind_another() -> sa.Exists:
    """Rule 3: something earlier of its matter waits, or is in flight.

    Asked of what is of its matter: as no columns, so that no index of all that waits is read for each that is due. A
    database whose statistics saw millions that are finished, and none that waits, would think that cheaper.
    """
    earlier = deliveries.alias()
    waits, held = earlier.c.state.concat("").in_(_WAITING), sa.func.coalesce(earlier.c.lease, "") != ""
    return sa.exists().where(
        earlier.c.matter_id == deliveries.c.matter_id,
        earlier.c.sequence < deliveries.c.sequence,
        sa.or_(waits, held),
    )


def claim(tx: Connection, delivery: Delivery, lease: str, lease_until: datetime) -> bool:
    """Take one due delivery; False when somebody else has it or it is due no more."""
    return tx.execute(_CLAIM, _claimed(delivery, lease, lease_until)).rowcount == 1


def claim_all(tx: Connection, wanted: Sequence[tuple[Delivery, str]], lease_until: datetime) -> set[str]:
    """Take due deliveries, each under its lease; the ids of those that nobody else has and that were still due."""
    _CLAIM_EACH.tell(tx, *[_claimed(delivery, lease, lease_until) for delivery, lease in wanted])
    # Of several changed at once no driver says which were there to be changed.
    leases = {delivery.id: lease for delivery, lease in wanted}
    return {name for name, lease in _LEASES.all(tx, {"ids": list(leases)}) if lease == leases[name]}


def _claimed(delivery: Delivery, lease: str, lease_until: datetime) -> dict[str, Any]:
    return {"which": delivery.id, "lease": lease, "lease_until": lease_until, "lane": lane_of(delivery.urgency, 1)}


def renew(tx: Connection, leases: Sequence[str], lease_until: datetime) -> None:
    """Keep the leases this worker still holds."""
    _RENEW.tell(tx, {"leases": leases, "until": lease_until})


def standing(tx: Connection, leases: Sequence[str]) -> set[str]:
    """Those of these leases that are held still, and under which something is to be sent: it was not cancelled."""
    return set(_STANDING.firsts(tx, {"leases": leases}))


def expired(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries whose holder stopped renewing."""
    return list(map(from_columns, _EXPIRED.all(tx, {"now": now, "most": limit})))


def late(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries about which a human must be told now, because their deadline is near."""
    return list(map(from_columns, _LATE.all(tx, {"now": now, "most": limit})))


def overdue(tx: Connection, now: datetime, limit: int) -> list[Delivery]:
    """Deliveries that nobody holds and for which trying is over."""
    return list(map(from_columns, _OVERDUE.all(tx, {"now": now, "most": limit})))


def waiting() -> sa.ColumnElement[bool]:
    """Nobody holds it and it has not ended. Written out, or SQLite would not see that the index holds it."""
    return deliveries.c.state.in_(_WAITING)


def due_state(table: Any = deliveries) -> sa.ColumnElement[bool]:  # noqa: ANN401 - the table or an alias of it
    """It may be claimed; written out, as above."""
    column: sa.ColumnElement[str] = table.c.state
    return column.in_(_written(DUE))


def with_record(query: sa.Select[Any]) -> sa.Select[Any]:
    """The same deliveries without those that another story holds, their records locked with them (rule 5)."""
    query = query.join(records, records.c.id == deliveries.c.record_id)
    return query.with_for_update(of=[records, deliveries], key_share=True, skip_locked=True)


_EXPIRED: Final = Ready(
    with_record(
        sa.select(*COLUMNS)
        .where(deliveries.c.lease.is_not(None), deliveries.c.lease_until <= sa.bindparam("now"))
        .limit(sa.bindparam("most"))
    )
)
_LATE: Final = Ready(
    with_record(
        sa.select(*COLUMNS)
        .where(deliveries.c.warn_at.is_not(None), deliveries.c.warn_at <= sa.bindparam("now"))
        .order_by(deliveries.c.warn_at)
        .limit(sa.bindparam("most"))
    )
)
_OVERDUE: Final = Ready(
    with_record(
        sa.select(*COLUMNS)
        .where(waiting(), deliveries.c.deliver_by <= sa.bindparam("now"))
        .order_by(deliveries.c.deliver_by)
        .limit(sa.bindparam("most"))
    )
)


def next_due_at(tx: Connection) -> datetime | None:
    """When the next delivery falls due, or None when none waits for its own time."""
    return min((moment for moment in _NEXT_DUE.firsts(tx) if moment is not None), default=None)


_NEXT_DUE: Final = Ready(
    sa.union_all(
        *(
            sa.select(sa.func.min(deliveries.c.next_at).label("next_at")).where(
                deliveries.c.lane == lane, due_state(), ~deliveries.c.parked
            )
            for lane in Lane
        )
    )
)


def unfinished(tx: Connection) -> int:
    """How many deliveries are neither done nor given up."""
    open_states = _written({*WAITING, DeliveryState.CLAIMED})
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


def start(tx: Connection, begun: Sequence[Attempt]) -> None:
    """Store attempts before they are made."""
    rows.add(tx, attempts, rows.columns_of(Attempt.__slots__, begun))


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt with what came of it, its record (`owner`), and the first bytes of the answer."""

    attempt: Attempt
    owner: str
    snippet: bytes = b""


def finish(tx: Connection, vault: Vault, ended: Sequence[Ended]) -> None:
    """Store what came of attempts; each snippet is sealed under its record's key.

    When that key was destroyed meanwhile the snippet is forgotten; what came of the attempt is not.
    """
    owners = {one.owner for one in ended if one.snippet}
    keys = vault.keys(tx, owners) if owners else None
    found = []
    for one in ended:
        sealed = None
        if one.snippet and keys is not None:
            with contextlib.suppress(SealError):
                place = Place("attempts", one.attempt.id, "sealed")
                sealed = keys.key(one.owner).seal(one.snippet, place, vault.nonce())
        told = {name: getattr(one.attempt, name) for name in ("finished_at", "result", "status")}
        found.append({"which": one.attempt.id, "sealed": sealed} | told)
    if found:
        _FINISH.tell(tx, *found)


def attempts_of(tx: Connection, delivery_id: str) -> list[Attempt]:
    """The attempts of one delivery, first to last."""
    query = sa.select(*(attempts.c[name] for name in Attempt.__slots__)).where(attempts.c.delivery_id == delivery_id)
    found = tx.execute(query.order_by(attempts.c.number)).mappings()
    return [Attempt(**dict(row) | {"kind": AttemptKind(row["kind"])}) for row in found]


def from_row(row: Any) -> Delivery:  # noqa: ANN401 - a SQLAlchemy row
    """A delivery from a row with all its columns."""
    return from_columns(_VALUES(row))


def from_columns(values: Sequence[Any]) -> Delivery:
    """A delivery from the values of `COLUMNS`."""
    told = list(values)
    told[_URGENCY], told[_STATE] = _URGENCIES[told[_URGENCY]], _STATES[told[_STATE]]
    return Delivery(*told)


_VALUES: Final = attrgetter(*Delivery.__slots__)
_URGENCY, _STATE = Delivery.__slots__.index("urgency"), Delivery.__slots__.index("state")
_URGENCIES, _STATES = {one.value: one for one in Urgency}, {one.value: one for one in DeliveryState}
_HELD_AT_ONCE: Final = Ready(
    sa.select(*COLUMNS)
    .where(named_in(deliveries.c.id, "which"))
    .order_by(deliveries.c.id)
    .with_for_update(skip_locked=True)
)


def change_all(tx: Connection, delivery_ids: Sequence[str], **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set the same columns of many deliveries."""
    if delivery_ids:
        tx.execute(_setting_all(tuple(sorted(values))), {"which": delivery_ids, **values})


def add_all(tx: Connection, made: Sequence[Delivery]) -> None:
    """Store new deliveries, in the transaction that made their disclosures."""
    lanes = [lane_of(delivery.urgency, delivery.attempts) for delivery in made]
    rows.add(tx, deliveries, {**rows.columns_of(Delivery.__slots__, made), "lane": lanes})
