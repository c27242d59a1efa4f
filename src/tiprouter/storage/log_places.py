"""At which index of the log does the entry of a decision or disclosure stand?

1. An entry is of the moment of what it tells, cut to the millisecond. The entries of these kinds are indexed by their
   moment; those of one moment are read, and say by their ids which is which. Nothing is written for it.
2. What still waits in the outbox has no index yet.
3. At most `ENTRIES_MAX` entries are read for one page: where one moment has more of them, some stay unnamed, and are
   found by walking the log.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage.tables import log_entries

ENTRIES_MAX: Final = 5_000
_AT_ONCE: Final = 200
_KINDS: Final = sa.text("log_entries.kind IN ('decision', 'disclosure.made', 'recall.made')")
"""As the partial index spells it."""

_ABOUT: Final = re.compile(rb'"(recall|disclosure|decision)":"([^"]*)"')
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def places(tx: Connection, made: Mapping[str, datetime]) -> dict[str, int]:
    """The index of each of these decisions, disclosures or recalls that is in the log, by id; `made`: when it was."""
    moments = sorted({_cut(at) for at in made.values()}, reverse=True)
    found: dict[str, int] = {}
    left = ENTRIES_MAX
    for first in range(0, len(moments), _AT_ONCE):
        query = sa.select(log_entries.c.index.label("place"), log_entries.c.entry).where(
            _KINDS, log_entries.c.at.in_(moments[first : first + _AT_ONCE])
        )
        rows = tx.execute(query.limit(left)).all()
        found |= {subject: row.place for row in rows if (subject := _subject(row.entry)) in made}
        left -= len(rows)
        if left <= 0:
            break
    return found


def _cut(at: datetime) -> datetime:
    return _EPOCH + (at - _EPOCH) // _MILLISECOND * _MILLISECOND


def _subject(data: bytes) -> str:
    """What an entry is about, from where it stands in the bytes: a recall's names what it recalls as its disclosure.

    Not `parse`, which costs ten times as much: no value of an entry holds a quote, so a member cannot be feigned.
    """
    found = dict(_ABOUT.findall(data))
    subject: bytes = found.get(b"recall") or found.get(b"disclosure") or found.get(b"decision") or b""
    return subject.decode("ascii")
