"""What pages people again and again until somebody acts?

1. What travels in the lane of imminent danger and has not arrived 5 minutes after it was made is told to a human, once;
   however it stands: waiting, in flight, announced, refused or given up.
2. An imminent notice is repeated every 15 minutes (`domain/repeating.py`), each time logged, until somebody
   acknowledges it or, where it is about something that has not arrived, until that arrives or is cancelled.
3. One about a review waits while somebody holds a claim, and ends with the answer; one about what is overdue goes on
   until it is done. Of several overdue reviews of one record the first is repeated for all: the others are looked at
   once a day, and 15 minutes after the first of them left the queue (`let_another_tell`).
4. One about what is overdue that somebody acknowledged is raised anew after a day, while it is not done.
5. Without any channel the repeats are in the log alone. One whose repeats are used up ends with a line in the log: from
   then on nobody is told.
6. Looking costs what is due now: what waits for a later moment is not read, and what is due is read together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain import notice, repeating
from tiprouter.domain.notice import REPEAT_EVERY, UNDELIVERED, UNDELIVERED_AFTER
from tiprouter.domain.repeating import (
    DUTY_OVERDUE,
    REVIEW_OVERDUE,
    REVIEW_WANTED,
    UNTIL_DONE,
    WIDEST,
    repeat_after,
    repeats_max,
)
from tiprouter.domain.states import UNANSWERED, ReviewState
from tiprouter.storage import alarms, duties, pages, reviews
from tiprouter.storage.alarms import Ringing
from tiprouter.storage.database import Transaction
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Alarm
from tiprouter.storage.reviews import Held
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
        found = alarms.due(tx, it.now, AT_ONCE)
        if found:
            seen = _Seen.of(it, [ringing.raised for ringing in found])
            alarms.keep(tx, [_repeated(it, ringing, _there(it, ringing.raised, seen)) for ringing in found])
        return len(found)


def let_another_tell(it: Happening, held: Held) -> None:
    """A review leaves the queue: if it was overdue, another one of its record may be the first now (rule 3)."""
    if it.now >= held.deadline:
        alarms.call(it.tx, held.record_id, it.now, REPEAT_EVERY)


def _repeated(it: Happening, ringing: Ringing, there: "There") -> Alarm:
    """An alarm as it is after it rang, or did not have to."""
    alarm, raised, until_done = ringing.alarm, ringing.raised, ringing.raised.reason in UNTIL_DONE
    over = replace(alarm, next_at=None)
    if there is There.DONE or (ringing.heeded and not until_done):
        return over
    if there is There.TAKEN:
        return replace(alarm, next_at=it.now + REPEAT_EVERY)
    if there is There.TOLD:
        return replace(alarm, next_at=it.now + WIDEST)
    if ringing.heeded:
        it.tell(raised.reason, raised.subject, raised.record_id, raised.deadline, again_after=timedelta())
        return over
    if not until_done and alarm.repeats >= repeats_max(raised.reason):
        log.error("notice.unheard", notice=alarm.notice_id, reason=raised.reason, number=alarm.repeats)
        return over
    return _told_again(it, raised, alarm.repeats + 1)


def _told_again(it: Happening, raised: Raised, number: int) -> Alarm:
    channels = it.desk.routing.again(raised.reason, number)
    it.page(raised, channels, number)
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
    # The last repeat is looked at once more: that nobody heard it is logged (rule 5).
    return Alarm(raised.id, number, it.now + (repeat_after(raised.reason, number) or REPEAT_EVERY))


class There(Enum):
    """How what a notice is about stands: it waits, somebody has it, another notice tells of it, or it is done."""

    WAITS = auto()
    TAKEN = auto()
    TOLD = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What several notices are about (rule 6): reviews, those that an earlier one tells of, duties still owed."""

    reviews: Mapping[str, Held]
    told: Collection[str]
    owed: Collection[str]

    @classmethod
    def of(cls, it: Happening, some: Sequence[Raised]) -> "_Seen":
        """Asked once for all of them."""

        def about(*reasons: str) -> list[str]:
            return [one.subject for one in some if one.reason in reasons]

        held, overdue = about(REVIEW_WANTED, REVIEW_OVERDUE), about(REVIEW_OVERDUE)
        owed = about(DUTY_OVERDUE)
        return cls(
            reviews.some(it.tx, held) if held else {},
            reviews.overdue_after(it.tx, overdue, it.now) if overdue else (),
            duties.owing(it.tx, owed) if owed else (),
        )


def _there(it: Happening, raised: Raised, seen: _Seen) -> There:
    match raised.reason:
        case repeating.REVIEW_WANTED | repeating.REVIEW_OVERDUE:
            return _review(it, raised, seen)
        case repeating.DUTY_OVERDUE:
            return There.WAITS if raised.subject in seen.owed else There.DONE
        case notice.UNDELIVERED:
            return There.DONE if pages.arrived(it.tx, raised.subject) else There.WAITS
        case _:
            return There.WAITS


def _review(it: Happening, raised: Raised, seen: _Seen) -> There:
    """Rules 3, 4: danger waits as long as any of the record's does; what another took the place of was told anew."""
    held = seen.reviews.get(raised.subject)
    if held is None or held.state is ReviewState.SUPERSEDED:
        return There.DONE
    if raised.reason == REVIEW_WANTED:
        waiting = reviews.imminent(it.tx, held.record_id)
    else:
        waiting = [held] if held.state in UNANSWERED else []
    if not waiting:
        return There.DONE
    if raised.reason == REVIEW_OVERDUE and held.id in seen.told:
        return There.TOLD
    claimed = any(one.claimed_until is not None and it.now < one.claimed_until for one in waiting)
    return There.TAKEN if claimed else There.WAITS
