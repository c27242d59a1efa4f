"""States, rules 1 to 5: the table is the whole truth about a delivery's journey."""

import itertools
from typing import cast

import pytest

from tiprouter.domain.states import (
    DUE,
    INITIAL,
    TERMINAL,
    TRANSITIONS,
    DeliveryEvent,
    DeliveryState,
    IllegalTransitionError,
    mermaid,
    next_state,
)

QUEUED, CLAIMED, RETRYING, DELIVERED, CANCELLED, EXHAUSTED, REFUSED = DeliveryState
CLAIM, SUCCEED, FAIL_TRANSIENT, FAIL_GONE, LEASE_EXPIRED, CANCEL, DEADLINE_PASSED = DeliveryEvent

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
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DeliveryState, DeliveryEvent)))
def test_every_state_meets_every_event(state: DeliveryState, event: DeliveryEvent) -> None:
    """Rules 1 and 2: 49 pairs, 12 of them legal, the others raise and name what was tried."""
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
    )
    lines = mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> queued"]
    assert "    claimed --> refused : fail_gone" in lines
    assert sum(" : " in line for line in lines) == len(LEGAL)
    assert {line.split()[0] for line in lines if line.endswith("--> [*]")} == set(TERMINAL)
