"""Which alarms ring now, and when does each ring next?

1. What is due is found by its own index and read together with its notice: the work is that of what is due, however
   many alarms wait for a later moment. On PostgreSQL what another story holds is passed over.
2. What came of all of them is stored at once.
3. The alarms of a record's overdue reviews may be called before their time, but for what somebody acknowledged lately.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.repeating import REVIEW_OVERDUE, WIDEST
from tiprouter.domain.states import UNANSWERED
from tiprouter.storage.columns import Moment
from tiprouter.storage.notices import Raised
from tiprouter.storage.pages import Alarm
from tiprouter.storage.pages_table import alarms, heeded
from tiprouter.storage.reviews_table import reviews
from tiprouter.storage.tables import notices


@dataclass(frozen=True, slots=True)
class Ringing:
    """An alarm that is due, its notice, and whether somebody acknowledged that."""

    alarm: Alarm
    raised: Raised
    heeded: bool


_NOW: Final[sa.BindParameter[datetime]] = sa.bindparam("now", type_=Moment)
_DUE: Final = (
    sa.select(alarms.c.notice_id, alarms.c.repeats, alarms.c.next_at, heeded.c.notice_id.is_not(None).label("heeded"))
    .add_columns(*(notices.c[name] for name in Raised.__slots__))
    .select_from(alarms.join(notices).outerjoin(heeded, heeded.c.notice_id == alarms.c.notice_id))
    .where(alarms.c.next_at.is_not(None), alarms.c.next_at <= _NOW)
    .order_by(alarms.c.next_at)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(of=alarms, skip_locked=True)
)
_SET: Final = (
    alarms.update()
    .where(alarms.c.notice_id == sa.bindparam("which"))
    .values(repeats=sa.bindparam("times"), next_at=sa.bindparam("at", type_=Moment))
)
_OVERDUE: Final = (
    sa.select(notices.c.id)
    .join(reviews, reviews.c.id == notices.c.subject)
    .where(
        notices.c.reason == REVIEW_OVERDUE,
        reviews.c.record_id == sa.bindparam("record"),
        reviews.c.state.in_(sorted(UNANSWERED)),
    )
)
_LATELY: Final = sa.exists().where(
    heeded.c.notice_id == alarms.c.notice_id, heeded.c.heeded_at > sa.bindparam("since", type_=Moment)
)
_AT: Final[sa.BindParameter[datetime]] = sa.bindparam("called_at", type_=Moment)
_CALL: Final = (
    alarms.update().where(alarms.c.notice_id.in_(_OVERDUE), alarms.c.next_at > _AT, ~_LATELY).values(next_at=_AT)
)


def due(tx: Connection, now: datetime, limit: int) -> list[Ringing]:
    """Alarms to be looked at now that no other story holds (rule 1)."""
    return [
        Ringing(
            Alarm(row.notice_id, row.repeats, row.next_at),
            Raised(**{name: getattr(row, name) for name in Raised.__slots__}),
            row.heeded,
        )
        for row in tx.execute(_DUE, {"now": now, "most": limit})
    ]


def keep(tx: Connection, some: Sequence[Alarm]) -> None:
    """Store how often they rang, and when they ring next (rule 2)."""
    if some:
        tx.execute(_SET, [{"which": one.notice_id, "times": one.repeats, "at": one.next_at} for one in some])


def call(tx: Connection, record_id: str, now: datetime, after: timedelta) -> None:
    """Have the alarms of a record's overdue reviews looked at so soon (rule 3)."""
    tx.execute(_CALL, {"record": record_id, "called_at": now + after, "since": now - WIDEST})
