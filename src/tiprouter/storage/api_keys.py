"""Which API key is this, whose is it, and how long is it good?

1. A key is found by its prefix, which is public; its secret is proved against `verifier` outside this room.
2. A key from before keys had a prefix is found by the digest of its whole token, and by that alone: it has no verifier,
   and its prefix opens nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.callers import Caller, from_row
from tiprouter.storage.tables import api_keys, callers


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of a caller: `verifier` is None for a key from before keys had a prefix.

    One that `waits` for another person's word opens nothing; when it is said, the others end after `overlap_days`.
    """

    prefix: str
    caller_id: str
    verifier: str | None
    certificate: str | None
    created_at: datetime
    expires_at: datetime
    last_used_on: datetime | None = None
    made_by: str | None = None
    waits: bool = False
    overlap_days: int | None = None


# Made once, each: every request asks.
_BY_PREFIX: Final = sa.select(api_keys).where(
    api_keys.c.prefix == sa.bindparam("which"), api_keys.c.verifier.is_not(None)
)
_BY_DIGEST: Final = sa.select(api_keys).where(api_keys.c.digest == sa.bindparam("which"))
_CALLER: Final = sa.select(callers).where(callers.c.id == sa.bindparam("which"))


def add(tx: Connection, key: ApiKey) -> None:
    """Store a key."""
    tx.execute(api_keys.insert(), {name: getattr(key, name) for name in ApiKey.__slots__})


def by_prefix(tx: Connection, prefix: str) -> tuple[ApiKey, Caller] | None:
    """A key and its caller, ended or not (rule 1)."""
    return _one(tx, _BY_PREFIX, prefix)


def by_digest(tx: Connection, digest: str) -> tuple[ApiKey, Caller] | None:
    """A key without a prefix of its own and its caller, ended or not (rule 2)."""
    return _one(tx, _BY_DIGEST, digest)


def of(tx: Connection, caller_ids: Collection[str]) -> list[ApiKey]:
    """The keys of these callers, newest first."""
    query = sa.select(api_keys).where(api_keys.c.caller_id.in_(sorted(caller_ids)))
    return [_key(row) for row in tx.execute(query.order_by(api_keys.c.created_at.desc(), api_keys.c.prefix))]


def confirmed(tx: Connection, prefix: str) -> None:
    """It waits for nobody any more."""
    tx.execute(api_keys.update().where(api_keys.c.prefix == prefix).values(waits=False))


def end(tx: Connection, caller_id: str, at: datetime, but: str | None = None) -> None:
    """Let every key of a caller end at `at`, but for the one of that prefix, unless it ends before."""
    mine = (api_keys.c.caller_id == caller_id, api_keys.c.expires_at > at, api_keys.c.prefix != (but or ""))
    tx.execute(api_keys.update().where(*mine).values(expires_at=at))


def used(tx: Connection, prefix: str, day: datetime) -> None:
    """Remember that a key was used on this day."""
    older = sa.or_(api_keys.c.last_used_on.is_(None), api_keys.c.last_used_on < day)
    tx.execute(api_keys.update().where(api_keys.c.prefix == prefix, older).values(last_used_on=day))


def _one(tx: Connection, query: sa.Select[Any], which: str) -> tuple[ApiKey, Caller] | None:
    key = tx.execute(query, {"which": which}).one_or_none()
    if key is None:
        return None
    return _key(key), from_row(tx.execute(_CALLER, {"which": key.caller_id}).one())


def _key(row: Any) -> ApiKey:  # noqa: ANN401 - a SQLAlchemy row
    return ApiKey(**{name: getattr(row, name) for name in ApiKey.__slots__})
