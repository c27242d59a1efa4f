"""Which changes of endpoints were proposed, and what became of them?

Of one agency at most one waits. Whoever ends one holds its row.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.endpoint_states import ChangeState
from tiprouter.domain.recipient import Recipient
from tiprouter.storage.codec import from_plain, to_plain
from tiprouter.storage.endpoints_table import endpoint_changes


@dataclass(frozen=True, slots=True)
class Change:
    """A proposed change: the recipient's revision it was made against, and the recipient as it would be."""

    id: str
    recipient_id: str
    revision: int
    state: ChangeState
    wanted: Recipient
    changes: tuple[str, ...]
    proposed_by: str
    proposed_at: datetime
    confirm_until: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None


def add(tx: Connection, made: Change) -> None:
    """Store a proposal."""
    row = {name: getattr(made, name) for name in Change.__slots__}
    tx.execute(endpoint_changes.insert(), row | {"wanted": to_plain(made.wanted), "changes": list(made.changes)})


def end(tx: Connection, change_id: str, state: ChangeState, by: str | None, now: datetime) -> None:
    """Write how a proposal ended."""
    mine = endpoint_changes.c.id == change_id
    tx.execute(endpoint_changes.update().where(mine).values(state=state, ended_by=by, ended_at=now))


def load(tx: Connection, change_id: str, *, lock: bool = False) -> Change | None:
    """One change, or None."""
    query = sa.select(endpoint_changes).where(endpoint_changes.c.id == change_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _change(row)


def proposed(tx: Connection, recipient_id: str) -> Change | None:
    """What waits for a second person, or None; it is held."""
    mine = (endpoint_changes.c.recipient_id == recipient_id, endpoint_changes.c.state == ChangeState.PROPOSED)
    row = tx.execute(sa.select(endpoint_changes).where(*mine).with_for_update()).one_or_none()
    return None if row is None else _change(row)


def ends_of(tx: Connection, recipient_id: str, name: str) -> list[ChangeState]:
    """Where the changes of one agency stand in which this differs, oldest first."""
    mine = endpoint_changes.c.recipient_id == recipient_id
    query = sa.select(endpoint_changes.c.state, endpoint_changes.c.changes).where(mine).order_by(endpoint_changes.c.id)
    return [ChangeState(row.state) for row in tx.execute(query) if name in row.changes]


def overdue(tx: Connection, now: datetime, limit: int) -> list[Change]:
    """Proposals that nobody confirmed in time and that nobody else holds."""
    waits = endpoint_changes.c.state == sa.literal_column("'proposed'")
    query = sa.select(endpoint_changes).where(waits, endpoint_changes.c.confirm_until <= now).limit(limit)
    return [_change(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def page(tx: Connection, recipient_id: str, after: str | None, limit: int) -> list[Change]:
    """One agency's changes, newest first, below `after`."""
    query = sa.select(endpoint_changes).where(endpoint_changes.c.recipient_id == recipient_id)
    if after is not None:
        query = query.where(endpoint_changes.c.id < after)
    return [_change(row) for row in tx.execute(query.order_by(endpoint_changes.c.id.desc()).limit(limit))]


def _change(row: Any) -> Change:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Change.__slots__}
    wanted = from_plain(Recipient, row.wanted)
    return Change(**values | {"state": ChangeState(row.state), "wanted": wanted, "changes": tuple(row.changes)})
