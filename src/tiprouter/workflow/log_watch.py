"""Who notices when the log falls behind what happens, or tells another number of happenings than there are rows?

1. An entry that has waited for the sequencer for more than two minutes is told to a human, once for each entry that is
   the first in line: the workers look, so that a sequencer that died is noticed by others.
2. Once a day rows and entries are counted in one snapshot and compared, kind by kind. The result is an entry of the
   log, signed with it; a difference is told to a human, once for each log size at which it was found.

Not promised: that equal numbers mean equal things. `policy replay` and `audit verify` look at the things themselves.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tiprouter.audit.entry import heading
from tiprouter.audit.kinds import Kind
from tiprouter.storage import outbox, reconciled, treelog
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.reconciled import Count
from tiprouter.workflow.happening import ROUTER, Actor, Desk, happening

BEHIND: Final = "log.behind"
BEHIND_AFTER: Final = timedelta(minutes=2)
UNRECONCILED: Final = "log.unreconciled"
RECONCILE_EVERY: Final = timedelta(days=1)


def watch_log(tx: Transaction, desk: Desk) -> int:
    """Tell of entries that wait too long (rule 1); 0, for nothing more is to be done about it now."""
    waiting = outbox.first(tx)
    if waiting is None:
        return 0
    serial, entry = waiting
    since = datetime.fromtimestamp(heading(entry)[1] / 1e6, UTC)
    if desk.now() - since <= BEHIND_AFTER:
        return 0
    with happening(tx, desk, ROUTER) as it:
        it.tell(BEHIND, f"entry-{serial}", None, None)
    return 0


def due(tx: Transaction, now: datetime) -> bool:
    """Whether the last count, or else the log's first entry, is a day old."""
    last = treelog.page(tx, Kind.LOG_RECONCILED.value, None, 1)
    since = last[0] if last else treelog.entry(tx, 0)
    return since is not None and now - since.at >= RECONCILE_EVERY


async def reconcile(database: Database, desk: Desk, actor: Actor = ROUTER) -> list[Count]:
    """Count, and leave the result in the log (rule 2)."""

    def count(tx: Transaction) -> tuple[int, list[Count]]:
        return treelog.size(tx), reconciled.counts(tx, lambda entry: heading(entry)[0])

    # Counted outside the story that tells of it: on a snapshot, and without keeping any writer waiting.
    size, counted = await database.read(count)
    await database.write(lambda tx: _tell(tx, desk, actor, size, counted))
    return counted


def _tell(tx: Transaction, desk: Desk, actor: Actor, size: int, counted: list[Count]) -> None:
    same = all(one.rows == one.entries for one in counted)
    checks: list[dict[str, Any]] = [{"what": one.what, "rows": one.rows, "entries": one.entries} for one in counted]
    with happening(tx, desk, actor) as it:
        it.log(Kind.LOG_RECONCILED, {"result": "same" if same else "different", "size": size, "checks": checks})
        if not same:
            it.tell(UNRECONCILED, f"size-{size}", None, None)
