"""What stands in the sealed values of a database, once its keys open them? Read back for the proof, never written down.

1. Every value of every table with a column `sealed` is opened; one that no key opens is named.
2. Found are the markers in each, by number, and the secrets that are no words: keys, of which no form may lie about.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.markers import WORD
from tests.support.markers.sowing import RUN
from tests.support.thief import NAMES, sealed_columns
from tiprouter.storage.tables import data_keys, secrets
from tiprouter.storage.vault import DataKey, Place, SealError, Vault

KEYS = ("signing_keys", "client_keys", "secrets")
"""Tables whose sealed values are keys: they are searched for as they are (rule 2)."""


@dataclass
class Opened:
    """By marker's number the tables that hold it; by table how many values there are and how many hold a marker."""

    where: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    values: Counter[str] = field(default_factory=Counter)
    holding: Counter[str] = field(default_factory=Counter)
    keys: list[bytes] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def add(self, other: "Opened") -> None:
        """What was found at another moment too."""
        for number, tables in other.where.items():
            self.where[number] |= tables
        for table, count in other.values.items():
            self.values[table] = max(self.values[table], count)
            self.holding[table] = max(self.holding[table], other.holding[table])
        self.keys = sorted({*self.keys, *other.keys})
        self.closed += other.closed


def opened(tx: Connection, vault: Vault) -> Opened:
    """Everything sealed, opened (rule 1)."""
    found = Opened()
    owners = tx.execute(sa.select(data_keys.c.owner).where(data_keys.c.destroyed_at.is_(None))).scalars().all()
    ring = vault.keys(tx, owners)
    keys = {owner: ring.key(owner) for owner in owners}
    for table, column in sealed_columns():
        for row in tx.execute(sa.select(table).where(column.is_not(None), sa.func.length(column) > 0)).mappings():
            _look(found, table.name, _open(keys, table.name, dict(row)))
    for name in tx.execute(sa.select(secrets.c.name)).scalars().all():
        _look(found, "secrets", vault.secret(tx, name))
    return found


def spellings(key: bytes) -> Iterator[bytes]:
    """How a key could stand somewhere: as it is, in hex, in base64 of both alphabets at each alignment."""
    yield key
    yield key.hex().encode()
    for shift in range(3):
        plain = base64.b64encode(b"\0" * shift + key)[4:-4]
        yield plain
        yield plain.replace(b"+", b"-").replace(b"/", b"_")


def _open(keys: dict[str, DataKey], table: str, row: dict[str, Any]) -> bytes | None:
    named = "#".join(str(row[name]) for name in NAMES.get(table, ("id",)))
    place = Place(table, named, "sealed")
    likely = [keys[str(value)] for value in row.values() if str(value) in keys]
    for key in (*likely, *keys.values()):
        try:
            return key.open(row["sealed"], place)
        except SealError:
            continue
    return None


def _look(found: Opened, table: str, plain: bytes | None) -> None:
    found.values[table] += 1
    if plain is None:
        found.closed.append(table)
        return
    numbers = {int(hit[2]) for hit in WORD.finditer(plain) if hit[1].decode() == RUN}
    found.holding[table] += bool(numbers)
    for number in numbers:
        found.where[number].add(table)
    if table in KEYS:
        found.keys.append(plain)
