"""Who may call, in which role? Tokens are 256 random bits; only their SHA-256 is kept."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.tables import callers


@dataclass(frozen=True, slots=True)
class Caller:
    """A credential: its id, its role, and the agency it belongs to (None for the hotline's own)."""

    id: str
    role: str
    recipient_id: str | None = None


def add(tx: Connection, caller: Caller, token_digest: str, now: datetime) -> None:
    """Store a credential."""
    tx.execute(
        callers.insert(),
        {
            "id": caller.id,
            "role": caller.role,
            "recipient_id": caller.recipient_id,
            "token_digest": token_digest,
            "created_at": now,
        },
    )


def find(tx: Connection, token_digest: str) -> Caller | None:
    """The credential behind a token's digest, unless it was revoked."""
    query = sa.select(callers.c.id, callers.c.role, callers.c.recipient_id).where(
        callers.c.token_digest == token_digest, callers.c.revoked_at.is_(None)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else Caller(row.id, row.role, row.recipient_id)


def revoke(tx: Connection, caller_id: str, now: datetime) -> bool:
    """End a credential at once; False when there is no such live one."""
    ended = tx.execute(
        callers.update().where(callers.c.id == caller_id, callers.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return ended.rowcount == 1


def everyone(tx: Connection) -> list[Caller]:
    """All live credentials, oldest first."""
    query = (
        sa.select(callers.c.id, callers.c.role, callers.c.recipient_id)
        .where(callers.c.revoked_at.is_(None))
        .order_by(callers.c.id)
    )
    return [Caller(row.id, row.role, row.recipient_id) for row in tx.execute(query.order_by(callers.c.id))]
