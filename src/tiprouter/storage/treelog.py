"""Where do the log's entries, tiles and checkpoints live in the database?

Entries are kept one a row so that they can be asked for; bundles and tiles as the log serves them. A partial tile is
replaced by a wider one. A checkpoint is stored in the transaction that stores what it signs.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.storage import many_rows, ready
from tiprouter.storage.ready import Ready
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


Told: TypeAlias = tuple[int, str, int, bytes]
"""An entry to store: its index, its kind, its time in microseconds since 1970, its bytes."""

_LAST: Final = Ready(sa.select(log_checkpoints).order_by(log_checkpoints.c.size.desc()).limit(1))

_ONE: Final = "SELECT level, number, width, tile FROM log_tiles WHERE level = ? AND number = ?"
_THESE: Final = (
    "SELECT found.* FROM unnest($1::integer[], $2::bigint[]) AS wanted (level, number) CROSS JOIN LATERAL"
    " (SELECT tiles.level, tiles.number, tiles.width, tiles.tile FROM log_tiles AS tiles"
    " WHERE tiles.level = wanted.level AND tiles.number = wanted.number LIMIT 1) AS found"
)
"""One look by key for each, as on SQLite: where they are named in one list, the whole table may be read."""

_LOG_LOCK = 0x7469_7072  # any number that nothing else in the database locks


def hold(tx: Connection) -> None:
    """Be the only sequencer until this story ends; on SQLite the writer is the only one anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOG_LOCK)))


def add_entries(tx: Connection, entries: Iterable[Told]) -> None:
    """Store entries at their indices; an index twice is an error. They may be made while these are taken."""
    many_rows.add(tx, log_entries, ("index", "kind", "at", "entry"), entries)


def put_tiles(tx: Connection, tiles: Iterable[TileRow]) -> None:
    """Store tiles; a wider one replaces a narrower one."""
    rows = [row._asdict() for row in tiles]
    if rows:
        insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
        new = insert(log_tiles)
        wider = {"width": new.excluded.width, "tile": new.excluded.tile}
        tx.execute(new.on_conflict_do_update(index_elements=("level", "number"), set_=wider), rows)


def tile(tx: Connection, level: int, number: int) -> TileRow | None:
    """One tile, as wide as it has grown, or None."""
    row = tx.execute(sa.select(log_tiles).where(log_tiles.c.level == level, log_tiles.c.number == number)).one_or_none()
    return None if row is None else TileRow(row.level, row.number, row.width, row.tile)


def tiles_of(tx: Connection, wanted: Collection[tuple[int, int]]) -> list[TileRow]:
    """Those of the tiles (level, number) that are there, each as wide as it has grown, by one statement."""
    if not wanted:
        return []
    if tx.dialect.name == "sqlite":
        return [TileRow(*row) for row in ready.ask(tx, _each_of(len(wanted)), list(chain.from_iterable(wanted)))]
    levels, numbers = zip(*wanted, strict=True)
    return [TileRow(*row) for row in ready.ask(tx, _THESE, (levels, numbers))]


@lru_cache(maxsize=32)
def _each_of(count: int) -> str:
    """The statement for so many tiles on SQLite."""
    return " UNION ALL ".join([_ONE] * count)


def checkpoint_at(tx: Connection, size: int) -> CheckpointRow | None:
    """The checkpoint of exactly this size, held until the story ends, or None."""
    query = sa.select(log_checkpoints).where(log_checkpoints.c.size == size)
    row = tx.execute(query.with_for_update()).one_or_none()
    return None if row is None else CheckpointRow(row.size, row.root, row.note, row.signed_at)


def checkpoint_within(tx: Connection, after: int, most: int) -> CheckpointRow | None:
    """The last checkpoint with at most `most` entries beyond `after`; else the next one; None when `after` is last."""
    sizes, larger = log_checkpoints.c.size, sa.select(log_checkpoints).where(log_checkpoints.c.size > after)
    row = tx.execute(larger.where(sizes <= after + most).order_by(sizes.desc()).limit(1)).one_or_none()
    row = row or tx.execute(larger.order_by(sizes).limit(1)).one_or_none()
    return None if row is None else CheckpointRow(row.size, row.root, row.note, row.signed_at)


def cosigned(tx: Connection, size: int, before: bytes, note: bytes) -> bool:
    """Put a note with more signatures in place of the one `before`; whether it still was that one."""
    mine = (log_checkpoints.c.size == size, log_checkpoints.c.note == before)
    return bool(tx.execute(log_checkpoints.update().where(*mine).values(note=note)).rowcount)


def add_checkpoint(tx: Connection, row: CheckpointRow) -> None:
    """Store a checkpoint beside what it signs."""
    tx.execute(
        log_checkpoints.insert(),
        {"size": row.size, "root": row.root, "note": row.note, "signed_at": row.signed_at},
    )


def last_checkpoint(tx: Connection) -> CheckpointRow | None:
    """The checkpoint of the largest size, or None for a log that was never opened."""
    row = _LAST.one(tx)
    return None if row is None else CheckpointRow(*row)


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
    """The size of a log that ends with the last entry stored; whether none is missing before it is not looked at."""
    last = tx.execute(sa.select(sa.func.max(log_entries.c.index))).scalar_one()
    return 0 if last is None else int(last) + 1


def count(tx: Connection) -> int:
    """How many entries are stored, O(size)."""
    return tx.execute(sa.select(sa.func.count()).select_from(log_entries)).scalar_one()


def count_of(tx: Connection, kind: str) -> int:
    """How many entries of a kind are stored, from the index of kinds."""
    return tx.execute(sa.select(sa.func.count()).where(log_entries.c.kind == kind)).scalar_one()


def entry(tx: Connection, index: int) -> EntryRow | None:
    """The entry at an index, or None."""
    row = tx.execute(sa.select(log_entries).where(log_entries.c.index == index)).mappings().one_or_none()
    return None if row is None else EntryRow(**row)
