"""With which salts did the log commit to what a record's rows hold?

1. The salt of a commitment is sealed with the value, in the value's own row, under the record's key (`vault.py`, rule
   2). No table is kept for it: what erases the value, and what seals it anew, does the same to the salt.
2. Every row is found by the record's own id (`erasure.SEALED`). What was erased is left out; so is a row without a
   salt, which is from before salts were kept or which the log does not commit to.
3. A review's row, whose rationale has its salt beside it, is given as it is, with no salt.

It opens what is sealed: only for whoever may see all of it (`workflow/openings.py`).
"""

import contextlib
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import erasure
from tiprouter.storage.reviews_table import reviews
from tiprouter.storage.tables import revisions
from tiprouter.storage.vault import ErasedError, Place, Vault

_NOT_COMMITTED_TO: Final = frozenset({"attempts", "answers", "holds", "subject_notices"})


def of_record(tx: Connection, vault: Vault, record_id: str) -> dict[str, tuple[bytes, bytes]]:
    """Salt and value by the row's id, `record#number` for a revision (rules 1-3).

    Raises `SealError` for what was changed, `KeysUnavailableError`.
    """
    keys = vault.keys(tx, (record_id,))
    found: dict[str, tuple[bytes, bytes]] = {}
    for one in erasure.SEALED:
        table = one.table
        if table.name in _NOT_COMMITTED_TO:
            continue
        names = (table.c.record_id, table.c.number) if table is revisions else (table.c.id,)
        for sealed, *name in tx.execute(sa.select(table.c.sealed, *names).where(one.mine(record_id))):
            row_id = "#".join(map(str, name))
            with contextlib.suppress(ErasedError):
                salt, value = keys.key(record_id).opening(sealed or b"", Place(table.name, row_id, "sealed"))
                if salt or table is reviews:
                    found[row_id] = salt, value
    return found
