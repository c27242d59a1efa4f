"""Who has seen a notice?

1. The first to acknowledge a notice stays named, with the time; to acknowledge it again changes nothing and says so.
2. What still waits to be paged of it is not sent any more, and it is not repeated. What is to be told until it is done
   is told anew after a day, if it is not done by then (`domain/repeating.py`, rule 3).
3. Acknowledging says that somebody has seen it, not that anything was done.
"""

from dataclasses import dataclass

from tiprouter.audit.kinds import Kind
from tiprouter.domain.repeating import UNTIL_DONE, WIDEST
from tiprouter.errors import NotFoundError
from tiprouter.storage import notices, pages
from tiprouter.storage.database import Transaction
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Heeded
from tiprouter.workflow.happening import Actor, Desk, happening


@dataclass(frozen=True, slots=True)
class Standing:
    """A notice, and who acknowledged it, if anybody did."""

    raised: Raised
    heeded: Heeded | None


def acknowledge(tx: Transaction, desk: Desk, actor: Actor, notice_id: str) -> Standing:
    """Say that this caller has seen a notice (rules 1 and 2). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        raised = pages.hold_notice(tx, notice_id)
        if raised is None:
            raise NotFoundError
        before = pages.heeded_by(tx, [notice_id]).get(notice_id)
        if before is not None:
            return Standing(raised, before)
        made = Heeded(notice_id, actor.id, it.now)
        pages.heed(tx, made)
        pages.set_alarm(tx, notice_id, next_at=it.now + WIDEST if raised.reason in UNTIL_DONE else None)
        it.log(
            Kind.NOTICE_ACKNOWLEDGED,
            {"notice": notice_id, "reason": raised.reason, "subject": raised.subject, "record": raised.record_id},
        )
        return Standing(raised, made)


def standing(tx: Transaction, after: str | None, limit: int) -> list[Standing]:
    """Notices and who acknowledged them, newest first, below `after`."""
    found = notices.page(tx, after, limit)
    seen = pages.heeded_by(tx, [raised.id for raised in found])
    return [Standing(raised, seen.get(raised.id)) for raised in found]
