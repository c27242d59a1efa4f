"""Disclosure states, rules 1 to 3: the table is the whole truth about a disclosure's life."""

from tiprouter.domain.disclosure_states import (
    DISCLOSURE_TRANSITIONS,
    DisclosureEvent,
    DisclosureState,
    disclosure_mermaid,
)

STANDING, REPLACED, WITHHELD, RECALLED, ERASED = DisclosureState
REPLACE, WITHHOLD, RECALL, ERASE = DisclosureEvent
LEGAL = {
    (STANDING, REPLACE): REPLACED,
    (STANDING, WITHHOLD): WITHHELD,
    **{(state, RECALL): RECALLED for state in (STANDING, REPLACED, WITHHELD)},
    (ERASED, RECALL): ERASED,
    **{(state, ERASE): ERASED for state in DisclosureState if state is not ERASED},
}


def test_the_table_holds_what_may_happen_and_nothing_else() -> None:
    """Rules 1 to 3: of 20 pairs of state and event, 10."""
    assert {(state, event): after for (event, state), after in DISCLOSURE_TRANSITIONS.items()} == LEGAL


def test_the_diagram_is_the_table() -> None:
    """One arrow a row, one beginning, and an end where nothing leads on."""
    drawn = disclosure_mermaid()
    assert drawn.count(" : ") == len(DISCLOSURE_TRANSITIONS) == len(LEGAL)
    assert ("[*] --> standing" in drawn, "erased --> [*]" in drawn) == (True, True)
