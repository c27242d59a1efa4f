"""Where can what one person asked of another be, and what may happen to it there?

1. One asks, another says it: there is no way from `asked` to `used` but through `said`.
2. It can be taken back wherever it has not ended, by one person, at once.
3. What ended stays ended: whoever needs more asks again. Past its `until` it is over wherever it is, which nobody
   writes down.

A table of its own beside those of `states`; the database constraint and the diagram derive from it.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in


@unique
class ByTwo(StrEnum):
    """What one person does by another's word."""

    KEY = "key"
    EXPORT = "export"
    ROLL_BACK = "roll-back"


@unique
class SecondWordState(StrEnum):
    """Where it is."""

    ASKED = "asked"
    SAID = "said"
    USED = "used"
    WITHDRAWN = "withdrawn"


@unique
class SecondWordEvent(StrEnum):
    """What can happen to it."""

    SAY = "say"
    USE = "use"
    WITHDRAW = "withdraw"


_S, _E = SecondWordState, SecondWordEvent

SECOND_WORD_TRANSITIONS: Mapping[tuple[SecondWordEvent, SecondWordState], SecondWordState] = MappingProxyType(
    {
        (_E.SAY, _S.ASKED): _S.SAID,
        (_E.USE, _S.SAID): _S.USED,
        (_E.WITHDRAW, _S.ASKED): _S.WITHDRAWN,
        (_E.WITHDRAW, _S.SAID): _S.WITHDRAWN,
    }
)

UNENDED: Final = frozenset(state for _, state in SECOND_WORD_TRANSITIONS)


def next_second_word_state(state: SecondWordState, event: SecondWordEvent) -> SecondWordState:
    """Return its state after `event`, or raise `IllegalTransitionError`."""
    return next_in(SECOND_WORD_TRANSITIONS, "A second word", state, event)


def second_word_mermaid() -> str:
    """Return the table as a Mermaid state diagram for the documentation."""
    ends = [one for one in SecondWordState if one not in UNENDED]
    return diagram(SECOND_WORD_TRANSITIONS, SecondWordState.ASKED, ends)
