"""What was tried to sign in, from where did it succeed before, and which rounds with a provider are under way?

Network addresses and names stand here as blind indexes alone. A lane is held from its look-up on, so that two tries at
once are counted one after the other.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import Connection

from tiprouter.domain.throttle import Count
from tiprouter.storage.accounts_table import oidc_rounds, sign_in_lanes, sign_in_sources

FORGET_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Round:
    """One sign-in by way of an identity provider, under way. `state`, `holder`, `handover` are SHA-256, hex."""

    state: str
    holder: str
    browser: bool
    expires_at: datetime
    invitation: str | None = None
    session_id: str | None = None
    returned_at: datetime | None = None
    account_id: str | None = None
    verified_at: datetime | None = None
    handover: str | None = None


def lane(tx: Connection, key: str, now: datetime) -> Count:
    """What a lane remembers, held; a new one has counted nothing."""
    fresh = {"key": key, "failures": 0, "last_at": now, "next_at": now}
    tx.execute(_insert(tx, sign_in_lanes).on_conflict_do_nothing(), fresh)
    row = tx.execute(sa.select(sign_in_lanes).where(sign_in_lanes.c.key == key).with_for_update()).one()
    return Count(row.failures, row.last_at, row.next_at)


def keep(tx: Connection, key: str, count: Count) -> None:
    """Remember a lane's count."""
    values = {"failures": count.failures, "last_at": count.last_at, "next_at": count.next_at}
    tx.execute(sign_in_lanes.update().where(sign_in_lanes.c.key == key).values(**values))


def knows(tx: Connection, account_id: str, source: str) -> bool:
    """Whether an account signed in from a source before."""
    mine = (sign_in_sources.c.account_id == account_id, sign_in_sources.c.source == source)
    return tx.execute(sa.select(sign_in_sources.c.source).where(*mine)).first() is not None


def remember(tx: Connection, account_id: str, source: str, now: datetime) -> None:
    """An account signed in from a source."""
    new = _insert(tx, sign_in_sources)
    row = {"account_id": account_id, "source": source, "last_at": now}
    tx.execute(new.on_conflict_do_update(index_elements=["account_id", "source"], set_={"last_at": now}), row)


def begin(tx: Connection, made: Round) -> None:
    """Store a round."""
    tx.execute(oidc_rounds.insert(), {name: getattr(made, name) for name in Round.__slots__})


def by_state(tx: Connection, state: str) -> Round | None:
    """The round of a state, held."""
    return _round(tx, oidc_rounds.c.state == state)


def by_holder(tx: Connection, holder: str) -> Round | None:
    """The round of who began it, held."""
    return _round(tx, oidc_rounds.c.holder == holder)


def change(tx: Connection, state: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one round."""
    tx.execute(oidc_rounds.update().where(oidc_rounds.c.state == state).values(**values))


def drop(tx: Connection, state: str) -> bool:
    """End a round for good; False when somebody else did."""
    return tx.execute(oidc_rounds.delete().where(oidc_rounds.c.state == state)).rowcount == 1


def forget(tx: Connection, lanes_before: datetime, sources_before: datetime, now: datetime) -> int:
    """Forget what is too old to matter, a part at a time; how many rows went."""
    gone = 0
    for key, column, before in (
        (sign_in_lanes.c.key, sign_in_lanes.c.last_at, lanes_before),
        (oidc_rounds.c.state, oidc_rounds.c.expires_at, now),
    ):
        old = sa.select(key).where(column < before).limit(FORGET_MAX)
        gone += tx.execute(key.table.delete().where(key.in_(old.scalar_subquery()))).rowcount
    return gone + tx.execute(sign_in_sources.delete().where(sign_in_sources.c.last_at < sources_before)).rowcount


def _round(tx: Connection, where: sa.ColumnElement[bool]) -> Round | None:
    row = tx.execute(sa.select(oidc_rounds).where(where).with_for_update()).one_or_none()
    return None if row is None else Round(**{name: getattr(row, name) for name in Round.__slots__})


def _insert(tx: Connection, table: sa.Table) -> Any:  # noqa: ANN401 - either dialect's own insert
    return postgres_insert(table) if tx.dialect.name == "postgresql" else sqlite_insert(table)
