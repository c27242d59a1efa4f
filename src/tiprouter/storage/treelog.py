"""Where do the log's entries, tiles and checkpoints live in the database?

Entries are kept one a row so that they can be asked for; bundles and tiles as the log serves them. A partial tile is
replaced by a wider one. A checkpoint is stored in the transaction that stores what it signs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.tables import log_checkpoints, log_entries, log_tiles


class TileRow(NamedTuple):
    """One tile or (level -1) entry bundle."""

    level: int
    number: int
    width: int
    tile: bytes


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry of the log with its index."""

    index: int
    kind: str
    at: datetime
    entry: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """One signed checkpoint."""

    size: int
    root: bytes
    note: bytes
    signed_at: datetime


_LOG_LOCK = 0x7469_7072  # any number that nothing else in the database locks


def hold(tx: Connection) -> None:
    """Be the only sequencer until this story ends; on SQLite the writer is the only one anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOG_LOCK)))


def add_entries(tx: Connection, entries: Sequence[EntryRow]) -> None:
    """Store entries at their indices; an index twice is an error."""
    if entries:
        tx.execute(
            log_entries.insert(),
            [{"index": row.index, "kind": row.kind, "at": row.at, "entry": row.entry} for row in entries],
        )


def put_tiles(tx: Connection, tiles: Iterable[TileRow]) -> None:
    """Store tiles; a wider one replaces a narrower one."""
    rows = list(tiles)
    for row in rows:
        tx.execute(log_tiles.delete().where(log_tiles.c.level == row.level, log_tiles.c.number == row.number))
    if rows:
        tx.execute(log_tiles.insert(), [row._asdict() for row in rows])


def tile(tx: Connection, level: int, number: int) -> TileRow | None:
    """One tile, as wide as it has grown, or None."""
    row = tx.execute(sa.select(log_tiles).where(log_tiles.c.level == level, log_tiles.c.number == number)).one_or_none()
    return None if row is None else TileRow(row.level, row.number, row.width, row.tile)


def add_checkpoint(tx: Connection, row: CheckpointRow) -> None:
    """Store a checkpoint beside what it signs."""
    tx.execute(
        log_checkpoints.insert(),
        {"size": row.size, "root": row.root, "note": row.note, "signed_at": row.signed_at},
    )


def last_checkpoint(tx: Connection) -> CheckpointRow | None:
    """The checkpoint of the largest size, or None for a log that was never opened."""
    row = tx.execute(sa.select(log_checkpoints).order_by(log_checkpoints.c.size.desc()).limit(1)).one_or_none()
    return None if row is None else CheckpointRow(row.size, row.root, row.note, row.signed_at)


def page(tx: Connection, kind: str | None, after: int | None, limit: int) -> list[EntryRow]:
    """Entries, newest first, below index `after`."""
    query = sa.select(log_entries).order_by(log_entries.c.index.desc()).limit(limit)
    if kind is not None:
        query = query.where(log_entries.c.kind == kind)
    if after is not None:
        query = query.where(log_entries.c.index < after)
    return [EntryRow(**row) for row in tx.execute(query).mappings()]


def between(tx: Connection, first: int, count: int) -> list[bytes]:
    """The entries at `count` indices from `first`, in order."""
    query = sa.select(log_entries.c.entry).where(log_entries.c.index >= first, log_entries.c.index < first + count)
    return list(tx.execute(query.order_by(log_entries.c.index)).scalars())


def size(tx: Connection) -> int:
    """How many entries are stored."""
    return tx.execute(sa.select(sa.func.count()).select_from(log_entries)).scalar_one()


def entry(tx: Connection, index: int) -> EntryRow | None:
    """The entry at an index, or None."""
    row = tx.execute(sa.select(log_entries).where(log_entries.c.index == index)).mappings().one_or_none()
    return None if row is None else EntryRow(**row)
