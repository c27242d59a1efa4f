"""States, rule 8: the table is the whole truth about a review's journey."""

import itertools

import pytest

from tiprouter.domain.states import (
    UNANSWERED,
    IllegalTransitionError,
    ReviewEvent,
    ReviewState,
    next_review_state,
    review_mermaid,
)

OPEN, CLAIMED, PROPOSED, DECIDED, SUPERSEDED = ReviewState
CLAIM, DECIDE, PROPOSE, CONFIRM, RETRY, SUPERSEDE = ReviewEvent

LEGAL = {
    (OPEN, CLAIM): CLAIMED,
    (OPEN, SUPERSEDE): SUPERSEDED,
    (CLAIMED, CLAIM): CLAIMED,
    (CLAIMED, DECIDE): DECIDED,
    (CLAIMED, PROPOSE): PROPOSED,
    (CLAIMED, RETRY): OPEN,
    (CLAIMED, SUPERSEDE): SUPERSEDED,
    (PROPOSED, CLAIM): CLAIMED,
    (PROPOSED, CONFIRM): DECIDED,
    (PROPOSED, SUPERSEDE): SUPERSEDED,
    (DECIDED, SUPERSEDE): SUPERSEDED,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(ReviewState, ReviewEvent)))
def test_every_state_meets_every_event(state: ReviewState, event: ReviewEvent) -> None:
    """30 pairs, 11 of them legal; nobody decides what nobody claimed, nor confirms what nobody proposed."""
    if (state, event) in LEGAL:
        assert next_review_state(state, event) is LEGAL[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
            next_review_state(state, event)


def test_what_waits_can_be_claimed_and_what_ended_stays_ended() -> None:
    """The queue shows what waits; the end has no way out; the diagram shows every way."""
    assert frozenset({OPEN, CLAIMED, PROPOSED}) == UNANSWERED
    assert not [event for state, event in LEGAL if state is SUPERSEDED]
    assert review_mermaid().count(" : ") == len(LEGAL)
