"""Which records must be decided again by themselves, and when?

1. Time alone changes facts: a consent begins or runs out, somebody comes of age, violence is no longer fresh, a duty
   row goes stale. The record says when (`records.due_at`), and is decided again then, not at the next change.
2. A new bundle, or a recipient that comes or changes, makes every open record due at once.
3. Each record is decided again in one transaction, a few at a time, so that nothing else waits for it.
4. One that cannot be decided is told to a human and looked at again later; the others go on.
"""

from datetime import timedelta
from typing import Final

import structlog

from tiprouter.storage import records
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.workflow.assess import assess
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening

log = structlog.get_logger()

AT_ONCE: Final = 20
AGAIN_AFTER: Final = timedelta(minutes=1)
BY_TIME: Final = "time.passed"


def revisit(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Decide again what is due (rules 1, 3); how many records were looked at."""
    with happening(tx, desk, ROUTER, deciding=True) as it:
        found = records.due(tx, it.now, limit)
        for record_id in found:
            decide_again(it, record_id, BY_TIME)
        return len(found)


def everything_open(it: Happening, cause: str, limit: int) -> tuple[int, int]:
    """Decide again what is open (rule 2), the first `limit` now, the rest by `revisit`; how many now and later."""
    open_records = records.look_again_at_open(it.tx, it.now)
    now = records.due(it.tx, it.now, limit)
    for record_id in now:
        decide_again(it, record_id, cause)
    return len(now), max(0, open_records - len(now))


def decide_again(it: Happening, record_id: str, cause: str) -> None:
    """Rule 4."""
    try:
        with it.forgiving():
            stored = records.load(it.tx, it.vault, record_id)
            if stored is not None:
                assess(it, stored, cause)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        log.warning("record.undecided", record=record_id, error=type(error).__name__)
        it.tell("record.undecided", record_id, record_id, None)
        records.look_again(it.tx, record_id, it.now + AGAIN_AFTER)
