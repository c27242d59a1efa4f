"""What goes by itself beside records, when its class is over? (`domain/retention.py`)

1. Each chore takes one bounded slice of one class in one transaction, the oldest first, and says how much it was.
2. Nothing is forgotten that a legal hold touches (`storage/ageing.py`), nor while our time is not to be trusted with
   that (`clock_watch.py`).
3. A person's consents go with their data key: no backup of the values brings them back. They are looked at again, under
   the person's lock, and a record that names the person by now keeps them.
4. The accounting of an erased record goes as a whole, with the facts that its decisions rested on.
5. Each slice is in the log with its class as the cause, and each record and person by its id.

Records themselves age in `erasing.py`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.retention import Retained, cause_of, counted_until, counts_from
from tiprouter.storage import accounts, ageing, answers, consents, erasure, pages
from tiprouter.storage.database import Transaction
from tiprouter.workflow.clock_watch import runs_ahead
from tiprouter.workflow.erasing import hold_still
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

SLICE: Final = 200
"""Rows of one kind in one transaction."""
PERSONS: Final = 20
"""Persons, or records, in one transaction: each is locked and looked at."""


def forget_answers(tx: Transaction, desk: Desk) -> int:
    """Forget answers that were given under an Idempotency-Key (rules 1, 2)."""
    return _forget(tx, desk, Retained.ANSWER, lambda it, until: answers.forget(tx, it.vault, until, it.now, SLICE))


def forget_snippets(tx: Transaction, desk: Desk) -> int:
    """Forget what endpoints answered (rules 1, 2)."""
    return _forget(tx, desk, Retained.SNIPPET, lambda _, until: ageing.forget_snippets(tx, until, SLICE))


def forget_notices(tx: Transaction, desk: Desk) -> int:
    """Forget pages, and what was said of notices to persons (rules 1, 2)."""

    def forget(_: Happening, until: datetime) -> int:
        return pages.forget(tx, until, SLICE) + ageing.forget_texts(tx, until, SLICE)

    return _forget(tx, desk, Retained.NOTICE, forget)


def forget_accounts(tx: Transaction, desk: Desk) -> int:
    """Forget whose accounts they were that nobody can use any more (rules 1, 2)."""
    return _forget(tx, desk, Retained.ACCOUNT, lambda it, until: accounts.forget(tx, it.vault, until, it.now, SLICE))


def forget_accounting(tx: Transaction, desk: Desk) -> int:
    """Forget of whom erased records told, and who asked for suspensions (rules 1, 2, 4); how many were looked at."""
    looked_at = 0

    def forget(it: Happening, until: datetime) -> int:
        nonlocal looked_at
        found = ageing.accounted(tx, until, PERSONS)
        hold_still(it, found)
        for record_id in found:
            if ageing.held(tx, record_id):
                erasure.age_from(tx, record_id, until + erasure.LOOK_AGAIN)
            else:
                ageing.forget_account(tx, record_id)
                said = {"what": Retained.ACCOUNTING.value, "cause": cause_of(Retained.ACCOUNTING)}
                it.log(Kind.CONTENT_ERASED, said | {"record": record_id, "before": moment(until)})
        looked_at = len(found)
        return ageing.forget_suspensions(tx, it.vault, until, it.now, SLICE)

    return _forget(tx, desk, Retained.ACCOUNTING, forget) + looked_at


def erase_orphans(tx: Transaction, desk: Desk) -> int:
    """Erase consents of persons whom no record names (rules 1-3); how many persons were looked at."""
    period = desk.retention.get(Retained.CONSENT)
    if not period or runs_ahead(desk):
        return 0
    with happening(tx, desk, ROUTER) as it:
        found = consents.orphans(tx, it.now - period, PERSONS)
        hold_still(it, (), *found)
        for person_id in found:
            _erase_orphan(it, person_id, period)
        return len(found)


def _erase_orphan(it: Happening, person_id: str, period: timedelta) -> None:
    """Rule 3: named by now, held, not over yet, or erased."""
    said = consents.last_words(it.tx, it.vault, person_id)
    if erasure.records_with(it.tx, person_id):
        consents.age_from(it.tx, person_id, None)
    elif not said:
        # Erased by another worker, while this one waited for the person.
        consents.age_from(it.tx, person_id, None)
    elif ageing.person_held(it.tx, person_id):
        consents.age_from(it.tx, person_id, it.now - period + erasure.LOOK_AGAIN)
    elif (counted := counts_from(said)) + period > it.now:
        consents.age_from(it.tx, person_id, counted)
    else:
        consents.erase(it.tx, it.vault, person_id, it.now)
        erasure.empty_answers(it.tx, person_id)
        it.log(Kind.SUBJECT_ERASED, {"person": person_id, "records": [], "cause": cause_of(Retained.CONSENT)})


def _forget(tx: Transaction, desk: Desk, what: Retained, forget: Callable[[Happening, datetime], int]) -> int:
    """Rules 1, 2 and 5; how many rows were forgotten."""
    if runs_ahead(desk):
        return 0
    with happening(tx, desk, ROUTER) as it:
        until = counted_until(desk.retention, what, it.now)
        count = 0 if until is None else forget(it, until)
        if count:
            said = {"what": what.value, "cause": cause_of(what)}
            it.log(Kind.CONTENT_ERASED, said | {"count": count, "before": moment(until)})
        return count
