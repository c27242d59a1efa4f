"""Where can a delivery, a policy bundle, a duty, a review or a page be, and what may happen to it there?

1. Everything that moves one is in one table, (event, state) -> state; the database constraint and the diagram in the
   documentation derive from it.
2. What the table does not name is illegal: `next_state` raises and nothing has happened (h11's rule).
3. A terminal state has no way out. A new try after `exhausted` or `refused` is a new delivery that a person asked for.
4. Withdrawal wins: `cancel` is legal wherever something could still be sent, also while an attempt is in flight.
5. A worker that dies loses its lease, and the delivery is due again (`lease_expired`); it may arrive twice, never not.
6. A bundle comes into force once the gate passed it and two people approved it against what is active; it returns by
   rollback only to the place it had.
7. A duty ends by evidence or because it is owed no longer; what is owed again later is a new duty.
8. A review waits until it is decided, or until what it was about is no longer so; a claim or a proposal may be taken
   over. A decided one is superseded too, when its answer no longer stands: what is held then is a new review.
9. A page that failed is tried again until its time is up; one that nobody needs any more is given up (`settle`).
10. What was announced is not delivered: only ids were told. An agency's own fetch holds the delivery like a worker's
   claim does, until its payload was handed over; it may take over from either, and one that dies is due again.

It does not promise that a cancelled attempt was not received: the caller records what it knows of an attempt in
flight. The fencing of late workers is the storage's.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import TypeVar

from tiprouter.errors import TiprouterError


@unique
class DeliveryState(StrEnum):
    """Where a delivery is on its journey."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    EXHAUSTED = "exhausted"  # the dead letter: its deadline passed
    REFUSED = "refused"  # 410, the endpoint is gone: a person must look
    ANNOUNCED = "announced"  # the agency was told ids; the payload waits in its inbox


@unique
class DeliveryEvent(StrEnum):
    """What can happen to a delivery."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    FAIL_TRANSIENT = "fail_transient"
    FAIL_GONE = "fail_gone"
    LEASE_EXPIRED = "lease_expired"
    CANCEL = "cancel"
    DEADLINE_PASSED = "deadline_passed"
    ANNOUNCE = "announce"
    FETCH = "fetch"


@unique
class BundleState(StrEnum):
    """Where a policy bundle is on its way into force."""

    DRAFT = "draft"
    GATED = "gated"
    APPROVED = "approved"
    ACTIVE = "active"
    RETIRED = "retired"


@unique
class BundleEvent(StrEnum):
    """What can happen to a policy bundle."""

    PASS = "pass"  # noqa: S105 - the gate's verdict
    FAIL = "fail"
    APPROVE = "approve"
    LAPSE = "lapse"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    ROLL_BACK = "roll_back"
    PROPOSE_AGAIN = "propose_again"


@unique
class DutyPhase(StrEnum):
    """Where a duty is on its way to its evidence."""

    OPEN = "open"
    OVERDUE = "overdue"
    DISCHARGED = "discharged"
    LIFTED = "lifted"  # what is decided now owes it no longer


@unique
class DutyEvent(StrEnum):
    """What can happen to a duty."""

    ACKNOWLEDGE = "acknowledge"
    CALL = "call"
    DISCHARGE_ELSEWHERE = "discharge_elsewhere"
    DEADLINE_PASSED = "deadline_passed"
    LIFT = "lift"


@unique
class ReviewState(StrEnum):
    """Where the review of a held decision is."""

    OPEN = "open"
    CLAIMED = "claimed"
    PROPOSED = "proposed"  # decided by one, to be confirmed by another
    DECIDED = "decided"
    SUPERSEDED = "superseded"


@unique
class ReviewEvent(StrEnum):
    """What can happen to a review."""

    CLAIM = "claim"
    DECIDE = "decide"
    PROPOSE = "propose"
    CONFIRM = "confirm"
    RETRY = "retry"
    SUPERSEDE = "supersede"


class IllegalTransitionError(TiprouterError):
    """This cannot happen to it in that state."""


_S, _E = DeliveryState, DeliveryEvent

TRANSITIONS: Mapping[tuple[DeliveryEvent, DeliveryState], DeliveryState] = MappingProxyType(
    {
        (_E.CLAIM, _S.QUEUED): _S.CLAIMED,
        (_E.CLAIM, _S.RETRYING): _S.CLAIMED,
        (_E.SUCCEED, _S.CLAIMED): _S.DELIVERED,
        (_E.FAIL_TRANSIENT, _S.CLAIMED): _S.RETRYING,
        (_E.FAIL_GONE, _S.CLAIMED): _S.REFUSED,
        (_E.LEASE_EXPIRED, _S.CLAIMED): _S.RETRYING,
        (_E.CANCEL, _S.QUEUED): _S.CANCELLED,
        (_E.CANCEL, _S.CLAIMED): _S.CANCELLED,
        (_E.CANCEL, _S.RETRYING): _S.CANCELLED,
        (_E.DEADLINE_PASSED, _S.QUEUED): _S.EXHAUSTED,
        (_E.DEADLINE_PASSED, _S.CLAIMED): _S.EXHAUSTED,
        (_E.DEADLINE_PASSED, _S.RETRYING): _S.EXHAUSTED,
        (_E.ANNOUNCE, _S.CLAIMED): _S.ANNOUNCED,
        (_E.FETCH, _S.QUEUED): _S.CLAIMED,
        (_E.FETCH, _S.CLAIMED): _S.CLAIMED,
        (_E.FETCH, _S.RETRYING): _S.CLAIMED,
        (_E.FETCH, _S.ANNOUNCED): _S.CLAIMED,
        (_E.CANCEL, _S.ANNOUNCED): _S.CANCELLED,
        (_E.DEADLINE_PASSED, _S.ANNOUNCED): _S.EXHAUSTED,
    }
)

_B, _H = BundleState, BundleEvent

BUNDLE_TRANSITIONS: Mapping[tuple[BundleEvent, BundleState], BundleState] = MappingProxyType(
    {
        (_H.PASS, _B.DRAFT): _B.GATED,
        (_H.PASS, _B.GATED): _B.GATED,
        (_H.FAIL, _B.DRAFT): _B.DRAFT,
        (_H.FAIL, _B.GATED): _B.DRAFT,
        (_H.APPROVE, _B.GATED): _B.APPROVED,
        (_H.LAPSE, _B.APPROVED): _B.GATED,
        (_H.ACTIVATE, _B.APPROVED): _B.ACTIVE,
        (_H.SUPERSEDE, _B.ACTIVE): _B.RETIRED,
        (_H.ROLL_BACK, _B.RETIRED): _B.ACTIVE,
        (_H.PROPOSE_AGAIN, _B.RETIRED): _B.DRAFT,
    }
)

_P, _D = DutyPhase, DutyEvent

DUTY_TRANSITIONS: Mapping[tuple[DutyEvent, DutyPhase], DutyPhase] = MappingProxyType(
    {
        (_D.ACKNOWLEDGE, _P.OPEN): _P.DISCHARGED,
        (_D.ACKNOWLEDGE, _P.OVERDUE): _P.DISCHARGED,
        (_D.CALL, _P.OPEN): _P.DISCHARGED,
        (_D.CALL, _P.OVERDUE): _P.DISCHARGED,
        (_D.DISCHARGE_ELSEWHERE, _P.OPEN): _P.DISCHARGED,
        (_D.DISCHARGE_ELSEWHERE, _P.OVERDUE): _P.DISCHARGED,
        (_D.DEADLINE_PASSED, _P.OPEN): _P.OVERDUE,
        (_D.LIFT, _P.OPEN): _P.LIFTED,
        (_D.LIFT, _P.OVERDUE): _P.LIFTED,
    }
)

_R, _V = ReviewState, ReviewEvent

REVIEW_TRANSITIONS: Mapping[tuple[ReviewEvent, ReviewState], ReviewState] = MappingProxyType(
    {
        (_V.CLAIM, _R.OPEN): _R.CLAIMED,
        (_V.CLAIM, _R.CLAIMED): _R.CLAIMED,
        (_V.CLAIM, _R.PROPOSED): _R.CLAIMED,
        (_V.DECIDE, _R.CLAIMED): _R.DECIDED,
        (_V.PROPOSE, _R.CLAIMED): _R.PROPOSED,
        (_V.CONFIRM, _R.PROPOSED): _R.DECIDED,
        (_V.RETRY, _R.CLAIMED): _R.OPEN,
        (_V.SUPERSEDE, _R.OPEN): _R.SUPERSEDED,
        (_V.SUPERSEDE, _R.CLAIMED): _R.SUPERSEDED,
        (_V.SUPERSEDE, _R.PROPOSED): _R.SUPERSEDED,
        (_V.SUPERSEDE, _R.DECIDED): _R.SUPERSEDED,
    }
)

INITIAL = DeliveryState.QUEUED
DUE = frozenset(state for event, state in TRANSITIONS if event is DeliveryEvent.CLAIM)
FETCHABLE = frozenset(state for event, state in TRANSITIONS if event is DeliveryEvent.FETCH)
WAITING = FETCHABLE - {DeliveryState.CLAIMED}
"""Nobody holds it, and it has not ended: due at a worker, or waiting for its agency."""
TERMINAL = frozenset(DeliveryState) - {state for _, state in TRANSITIONS}
UNANSWERED = frozenset(state for event, state in REVIEW_TRANSITIONS if event is ReviewEvent.CLAIM)
OWING = frozenset(phase for _, phase in DUTY_TRANSITIONS)


STATE = TypeVar("STATE", bound=StrEnum)
EVENT = TypeVar("EVENT", bound=StrEnum)


def next_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return a delivery's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(TRANSITIONS, "A delivery", state, event)


def next_bundle_state(state: BundleState, event: BundleEvent) -> BundleState:
    """Return a bundle's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(BUNDLE_TRANSITIONS, "A bundle", state, event)


def next_duty_phase(phase: DutyPhase, event: DutyEvent) -> DutyPhase:
    """Return a duty's phase after `event`, or raise `IllegalTransitionError`."""
    return next_in(DUTY_TRANSITIONS, "A duty", phase, event)


def next_review_state(state: ReviewState, event: ReviewEvent) -> ReviewState:
    """Return a review's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(REVIEW_TRANSITIONS, "A review", state, event)


def mermaid() -> str:
    """Return the deliveries' table as a Mermaid state diagram for the documentation."""
    ends = [state for state in DeliveryState if state in TERMINAL]
    return diagram(TRANSITIONS, INITIAL, ends)


def bundle_mermaid() -> str:
    """Return the bundles' table as a Mermaid state diagram for the documentation."""
    return diagram(BUNDLE_TRANSITIONS, BundleState.DRAFT, [])


def duty_mermaid() -> str:
    """Return the duties' table as a Mermaid state diagram for the documentation."""
    return diagram(DUTY_TRANSITIONS, DutyPhase.OPEN, [phase for phase in DutyPhase if phase not in OWING])


def review_mermaid() -> str:
    """Return the reviews' table as a Mermaid state diagram for the documentation."""
    return diagram(REVIEW_TRANSITIONS, ReviewState.OPEN, [ReviewState.SUPERSEDED])


def next_in(table: Mapping[tuple[EVENT, STATE], STATE], what: str, state: STATE, event: EVENT) -> STATE:
    """Return the state after `event` by a table, or raise `IllegalTransitionError`."""
    try:
        return table[event, state]
    except KeyError:
        raise IllegalTransitionError(f"{what} that is {state} cannot take the event {event}.") from None


def moves(table: Mapping[tuple[EVENT, STATE], STATE], event: EVENT) -> dict[STATE, STATE]:
    """Return where one event takes each state that it can happen to: for moving many rows in one statement."""
    return {before: after for (one, before), after in table.items() if one is event}


def diagram(table: Mapping[tuple[EVENT, STATE], STATE], first: STATE, ends: list[STATE]) -> str:
    """Return a table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {before} --> {after} : {event}" for (event, before), after in table.items()]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines) + "\n"
