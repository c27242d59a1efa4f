"""Who is signed in, until when?

1. A session's token is 256 random bits, of which the SHA-256 is kept; another token in its place ends the old one.
2. Whether a session is live is asked of one row and its account, at the moment of the request: nothing is remembered
   elsewhere, so that whoever is suspended is out with the next request.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.accounts import IDLE_FOR, SESSION_FOR, AccountRole, AccountState, Carrier
from tiprouter.storage.accounts_table import accounts, sessions


@dataclass(frozen=True, slots=True)
class Session:
    """One session and the role of its account."""

    id: str
    account_id: str
    started_at: datetime
    seen_at: datetime
    verified_at: datetime
    role: AccountRole
    carrier: Carrier | None = None


_ROWS: Final = (
    sa.select(
        sessions.c.id,
        sessions.c.account_id,
        sessions.c.started_at,
        sessions.c.seen_at,
        sessions.c.verified_at,
        sessions.c.carrier,
        accounts.c.role,
    )
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .where(sessions.c.ended_at.is_(None), accounts.c.state == AccountState.ACTIVE)
)


def add(tx: Connection, made: Session, token_digest: str) -> None:
    """Store a session."""
    tx.execute(
        sessions.insert(),
        {
            "id": made.id,
            "account_id": made.account_id,
            "token_digest": token_digest,
            "started_at": made.started_at,
            "seen_at": made.seen_at,
            "verified_at": made.verified_at,
            "carrier": made.carrier,
        },
    )


def find(tx: Connection, token_digest: str, now: datetime) -> Session | None:
    """The live session of a token (rule 2)."""
    row = tx.execute(_live(_ROWS, now).where(sessions.c.token_digest == token_digest)).one_or_none()
    return None if row is None else _session(row)


def load(tx: Connection, session_id: str, now: datetime, *, lock: bool = False) -> Session | None:
    """A live session; `lock` holds it, which only a transaction that writes may do."""
    query = _live(_ROWS, now).where(sessions.c.id == session_id)
    row = tx.execute(query.with_for_update(of=sessions) if lock else query).one_or_none()
    return None if row is None else _session(row)


def of(tx: Connection, account_id: str, now: datetime) -> list[Session]:
    """The live sessions of an account, the one that began last first."""
    newest = (sessions.c.started_at.desc(), sessions.c.id.desc())
    query = _live(_ROWS, now).where(sessions.c.account_id == account_id).order_by(*newest)
    return [_session(row) for row in tx.execute(query)]


def see(tx: Connection, session: Session, now: datetime) -> None:
    """Remember that it was used."""
    live = (sessions.c.id == session.id, sessions.c.ended_at.is_(None), sessions.c.seen_at < now)
    tx.execute(sessions.update().where(*live).values(seen_at=now))
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    stale = sa.or_(accounts.c.seen_on.is_(None), accounts.c.seen_on < day)
    tx.execute(accounts.update().where(accounts.c.id == session.account_id, stale).values(seen_on=day))


def verify(tx: Connection, session_id: str, token_digest: str, now: datetime) -> None:
    """Make a session fresh, under another token (rule 1)."""
    mine = sessions.c.id == session_id
    tx.execute(sessions.update().where(mine).values(token_digest=token_digest, verified_at=now, seen_at=now))


def renew(tx: Connection, session_id: str, token_digest: str) -> None:
    """Put a session under another token (rule 1); it is no fresher for it."""
    tx.execute(sessions.update().where(sessions.c.id == session_id).values(token_digest=token_digest))


def end(tx: Connection, session_id: str, now: datetime) -> int:
    """End one session; how many that was."""
    mine = (sessions.c.id == session_id, sessions.c.ended_at.is_(None))
    return tx.execute(sessions.update().where(*mine).values(ended_at=now)).rowcount


def end_all(tx: Connection, account_id: str, now: datetime, *, but: str | None = None) -> int:
    """End every session of an account, save one; how many there were."""
    theirs = [sessions.c.account_id == account_id, sessions.c.ended_at.is_(None)]
    theirs += [] if but is None else [sessions.c.id != but]
    return tx.execute(sessions.update().where(*theirs).values(ended_at=now)).rowcount


def forget(tx: Connection, before: datetime) -> int:
    """Forget sessions that began before this moment."""
    return tx.execute(sessions.delete().where(sessions.c.started_at < before)).rowcount


def _live(query: sa.Select[Any], now: datetime) -> sa.Select[Any]:
    return query.where(sessions.c.seen_at > now - IDLE_FOR, sessions.c.started_at > now - SESSION_FOR)


def _session(row: Any) -> Session:  # noqa: ANN401 - a SQLAlchemy row
    carrier = None if row.carrier is None else Carrier(row.carrier)
    return Session(row.id, row.account_id, row.started_at, row.seen_at, row.verified_at, AccountRole(row.role), carrier)
