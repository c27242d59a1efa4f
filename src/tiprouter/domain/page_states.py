"""Where can a page to people be, and what may happen to it there?

A table of its own beside those of `states`; the database constraint and the diagram derive from it.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType

from tiprouter.domain.states import diagram, next_in


@unique
class PageState(StrEnum):
    """Where a page to people is."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"  # it did not get through, and is tried again
    GIVEN_UP = "given_up"


@unique
class PageEvent(StrEnum):
    """What can happen to a page."""

    SUCCEED = "succeed"
    FAIL = "fail"
    GIVE_UP = "give_up"
    SETTLE = "settle"  # somebody has seen the notice, or what it is about has arrived


_GS, _GE = PageState, PageEvent

PAGE_TRANSITIONS: Mapping[tuple[PageEvent, PageState], PageState] = MappingProxyType(
    {
        (_GE.SUCCEED, _GS.WAITING): _GS.SENT,
        (_GE.SUCCEED, _GS.FAILED): _GS.SENT,
        (_GE.FAIL, _GS.WAITING): _GS.FAILED,
        (_GE.FAIL, _GS.FAILED): _GS.FAILED,
        (_GE.GIVE_UP, _GS.WAITING): _GS.GIVEN_UP,
        (_GE.GIVE_UP, _GS.FAILED): _GS.GIVEN_UP,
        (_GE.SETTLE, _GS.WAITING): _GS.GIVEN_UP,
        (_GE.SETTLE, _GS.FAILED): _GS.GIVEN_UP,
    }
)

PAGE_DUE = frozenset(state for event, state in PAGE_TRANSITIONS if event is PageEvent.SUCCEED)


def next_page_state(state: PageState, event: PageEvent) -> PageState:
    """Return a page's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(PAGE_TRANSITIONS, "A page", state, event)


def page_mermaid() -> str:
    """Return the pages' table as a Mermaid state diagram for the documentation."""
    return diagram(PAGE_TRANSITIONS, PageState.WAITING, [state for state in PageState if state not in PAGE_DUE])
