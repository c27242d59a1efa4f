"""How long did things take, and which duties were met in time?

1. What is measured is the first disclosure about a record to a recipient: from receipt of the signal until it was
   decided to tell, until that was delivered, and until the recipient first said something of it. Recalls, answers and
   later disclosures of a matter are left out: nobody waits for those from the signal on.
2. Where a recipient was told nothing of a record so far, it is measured until it was first decided that nothing leaves:
   withheld, held, blocked, failed. So every record counts once for each recipient that it was decided about, and what
   was quickly withheld is told apart from what was disclosed by its outcome.
3. Rows are read once, some hundred at a time, and their spans kept as whole numbers, apart for each recipient and each
   set of policies and outcomes: eight bytes a span. Percentiles are exact, by nearest rank, over what of these belongs
   to a group (`summed`); that is asked of no database, so that nothing waits for it.
4. One that has several policies, or an agency of several places, counts in each of those groups; in `all` once.
5. A duty is met, met late or missed; one that was lifted, or whose time is not up, is none of these.

Not promised: memory on a year of many millions of disclosures, which is their number times the three spans. Nor that
an earlier period stays what it was: what was held then counts where it is disclosed.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter import ids
from tiprouter.domain.states import DeliveryState, DutyPhase
from tiprouter.storage.duties_table import duties
from tiprouter.storage.tables import acknowledgements, decisions, deliveries, disclosures, recipients, records
from tiprouter.storage.withheld import OUTCOMES

_ROUNDED: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_AT_ONCE: Final = 500
_NONE: Final = frozenset[str]()


@unique
class Measure(StrEnum):
    """Until what it took so long, from receipt of the signal."""

    DECISION = "decision"
    DELIVERY = "delivery"
    ACKNOWLEDGEMENT = "acknowledgement"


@unique
class Grouping(StrEnum):
    """By what it is told apart."""

    ALL = "all"
    JURISDICTION = "jurisdiction"
    RECIPIENT_KIND = "recipient_kind"
    BASIS = "basis"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Because:
    """By which policies, and with which outcome, it was decided."""

    policies: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, some: Sequence["Because"]) -> "Because":
        """What several decisions together rest on."""
        if len(some) == 1:
            return some[0]
        return cls(_NONE.union(*(one.policies for one in some)), _NONE.union(*(one.outcomes for one in some)))


@dataclass(frozen=True, slots=True)
class Took:
    """How long it took in one group; the percentiles by nearest rank."""

    measure: Measure
    by: Grouping
    group: str
    count: int
    p50: timedelta
    p90: timedelta
    p99: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Kept:
    """How many duties of one group were met, met late, missed."""

    by: Grouping
    group: str
    met: int
    met_late: int
    missed: int


@dataclass(slots=True)
class Spans:
    """How long things took, in microseconds: by recipient ("" for none) and reason, for each measure (rule 3)."""

    of: dict[tuple[str, Because], tuple["array[int]", ...]] = field(default_factory=dict)
    recipients: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, recipient_id: str, because: Because, took_for: Sequence[int | None]) -> None:
        """Count one record and recipient, by measure; what has not happened took no time."""
        key = recipient_id, because
        kept = self.of.get(key)
        if kept is None:
            kept = self.of[key] = tuple(array("q") for _ in Measure)
        for spans_of, span in zip(kept, took_for, strict=True):
            if span is not None:
                spans_of.append(span)

    def groups(self, by: Grouping, recipient_id: str, because: Because) -> Iterable[str]:
        """In which groups it counts (rule 4)."""
        kind, places = self.recipients.get(recipient_id, ("", ()))
        match by:
            case Grouping.ALL:
                return ("",)
            case Grouping.RECIPIENT_KIND:
                return (kind,) if kind else ()
            case Grouping.JURISDICTION:
                return places
            case Grouping.BASIS:
                return because.policies
            case Grouping.OUTCOME:
                return because.outcomes


def spans(tx: Connection, since: datetime, until: datetime) -> Spans:
    """How long it took to what was disclosed, or decided not to be, in [since, until) (rules 1-3)."""
    read = Spans()
    query = sa.select(recipients.c.id, recipients.c.kind, recipients.c.details)
    for one in tx.execute(query):
        read.recipients[one.id] = one.kind, tuple(dict.fromkeys(one.details.get("jurisdictions", ())))
    named: dict[tuple[str, str], Because] = {}
    after = ""
    while rows := tx.execute(_page(after, since, until)).all():
        after = rows[-1].id
        reasons = _reasons(tx, sorted({one for row in rows for one in row.decisions}), named)
        for _, recipient_id, because, *took_for in rows:
            read.add(recipient_id, Because.of([reasons[one] for one in because if one in reasons]), took_for)
    after = ""
    while rows := tx.execute(_withheld(after, since, until)).all():
        after = rows[-1].id
        for _, recipient_id, policies, outcome, took in rows:
            read.add(recipient_id or "", _known(policies, outcome, named), (took, None, None))
    return read


def summed(read: Spans) -> list[Took]:
    """Percentiles of every group (rules 3, 4)."""
    return [one for number in range(len(Measure)) for by in Grouping for one in _summed(read, number, by)]


def _summed(read: Spans, number: int, by: Grouping) -> Iterator[Took]:
    groups: dict[str, list[array[int]]] = {}
    for (recipient_id, because), measured in read.of.items():
        for group in read.groups(by, recipient_id, because) if measured[number] else ():
            groups.setdefault(group, []).append(measured[number])
    for group in sorted(groups):
        ordered = sorted(span for part in groups[group] for span in part)
        ranks = ((len(ordered) * percent + 99) // 100 for percent in (50, 90, 99, 100))
        yield Took(
            tuple(Measure)[number], by, group, len(ordered), *(ordered[rank - 1] * _MICROSECOND for rank in ranks)
        )


def _page(after: str, since: datetime, until: datetime) -> sa.Select[Any]:
    """The next first disclosures of their matters, and how long each took (rule 1)."""
    begun = _number(records.c.received_at)
    said = (
        sa.select(sa.func.min(_number(acknowledgements.c.made_at)))
        .where(acknowledgements.c.disclosure_id == disclosures.c.id)
        .scalar_subquery()
    )
    arrived = sa.and_(deliveries.c.disclosure_id == disclosures.c.id, deliveries.c.state == DeliveryState.DELIVERED)
    return (
        sa.select(
            disclosures.c.id,
            disclosures.c.recipient_id,
            disclosures.c.decisions,
            (_number(disclosures.c.made_at) - begun).label(Measure.DECISION.value),
            (_number(deliveries.c.finished_at) - begun).label(Measure.DELIVERY.value),
            (said - begun).label(Measure.ACKNOWLEDGEMENT.value),
        )
        .select_from(disclosures.join(records, records.c.id == disclosures.c.record_id).outerjoin(deliveries, arrived))
        .where(
            disclosures.c.id > max(after, _first("dis", since)),
            disclosures.c.id < _last("dis", until),
            disclosures.c.sequence == 1,
            disclosures.c.recalls.is_(None),
            disclosures.c.answers.is_(None),
            disclosures.c.made_at >= since,
            disclosures.c.made_at < until,
        )
        .order_by(disclosures.c.id)
        .limit(_AT_ONCE)
    )


def _withheld(after: str, since: datetime, until: datetime) -> sa.Select[Any]:
    """The next first decisions that a recipient is told nothing, and how long each took (rule 2)."""
    older, told = decisions.alias("older"), disclosures.alias("told")
    toward = decisions.c.recipient_id
    # Asked of a record's rows, which are few: a decision's recipient is no column that an index could be walked for.
    before = sa.exists().where(
        older.c.record_id == decisions.c.record_id,
        sa.func.coalesce(older.c.recipient_id, "") == sa.func.coalesce(toward, ""),
        older.c.id < decisions.c.id,
        older.c.outcome.in_(OUTCOMES),
    )
    disclosed = sa.exists().where(
        told.c.record_id == decisions.c.record_id,
        told.c.recipient_id.concat("") == toward,
        told.c.recalls.is_(None),
        told.c.answers.is_(None),
    )
    return (
        sa.select(
            decisions.c.id,
            toward,
            sa.cast(decisions.c.policies, sa.Text).label("policies"),
            decisions.c.outcome,
            (_number(decisions.c.decided_at) - _number(records.c.received_at)).label(Measure.DECISION.value),
        )
        .select_from(decisions.join(records, records.c.id == decisions.c.record_id))
        .where(
            decisions.c.id > max(after, _first("dec", since)),
            decisions.c.id < _last("dec", until),
            decisions.c.outcome.concat("").in_(OUTCOMES),
            decisions.c.decided_at >= since,
            decisions.c.decided_at < until,
            ~before,
            ~disclosed,
        )
        .order_by(decisions.c.id)
        .limit(_AT_ONCE)
    )


def _reasons(tx: Connection, wanted: Sequence[str], known: dict[tuple[str, str], Because]) -> Mapping[str, Because]:
    """What these decisions rest on."""
    found: dict[str, Because] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        policies = sa.cast(decisions.c.policies, sa.Text).label("policies")
        query = sa.select(decisions.c.id, policies, decisions.c.outcome)
        for one in tx.execute(query.where(decisions.c.id.in_(wanted[first : first + _AT_ONCE]))):
            found[one.id] = _known(one.policies, one.outcome, known)
    return found


def _known(policies: str, outcome: str, known: dict[tuple[str, str], Because]) -> Because:
    """What a decision rests on; those that are alike, by their texts, are one."""
    key = policies, outcome
    if key not in known:
        known[key] = Because(frozenset(json.loads(policies)), frozenset((outcome,)))
    return known[key]


def kept(tx: Connection, since: datetime, until: datetime, now: datetime) -> list[Kept]:
    """How duties ended that were opened in [since, until), as seen at `now` (rule 5)."""
    return [one for by in (Grouping.ALL, Grouping.JURISDICTION) for one in _kept(tx, by, (since, until), now)] + list(
        _kept(tx, Grouping.RECIPIENT_KIND, (since, until), now)
    )


def _grouped(
    tx: Connection, source: sa.FromClause, recipient_id: sa.ColumnElement[Any], by: Grouping
) -> tuple[sa.FromClause, sa.ColumnElement[str]]:
    """The rows beside what tells them apart (rule 4)."""
    match by:
        case Grouping.ALL:
            return source, sa.literal("")
        case Grouping.RECIPIENT_KIND:
            return source.join(recipients, recipients.c.id == recipient_id), recipients.c.kind
        case Grouping.JURISDICTION:
            places = _elements(tx, recipients.c.details["jurisdictions"])
            return source.join(recipients, recipients.c.id == recipient_id).join(places, sa.true()), places.c.value
        case Grouping.BASIS | Grouping.OUTCOME:
            raise ValueError("a duty rests on no decision")


def _kept(tx: Connection, by: Grouping, period: tuple[datetime, datetime], now: datetime) -> Iterator[Kept]:
    since, until = period
    done = duties.c.phase == DutyPhase.DISCHARGED
    ended = [
        sa.and_(done, duties.c.ended_at <= duties.c.deadline),
        sa.and_(done, duties.c.ended_at > duties.c.deadline),
        sa.and_(duties.c.phase.in_((DutyPhase.OPEN, DutyPhase.OVERDUE)), duties.c.deadline <= now),
    ]
    source, group = _grouped(tx, duties, duties.c.recipient_id, by)
    counts = [sa.func.sum(sa.case((one, 1), else_=0)) for one in ended]
    query = (
        sa.select(group.label("told_apart"), *counts)
        .select_from(source)
        .where(
            duties.c.id >= _first("dut", since),
            duties.c.id < _last("dut", until),
            duties.c.opened_at >= since,
            duties.c.opened_at < until,
            group.is_not(None),
        )
        .group_by(group)
    )
    for told_apart, *how in sorted(tx.execute(query).all()):
        if any(how):
            yield Kept(by, told_apart, *(int(one) for one in how))


def _elements(tx: Connection, column: sa.ColumnElement[Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's table-valued alias
    """The texts of a JSON array as rows of one column, `value`."""
    each = sa.func.json_each if tx.dialect.name == "sqlite" else sa.func.json_array_elements_text
    return each(column).table_valued("value")


def _number(moment: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.type_coerce(moment, sa.BigInteger)


def _first(prefix: str, since: datetime) -> str:
    """An id's milliseconds may be rounded down by one."""
    return ids.mint(prefix, since - _ROUNDED, bytes(ids.RANDOM_BYTES))


def _last(prefix: str, until: datetime) -> str:
    return ids.mint(prefix, until + 2 * _ROUNDED, bytes(ids.RANDOM_BYTES))
