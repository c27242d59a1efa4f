"""What must a human look at?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

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


_ADD: Final = notices.insert()
_ABOUT: Final = (
    sa.select(notices.c.id)
    .where(notices.c.reason == sa.bindparam("reason"), notices.c.subject == sa.bindparam("subject"))
    .limit(1)
)
_ABOUT_SINCE: Final = _ABOUT.where(notices.c.raised_at > sa.bindparam("since"))


def add(tx: Connection, notice: Raised) -> None:
    """Raise a notice."""
    tx.execute(_ADD, {name: getattr(notice, name) for name in Raised.__slots__})


def about(tx: Connection, reason: str, subject: str, since: datetime | None = None) -> bool:
    """Whether this was raised before; if asked so, after a moment."""
    what = {"reason": reason, "subject": subject}
    found = tx.execute(_ABOUT, what) if since is None else tx.execute(_ABOUT_SINCE, what | {"since": since})
    return found.first() is not None


def page(tx: Connection, after: str | None, limit: int) -> list[Raised]:
    """Notices, newest first, below `after`."""
    query = sa.select(notices).order_by(notices.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(notices.c.id < after)
    return [Raised(**row) for row in tx.execute(query).mappings()]
