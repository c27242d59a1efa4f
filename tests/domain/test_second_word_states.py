"""Where what one person asked of another can be, and that nothing is done before it was said."""

import pytest

from tiprouter.domain.second_word_states import (
    SECOND_WORD_TRANSITIONS,
    UNENDED,
    SecondWordEvent,
    SecondWordState,
    next_second_word_state,
    second_word_mermaid,
)
from tiprouter.domain.states import IllegalTransitionError

ASKED, SAID, USED, WITHDRAWN = SecondWordState
SAY, USE, WITHDRAW = SecondWordEvent


def test_it_is_used_only_once_it_was_said() -> None:
    """Rule 1: the one way to `used` is from `said`, and the one way there is from `asked`."""
    into = {
        state: [one for one in SECOND_WORD_TRANSITIONS if SECOND_WORD_TRANSITIONS[one] is state] for state in UNENDED
    }
    assert into == {ASKED: [], SAID: [(SAY, ASKED)]}
    assert [one for one, after in SECOND_WORD_TRANSITIONS.items() if after is USED] == [(USE, SAID)]


def test_it_is_taken_back_wherever_it_has_not_ended_and_what_ended_stays_so() -> None:
    """Rules 2 and 3."""
    for state in SecondWordState:
        if state in UNENDED:
            assert next_second_word_state(state, WITHDRAW) is WITHDRAWN
            continue
        for event in SecondWordEvent:
            with pytest.raises(IllegalTransitionError):
                next_second_word_state(state, event)


def test_the_diagram_has_every_transition() -> None:
    """One line each, one for the beginning and one for each end."""
    assert second_word_mermaid().count(" --> ") == len(SECOND_WORD_TRANSITIONS) + 3
