"""Which states may a row of each kind hold?

1. Those that its table of transitions reaches from where it begins; a state that nothing leads to is never written.
2. Less those that are never stored: what has been heard and not yet weighed, and what time alone makes of a row.
3. The database's constraints derive from here (`storage/columns.py`), so that no table of transitions and no constraint
   can say two things. Whoever adds a table of transitions adds its line; a test finds one that was left out.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tiprouter.domain.accounts import ACCOUNT_TRANSITIONS, AccountState
from tiprouter.domain.breaker import BREAKER_TRANSITIONS, BreakerState
from tiprouter.domain.disclosure_states import DISCLOSURE_TRANSITIONS, DisclosureState
from tiprouter.domain.endpoint_states import CHANGE_TRANSITIONS, ENDPOINT_TRANSITIONS, ChangeState, EndpointState
from tiprouter.domain.grant_states import GRANT_TRANSITIONS, GrantState
from tiprouter.domain.page_states import PAGE_TRANSITIONS, PageState
from tiprouter.domain.question import QUESTION_TRANSITIONS, QuestionState
from tiprouter.domain.replay_states import REPLAY_TRANSITIONS, ReplayState
from tiprouter.domain.second_word_states import SECOND_WORD_TRANSITIONS, SecondWordState
from tiprouter.domain.states import (
    BUNDLE_TRANSITIONS,
    DUTY_TRANSITIONS,
    EVENT,
    INITIAL,
    REVIEW_TRANSITIONS,
    STATE,
    TRANSITIONS,
    BundleState,
    DutyPhase,
    ReviewState,
)
from tiprouter.domain.subject_states import (
    CONSENT_TRANSITIONS,
    NEVER_STORED,
    SUBJECT_NOTICE_TRANSITIONS,
    ConsentPhase,
    SubjectNoticeState,
)


def reached(table: Mapping[tuple[EVENT, STATE], STATE], first: STATE) -> frozenset[STATE]:
    """Every state that a table leads to from where it begins (rule 1)."""
    found, ahead = {first}, [first]
    while ahead:
        at = ahead.pop()
        for (_, before), after in table.items():
            if before is at and after not in found:
                found.add(after)
                ahead.append(after)
    return frozenset(found)


def _words(
    table: Mapping[tuple[EVENT, STATE], STATE], first: STATE, never: Collection[STATE] = ()
) -> tuple[type[StrEnum], frozenset[StrEnum]]:
    return type(first), reached(table, first) - set(never)


STORABLE: Final[Mapping[type[StrEnum], frozenset[StrEnum]]] = MappingProxyType(
    dict(
        (
            _words(TRANSITIONS, INITIAL),
            _words(ACCOUNT_TRANSITIONS, AccountState.INVITED),
            _words(BREAKER_TRANSITIONS, BreakerState.CLOSED),
            _words(BUNDLE_TRANSITIONS, BundleState.DRAFT),
            _words(CHANGE_TRANSITIONS, ChangeState.PROPOSED),
            _words(CONSENT_TRANSITIONS, ConsentPhase.GIVEN, never=NEVER_STORED),
            _words(DISCLOSURE_TRANSITIONS, DisclosureState.STANDING),
            _words(DUTY_TRANSITIONS, DutyPhase.OPEN),
            _words(ENDPOINT_TRANSITIONS, EndpointState.UNVERIFIED),
            _words(GRANT_TRANSITIONS, GrantState.ASKED),
            _words(PAGE_TRANSITIONS, PageState.WAITING),
            _words(QUESTION_TRANSITIONS, QuestionState.OPEN),
            _words(REPLAY_TRANSITIONS, ReplayState.PROPOSED),
            _words(REVIEW_TRANSITIONS, ReviewState.OPEN),
            _words(SECOND_WORD_TRANSITIONS, SecondWordState.ASKED),
            _words(SUBJECT_NOTICE_TRANSITIONS, SubjectNoticeState.DUE),
        )
    )
)
"""By the vocabulary of states; a vocabulary that is not here has no table of transitions."""


def storable(words: type[StrEnum]) -> tuple[StrEnum, ...]:
    """The words of a vocabulary that a row may hold, in its order."""
    kept = STORABLE.get(words)
    return tuple(word for word in words if kept is None or word in kept)
