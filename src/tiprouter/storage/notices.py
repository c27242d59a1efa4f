"""What must a human look at?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import rows
from tiprouter.storage.columns import Moment
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import notices


@dataclass(frozen=True, slots=True)
class Raised:
    """A notice: its reason, what it is about, and until when somebody must have acted."""

    id: str
    reason: str
    subject: str
    record_id: str | None
    deadline: datetime | None
    raised_at: datetime


_OF: Final = (
    sa.select(notices.c.id)
    .where(notices.c.reason == sa.bindparam("reason"), notices.c.subject == sa.bindparam("subject"))
    .limit(sa.literal_column("1"))
)
_ABOUT: Final = Ready(_OF)
_ABOUT_SINCE: Final = Ready(_OF.where(notices.c.raised_at > sa.bindparam("since", type_=Moment)))


def add(tx: Connection, notice: Raised) -> None:
    """Raise a notice."""
    rows.add_one(tx, notices, {name: getattr(notice, name) for name in Raised.__slots__})


def about(tx: Connection, reason: str, subject: str, since: datetime | None = None) -> bool:
    """Whether this was raised before; if asked so, after a moment."""
    what = {"reason": reason, "subject": subject}
    found = _ABOUT.one(tx, what) if since is None else _ABOUT_SINCE.one(tx, what | {"since": since})
    return found is not None


def page(tx: Connection, after: str | None, limit: int) -> list[Raised]:
    """Notices, newest first, below `after`."""
    query = sa.select(notices).order_by(notices.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(notices.c.id < after)
    return [Raised(**row) for row in tx.execute(query).mappings()]
