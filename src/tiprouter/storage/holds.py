"""Which records are held, who asked to erase what, and who confirmed it?"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.subjects_table import erasures, holds
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold on one record."""

    id: str
    record_id: str
    placed_by: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What somebody asked to erase, and what came of it. `about` is a person or a record."""

    id: str
    about: str
    requested_by: str
    requested_at: datetime
    confirmed_by: str | None = None
    erased_at: datetime | None = None


def place(tx: Connection, vault: Vault, hold: Hold, reason: str) -> None:
    """Hold a record; why is sealed under the record's key."""
    sealed = vault.key(tx, hold.record_id).seal(reason.encode(), Place("holds", hold.id, "sealed"), vault.nonce())
    tx.execute(holds.insert(), {name: getattr(hold, name) for name in Hold.__slots__} | {"sealed": sealed})


def load(tx: Connection, hold_id: str, record_id: str) -> Hold | None:
    """One hold of a record, or None."""
    columns = [holds.c[name] for name in Hold.__slots__]
    query = sa.select(*columns).where(holds.c.id == hold_id, holds.c.record_id == record_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Hold(**row)


def release(tx: Connection, hold: Hold) -> None:
    """End a hold."""
    values = {"released_by": hold.released_by, "released_at": hold.released_at}
    tx.execute(holds.update().where(holds.c.id == hold.id).values(**values))


def ask(tx: Connection, erasure: Erasure) -> None:
    """Keep that somebody asks to erase something."""
    tx.execute(erasures.insert(), {name: getattr(erasure, name) for name in Erasure.__slots__})


def asked(tx: Connection, about: str, since: datetime) -> Erasure | None:
    """The last request to erase this that was made after a moment and is not yet done; held until the story commits."""
    query = (
        sa.select(erasures)
        .where(erasures.c.about == about, erasures.c.erased_at.is_(None), erasures.c.requested_at > since)
        .order_by(erasures.c.id.desc())
        .limit(1)
    )
    row = tx.execute(query.with_for_update()).mappings().one_or_none()
    return None if row is None else Erasure(**row)


def done(tx: Connection, erasure: Erasure) -> None:
    """Keep who confirmed an erasure, and when it was done."""
    values = {"confirmed_by": erasure.confirmed_by, "erased_at": erasure.erased_at}
    tx.execute(erasures.update().where(erasures.c.id == erasure.id).values(**values))
