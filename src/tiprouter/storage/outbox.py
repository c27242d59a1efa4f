"""Which audit entries are committed and not yet in the tree?

Entries are drained by deleting and returning them, never by "serial greater than the last one seen": a transaction with
a smaller serial may commit later, and would be lost.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.tables import outbox


def add(tx: Connection, entries: Sequence[bytes]) -> None:
    """Leave entries for the sequencer, in the transaction of what they tell of."""
    if entries:
        tx.execute(outbox.insert(), [{"entry": entry} for entry in entries])


def drain(tx: Connection, limit: int) -> list[bytes]:
    """Take at most `limit` entries out, oldest first."""
    oldest = sa.select(outbox.c.serial).order_by(outbox.c.serial).limit(limit)
    taken = tx.execute(outbox.delete().where(outbox.c.serial.in_(oldest)).returning(outbox.c.serial, outbox.c.entry))
    return [row.entry for row in sorted(taken, key=lambda row: row.serial)]


def waiting(tx: Connection) -> int:
    """How many entries wait."""
    return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()
