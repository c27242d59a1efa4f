"""What was decided before, a page at a time, and what did the log say of it?

1. Decisions are paged by id, oldest or newest first. Ids are of the moment they were made, so `since` is found in the
   key's own index; a page is a short question, and nothing waits for the next one.
2. `standing` asks for the latest decision alone about each record, person and recipient; with `until`, for the one that
   was the latest then.
3. The log's entries of one kind are paged by index, oldest first. Those that still wait in the outbox are read, never
   taken.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage.decisions import Decision
from tiprouter.storage.tables import decisions, log_entries, outbox

PREFIX: Final = "dec"

_COLUMNS: Final = [decisions.c[name] for name in Decision.__slots__]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROUNDED: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Past:
    """Which decisions a question is about: made at or after `since` and before `until`; None means all."""

    since: datetime | None = None
    newest_first: bool = False
    standing: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log, its index, and when it was made."""

    index: int
    at: datetime
    entry: bytes


def page(tx: Connection, wanted: Past, after: str | None, limit: int) -> list[Decision]:
    """At most `limit` decisions beyond the id `after` (rules 1, 2)."""
    query = sa.select(*_COLUMNS).order_by(decisions.c.id.desc() if wanted.newest_first else decisions.c.id).limit(limit)
    if wanted.since is not None and wanted.since > _EPOCH + _ROUNDED:
        query = query.where(decisions.c.id >= _first_id(wanted.since), decisions.c.decided_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(decisions.c.id < _last_id(wanted.until), decisions.c.decided_at < wanted.until)
    if after is not None:
        query = query.where(decisions.c.id < after if wanted.newest_first else decisions.c.id > after)
    if wanted.standing:
        query = query.where(~_replaced(wanted.until))
    return [_decision(row) for row in tx.execute(query)]


def known(tx: Connection, decision_ids: Collection[str]) -> set[str]:
    """Those of the ids that are decisions."""
    return set(tx.execute(sa.select(decisions.c.id).where(decisions.c.id.in_(decision_ids))).scalars())


def logged(tx: Connection, kind: str, since: datetime | None, after: int, limit: int) -> list[Logged]:
    """At most `limit` entries of a kind beyond the index `after`, made at or after `since` (rule 3)."""
    query = (
        sa.select(log_entries.c.index, log_entries.c.at, log_entries.c.entry).order_by(log_entries.c.index).limit(limit)
    )
    query = query.where(log_entries.c.kind == kind, log_entries.c.index > after)
    if since is not None:
        query = query.where(log_entries.c.at >= since)
    return [Logged(*row) for row in tx.execute(query)]


def waiting(tx: Connection) -> list[bytes]:
    """The entries that the sequencer has not taken yet (rule 3)."""
    return list(tx.execute(sa.select(outbox.c.entry).order_by(outbox.c.serial)).scalars())


def _first_id(since: datetime) -> str:
    """A decision's id made no later than then: an id's milliseconds may be rounded down by one."""
    return ids.mint(PREFIX, since - _ROUNDED, bytes(ids.RANDOM_BYTES))


def _last_id(until: datetime) -> str:
    """An id that no decision made before then reaches."""
    return ids.mint(PREFIX, until + 2 * _ROUNDED, bytes(ids.RANDOM_BYTES))


def _replaced(until: datetime | None) -> sa.ColumnElement[bool]:
    """Whether another decision about the same record, person and recipient came later: the current one always did."""
    later = decisions.alias("later")
    same = (
        later.c.record_id == decisions.c.record_id,
        later.c.person_id == decisions.c.person_id,
        later.c.recipient_id.is_not_distinct_from(decisions.c.recipient_id),
    )
    # Ids of one millisecond are unordered among themselves.
    newer = sa.or_(later.c.current, later.c.id > decisions.c.id)
    by_then = () if until is None else (later.c.decided_at < until,)
    return sa.and_(sa.not_(decisions.c.current), sa.exists().where(*same, *by_then, newer))


def _decision(row: Any) -> Decision:  # noqa: ANN401 - a SQLAlchemy row
    values = dict(zip(Decision.__slots__, row, strict=True))
    values |= {name: tuple(values[name]) for name in ("categories", "policies", "errors")}
    values |= {"outcome": Outcome(values["outcome"]), "urgency": Urgency(values["urgency"])}
    return Decision(**values)
