"""How long did things take, and which duties were met in time?

1. What is measured is the first disclosure about a record to a recipient: from receipt of the signal until it was
   decided to tell, until that was delivered, and until the recipient first said something of it. Recalls, answers and
   later disclosures of a matter are left out: nobody waits for those from the signal on.
2. Percentiles are exact, by nearest rank, and found by the database: it sorts, and hands out four rows a group. So no
   more than the groups is ever in memory here.
3. One that has several policies, or an agency of several places, counts in each of those groups; in `all` once.
4. A duty is met, met late or missed; one that was lifted, or whose time is not up, is none of these.

Not promised: speed. A question sorts what was disclosed in its period once for each measure and grouping; it is asked
beside everything else, on a snapshot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
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


def took(tx: Connection, since: datetime, until: datetime) -> list[Took]:
    """How long disclosures took that were made in [since, until) (rules 1-3)."""
    return [one for measure in Measure for by in Grouping for one in _took(tx, measure, by, since, until)]


def kept(tx: Connection, since: datetime, until: datetime, now: datetime) -> list[Kept]:
    """How duties ended that were opened in [since, until), as seen at `now` (rule 4)."""
    return [one for by in (Grouping.ALL, Grouping.JURISDICTION) for one in _kept(tx, by, (since, until), now)] + list(
        _kept(tx, Grouping.RECIPIENT_KIND, (since, until), now)
    )


def _took(tx: Connection, measure: Measure, by: Grouping, since: datetime, until: datetime) -> Iterator[Took]:
    waits = _waits(tx, measure, by, since, until).subquery("waits")
    ranked = sa.select(
        waits.c.told_apart,
        waits.c.took,
        sa.func.row_number().over(partition_by=waits.c.told_apart, order_by=waits.c.took).label("place"),
        sa.func.count().over(partition_by=waits.c.told_apart).label("total"),
    ).subquery("ranked")
    # Nearest rank: the smallest place that is not below the share of all.
    ranks = [(ranked.c.total * percent + 99) / 100 for percent in (50, 90, 99)]
    if tx.dialect.name != "sqlite":
        ranks = [sa.func.floor(rank) for rank in ranks]
    ranks = [sa.cast(rank, sa.BigInteger) for rank in ranks]
    query = sa.select(ranked).where(
        sa.or_(*(ranked.c.place == rank for rank in ranks), ranked.c.place == ranked.c.total)
    )
    found: dict[str, dict[int, int]] = {}
    totals: dict[str, int] = {}
    for group, took_for, place, total in tx.execute(query):
        found.setdefault(group, {})[place] = took_for
        totals[group] = total
    for group in sorted(found):
        total, places = totals[group], found[group]
        spans = [places[(total * percent + 99) // 100] * _MICROSECOND for percent in (50, 90, 99, 100)]
        yield Took(measure, by, group, total, *spans)


def _waits(tx: Connection, measure: Measure, by: Grouping, since: datetime, until: datetime) -> sa.Select[Any]:
    """A row for each disclosure and group: the group, and how many microseconds it took."""
    source: sa.FromClause = disclosures.join(records, records.c.id == disclosures.c.record_id)
    end: sa.ColumnElement[Any] = disclosures.c.made_at
    conditions = [
        disclosures.c.sequence == 1,
        disclosures.c.recalls.is_(None),
        disclosures.c.answers.is_(None),
        disclosures.c.id >= _first("dis", since),
        disclosures.c.id < _last("dis", until),
        disclosures.c.made_at >= since,
        disclosures.c.made_at < until,
    ]
    if measure is Measure.DELIVERY:
        source = source.join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        conditions.append(deliveries.c.state == DeliveryState.DELIVERED)
        end = deliveries.c.finished_at
    if measure is Measure.ACKNOWLEDGEMENT:
        end = (
            sa.select(sa.func.min(acknowledgements.c.made_at))
            .where(acknowledgements.c.disclosure_id == disclosures.c.id)
            .scalar_subquery()
        )
        conditions.append(sa.exists().where(acknowledgements.c.disclosure_id == disclosures.c.id))
    source, group = _grouped(tx, source, disclosures.c.recipient_id, by)
    # SQLite makes a row of an array that is not there.
    conditions.append(group.is_not(None))
    span = (_number(end) - _number(records.c.received_at)).label("took")
    query = sa.select(group.label("told_apart"), span, disclosures.c.id).select_from(source).where(*conditions)
    # Several persons' decisions may name one policy; the disclosure counts once under it.
    return query.distinct() if by is Grouping.BASIS else query


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
            named = _elements(tx, disclosures.c.decisions)
            policies = _elements(tx, decisions.c.policies)
            joined = source.join(named, sa.true()).join(decisions, decisions.c.id == named.c.value)
            return joined.join(policies, sa.true()), policies.c.value


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
