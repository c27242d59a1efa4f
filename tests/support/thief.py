"""Somebody has the database and the key file: everything that they can read of it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.service import Service
from tiprouter.storage.columns import metadata
from tiprouter.storage.tables import data_keys
from tiprouter.storage.vault import DataKey, Place, SealError

NAMES: dict[str, tuple[str, ...]] = {
    "revisions": ("record_id", "number"),
    "answers": ("caller", "route", "key_digest"),
    "client_keys": ("recipient_id", "certificate"),
}
"""By which columns a row is called inside its seals; `id` where nothing stands here."""


def sealed_columns() -> list[tuple[sa.Table, sa.Column[Any]]]:
    """Every column that holds something sealed under a data key."""
    return [
        (table, table.c.sealed) for table in metadata.sorted_tables if "sealed" in table.c and table.name != "secrets"
    ]


def whole_keys(service: Service, tx: Connection) -> list[DataKey]:
    """Every data key that is not destroyed."""
    owners = tx.execute(sa.select(data_keys.c.owner).where(sa.func.length(data_keys.c.wrapped) > 0)).scalars().all()
    ring = service.desk.vault.keys(tx, owners)
    return [ring.key(owner) for owner in owners]


def _opened(tx: Connection, service: Service) -> list[bytes]:
    # The thief has the key file, and so every key that is not destroyed.
    keys = whole_keys(service, tx)
    found: list[bytes] = []
    for table, column in sealed_columns():
        named = [table.c[name] for name in NAMES.get(table.name, ("id",))]
        for row in tx.execute(sa.select(column, *named).where(column.is_not(None))):
            place = Place(table.name, "#".join(str(part) for part in row[1:]), "sealed")
            for key in keys:
                try:
                    found += key.opening(row[0], place)
                except SealError:
                    continue
    return found


async def everything_readable(service: Service) -> bytes:
    """Every sealed value that any data key of the database still opens, and every value that is not sealed at all."""
    opened = await service.database.read(lambda tx: _opened(tx, service))
    plain = [
        str(row).encode()
        for table in metadata.sorted_tables
        for row in await service.rows(f'select * from "{table.name}"')  # noqa: S608 - our own names
    ]
    return b"\n".join(opened + plain)
