"""Which policy bundles are there, which one is in force, and who approved it?

1. A bundle's texts are never changed; its state moves as `domain/states.py` says. At most one is active, by a unique
   index.
2. Whoever decides reads the active digest in the transaction of the decision. On PostgreSQL that holds a shared lock
   until the commit, and an activation waits for it: no decision is committed under a bundle that was replaced before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.states import BundleState
from tiprouter.storage.bundles_table import bundle_approvals, bundles
from tiprouter.storage.ready import Ready

_LOCK: Final = 0x7469_7072_6F75_7401
"""The advisory lock of rule 2: "tiprout" and a number, so that nothing else in the database takes it."""


@dataclass(frozen=True, slots=True)
class BundleRow:
    """A bundle as stored, without its texts; `report` is the gate's, as JSON values."""

    digest: str
    name: str
    version: str
    summary: str
    state: BundleState
    engine: str
    report: Mapping[str, Any] | None
    proposed_by: str
    proposed_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None
    replaced: str | None


@dataclass(frozen=True, slots=True)
class Texts:
    """A bundle's complete texts, their own digest (SHA-256, hex), and with which versions its name was computed."""

    files: Mapping[str, str]
    files_digest: str
    engine: str


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's approval, against the bundle that was active then."""

    digest: str
    approver: str
    against: str
    newly_discloses: bool
    approved_at: datetime


_COLUMNS: Final = [bundles.c[name] for name in BundleRow.__slots__]
_ACTIVE: Final = Ready(sa.select(bundles.c.digest).where(bundles.c.state == BundleState.ACTIVE))
_DECIDING: Final = Ready(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))


def active(tx: Connection) -> str | None:
    """The digest of the bundle in force, held so until this story commits (rule 2)."""
    if tx.dialect.name == "postgresql":
        _DECIDING.all(tx)
    digest: str | None = _ACTIVE.first(tx)
    return digest


def hold(tx: Connection) -> None:
    """Wait for every decision in the making, and let none begin until this story commits (rule 2)."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def add(tx: Connection, row: BundleRow, texts: Texts) -> None:
    """Store a bundle for the first time."""
    values = {name: getattr(row, name) for name in BundleRow.__slots__}
    tx.execute(bundles.insert(), values | {"files": dict(texts.files), "files_digest": texts.files_digest})


def change(tx: Connection, digest: str, **values: Any) -> None:  # noqa: ANN401 - columns of many types
    """Change what moves: state, report, times, what was replaced."""
    tx.execute(bundles.update().where(bundles.c.digest == digest).values(**values))


def load(tx: Connection, digest: str) -> BundleRow | None:
    """One bundle, or None; on PostgreSQL nobody else moves it until this story commits."""
    query = sa.select(*_COLUMNS).where(bundles.c.digest == digest).with_for_update()
    row = tx.execute(query).one_or_none()
    return None if row is None else _row(row)


def texts(tx: Connection, digest: str) -> Texts | None:
    """A bundle's texts, or None."""
    query = sa.select(bundles.c.files, bundles.c.files_digest, bundles.c.engine).where(bundles.c.digest == digest)
    row = tx.execute(query).one_or_none()
    return None if row is None else Texts(row.files, row.files_digest, row.engine)


def page(tx: Connection, after: str | None, limit: int) -> list[BundleRow]:
    """Bundles by name of digest, below `after`."""
    query = sa.select(*_COLUMNS).order_by(bundles.c.digest).limit(limit)
    if after is not None:
        query = query.where(bundles.c.digest > after)
    return [_row(row) for row in tx.execute(query)]


def in_state(tx: Connection, state: BundleState) -> list[BundleRow]:
    """Every bundle in a state, by digest."""
    query = sa.select(*_COLUMNS).where(bundles.c.state == state).order_by(bundles.c.digest).with_for_update()
    return [_row(row) for row in tx.execute(query)]


def approve(tx: Connection, approval: Approval) -> None:
    """Keep a person's approval; a newer one takes an older one's place."""
    theirs = (bundle_approvals.c.digest == approval.digest, bundle_approvals.c.approver == approval.approver)
    tx.execute(bundle_approvals.delete().where(*theirs))
    tx.execute(bundle_approvals.insert(), {name: getattr(approval, name) for name in Approval.__slots__})


def approvals(tx: Connection, digest: str) -> list[Approval]:
    """Every approval of a bundle, in the order in which they were given."""
    query = sa.select(bundle_approvals).where(bundle_approvals.c.digest == digest)
    rows = tx.execute(query.order_by(bundle_approvals.c.approved_at, bundle_approvals.c.approver))
    return [Approval(**{name: getattr(row, name) for name in Approval.__slots__}) for row in rows]


def forget_approvals(tx: Connection, digest: str) -> None:
    """Drop every approval of a bundle."""
    tx.execute(bundle_approvals.delete().where(bundle_approvals.c.digest == digest))


def _row(row: Any) -> BundleRow:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in BundleRow.__slots__}
    return BundleRow(**values | {"state": BundleState(row.state)})
