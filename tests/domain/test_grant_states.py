"""Where a grant can be: two approvals, one word to end it, and time."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.grant_states import (
    GRANT_TRANSITIONS,
    UNENDED,
    GrantEvent,
    GrantState,
    grant_mermaid,
    grant_state_at,
    next_grant_state,
)
from tiprouter.domain.states import IllegalTransitionError

UNTIL = datetime(2026, 3, 9, 15, tzinfo=UTC)
ENDED = set(GrantState) - UNENDED


def test_only_a_second_approval_opens() -> None:
    """Rule 1: one event leads to `open`, and it begins where somebody had approved."""
    assert [pair for pair, after in GRANT_TRANSITIONS.items() if after is GrantState.OPEN] == [
        (GrantEvent.APPROVE, GrantState.APPROVED)
    ]


@pytest.mark.parametrize("event", [GrantEvent.REVOKE, GrantEvent.EXPIRE])
def test_whatever_has_not_ended_can_be_ended(event: GrantEvent) -> None:
    """Rules 2 and 3: from wherever it is."""
    assert {next_grant_state(state, event) for state in UNENDED} <= ENDED
    assert {GrantState.ASKED, GrantState.APPROVED, GrantState.OPEN} == UNENDED


@pytest.mark.parametrize(("state", "event"), list(product(sorted(ENDED), GrantEvent)))
def test_what_ended_stays_ended(state: GrantState, event: GrantEvent) -> None:
    """Rule 3: nothing brings it back."""
    with pytest.raises(IllegalTransitionError):
        next_grant_state(state, event)


@given(state=st.sampled_from(GrantState), seconds=st.integers(-(10**6), 10**6))
def test_a_grant_is_over_at_its_moment_and_not_before(state: GrantState, seconds: int) -> None:
    """Rule 3: by the clock alone; what had ended otherwise stays what it was."""
    found = grant_state_at(state, UNTIL, UNTIL + timedelta(seconds=seconds))
    assert found is (GrantState.EXPIRED if seconds >= 0 and state in UNENDED else state)


def test_the_diagram_shows_every_way() -> None:
    """It is made of the table."""
    assert grant_mermaid().count(" --> ") == len(GRANT_TRANSITIONS) + 1 + len(ENDED)
