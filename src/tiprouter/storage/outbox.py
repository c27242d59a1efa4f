"""Which audit entries are committed and not yet in the tree?

1. Entries are drained by deleting and returning them, never by "serial greater than the last one seen": a transaction
   with a smaller serial may commit later, and would be lost.
2. With each entry that tells of a decision or of an attempt begun, the id of that goes into `log_told`, from the
   entry's own bytes and by nothing else. The rows point there, and it holds no id twice: none of them is committed
   without its entry, or with two. It stays when the entry goes into the tree.

Not promised: that what an entry says of its row is so.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import ready
from tiprouter.storage.tables import outbox

_BEHIND: Final = len(',"nonce":"","v":1}') + 32
"""An entry is canonical JSON: so many bytes follow its kind, whatever it tells."""

_TELLING: Final = ((b'"kind":"decision"', b'"decision":"'), (b'"kind":"attempt.started"', b'"attempt":"'))
"""How the kind is spelt of an entry that is its row's one, and the member that names the row."""


_TAKE: Final = (
    "DELETE FROM outbox WHERE serial = ANY(ARRAY(SELECT serial FROM outbox ORDER BY serial LIMIT $1))"
    " RETURNING serial, entry"
)


def add(tx: Connection, entries: Sequence[bytes]) -> None:
    """Leave entries for the sequencer, in the transaction of what they tell of (rule 2)."""
    if not entries:
        return
    told = [subject for entry in entries if (subject := told_of(entry))]
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("INSERT INTO outbox (entry) VALUES (?)", [(entry,) for entry in entries])
        if told:
            tx.exec_driver_sql("INSERT INTO log_told (subject) VALUES (?)", [(one,) for one in sorted(told)])
        return
    tx.exec_driver_sql(
        "WITH told AS (INSERT INTO log_told (subject) SELECT * FROM unnest($2::varchar[]))"
        " INSERT INTO outbox (entry) SELECT * FROM unnest($1::bytea[])",
        (list(entries), told),
    )


def told_of(entry: bytes) -> str:
    """The id of the decision or attempt that this entry is the one of; of every other kind, nothing.

    Not parsed: no value of an entry holds a quote, so neither its kind nor a member can be feigned.
    """
    for kind, member in _TELLING:
        if entry.endswith(kind, 0, -_BEHIND):
            start = entry.find(member) + len(member)
            return entry[start : entry.index(b'"', start)].decode("ascii") if start >= len(member) else ""
    return ""


def drain(tx: Connection, limit: int) -> list[bytes]:
    """Take at most `limit` entries out, oldest first."""
    if tx.dialect.name == "sqlite":
        # The one writer: nobody can commit a smaller serial between the two statements.
        found = ready.ask(tx, "SELECT serial, entry FROM outbox ORDER BY serial LIMIT ?", (limit,))
        if found:
            ready.tell(tx, "DELETE FROM outbox WHERE serial <= ?", [(found[-1][0],)])
        return [entry for _, entry in found]
    # Put in order here: for the server to gather and sort what it deletes costs it as much as the deleting.
    return [entry for _, entry in sorted(ready.ask(tx, _TAKE, (limit,)), key=itemgetter(0))]


def first(tx: Connection) -> tuple[int, bytes] | None:
    """The entry that waits first and its serial, or None."""
    row = tx.execute(sa.select(outbox.c.serial, outbox.c.entry).order_by(outbox.c.serial).limit(1)).one_or_none()
    return None if row is None else (row.serial, row.entry)


def each(tx: Connection) -> list[bytes]:
    """Every entry that waits."""
    return list(tx.execute(sa.select(outbox.c.entry).order_by(outbox.c.serial)).scalars())


def naming(tx: Connection, subject: str) -> list[bytes]:
    """Every entry that waits and names this id; no value of an entry holds a quote, so none is feigned."""
    word = f'"{subject}"'.encode("ascii")
    return [entry for entry in each(tx) if word in entry]


def waiting(tx: Connection) -> int:
    """How many entries wait."""
    return tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()
