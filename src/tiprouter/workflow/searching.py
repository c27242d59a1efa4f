"""What may an auditor ask of all decisions and disclosures, and how is a long answer given?

1. A page is logged before it leaves, like every answer (`workflow/accessing.py`), with the filters it was asked by, and
   whom it was about where the question names a record, a person or a recipient; every row has the index of its entry in
   the log, once it is there.
2. A long answer is logged once, before its first row: who takes it away, and of what. Its rows are then read a page at
   a time, each page a question of its own; it ends at the moment it was asked for, so that it ends.
3. Nobody is named: persons are ids, and no payload or word of an agency is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import decisions, disclosures, log_places, registry, searches
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.disclosures import Listed
from tiprouter.storage.searches import Search
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import Actor, Desk, happening

ROW = TypeVar("ROW")

PAGE: Final = 500
"""Rows of a long answer in memory at once."""

_NEXT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rows(Generic[ROW]):
    """A page: its rows, newest first, the log index of each that has one, the kinds of the recipients they name.

    `now` is the moment that what is overdue is seen from.
    """

    rows: tuple[ROW, ...]
    after: str | None
    indexes: Mapping[str, int]
    kinds: Mapping[str, RecipientKind]
    now: datetime


Question = Callable[[Transaction, Search, str | None, int, datetime], Rows[ROW]]


def decisions_found(tx: Transaction, wanted: Search, after: str | None, limit: int, now: datetime) -> Rows[Decision]:
    """A page of the decisions that match."""
    keys = searches.decision_keys(tx, wanted, after, limit, now)
    known = decisions.several(tx, keys.ids)
    rows = tuple(known[one] for one in keys.ids if one in known)
    kinds = registry.kinds(tx, sorted({row.recipient_id for row in rows if row.recipient_id is not None}))
    return Rows(rows, keys.after, log_places.places(tx, {row.id: row.decided_at for row in rows}), kinds, now)


def disclosures_found(tx: Transaction, wanted: Search, after: str | None, limit: int, now: datetime) -> Rows[Listed]:
    """A page of the disclosures and recalls that match."""
    keys = searches.disclosure_keys(tx, wanted, after, limit, now)
    known = disclosures.several(tx, keys.ids)
    rows = tuple(known[one] for one in keys.ids if one in known)
    kinds = registry.kinds(tx, sorted({row.disclosure.recipient_id for row in rows}))
    made = {row.disclosure.id: row.disclosure.made_at for row in rows}
    return Rows(rows, keys.after, log_places.places(tx, made), kinds, now)


@dataclass(frozen=True, slots=True)
class Asked(Generic[ROW]):
    """A question: the log's word for its answer, how it is found, and what it is about."""

    what: str
    found: Question[ROW]
    wanted: Search


def page(tx: Transaction, desk: Desk, actor: Actor, asked: Asked[ROW], after: str | None, limit: int) -> Rows[ROW]:
    """One page, logged (rule 1)."""
    with happening(tx, desk, actor) as it:
        rows = asked.found(tx, asked.wanted, after, limit, it.now)
        seen(it, asked.what, len(rows.rows), asked=asked.wanted)
        return rows


def taken_away(tx: Transaction, desk: Desk, actor: Actor, asked: Asked[ROW]) -> tuple[Search, datetime]:
    """Log that somebody takes a long answer away (rule 2); the question with its end, and its moment."""
    with happening(tx, desk, actor) as it:
        seen(it, f"{asked.what}.export", asked=asked.wanted)
        until = it.now + _NEXT
        if asked.wanted.until is not None:
            until = min(asked.wanted.until, until)
        return replace(asked.wanted, until=until), it.now
