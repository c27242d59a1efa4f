"""What pages people again and again until somebody acts?

1. What travels in the lane of imminent danger and has not arrived 5 minutes after it was made is told to a human, once;
   however it stands: waiting, in flight, announced, refused or given up.
2. An imminent notice is repeated every 15 minutes (`domain/notice.py`, rule 5), each time logged, until somebody
   acknowledges it or, where it is about something that has not arrived, until that arrives or is cancelled.
3. Without any channel the repeats are in the log alone.
4. One whose repeats are used up ends with a line in the log: from then on nobody is told.
"""

from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain.notice import REPEAT_EVERY, UNDELIVERED, UNDELIVERED_AFTER, repeats_max
from tiprouter.storage import pages
from tiprouter.storage.database import Transaction
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
    heeded = pages.heeded_by(it.tx, [alarm.notice_id])
    if heeded or (raised.reason == UNDELIVERED and pages.arrived(it.tx, raised.subject)):
        pages.set_alarm(it.tx, alarm.notice_id, next_at=None)
        return
    number = alarm.repeats + 1
    if number > repeats_max(raised.reason):
        pages.set_alarm(it.tx, alarm.notice_id, next_at=None)
        log.error("notice.unheard", notice=alarm.notice_id, reason=raised.reason, number=alarm.repeats)
        return
    channels = it.desk.routing.again(raised.reason, number)
    it.page(raised, channels, number)
    pages.set_alarm(it.tx, alarm.notice_id, repeats=number, next_at=it.now + REPEAT_EVERY)
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
