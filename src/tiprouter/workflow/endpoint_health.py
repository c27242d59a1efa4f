"""How is an agency's endpoint, and how was it on each of the last days?

1. Counted are attempts that the router made, by the UTC day in which each was written: how many, how many arrived, and
   how long half and nearly all of those that were answered for took, from being written to their end being written.
2. At most 31 days and 20,000 attempts; `whole` says whether that was all. A day without attempts is not listed.
3. Ids, numbers and times only; beside them what the agency itself says that it can take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.endpoint_states import EndpointState
from tiprouter.errors import NotFoundError
from tiprouter.storage import endpoints, health, lines, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.health import Tried
from tiprouter.workflow.happening import Desk

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class HealthDay:
    """One day (rule 1)."""

    day: date
    attempts: int
    successes: int
    p50_ms: int | None
    p99_ms: int | None
    openings: int


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of an endpoint, newest day first."""

    recipient_id: str
    state: EndpointState
    state_since: datetime
    verified_at: datetime | None
    breaker: BreakerState
    last_success_at: datetime | None
    last_failure_at: datetime | None
    days: tuple[HealthDay, ...]
    whole: bool
    max_per_second: int | None = None
    max_at_once: int | None = None


def health_of(tx: Transaction, desk: Desk, recipient_id: str, days: int) -> Health:
    """An endpoint's health over so many days (rules 1 to 3). Raises `NotFoundError`."""
    known, recipient = endpoints.load(tx, recipient_id), registry.load(tx, recipient_id)
    if recipient is None or known is None:
        raise NotFoundError
    since = desk.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    found = health.tried(tx, recipient_id, since)
    counted, opened = found[: health.ATTEMPTS_MAX], health.opened(tx, recipient_id, since)
    every = {one.started_at.date() for one in counted} | {at.date() for at in opened}
    done = [one for one in counted if one.finished_at is not None]
    return Health(
        recipient_id,
        known.state,
        known.since,
        known.verified_at,
        lines.breaker_of(tx, recipient_id),
        max((one.finished_at for one in done if one.finished_at and _arrived(one)), default=None),
        max((one.finished_at for one in done if one.finished_at and not _arrived(one)), default=None),
        tuple(_day(day, counted, opened) for day in sorted(every, reverse=True)),
        len(found) == len(counted),
        recipient.max_per_second,
        recipient.max_at_once,
    )


def _day(day: date, counted: Sequence[Tried], opened: Sequence[datetime]) -> HealthDay:
    mine = [one for one in counted if one.started_at.date() == day]
    took = sorted((one.finished_at - one.started_at) // _MILLISECOND for one in mine if one.finished_at is not None)
    return HealthDay(
        day,
        len(mine),
        sum(_arrived(one) for one in mine),
        _rank(took, 50),
        _rank(took, 99),
        sum(at.date() == day for at in opened),
    )


def _arrived(one: Tried) -> bool:
    return one.result == AttemptResult.SUCCESS


def _rank(took: Sequence[int], percent: int) -> int | None:
    """The nearest rank: the least value that so many percent do not exceed."""
    return took[-(-len(took) * percent // 100) - 1] if took else None
