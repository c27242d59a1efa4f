"""Where can a delivery or a policy bundle be, and what may happen to it there?

1. Everything that moves one is in one table, (event, state) -> state; the database constraint and the diagram in the
   documentation derive from it.
2. What the table does not name is illegal: `next_state` raises and nothing has happened (h11's rule).
3. A terminal state has no way out. A new try after `exhausted` or `refused` is a new delivery that a person asked for.
4. Withdrawal wins: `cancel` is legal wherever something could still be sent, also while an attempt is in flight.
5. A worker that dies loses its lease, and the delivery is due again (`lease_expired`); it may arrive twice, never not.
6. A bundle comes into force once the gate passed it and two people approved it against what is active; it returns by
   rollback only to the place it had.

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

INITIAL = DeliveryState.QUEUED
DUE = frozenset(state for event, state in TRANSITIONS if event is DeliveryEvent.CLAIM)
TERMINAL = frozenset(DeliveryState) - {state for _, state in TRANSITIONS}


STATE = TypeVar("STATE", bound=StrEnum)
EVENT = TypeVar("EVENT", bound=StrEnum)


def next_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return a delivery's state after `event`, or raise `IllegalTransitionError`."""
    return _next(TRANSITIONS, "A delivery", state, event)


def next_bundle_state(state: BundleState, event: BundleEvent) -> BundleState:
    """Return a bundle's state after `event`, or raise `IllegalTransitionError`."""
    return _next(BUNDLE_TRANSITIONS, "A bundle", state, event)


def mermaid() -> str:
    """Return the deliveries' table as a Mermaid state diagram for the documentation."""
    ends = [state for state in DeliveryState if state in TERMINAL]
    return _diagram(TRANSITIONS, INITIAL, ends)


def bundle_mermaid() -> str:
    """Return the bundles' table as a Mermaid state diagram for the documentation."""
    return _diagram(BUNDLE_TRANSITIONS, BundleState.DRAFT, [])


def _next(table: Mapping[tuple[EVENT, STATE], STATE], what: str, state: STATE, event: EVENT) -> STATE:
    try:
        return table[event, state]
    except KeyError:
        raise IllegalTransitionError(f"{what} that is {state} cannot take the event {event}.") from None


def _diagram(table: Mapping[tuple[EVENT, STATE], STATE], first: STATE, ends: list[STATE]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {before} --> {after} : {event}" for (event, before), after in table.items()]
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines) + "\n"
