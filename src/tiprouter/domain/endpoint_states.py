"""Where can an agency's endpoint be, and a proposed change of it, and what may happen there?

1. An endpoint is sent disclosures while it is verified, or was and has not answered its last questions.
2. Whatever it was, a change makes it unverified; only an answer to a challenge makes it verified.
3. A change that one person proposed comes about by another's word alone: there is no way to `confirmed` but `confirm`.
4. What ended stays ended.

Tables beside those of `states`; the database constraints and the diagrams derive from them.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in


@unique
class EndpointState(StrEnum):
    """What is known of an endpoint."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    FAILING = "failing"  # it proved itself once, and does not answer now


@unique
class EndpointEvent(StrEnum):
    """What can happen to what is known of an endpoint."""

    PROVE = "prove"
    FAIL = "fail"
    LAPSE = "lapse"  # it has failed for too long
    CHANGE = "change"


@unique
class ChangeState(StrEnum):
    """Where a proposed change is."""

    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


@unique
class ChangeEvent(StrEnum):
    """What can happen to a proposed change."""

    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"


_S, _E = EndpointState, EndpointEvent

ENDPOINT_TRANSITIONS: Mapping[tuple[EndpointEvent, EndpointState], EndpointState] = MappingProxyType(
    {
        (_E.PROVE, _S.UNVERIFIED): _S.VERIFIED,
        (_E.PROVE, _S.VERIFIED): _S.VERIFIED,
        (_E.PROVE, _S.FAILING): _S.VERIFIED,
        (_E.FAIL, _S.UNVERIFIED): _S.UNVERIFIED,
        (_E.FAIL, _S.VERIFIED): _S.FAILING,
        (_E.FAIL, _S.FAILING): _S.FAILING,
        (_E.LAPSE, _S.FAILING): _S.UNVERIFIED,
        (_E.CHANGE, _S.UNVERIFIED): _S.UNVERIFIED,
        (_E.CHANGE, _S.VERIFIED): _S.UNVERIFIED,
        (_E.CHANGE, _S.FAILING): _S.UNVERIFIED,
    }
)

CHANGE_TRANSITIONS: Mapping[tuple[ChangeEvent, ChangeState], ChangeState] = MappingProxyType(
    {
        (ChangeEvent.CONFIRM, ChangeState.PROPOSED): ChangeState.CONFIRMED,
        (ChangeEvent.WITHDRAW, ChangeState.PROPOSED): ChangeState.WITHDRAWN,
        (ChangeEvent.LAPSE, ChangeState.PROPOSED): ChangeState.LAPSED,
    }
)

SENDS: Final = frozenset({EndpointState.VERIFIED, EndpointState.FAILING})
"""The states in which disclosures are sent to an endpoint (rule 1)."""


def next_endpoint_state(state: EndpointState, event: EndpointEvent) -> EndpointState:
    """Return an endpoint's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(ENDPOINT_TRANSITIONS, "An endpoint", state, event)


def next_change_state(state: ChangeState, event: ChangeEvent) -> ChangeState:
    """Return a change's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(CHANGE_TRANSITIONS, "A change", state, event)


def endpoint_mermaid() -> str:
    """Return the endpoints' table as a Mermaid state diagram for the documentation."""
    goes_on = {state for _, state in ENDPOINT_TRANSITIONS}
    ended = [state for state in EndpointState if state not in goes_on]
    return diagram(ENDPOINT_TRANSITIONS, EndpointState.UNVERIFIED, ended)


def change_mermaid() -> str:
    """Return the changes' table as a Mermaid state diagram for the documentation."""
    goes_on = {state for _, state in CHANGE_TRANSITIONS}
    ended = [state for state in ChangeState if state not in goes_on]
    return diagram(CHANGE_TRANSITIONS, ChangeState.PROPOSED, ended)
