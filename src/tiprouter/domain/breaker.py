"""May a recipient's endpoint be tried, or is it left alone for a while?

1. Everything that moves a breaker is in one table, (event, state) -> state; the database constraint and the diagram in
   the documentation derive from it. What the table does not name does not happen.
2. Closed is normal. After `TRIP_AFTER` failures in a row it opens: what is standard waits, and uses up no attempts.
3. An open one lets one attempt through when its pause is over, the probe. One that fails opens it again, for twice as
   long, up to `PAUSE_MAX`; one that nobody finished is lost, and another may go. Any success closes it.
4. Imminent danger does not wait for a breaker: it goes on by its own schedule, and its success closes it too. Its
   failures open one that is closed, and leave an open one alone.
5. After a `410` the endpoint is gone. Nothing more is sent there, danger neither, until the recipient's entry changes.

Not promised: that an open breaker holds back what was under way when it opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in
from tiprouter.errors import InvalidError


@unique
class BreakerState(StrEnum):
    """Where the breaker of a recipient's endpoint is."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"  # half open: one attempt is under way
    GONE = "gone"  # the endpoint said so itself


@unique
class BreakerEvent(StrEnum):
    """What can happen to a breaker."""

    TRIP = "trip"
    PROBE = "probe"
    FAIL = "fail"
    LOSE = "lose"
    SUCCEED = "succeed"
    LEAVE = "leave"
    RENEW = "renew"


@unique
class Heard(StrEnum):
    """What an attempt says of the endpoint."""

    ARRIVED = "arrived"
    FAILED = "failed"
    GONE = "gone"
    NOTHING = "nothing"  # it was ended from here


_B, _E = BreakerState, BreakerEvent

BREAKER_TRANSITIONS: Mapping[tuple[BreakerEvent, BreakerState], BreakerState] = MappingProxyType(
    {
        (_E.TRIP, _B.CLOSED): _B.OPEN,
        (_E.PROBE, _B.OPEN): _B.PROBING,
        (_E.FAIL, _B.PROBING): _B.OPEN,
        (_E.LOSE, _B.PROBING): _B.OPEN,
        (_E.SUCCEED, _B.OPEN): _B.CLOSED,
        (_E.SUCCEED, _B.PROBING): _B.CLOSED,
        (_E.LEAVE, _B.CLOSED): _B.GONE,
        (_E.LEAVE, _B.OPEN): _B.GONE,
        (_E.LEAVE, _B.PROBING): _B.GONE,
        (_E.RENEW, _B.OPEN): _B.CLOSED,
        (_E.RENEW, _B.PROBING): _B.CLOSED,
        (_E.RENEW, _B.GONE): _B.CLOSED,
    }
)

TRIP_AFTER: Final = 5
PAUSE: Final = timedelta(seconds=10)
PAUSE_MAX: Final = timedelta(minutes=10)
JITTER: Final = 0.2
PATIENCE: Final = timedelta(seconds=30)
"""A probe of which nothing was heard for so long is lost; an attempt ends sooner."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """A breaker: failures in a row, pauses in a row, since when it is as it is, and the probe's lease if one is out.

    `probe_at` is when the next probe may go, or when the one that is out counts as lost; None unless open or probing.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    pauses: int = 0
    since: datetime | None = None
    probe_at: datetime | None = None
    probe: str | None = None

    @property
    def shut_out(self) -> bool:
        """Whether what is standard waits (rules 2, 3, 5)."""
        return self.state is not BreakerState.CLOSED

    def probes(self, now: datetime) -> bool:
        """Whether a probe may go now (rule 3)."""
        return self.probe_at is not None and self.probe_at <= now


def next_breaker_state(state: BreakerState, event: BreakerEvent) -> BreakerState:
    """Return a breaker's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(BREAKER_TRANSITIONS, "A breaker", state, event)


def breaker_mermaid() -> str:
    """Return the breakers' table as a Mermaid state diagram for the documentation."""
    return diagram(BREAKER_TRANSITIONS, BreakerState.CLOSED, [])


def hear(breaker: Breaker, heard: Heard, lease: str, now: datetime, jitter: float) -> Breaker:
    """The breaker once an attempt under `lease` ended (rules 2-5); `jitter` is a random number in [0, 1)."""
    if breaker.state is _B.GONE:
        return breaker
    if heard is Heard.NOTHING:
        return lose(breaker, now) if breaker.state is _B.PROBING and breaker.probe == lease else breaker
    if heard is Heard.GONE:
        return Breaker(next_breaker_state(breaker.state, _E.LEAVE), failures=breaker.failures + 1, since=now)
    if heard is Heard.ARRIVED:
        closed = breaker.state is _B.CLOSED
        return Breaker() if closed else Breaker(next_breaker_state(breaker.state, _E.SUCCEED), since=now)
    failed = replace(breaker, failures=breaker.failures + 1)
    if breaker.state is _B.CLOSED:
        return failed if failed.failures < TRIP_AFTER else _opened(failed, _E.TRIP, now, jitter)
    return _opened(failed, _E.FAIL, now, jitter) if breaker.probe == lease else breaker


def probe(breaker: Breaker, lease: str, now: datetime) -> Breaker:
    """The breaker once a probe is under way (rule 3)."""
    if breaker.state is _B.PROBING:
        breaker = lose(breaker, now)
    state = next_breaker_state(breaker.state, _E.PROBE)
    return replace(breaker, state=state, probe=lease, probe_at=now + PATIENCE)


def lose(breaker: Breaker, now: datetime) -> Breaker:
    """The breaker once it is clear that its probe's worker is dead: another may go at once."""
    return replace(breaker, state=next_breaker_state(breaker.state, _E.LOSE), probe=None, probe_at=now)


def renew(breaker: Breaker, now: datetime) -> Breaker:
    """The breaker once the recipient's entry changed (rule 5)."""
    if breaker.state is _B.CLOSED:
        return Breaker()
    return Breaker(next_breaker_state(breaker.state, _E.RENEW), since=now)


def pause(pauses: int, jitter: float) -> timedelta:
    """How long an open breaker waits after so many pauses in a row, from 0. Raises `InvalidError`."""
    if pauses < 0 or not 0 <= jitter < 1:
        raise InvalidError("Pauses count from 0 and jitter lies in [0, 1).")
    longer = PAUSE * (1 << min(pauses, 16))
    return min(longer, PAUSE_MAX / (1 + JITTER)) * (1 - JITTER + 2 * JITTER * jitter)


def _opened(breaker: Breaker, event: BreakerEvent, now: datetime, jitter: float) -> Breaker:
    state = next_breaker_state(breaker.state, event)
    since = breaker.since if event is _E.FAIL else now
    until = now + pause(breaker.pauses, jitter)
    return Breaker(state, breaker.failures, breaker.pauses + 1, since, until)
