"""Which pages are due, who holds them, and which notices are still alarming?

1. A claim is a lease with a fencing token, as for deliveries: only its holder may finish a page.
2. What is due comes in the order of severity, then of time. On PostgreSQL a claim passes over what another story holds.
3. A notice is acknowledged once; the first to do so stays named.
4. Locks are taken in this order: notice, alarm, page. The notice's lock lets pages refer to it (`key_share`), so that
   repeating and acknowledging never wait for each other in a circle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.notice import PageChannel, Severity
from tiprouter.domain.page_states import PAGE_DUE, PageState
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import rows
from tiprouter.storage.ageing import on_hold
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages_table import alarms, heeded, pages
from tiprouter.storage.tables import deliveries, notices

_DUE = tuple(sorted(PAGE_DUE))
_ARRIVED = (DeliveryState.DELIVERED.value, DeliveryState.CANCELLED.value)
_ADD: Final = pages.insert()
_RANK = sa.case({severity.value: rank for rank, severity in enumerate(Severity)}, value=pages.c.severity)


@dataclass(frozen=True, slots=True)
class Page:
    """What people are to be told of one notice through one channel; `id` is the webhook-id."""

    id: str
    notice_id: str
    channel: PageChannel
    repeat: int
    severity: Severity
    state: PageState
    attempts: int
    next_at: datetime
    give_up_at: datetime
    created_at: datetime
    digest: str | None = None
    started_at: datetime | None = None
    lease: str | None = None
    lease_until: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """A notice that is repeated, and how often it was; `next_at` is None once that has ended."""

    notice_id: str
    repeats: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Heeded:
    """Who acknowledged a notice, and when."""

    notice_id: str
    caller: str
    heeded_at: datetime


def add(tx: Connection, page: Page) -> None:
    """Store a page, in the transaction of its notice or of its repeat."""
    tx.execute(_ADD, {name: getattr(page, name) for name in Page.__slots__})


def change(tx: Connection, page_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one page."""
    tx.execute(pages.update().where(pages.c.id == page_id).values(**values))


def due(tx: Connection, channel: PageChannel, now: datetime, limit: int) -> list[tuple[Page, Raised]]:
    """What a channel must try now, with its notices (rule 2); nobody else holds it."""
    free = sa.or_(pages.c.lease.is_(None), pages.c.lease_until <= now)
    query = (
        sa.select(pages)
        .where(pages.c.channel == channel, pages.c.state.in_(_DUE), pages.c.next_at <= now, free)
        .order_by(_RANK, pages.c.next_at, pages.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [_page(row) for row in tx.execute(query)]
    about = raised(tx, [page.notice_id for page in found])
    return [(page, about[page.notice_id]) for page in found]


def held(tx: Connection, lease: str) -> list[Page]:
    """The pages of one lease; on PostgreSQL, held until this story commits."""
    query = sa.select(pages).where(pages.c.lease == lease).order_by(pages.c.id)
    return [_page(row) for row in tx.execute(query.with_for_update())]


def next_due_at(tx: Connection, channel: PageChannel) -> datetime | None:
    """When a channel's next page falls due, or None when none waits."""
    query = sa.select(sa.func.min(pages.c.next_at)).where(pages.c.channel == channel, pages.c.state.in_(_DUE))
    moment: datetime | None = tx.execute(query).scalar_one()
    return moment


def started_since(tx: Connection, channel: PageChannel, severity: Severity, since: datetime) -> tuple[int, int]:
    """How many pages of a severity were tried alone after `since`, and how many digests of them."""
    row = tx.execute(
        sa.select(sa.func.count().filter(pages.c.digest.is_(None)), sa.func.count(pages.c.digest.distinct())).where(
            pages.c.channel == channel, pages.c.started_at > since, pages.c.severity == severity
        )
    ).one()
    return row[0], row[1]


def last_sent_at(tx: Connection, channel: PageChannel) -> datetime | None:
    """When a channel last got a page through."""
    query = sa.select(sa.func.max(pages.c.finished_at))
    moment: datetime | None = tx.execute(
        query.where(pages.c.channel == channel, pages.c.state == PageState.SENT)
    ).scalar_one()
    return moment


def last_raised_at(tx: Connection, reason: str) -> datetime | None:
    """When a notice with this reason was last raised."""
    query = sa.select(sa.func.max(notices.c.raised_at)).where(notices.c.reason == reason)
    moment: datetime | None = tx.execute(query).scalar_one()
    return moment


def raised(tx: Connection, notice_ids: Sequence[str]) -> dict[str, Raised]:
    """Notices by id."""
    found = tx.execute(sa.select(notices).where(notices.c.id.in_(notice_ids))).mappings()
    return {row["id"]: Raised(**{name: row[name] for name in Raised.__slots__}) for row in found}


def hold_notice(tx: Connection, notice_id: str) -> Raised | None:
    """One notice, held until this story commits (rule 4)."""
    query = sa.select(notices).where(notices.c.id == notice_id).with_for_update(key_share=True)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Raised(**{name: row[name] for name in Raised.__slots__})


def sound(tx: Connection, alarm: Alarm) -> None:
    """Store an alarm."""
    rows.add_one(tx, alarms, {name: getattr(alarm, name) for name in Alarm.__slots__})


def set_alarm(tx: Connection, notice_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one alarm."""
    tx.execute(alarms.update().where(alarms.c.notice_id == notice_id).values(**values))


def heed(tx: Connection, made: Heeded) -> None:
    """Store who acknowledged a notice; the caller has asked `heeded_by` under the notice's lock."""
    tx.execute(heeded.insert(), {name: getattr(made, name) for name in Heeded.__slots__})


def heeded_by(tx: Connection, notice_ids: Sequence[str]) -> dict[str, Heeded]:
    """Who acknowledged which of these notices."""
    found = tx.execute(sa.select(heeded).where(heeded.c.notice_id.in_(notice_ids))).mappings()
    return {row["notice_id"]: Heeded(**row) for row in found}


def arrived(tx: Connection, delivery_id: str) -> bool:
    """Whether a delivery needs nobody any more: it arrived or was cancelled."""
    state = tx.execute(sa.select(deliveries.c.state).where(deliveries.c.id == delivery_id)).scalar_one_or_none()
    return state in _ARRIVED


def undelivered(tx: Connection, reason: str, made_before: datetime, limit: int) -> list[tuple[str, str, datetime]]:
    """Imminent deliveries made until then that have not arrived and have no notice with this reason.

    Each is (id, record, deadline). They are held, passing over what another story holds: this waits for nobody.
    """
    told = sa.exists().where(notices.c.reason == reason, notices.c.subject == deliveries.c.id)
    query = (
        sa.select(deliveries.c.id, deliveries.c.record_id, deliveries.c.deadline)
        .where(
            # Spelt out, not bound, so that the planner sees the partial index of exactly these words.
            sa.text(f"deliveries.urgency = '{Urgency.IMMINENT}'"),
            sa.text("deliveries.state NOT IN ('delivered', 'cancelled')"),
            deliveries.c.created_at <= made_before,
            ~told,
        )
        .order_by(deliveries.c.created_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(of=deliveries, key_share=True, skip_locked=True)
    )
    return [(row.id, row.record_id, row.deadline) for row in tx.execute(query)]


def forget(tx: Connection, until: datetime, limit: int) -> int:
    """Delete a slice of what was made until then and has ended, pages and alarms; how many that were.

    What a legal hold touches is passed over. The notices stay, as the log tells of each.
    """
    ended = sa.select(pages.c.id).where(pages.c.id < _first("pag", until), pages.c.finished_at.is_not(None))
    over = sa.select(alarms.c.notice_id).where(alarms.c.notice_id < _first("ntc", until), alarms.c.next_at.is_(None))
    gone = 0
    for table, query, key, notice in (
        (pages, ended, pages.c.id, pages.c.notice_id),
        (alarms, over, alarms.c.notice_id, alarms.c.notice_id),
    ):
        kept = sa.exists().where(notices.c.id == notice, notices.c.record_id.in_(on_hold))
        slice_of = query.where(~kept).order_by(key).limit(limit).with_for_update(of=table, skip_locked=True)
        found = list(tx.execute(slice_of).scalars())
        if found:
            tx.execute(table.delete().where(key.in_(found)))
        gone += len(found)
    return gone


def _first(prefix: str, moment: datetime) -> str:
    """No id of this moment or a later one is below this one."""
    return ids.mint(prefix, moment, bytes(ids.RANDOM_BYTES))


def _page(row: Any) -> Page:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Page.__slots__}
    typed = {"channel": PageChannel(row.channel), "severity": Severity(row.severity), "state": PageState(row.state)}
    return Page(**values | typed)
