"""States, rules 1 to 6: the tables are the whole truth about a delivery's and a bundle's journey."""

import itertools
from typing import cast

import pytest

from tiprouter.domain.states import (
    BUNDLE_TRANSITIONS,
    DUE,
    FETCHABLE,
    INITIAL,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    BundleEvent,
    BundleState,
    DeliveryEvent,
    DeliveryState,
    IllegalTransitionError,
    bundle_mermaid,
    mermaid,
    next_bundle_state,
    next_state,
)

QUEUED, CLAIMED, RETRYING, DELIVERED, CANCELLED, EXHAUSTED, REFUSED, ANNOUNCED = DeliveryState
CLAIM, SUCCEED, FAIL_TRANSIENT, FAIL_GONE, LEASE_EXPIRED, CANCEL, DEADLINE_PASSED, ANNOUNCE, FETCH = DeliveryEvent

LEGAL = {
    (QUEUED, CLAIM): CLAIMED,
    (QUEUED, CANCEL): CANCELLED,
    (QUEUED, DEADLINE_PASSED): EXHAUSTED,
    (CLAIMED, SUCCEED): DELIVERED,
    (CLAIMED, FAIL_TRANSIENT): RETRYING,
    (CLAIMED, FAIL_GONE): REFUSED,
    (CLAIMED, LEASE_EXPIRED): RETRYING,
    (CLAIMED, CANCEL): CANCELLED,
    (CLAIMED, DEADLINE_PASSED): EXHAUSTED,
    (RETRYING, CLAIM): CLAIMED,
    (RETRYING, CANCEL): CANCELLED,
    (RETRYING, DEADLINE_PASSED): EXHAUSTED,
    (CLAIMED, ANNOUNCE): ANNOUNCED,
    (QUEUED, FETCH): CLAIMED,
    (CLAIMED, FETCH): CLAIMED,
    (RETRYING, FETCH): CLAIMED,
    (ANNOUNCED, FETCH): CLAIMED,
    (ANNOUNCED, CANCEL): CANCELLED,
    (ANNOUNCED, DEADLINE_PASSED): EXHAUSTED,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DeliveryState, DeliveryEvent)))
def test_every_state_meets_every_event(state: DeliveryState, event: DeliveryEvent) -> None:
    """Rules 1 and 2: 72 pairs, 19 of them legal, the others raise and name what was tried."""
    if (state, event) in LEGAL:
        assert next_state(state, event) is LEGAL[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
            next_state(state, event)


def test_the_table_cannot_be_changed_while_running() -> None:
    """Rule 1: one table for everybody."""
    with pytest.raises(TypeError):
        cast("dict[tuple[DeliveryEvent, DeliveryState], DeliveryState]", TRANSITIONS)[CLAIM, DELIVERED] = CLAIMED


def test_ends_are_ends() -> None:
    """Rule 3: nothing leaves a terminal state, and only those."""
    assert frozenset({DELIVERED, CANCELLED, EXHAUSTED, REFUSED}) == TERMINAL
    assert frozenset({QUEUED, RETRYING}) == DUE
    assert INITIAL is QUEUED


def test_a_withdrawal_stops_whatever_has_not_ended() -> None:
    """Rule 4: in flight too."""
    for state in set(DeliveryState) - TERMINAL:
        assert next_state(state, CANCEL) is CANCELLED


def test_a_dead_worker_loses_no_delivery() -> None:
    """Rule 5: after the lease expired the delivery is due again."""
    assert next_state(CLAIMED, LEASE_EXPIRED) in DUE


def test_what_was_announced_is_not_delivered() -> None:
    """Rule 10: no worker claims it, only a fetch leads on; a fetch that died leaves it due again."""
    assert ANNOUNCED not in TERMINAL | DUE
    assert WAITING == {QUEUED, RETRYING, ANNOUNCED} == FETCHABLE - {CLAIMED}
    assert DELIVERED not in {after for (event, _), after in TRANSITIONS.items() if event is FETCH}
    assert next_state(next_state(ANNOUNCED, FETCH), SUCCEED) is DELIVERED
    assert next_state(next_state(ANNOUNCED, FETCH), LEASE_EXPIRED) in WAITING


def test_every_state_can_be_reached_and_every_event_happens() -> None:
    """Rule 1: no dead word in the vocabulary that the database would accept."""
    reached, edge = {INITIAL}, {INITIAL}
    while edge:
        edge = {after for (_, before), after in TRANSITIONS.items() if before in edge} - reached
        reached |= edge
    assert reached == set(DeliveryState)
    assert {event for event, _ in TRANSITIONS} == set(DeliveryEvent)


def test_the_constraint_and_the_diagram_come_from_the_table() -> None:
    """Rule 1: every state is in both, every transition is one line."""
    assert tuple(state.value for state in DeliveryState) == (
        "queued",
        "claimed",
        "retrying",
        "delivered",
        "cancelled",
        "exhausted",
        "refused",
        "announced",
    )
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> queued"]
    assert "    claimed --> refused : fail_gone" in lines
    assert sum(" : " in line for line in lines) == len(LEGAL)
    assert {line.split()[0] for line in lines if line.endswith("--> [*]")} == set(TERMINAL)


DRAFT, GATED, APPROVED, ACTIVE, RETIRED = BundleState
PASS, FAIL, APPROVE, LAPSE, ACTIVATE, SUPERSEDE, ROLL_BACK, PROPOSE_AGAIN = BundleEvent

LEGAL_OF_BUNDLES = {
    (DRAFT, PASS): GATED,
    (DRAFT, FAIL): DRAFT,
    (GATED, PASS): GATED,
    (GATED, FAIL): DRAFT,
    (GATED, APPROVE): APPROVED,
    (APPROVED, LAPSE): GATED,
    (APPROVED, ACTIVATE): ACTIVE,
    (ACTIVE, SUPERSEDE): RETIRED,
    (RETIRED, ROLL_BACK): ACTIVE,
    (RETIRED, PROPOSE_AGAIN): DRAFT,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(BundleState, BundleEvent)))
def test_every_state_of_a_bundle_meets_every_event(state: BundleState, event: BundleEvent) -> None:
    """Rules 1, 2 and 6: 40 pairs, 10 of them legal, the others raise and name what was tried."""
    if (state, event) in LEGAL_OF_BUNDLES:
        assert next_bundle_state(state, event) is LEGAL_OF_BUNDLES[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
            next_bundle_state(state, event)


def test_no_bundle_comes_into_force_past_the_gate_and_the_approval() -> None:
    """Rule 6: of all journeys from a draft, the first step into force is from approved, and that is from gated."""
    into = {
        after: {before for (_, before), end in BUNDLE_TRANSITIONS.items() if end is after and before is not after}
        for after in BundleState
    }
    assert into[ACTIVE] == {APPROVED, RETIRED}
    assert into[APPROVED] == {GATED}
    assert into[GATED] == {DRAFT, APPROVED}
    assert into[RETIRED] == {ACTIVE}  # so that who returns by rollback was once activated
    assert into[DRAFT] == {GATED, RETIRED}


def test_what_fails_the_gate_again_must_pass_it_again() -> None:
    """Rule 6: an approval lapses to a bundle that has passed, never to one in force."""
    assert next_bundle_state(next_bundle_state(GATED, FAIL), PASS) is GATED
    assert next_bundle_state(APPROVED, LAPSE) is GATED
    with pytest.raises(IllegalTransitionError):
        next_bundle_state(next_bundle_state(APPROVED, LAPSE), ACTIVATE)


def test_the_bundles_diagram_and_vocabulary_come_from_the_table() -> None:
    """Rule 1: no dead word, and every transition is one line."""
    lines = bundle_mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> draft"]
    assert sum(" : " in line for line in lines) == len(LEGAL_OF_BUNDLES) == len(BUNDLE_TRANSITIONS)
    assert {event for event, _ in BUNDLE_TRANSITIONS} == set(BundleEvent)
    assert {state for _, state in BUNDLE_TRANSITIONS} | set(BUNDLE_TRANSITIONS.values()) == set(BundleState)
    with pytest.raises(TypeError):
        cast("dict[tuple[BundleEvent, BundleState], BundleState]", BUNDLE_TRANSITIONS)[ACTIVATE, DRAFT] = ACTIVE
