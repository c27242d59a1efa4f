"""Who may call, in which role, and how do they prove who they are?

A caller holds API keys (`storage/api_keys.py`), or is an OAuth client with public keys; `jwks` says which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.tables import callers


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller: its id, its role, and the agency it belongs to (None for the hotline's own).

    `scopes` None is everything that its role may use; `jwks` are a client's public keys, None for who holds API keys.
    `holder_id` is the account of the person in whose hands it is, None for nobody in particular; `made_by` the person
    who made it. One that `waits` for another person's word opens nothing; so do `next_jwks`, which `next_by` gave.
    """

    id: str
    role: str
    created_at: datetime
    recipient_id: str | None = None
    label: str | None = None
    scopes: frozenset[str] | None = None
    jwks: tuple[Mapping[str, str], ...] | None = None
    certificate_bound: bool = False
    revoked_at: datetime | None = None
    holder_id: str | None = None
    made_by: str | None = None
    waits: bool = False
    next_jwks: tuple[Mapping[str, str], ...] | None = None
    next_by: str | None = None
    next_at: datetime | None = None


def add(tx: Connection, caller: Caller) -> None:
    """Store a caller."""
    tx.execute(
        callers.insert(),
        {
            "id": caller.id,
            "role": caller.role,
            "recipient_id": caller.recipient_id,
            "label": caller.label,
            "scopes": spelt(caller.scopes),
            "jwks": None if caller.jwks is None else [dict(key) for key in caller.jwks],
            "certificate_bound": caller.certificate_bound,
            "holder_id": caller.holder_id,
            "made_by": caller.made_by,
            "waits": caller.waits,
            "created_at": caller.created_at,
        },
    )


def load(tx: Connection, caller_id: str) -> Caller | None:
    """One caller, ended or not."""
    row = tx.execute(sa.select(callers).where(callers.c.id == caller_id)).one_or_none()
    return None if row is None else from_row(row)


def hold(tx: Connection, caller_id: str) -> Caller | None:
    """One live caller; on PostgreSQL held until this story commits, so that it is not ended meanwhile."""
    query = sa.select(callers).where(callers.c.id == caller_id, callers.c.revoked_at.is_(None))
    row = tx.execute(query.with_for_update()).one_or_none()
    return None if row is None else from_row(row)


def confirmed(tx: Connection, caller_id: str) -> None:
    """It waits for nobody any more."""
    tx.execute(callers.update().where(callers.c.id == caller_id).values(waits=False))


def replace_keys(tx: Connection, caller_id: str, jwks: Sequence[Mapping[str, str]]) -> None:
    """Give a client other public keys; none wait then."""
    values = {"jwks": [dict(key) for key in jwks], "next_jwks": None, "next_by": None, "next_at": None}
    tx.execute(callers.update().where(callers.c.id == caller_id).values(**values))


def propose_keys(tx: Connection, caller_id: str, jwks: Sequence[Mapping[str, str]], by: str, now: datetime) -> None:
    """Keep public keys that another person has still to confirm."""
    values = {"next_jwks": [dict(key) for key in jwks], "next_by": by, "next_at": now}
    tx.execute(callers.update().where(callers.c.id == caller_id).values(**values))


def revoke(tx: Connection, caller_id: str, now: datetime) -> bool:
    """End a caller at once; False when there is no such live one."""
    ended = tx.execute(
        callers.update().where(callers.c.id == caller_id, callers.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return ended.rowcount == 1


def everyone(tx: Connection) -> list[Caller]:
    """All live callers, oldest first."""
    query = sa.select(callers).where(callers.c.revoked_at.is_(None)).order_by(callers.c.id)
    return [from_row(row) for row in tx.execute(query)]


def of_role(tx: Connection, role: str, *, live: bool = False) -> list[str]:
    """The ids of all callers of a role that wait for nobody; `live` leaves out the ended ones."""
    query = sa.select(callers.c.id).where(callers.c.role == role, sa.not_(callers.c.waits))
    return list(tx.execute(query.where(callers.c.revoked_at.is_(None)) if live else query).scalars())


def page(tx: Connection, *, clients: bool, after: str | None, limit: int) -> list[Caller]:
    """Live callers of one form, newest first, older than `after`."""
    query = sa.select(callers).where(callers.c.revoked_at.is_(None))
    query = query.where(callers.c.jwks.is_not(None) if clients else callers.c.jwks.is_(None))
    if after is not None:
        query = query.where(callers.c.id < after)
    return [from_row(row) for row in tx.execute(query.order_by(callers.c.id.desc()).limit(limit))]


def spelt(scopes: frozenset[str] | None) -> list[str] | None:
    """Scopes as a column holds them."""
    return None if scopes is None else sorted(scopes)


def from_row(row: Any) -> Caller:  # noqa: ANN401 - a SQLAlchemy row
    """A row of the table."""
    values = {name: getattr(row, name) for name in Caller.__slots__}
    return Caller(
        **values
        | {
            "scopes": None if row.scopes is None else frozenset(row.scopes),
            "jwks": None if row.jwks is None else tuple(row.jwks),
            "next_jwks": None if row.next_jwks is None else tuple(row.next_jwks),
        }
    )
