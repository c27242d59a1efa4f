"""How is the line to each recipient, and who may change that now?

1. A row a recipient, made when something is first to be sent there. All processes see it, and change it one at a time.
2. A claim takes the rows it can have at once (`SKIP LOCKED`): for the others another process claims at this moment.
3. Whoever finishes takes them before anything else, in one order, and waits: a breaker forgets no answer.
4. What was learnt of an endpoint counts for the recipient's revision it was learnt of.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.domain.breaker import Breaker, BreakerState
from tiprouter.domain.endpoint_states import SENDS
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.storage.columns import named_in
from tiprouter.storage.endpoints_table import endpoints
from tiprouter.storage.lines_table import lines
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import recipients

_BREAKER = ("failures", "pauses", "since", "probe_at", "probe")

_READ: Final = (
    sa.select(
        *(lines.c[name] for name in ("recipient_id", "revision", "free_at", "release", "state", *_BREAKER)),
        *(recipients.c[name] for name in ("delivery_mode", "max_per_second", "max_at_once")),
        endpoints.c.state.label("endpoint"),
    )
    .join(recipients, recipients.c.id == lines.c.recipient_id)
    .outerjoin(endpoints, endpoints.c.recipient_id == lines.c.recipient_id)
    .order_by(lines.c.recipient_id)
)
_SKIPPING: Final = _READ.with_for_update(of=lines, key_share=True, skip_locked=True)
_THESE: Final = named_in(lines.c.recipient_id, "which")
_AT_ONCE: Final = Ready(_SKIPPING.where(_THESE))
_WAITED_FOR: Final = Ready(_READ.where(_THESE).with_for_update(of=lines, key_share=True))
_PROBED: Final = Ready(_SKIPPING.where(named_in(lines.c.probe, "which")))
_OUTDATED: Final = Ready(_SKIPPING.where(lines.c.revision != recipients.c.revision).limit(sa.bindparam("most")))
_RELEASING: Final = Ready(_SKIPPING.where(lines.c.release).limit(sa.bindparam("most")))
_REVISION: Final = sa.select(recipients.c.revision).where(recipients.c.id == sa.bindparam("whose"))
_STATE: Final = sa.select(lines.c.state).where(lines.c.recipient_id == sa.bindparam("whose"))
_SAVE: Final = Ready(
    lines.update()
    .where(lines.c.recipient_id == sa.bindparam("whose"))
    .values({name: sa.bindparam(name) for name in ("revision", "state", *_BREAKER, "free_at", "release")})
)


@dataclass(frozen=True, slots=True)
class Line:
    """The line to a recipient: its breaker, what its pace remembers, and whether what is parked is to be let go.

    `sends` is whether the recipient has a webhook at all, and one that proved itself. The limits are its own, where it
    has any.
    """

    recipient_id: str
    revision: int
    breaker: Breaker
    free_at: datetime | None
    release: bool
    sends: bool = True
    max_per_second: int | None = None
    max_at_once: int | None = None


def at_once(tx: Connection, recipient_ids: Collection[str]) -> dict[str, Line]:
    """The lines to these recipients, made where there is none; without those that others hold (rules 1, 2)."""
    wanted = sorted(recipient_ids)
    if not wanted:
        return {}
    found = _read(tx, _AT_ONCE, which=wanted)
    if len(found) < len(wanted) and _make(tx, [one for one in wanted if one not in found]):
        found = _read(tx, _AT_ONCE, which=wanted)
    return found


def waited_for(tx: Connection, recipient_ids: Collection[str]) -> dict[str, Line]:
    """The lines to these recipients, as soon as nobody else holds them (rule 3)."""
    return _read(tx, _WAITED_FOR, which=sorted(recipient_ids)) if recipient_ids else {}


def probed(tx: Connection, leases: Collection[str]) -> list[Line]:
    """The lines whose probe is under one of these leases."""
    return list(_read(tx, _PROBED, which=sorted(leases)).values())


def outdated(tx: Connection, limit: int) -> list[Line]:
    """Lines to recipients whose entry changed since (rule 4)."""
    return list(_read(tx, _OUTDATED, most=limit).values())


def releasing(tx: Connection, limit: int) -> list[Line]:
    """Lines whose parked deliveries are to be looked at again."""
    return list(_read(tx, _RELEASING, most=limit).values())


def revision_of(tx: Connection, recipient_id: str) -> int:
    """The recipient's revision today."""
    revision: int = tx.execute(_REVISION, {"whose": recipient_id}).scalar_one()
    return revision


def breaker_of(tx: Connection, recipient_id: str) -> BreakerState:
    """The state of the recipient's breaker; closed where nothing was ever sent."""
    found = tx.execute(_STATE, {"whose": recipient_id}).scalar_one_or_none()
    return BreakerState.CLOSED if found is None else BreakerState(found)


def save(tx: Connection, changed: Sequence[Line]) -> None:
    """Store lines as they are now."""
    if changed:
        _SAVE.tell(tx, *[_row(one) for one in sorted(changed, key=lambda one: one.recipient_id)])


def _read(tx: Connection, statement: Ready, **asked: Any) -> dict[str, Line]:  # noqa: ANN401 - its parameters
    return {row[0]: _line(row) for row in statement.all(tx, asked)}


def _make(tx: Connection, recipient_ids: Sequence[str]) -> int:
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    new = sa.select(
        recipients.c.id, recipients.c.revision, sa.literal(BreakerState.CLOSED.value), sa.literal(0), sa.literal(0)
    ).where(recipients.c.id.in_(recipient_ids))
    columns = ["recipient_id", "revision", "state", "failures", "pauses"]
    made = insert(lines).from_select(columns, new).on_conflict_do_nothing()
    return tx.execute(made).rowcount


def _row(line: Line) -> dict[str, Any]:
    breaker = line.breaker
    return {name: getattr(breaker, name) for name in ("state", *_BREAKER)} | {
        "whose": line.recipient_id,
        "revision": line.revision,
        "free_at": line.free_at,
        "release": line.release,
    }


def _line(row: Sequence[Any]) -> Line:
    recipient_id, revision, free_at, release, state, *breaker, mode, max_per_second, max_at_once, endpoint = row
    return Line(
        recipient_id=recipient_id,
        revision=revision,
        breaker=Breaker(BreakerState(state), *breaker),
        free_at=free_at,
        release=release,
        sends=mode != DeliveryMode.PULL and endpoint in SENDS,
        max_per_second=max_per_second,
        max_at_once=max_at_once,
    )
