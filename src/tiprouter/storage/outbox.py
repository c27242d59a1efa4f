"""Which audit entries are committed and not yet in the tree?

Entries are drained by deleting and returning them, never by "serial greater than the last one seen": a transaction with
a smaller serial may commit later, and would be lost.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import rows
from tiprouter.storage.tables import outbox


def add(tx: Connection, entries: Sequence[bytes]) -> None:
    """Leave entries for the sequencer, in the transaction of what they tell of."""
    rows.add(tx, outbox, {"entry": entries})


def drain(tx: Connection, limit: int) -> list[bytes]:
    """Take at most `limit` entries out, oldest first."""
    if tx.dialect.name == "sqlite":
        # The one writer: nobody can commit a smaller serial between the two statements.
        found = tx.exec_driver_sql("SELECT serial, entry FROM outbox ORDER BY serial LIMIT ?", (limit,)).all()
        if found:
            tx.exec_driver_sql("DELETE FROM outbox WHERE serial <= ?", (found[-1][0],))
        return [entry for _, entry in found]
    taken = tx.exec_driver_sql(
        "WITH taken AS (DELETE FROM outbox WHERE serial = ANY(ARRAY(SELECT serial FROM outbox ORDER BY serial"
        " LIMIT $1)) RETURNING serial, entry) SELECT array_agg(entry ORDER BY serial) FROM taken",
        (limit,),
    )
    return list(taken.scalar_one() or ())


def first(tx: Connection) -> tuple[int, bytes] | None:
    """The entry that waits first and its serial, or None."""
    row = tx.execute(sa.select(outbox.c.serial, outbox.c.entry).order_by(outbox.c.serial).limit(1)).one_or_none()
    return None if row is None else (row.serial, row.entry)


def each(tx: Connection) -> list[bytes]:
    """Every entry that waits."""
    return list(tx.execute(sa.select(outbox.c.entry).order_by(outbox.c.serial)).scalars())


def waiting(tx: Connection) -> int:
    """How many entries wait."""
    return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()
