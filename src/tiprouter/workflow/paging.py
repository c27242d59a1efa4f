"""How does a page get from the database to people, and back with an answer?

1. Claiming is one transaction: pages that nobody needs any more are settled, the others are leased, and each attempt's
   audit entry is written. Only then is anything sent, and never inside a transaction.
2. A page is settled when its notice was acknowledged, when what it says has not arrived has arrived, or when the second
   word that it says is asked for waits no more.
3. Finishing is one transaction, fenced by the lease: sent, or due again on the schedule of deliveries, or given up when
   its time is up or the endpoint is gone. A page that never was tried is tried once, however late it is.
4. A worker that dies loses its lease; the page is tried again under the same id.
5. Routine letters are bounded: so many a minute alone; what would be more is one digest, of which there is at most one
   a minute. Urgent and imminent ones are never folded, and no webhook is.
6. A channel that fails three times in a row for one page, or gives one up, is told once until it works again: in the
   log, and as a notice that goes through the other channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeAlias

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.delivery.notifying import Call, Paged, PageResult
from tiprouter.delivery.schedule import next_attempt_at
from tiprouter.domain.notice import FAILING, UNDELIVERED, PageChannel, Severity
from tiprouter.domain.notice_reasons import ROLL_BACK_ASKED, WORD_ASKED
from tiprouter.domain.page import Told
from tiprouter.domain.page_states import PAGE_DUE, PageEvent, PageState, next_page_state
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import pages, second_words
from tiprouter.storage.database import Transaction
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Page
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=45)
"""Longer than any attempt may take (`delivery`'s limits), so that it need not be renewed."""

LOOKED_AT: Final = 100
MINUTE: Final = timedelta(minutes=1)
FAILING_AFTER: Final = 3

Due: TypeAlias = tuple[Page, Raised]


@dataclass(frozen=True, slots=True)
class Batch:
    """Pages that go out together; folded into a digest, even when only one is left to fold."""

    due: tuple[Due, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """An attempt that is written and may be made: one page, or a digest of several."""

    channel: PageChannel
    lease: str
    call: Call


def claim(tx: Transaction, desk: Desk, channel: PageChannel, limit: int) -> list[Ready]:
    """Write the next attempts of one channel, at most `limit` (rules 1, 2 and 5)."""
    with happening(tx, desk, ROUTER) as it:
        live = _live(it, pages.due(tx, channel, it.now, LOOKED_AT))
        return [_start(it, channel, batch) for batch in _batches(it, channel, live)[:limit]]


def finish(tx: Transaction, desk: Desk, ready: Ready, paged: Paged) -> PageState | None:
    """Write what came of an attempt (rules 3, 4 and 6); the state its pages are in now, None for a lost lease."""
    after = None
    with happening(tx, desk, ROUTER) as it:
        for page in pages.held(tx, ready.lease):
            after = _after(it, page, paged)
    return after


def _live(it: Happening, due: Sequence[Due]) -> list[Due]:
    """What is still needed; the rest is settled (rule 2)."""
    seen = pages.heeded_by(it.tx, [page.notice_id for page, _ in due])
    live = []
    for page, raised in due:
        if page.notice_id in seen or _over(it, raised):
            _move(it, page, PageEvent.SETTLE)
        else:
            live.append((page, raised))
    return live


def _over(it: Happening, raised: Raised) -> bool:
    """Whether what it tells of needs nobody any more; of what is not known that is never said."""
    if raised.reason == UNDELIVERED:
        return pages.arrived(it.tx, raised.subject)
    if raised.reason in (WORD_ASKED, ROLL_BACK_ASKED):
        asked = second_words.load(it.tx, raised.subject)
        return asked is not None and not asked.waits(it.now)
    return False


def _batches(it: Happening, channel: PageChannel, live: Sequence[Due]) -> list[Batch]:
    """What goes out together, the most pressing first (rule 5); what must wait for the next minute is left out."""
    routine = [one for one in live if channel is PageChannel.EMAIL and one[0].severity is Severity.ROUTINE]
    batches = [Batch((one,)) for one in live if one not in routine]
    if not routine:
        return batches
    alone, digests = pages.started_since(it.tx, channel, Severity.ROUTINE, it.now - MINUTE)
    if alone + len(routine) <= it.desk.routing.mails_max:
        return batches + [Batch((one,)) for one in routine]
    return batches if digests else [*batches, Batch(tuple(routine), folded=True)]


def _start(it: Happening, channel: PageChannel, batch: Batch) -> Ready:
    lease = it.id("lse")
    digest = it.id("dig") if batch.folded else None
    for page, _ in batch.due:
        pages.change(
            it.tx,
            page.id,
            lease=lease,
            lease_until=it.now + LEASE,
            started_at=it.now,
            attempts=page.attempts + 1,
            digest=digest,
        )
        it.log(
            Kind.PAGE_STARTED,
            {
                "page": page.id,
                "notice": page.notice_id,
                "channel": channel.value,
                "number": page.attempts + 1,
                "repeat": page.repeat,
                "digest": digest,
            },
        )
    told = tuple(told_of(raised, page.repeat) for page, raised in batch.due)
    return Ready(channel, lease, Call(digest or batch.due[0][0].id, int(it.now.timestamp()), told))


def told_of(raised: Raised, repeat: int = 0) -> Told:
    """A notice as pages tell it."""
    return Told(raised.id, raised.reason, raised.subject, raised.record_id, raised.deadline, raised.raised_at, repeat)


def _after(it: Happening, page: Page, paged: Paged) -> PageState:
    if paged.result is PageResult.SENT:
        return _move(it, page, PageEvent.SUCCEED, paged)
    again = None
    if paged.result is not PageResult.GONE:
        jitter = int.from_bytes(it.desk.entropy(4), "big") / 2**32
        urgency = Urgency.IMMINENT if page.severity is Severity.IMMINENT else Urgency.STANDARD
        again = next_attempt_at(
            urgency, page.attempts, it.now, max(page.give_up_at, it.now), paged.retry_after_seconds, jitter
        )
    if again is None:
        state = _move(it, page, PageEvent.GIVE_UP, paged)
    else:
        state = _move(it, replace(page, next_at=again), PageEvent.FAIL, paged)
    if again is None or page.attempts >= FAILING_AFTER:
        _tell_of_failing(it, page)
    return state


def _move(it: Happening, page: Page, event: PageEvent, paged: Paged | None = None) -> PageState:
    state = next_page_state(page.state, event)
    ended = None if state in PAGE_DUE else it.now
    pages.change(it.tx, page.id, state=state, next_at=page.next_at, lease=None, lease_until=None, finished_at=ended)
    it.log(
        Kind.PAGE_FINISHED,
        {
            "page": page.id,
            "notice": page.notice_id,
            "channel": page.channel.value,
            "number": page.attempts,
            "result": event.value if paged is None else paged.why,
            "status": None if paged is None else paged.status,
            "state": state.value,
            "next_at": moment(page.next_at) if state in PAGE_DUE else None,
        },
    )
    return state


def _tell_of_failing(it: Happening, page: Page) -> None:
    """Rule 6."""
    reason = FAILING[page.channel]
    told, sent = pages.last_raised_at(it.tx, reason), pages.last_sent_at(it.tx, page.channel)
    if told is None or (sent is not None and sent > told):
        log.error("page.channel-failing", channel=page.channel.value)
        it.tell(reason, page.id, None, None)
