"""Where can a delivery be, and what may happen to it there?

1. Everything that moves a delivery is in one table, (event, state) -> state; the database constraint and the diagram in
   the documentation derive from it.
2. What the table does not name is illegal: `next_state` raises and nothing has happened (h11's rule).
3. A terminal state has no way out. A new try after `exhausted` or `refused` is a new delivery that a person asked for.
4. Withdrawal wins: `cancel` is legal wherever something could still be sent, also while an attempt is in flight.
5. A worker that dies loses its lease, and the delivery is due again (`lease_expired`); it may arrive twice, never not.

It does not promise that a cancelled attempt was not received: the caller records what it knows of an attempt in
flight. The fencing of late workers is the storage's.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType

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


class IllegalTransitionError(TiprouterError):
    """This cannot happen to a delivery in that state."""


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

INITIAL = DeliveryState.QUEUED
DUE = frozenset(state for event, state in TRANSITIONS if event is DeliveryEvent.CLAIM)
TERMINAL = frozenset(DeliveryState) - {state for _, state in TRANSITIONS}


def next_state(state: DeliveryState, event: DeliveryEvent) -> DeliveryState:
    """Return the state after `event`, or raise `IllegalTransitionError`."""
    try:
        return TRANSITIONS[event, state]
    except KeyError:
        raise IllegalTransitionError(f"A delivery that is {state} cannot take the event {event}.") from None


def mermaid() -> str:
    """Return the table as a Mermaid state diagram for the documentation."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    lines += [f"    {before} --> {after} : {event}" for (event, before), after in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in DeliveryState if state in TERMINAL]
    return "\n".join(lines) + "\n"
