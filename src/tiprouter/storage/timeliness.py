"""How long did things take, and which duties were met in time?

1. What is measured is the first disclosure about a record to a recipient: from receipt of the signal until it was
   decided to tell, until that was delivered, and until the recipient first said something of it. Recalls, answers and
   later disclosures of a matter are left out: nobody waits for those from the signal on.
2. Disclosures are read once, some hundred at a time, and their spans kept as whole numbers, apart for each recipient
   and each set of policies: eight bytes a span. Percentiles are exact, by nearest rank, over what of these belongs to a
   group (`summed`); that is asked of no database, so that nothing waits for it.
3. One that has several policies, or an agency of several places, counts in each of those groups; in `all` once.
4. A duty is met, met late or missed; one that was lifted, or whose time is not up, is none of these.

Not promised: memory on a year of many millions of disclosures, which is their number times the three spans.
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
    """How long disclosures took, in microseconds: by recipient and policies, for each measure (rule 2)."""

    of: dict[tuple[str, frozenset[str]], tuple["array[int]", ...]] = field(default_factory=dict)
    recipients: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, recipient_id: str, policies: frozenset[str], took_for: Sequence[int | None]) -> None:
        """Count one disclosure, by measure; what has not happened took no time."""
        key = recipient_id, policies
        kept = self.of.get(key)
        if kept is None:
            kept = self.of[key] = tuple(array("q") for _ in Measure)
        for spans_of, span in zip(kept, took_for, strict=True):
            if span is not None:
                spans_of.append(span)

    def groups(self, by: Grouping, recipient_id: str, policies: Iterable[str]) -> Iterable[str]:
        """In which groups a disclosure counts (rule 3)."""
        kind, places = self.recipients[recipient_id]
        match by:
            case Grouping.ALL:
                return ("",)
            case Grouping.RECIPIENT_KIND:
                return (kind,)
            case Grouping.JURISDICTION:
                return places
            case Grouping.BASIS:
                return policies


def spans(tx: Connection, since: datetime, until: datetime) -> Spans:
    """How long disclosures took that were made in [since, until) (rules 1, 2)."""
    read = Spans()
    query = sa.select(recipients.c.id, recipients.c.kind, recipients.c.details)
    for one in tx.execute(query):
        read.recipients[one.id] = one.kind, tuple(dict.fromkeys(one.details.get("jurisdictions", ())))
    named: dict[str, frozenset[str]] = {}
    after = ""
    while rows := tx.execute(_page(after, since, until)).all():
        after = rows[-1].id
        policies = _policies(tx, sorted({one for row in rows for one in row.decisions}), named)
        for _, recipient_id, because, *took_for in rows:
            its = [policies.get(one, _NONE) for one in because]
            read.add(recipient_id, its[0] if len(its) == 1 else _NONE.union(*its), took_for)
    return read


def summed(read: Spans) -> list[Took]:
    """Percentiles of every group (rules 2, 3)."""
    return [one for number in range(len(Measure)) for by in Grouping for one in _summed(read, number, by)]


def _summed(read: Spans, number: int, by: Grouping) -> Iterator[Took]:
    groups: dict[str, list[array[int]]] = {}
    for (recipient_id, policies), measured in read.of.items():
        for group in read.groups(by, recipient_id, policies) if measured[number] else ():
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


def _policies(tx: Connection, wanted: Sequence[str], known: dict[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    """The policies of these decisions; alike sets are one in `known`, by their text."""
    found: dict[str, frozenset[str]] = {}
    for first in range(0, len(wanted), _AT_ONCE):
        query = sa.select(decisions.c.id, sa.cast(decisions.c.policies, sa.Text).label("told"))
        for one in tx.execute(query.where(decisions.c.id.in_(wanted[first : first + _AT_ONCE]))):
            if one.told not in known:
                known[one.told] = frozenset(json.loads(one.told))
            found[one.id] = known[one.told]
    return found


def kept(tx: Connection, since: datetime, until: datetime, now: datetime) -> list[Kept]:
    """How duties ended that were opened in [since, until), as seen at `now` (rule 4)."""
    return [one for by in (Grouping.ALL, Grouping.JURISDICTION) for one in _kept(tx, by, (since, until), now)] + list(
        _kept(tx, Grouping.RECIPIENT_KIND, (since, until), now)
    )


def _grouped(
    tx: Connection, source: sa.FromClause, recipient_id: sa.ColumnElement[Any], by: Grouping
) -> tuple[sa.FromClause, sa.ColumnElement[str]]:
    """The rows beside what tells them apart (rule 3)."""
    match by:
        case Grouping.ALL:
            return source, sa.literal("")
        case Grouping.RECIPIENT_KIND:
            return source.join(recipients, recipients.c.id == recipient_id), recipients.c.kind
        case Grouping.JURISDICTION:
            places = _elements(tx, recipients.c.details["jurisdictions"])
            return source.join(recipients, recipients.c.id == recipient_id).join(places, sa.true()), places.c.value
        case Grouping.BASIS:
            raise ValueError("a duty rests on no policy")


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
