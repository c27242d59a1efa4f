"""Which access tokens are alive, and which client assertions were used?

Both are found by digest alone, and swept when nothing can ask for them any more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.storage.callers import spelt
from tiprouter.storage.tables import access_tokens, assertions


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What is kept of an access token; `key` is the thumbprint of the client's key that signed for it."""

    digest: str
    caller_id: str
    key: str
    scopes: frozenset[str] | None
    certificate: str | None
    issued_at: datetime
    expires_at: datetime


def add(tx: Connection, token: AccessToken) -> None:
    """Store a token."""
    values = {name: getattr(token, name) for name in AccessToken.__slots__}
    tx.execute(access_tokens.insert(), values | {"scopes": spelt(token.scopes)})


def find(tx: Connection, digest: str) -> AccessToken | None:
    """A token, expired or not."""
    row = tx.execute(sa.select(access_tokens).where(access_tokens.c.digest == digest)).one_or_none()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in AccessToken.__slots__}
    return AccessToken(**values | {"scopes": None if row.scopes is None else frozenset(row.scopes)})


def end_all_but(tx: Connection, caller_id: str, keys: Collection[str]) -> None:
    """End a client's tokens that other keys than these signed for."""
    tx.execute(
        access_tokens.delete().where(access_tokens.c.caller_id == caller_id, access_tokens.c.key.not_in(sorted(keys)))
    )


def use_once(tx: Connection, caller_id: str, digest: str, expires_at: datetime) -> bool:
    """Take an assertion's id; False when it was taken before, by whichever process."""
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    row = {"caller_id": caller_id, "digest": digest, "expires_at": expires_at}
    return tx.execute(insert(assertions).values(row).on_conflict_do_nothing()).rowcount == 1


def sweep(tx: Connection, now: datetime, limit: int) -> int:
    """Forget so many of what ended; how many there were."""
    gone = 0
    tokens = sa.select(access_tokens.c.digest).where(access_tokens.c.expires_at <= now).limit(limit)
    gone += tx.execute(access_tokens.delete().where(access_tokens.c.digest.in_(tokens))).rowcount
    # An assertion is refused from its end on, so its id is not asked for again.
    used = sa.select(assertions.c.caller_id, assertions.c.digest).where(assertions.c.expires_at <= now).limit(limit)
    which = sa.tuple_(assertions.c.caller_id, assertions.c.digest).in_(used)
    return gone + tx.execute(assertions.delete().where(which)).rowcount
