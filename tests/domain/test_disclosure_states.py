"""Disclosure states, rules 1 to 3: the table is the whole truth about a disclosure's life."""

import itertools

import pytest

from tiprouter.domain.disclosure_states import (
    DISCLOSURE_TRANSITIONS,
    DisclosureEvent,
    DisclosureState,
    disclosure_mermaid,
    next_disclosure_state,
)
from tiprouter.domain.states import IllegalTransitionError

STANDING, REPLACED, WITHHELD, RECALLED, ERASED = DisclosureState
REPLACE, WITHHOLD, RECALL, ERASE = DisclosureEvent
LEGAL = {
    (STANDING, REPLACE): REPLACED,
    (STANDING, WITHHOLD): WITHHELD,
    **{(state, RECALL): RECALLED for state in (STANDING, REPLACED, WITHHELD)},
    (ERASED, RECALL): ERASED,
    **{(state, ERASE): ERASED for state in DisclosureState if state is not ERASED},
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(DisclosureState, DisclosureEvent)))
def test_every_state_meets_every_event(state: DisclosureState, event: DisclosureEvent) -> None:
    """Rules 1 to 3: 20 pairs, 10 of them legal; the others raise and name what was tried."""
    if (state, event) in LEGAL:
        assert next_disclosure_state(state, event) is LEGAL[state, event]
        return
    with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
        next_disclosure_state(state, event)


def test_the_diagram_is_the_table() -> None:
    """One arrow a row, one beginning, and an end where nothing leads on."""
    drawn = disclosure_mermaid()
    assert drawn.count(" : ") == len(DISCLOSURE_TRANSITIONS) == len(LEGAL)
    assert ("[*] --> standing" in drawn, "erased --> [*]" in drawn) == (True, True)
