"""Where can a grant that opens one matter to an auditor be, and what may happen to it there?

1. It opens by two approvals: there is no way from `asked` to `open` but through `approved`.
2. It can be revoked wherever it has not ended, by one person, at once.
3. Time alone ends it too, opened or not. What ended stays ended: whoever needs more asks for another.
4. It lasts at most fourteen days, counted from the asking.

A table of its own beside those of `states`; the database constraint and the diagram derive from it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in

LASTS_AT_MOST: Final = timedelta(days=14)


@unique
class GrantState(StrEnum):
    """Where a grant is."""

    ASKED = "asked"
    APPROVED = "approved"  # by one person of the two: it opens nothing
    OPEN = "open"
    REVOKED = "revoked"
    EXPIRED = "expired"


@unique
class GrantEvent(StrEnum):
    """What can happen to a grant."""

    APPROVE = "approve"
    REVOKE = "revoke"
    EXPIRE = "expire"


_S, _E = GrantState, GrantEvent

GRANT_TRANSITIONS: Mapping[tuple[GrantEvent, GrantState], GrantState] = MappingProxyType(
    {
        (_E.APPROVE, _S.ASKED): _S.APPROVED,
        (_E.APPROVE, _S.APPROVED): _S.OPEN,
        (_E.REVOKE, _S.ASKED): _S.REVOKED,
        (_E.REVOKE, _S.APPROVED): _S.REVOKED,
        (_E.REVOKE, _S.OPEN): _S.REVOKED,
        (_E.EXPIRE, _S.ASKED): _S.EXPIRED,
        (_E.EXPIRE, _S.APPROVED): _S.EXPIRED,
        (_E.EXPIRE, _S.OPEN): _S.EXPIRED,
    }
)

UNENDED: Final = frozenset(state for _, state in GRANT_TRANSITIONS)


def next_grant_state(state: GrantState, event: GrantEvent) -> GrantState:
    """Return a grant's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(GRANT_TRANSITIONS, "A grant", state, event)


def grant_state_at(state: GrantState, until: datetime, now: datetime) -> GrantState:
    """Where a grant is at a moment: its time is over at `until`, whether or not somebody has written that down."""
    return next_grant_state(state, _E.EXPIRE) if state in UNENDED and now >= until else state


def grant_mermaid() -> str:
    """Return the grants' table as a Mermaid state diagram for the documentation."""
    return diagram(GRANT_TRANSITIONS, GrantState.ASKED, [one for one in GrantState if one not in UNENDED])
