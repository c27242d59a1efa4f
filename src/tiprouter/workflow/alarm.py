"""What pages people again and again until somebody acts?

1. What travels in the lane of imminent danger and has not arrived 5 minutes after it was made is told to a human, once;
   however it stands: waiting, in flight, announced, refused or given up.
2. An imminent notice is repeated every 15 minutes (`domain/repeating.py`), each time logged, until somebody
   acknowledges it or, where it is about something that has not arrived, until that arrives or is cancelled.
3. One about a review waits while somebody holds a claim, and ends with the answer; one about what is overdue goes on
   until it is done. Of several overdue reviews of one record the first is repeated for all.
4. One about what is overdue that somebody acknowledged is raised anew after a day, while it is not done.
5. Without any channel the repeats are in the log alone. One whose repeats are used up ends with a line in the log: from
   then on nobody is told.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain import notice, repeating
from tiprouter.domain.notice import REPEAT_EVERY, UNDELIVERED, UNDELIVERED_AFTER
from tiprouter.domain.repeating import UNTIL_DONE, repeat_after, repeats_max
from tiprouter.domain.states import UNANSWERED, ReviewState
from tiprouter.storage import duties, pages, reviews
from tiprouter.storage.database import Transaction
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Alarm
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening

log = structlog.get_logger()

AT_ONCE: Final = 50


def find_undelivered(tx: Transaction, desk: Desk) -> int:
    """Tell of imminent danger that has not arrived (rule 1); how much was found."""
    with happening(tx, desk, ROUTER) as it:
        found = pages.undelivered(tx, UNDELIVERED, it.now - UNDELIVERED_AFTER, AT_ONCE)
        for delivery_id, record_id, deadline in found:
            it.tell(UNDELIVERED, delivery_id, record_id, deadline)
        return len(found)


def repeat_alarms(tx: Transaction, desk: Desk) -> int:
    """Repeat what nobody acknowledged (rule 2); how many alarms were looked at."""
    with happening(tx, desk, ROUTER) as it:
        found = pages.alarming(tx, it.now, AT_ONCE)
        for alarm in found:
            _repeat(it, alarm)
        return len(found)


def _repeat(it: Happening, alarm: Alarm) -> None:
    raised = pages.raised(it.tx, [alarm.notice_id])[alarm.notice_id]
    heeded, until_done = bool(pages.heeded_by(it.tx, [alarm.notice_id])), raised.reason in UNTIL_DONE
    there = _there(it, raised)
    if there is There.DONE or (heeded and not until_done):
        pages.set_alarm(it.tx, alarm.notice_id, next_at=None)
    elif there is There.TAKEN:
        pages.set_alarm(it.tx, alarm.notice_id, next_at=it.now + REPEAT_EVERY)
    elif heeded:
        pages.set_alarm(it.tx, alarm.notice_id, next_at=None)
        it.tell(raised.reason, raised.subject, raised.record_id, raised.deadline, again_after=timedelta())
    elif not until_done and alarm.repeats >= repeats_max(raised.reason):
        pages.set_alarm(it.tx, alarm.notice_id, next_at=None)
        log.error("notice.unheard", notice=alarm.notice_id, reason=raised.reason, number=alarm.repeats)
    else:
        _tell_again(it, raised, alarm.repeats + 1)


def _tell_again(it: Happening, raised: Raised, number: int) -> None:
    channels = it.desk.routing.again(raised.reason, number)
    it.page(raised, channels, number)
    # The last repeat is looked at once more: that nobody heard it is logged (rule 5).
    after = repeat_after(raised.reason, number) or REPEAT_EVERY
    pages.set_alarm(it.tx, raised.id, repeats=number, next_at=it.now + after)
    it.log(
        Kind.NOTICE_REPEATED,
        {
            "notice": raised.id,
            "reason": raised.reason,
            "subject": raised.subject,
            "record": raised.record_id,
            "number": number,
            "channels": [channel.value for channel in channels],
        },
    )
    log.warning("notice.repeated", notice=raised.id, reason=raised.reason, number=number)


class There(Enum):
    """How what a notice is about stands: it waits, somebody has it, or it is done."""

    WAITS = auto()
    TAKEN = auto()
    DONE = auto()


def _there(it: Happening, raised: Raised) -> There:
    match raised.reason:
        case repeating.REVIEW_WANTED | repeating.REVIEW_OVERDUE:
            return _review(it, raised)
        case repeating.DUTY_OVERDUE:
            duty = duties.load(it.tx, raised.subject)
            return There.WAITS if duty is not None and duty.current and duty.owing else There.DONE
        case notice.UNDELIVERED:
            return There.DONE if pages.arrived(it.tx, raised.subject) else There.WAITS
        case _:
            return There.WAITS


def _review(it: Happening, raised: Raised) -> There:
    """Rules 3, 4: danger waits as long as any of the record's does; what another took the place of was told anew."""
    held = reviews.load(it.tx, raised.subject)
    if held is None or held.state is ReviewState.SUPERSEDED:
        return There.DONE
    if raised.reason == repeating.REVIEW_WANTED:
        waiting = reviews.imminent(it.tx, held.record_id)
    else:
        waiting = [held] if held.state in UNANSWERED else []
    if not waiting:
        return There.DONE
    if any(one.claimed_until is not None and it.now < one.claimed_until for one in waiting):
        return There.TAKEN
    told = raised.reason == repeating.REVIEW_OVERDUE and reviews.overdue_before(it.tx, held, it.now)
    return There.TAKEN if told else There.WAITS
