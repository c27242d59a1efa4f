"""At which index of the log does the entry of a row stand, and which entries tell of one matter?

1. An entry is of the moment of what it tells, cut to the millisecond. Entries are indexed by their moment; those of one
   moment are read, and say by their ids which is whose. Nothing is written for it.
2. What still waits in the outbox has no index yet.
3. At most `ENTRIES_MAX` entries are read for one page: where one moment has more of them, some stay unnamed, and are
   found by walking the log.
4. The entries of a whole matter are all that name its record (`log_mentions.py`), who only looked among them; and
   those that name another of its ids, looked for at every moment of its rows, however many there are (`telling_of`).

Not promised by rule 4: an entry that names neither the record nor a moment that a row still has.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.storage import log_mentions
from tiprouter.storage.among import among
from tiprouter.storage.log_mentions import Sought
from tiprouter.storage.tables import log_entries
from tiprouter.storage.treelog import EntryRow

ENTRIES_MAX: Final = 5_000
_AT_ONCE: Final = 200
_PAGE: Final = 1_000
_MADE: Final = {
    kind: (prefix, re.compile(b'"' + name + b'":"([^"]*)"'))
    for kind, prefix, name in (
        ("decision", "dec_", b"decision"),
        ("disclosure.made", "dis_", b"disclosure"),
        ("recall.made", "dis_", b"recall"),
        ("attempt.started", "att_", b"attempt"),
        ("acknowledgement", "ack_", b"acknowledgement"),
    )
}
"""How the row's id begins that an entry of each kind is about, and which member names it."""

_IDS: Final = re.compile(rb'"([a-z]{3,4}_[0-9A-Z]{26})"')
_RECORD: Final = re.compile(rb'"record":"([^"]*)"')
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def places(tx: Connection, made: Mapping[str, datetime]) -> dict[str, int]:
    """The index of the entry of each of these that is in the log, by id; `made`: when it was.

    Asked of decisions, disclosures, recalls, attempts (when they started) and acknowledgements.
    """
    kinds = [kind for kind, (prefix, _) in _MADE.items() if any(one.startswith(prefix) for one in made)]
    moments = sorted({_cut(at) for at in made.values()}, reverse=True)
    found: dict[str, int] = {}
    left = ENTRIES_MAX
    for first in range(0, len(moments), _AT_ONCE):
        columns = (log_entries.c.index.label("place"), log_entries.c.kind, log_entries.c.entry)
        query = sa.select(*columns).where(
            log_entries.c.kind.in_(kinds), among(tx, log_entries.c.at, moments[first : first + _AT_ONCE])
        )
        rows = tx.execute(query.limit(left)).all()
        found |= {subject: row.place for row in rows if (subject := _subject(row.kind, row.entry)) in made}
        left -= len(rows)
        if left <= 0:
            break
    return found


def telling_of(tx: Connection, record_id: str, ids: Collection[str], moments: Iterable[datetime]) -> list[EntryRow]:
    """The entries that name the record, and at these moments one of these ids, in order of their index (rule 4).

    One that is another record's is left out, whomever it names besides.
    """
    mine = {one.encode("ascii") for one in (record_id, *ids)}
    rows = {row.index: row for row in chain(_at(tx, moments), _naming(tx, record_id))}
    return [row for _, row in sorted(rows.items()) if _tells(row, record_id.encode("ascii"), mine)]


def _naming(tx: Connection, record_id: str) -> Iterator[EntryRow]:
    sought, after, more = Sought(ids=(record_id,), upward=True), None, True
    while more:
        page = log_mentions.found(tx, sought, after, _PAGE)
        yield from page.rows
        after, more = page.following, page.following is not None


def _at(tx: Connection, moments: Iterable[datetime]) -> Iterator[EntryRow]:
    cut = sorted({_cut(at) for at in moments})
    for first in range(0, len(cut), _AT_ONCE):
        query = sa.select(log_entries).where(among(tx, log_entries.c.at, cut[first : first + _AT_ONCE]))
        for row in tx.execute(query).mappings():
            yield EntryRow(**row)


def _tells(row: EntryRow, record: bytes, mine: Collection[bytes]) -> bool:
    named = _RECORD.search(row.entry)
    if named is not None and named[1] != record:
        return False
    return any(one in mine for one in _IDS.findall(row.entry))


def _cut(at: datetime) -> datetime:
    return _EPOCH + (at - _EPOCH) // _MILLISECOND * _MILLISECOND


def _subject(kind: str, data: bytes) -> str:
    """What an entry is about, from where it stands in the bytes.

    Not `parse`, which costs ten times as much: no value of an entry holds a quote, so a member cannot be feigned.
    """
    found = _MADE[kind][1].search(data)
    return "" if found is None else found[1].decode("ascii")
