"""Which matters may whom be opened to, until when, and who said so?

1. The reason is sealed under the record's key, and erased with the record.
2. Whoever changes a grant holds its row: two who approve at once are one after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.grant_states import UNENDED, GrantState
from tiprouter.storage.grants_table import grants
from tiprouter.storage.vault import ErasedError, Place, Vault

_UNENDED: Final = tuple(sorted(UNENDED))


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant as stored; `auditor` is the caller whom it opens the matter of `record_id` to."""

    id: str
    record_id: str
    auditor: str
    state: GrantState
    until: datetime
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    opened_by: str | None = None
    opened_at: datetime | None = None
    revoked_by: str | None = None
    ended_at: datetime | None = None


_COLUMNS: Final = tuple(grants.c[name] for name in Grant.__slots__)


def add(tx: Connection, vault: Vault, made: Grant, reason: str, salt: bytes) -> None:
    """Store a grant and why it was asked for, with its `salt`. Raises `ErasedError` when its record was erased."""
    sealed = vault.key(tx, made.record_id).seal(reason.encode(), _place(made.id), vault.nonce(), salt)
    tx.execute(grants.insert(), {name: getattr(made, name) for name in Grant.__slots__} | {"sealed": sealed})


def change(tx: Connection, grant_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one grant."""
    tx.execute(grants.update().where(grants.c.id == grant_id).values(**values))


def load(tx: Connection, grant_id: str, *, lock: bool = False) -> Grant | None:
    """One grant, or None. `lock` holds it until this story commits (rule 2)."""
    query = sa.select(*_COLUMNS).where(grants.c.id == grant_id)
    row = tx.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else _grant(row)


def reason(tx: Connection, vault: Vault, made: Grant) -> str | None:
    """Why a grant was asked for; None once that was erased (rule 1)."""
    sealed = tx.execute(sa.select(grants.c.sealed).where(grants.c.id == made.id)).scalar_one()
    try:
        return vault.key(tx, made.record_id).open(sealed, _place(made.id)).decode()
    except ErasedError:
        return None


def page(tx: Connection, whose: str | None, after: str | None, limit: int) -> list[Grant]:
    """Grants, newest first, below `after`; only those for or by `whose`, if a caller is named."""
    query = sa.select(*_COLUMNS).order_by(grants.c.id.desc()).limit(limit)
    if whose is not None:
        query = query.where(sa.or_(grants.c.auditor == whose, grants.c.asked_by == whose))
    if after is not None:
        query = query.where(grants.c.id < after)
    return [_grant(row) for row in tx.execute(query)]


def over(tx: Connection, now: datetime, limit: int) -> Sequence[Grant]:
    """Grants whose time is over and that nobody ended, held; on PostgreSQL those that nobody else holds."""
    waits = grants.c.state.in_(sa.bindparam("unended", _UNENDED, expanding=True, literal_execute=True))
    query = sa.select(*_COLUMNS).where(waits, grants.c.until <= now).order_by(grants.c.until, grants.c.id).limit(limit)
    return [_grant(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def _grant(row: Any) -> Grant:  # noqa: ANN401 - a SQLAlchemy row
    values = dict(zip(Grant.__slots__, row, strict=True))
    return Grant(**values | {"state": GrantState(values["state"])})


def _place(grant_id: str) -> Place:
    return Place("grants", grant_id, "sealed")
