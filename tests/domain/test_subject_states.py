"""Subject states, rules 1 to 3: the tables are the whole truth about a consent's life and a notice's."""

import itertools
from typing import cast

import pytest

from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.subject_states import (
    CONSENT_TRANSITIONS,
    SUBJECT_NOTICE_TRANSITIONS,
    ConsentEvent,
    ConsentPhase,
    SubjectNoticeEvent,
    SubjectNoticeState,
    consent_mermaid,
    next_consent_phase,
    next_subject_notice_state,
    subject_notice_mermaid,
)

GIVEN, PENDING, STANDING, NARROWED, WITHDRAWN, EXPIRED, LAPSED, ERASED = ConsentPhase
STAND, WAIT, CONFIRM, LAPSE, NARROW, WITHDRAW, EXPIRE, ERASE = ConsentEvent
LEGAL = {
    (GIVEN, STAND): STANDING,
    (GIVEN, WAIT): PENDING,
    (PENDING, CONFIRM): STANDING,
    (PENDING, NARROW): PENDING,
    **{(PENDING, event): LAPSED for event in (LAPSE, EXPIRE, WITHDRAW)},
    **{(phase, NARROW): NARROWED for phase in (STANDING, NARROWED)},
    **{(phase, EXPIRE): EXPIRED for phase in (STANDING, NARROWED)},
    **{(phase, WITHDRAW): WITHDRAWN for phase in (STANDING, NARROWED, EXPIRED)},
    **{(phase, ERASE): ERASED for phase in ConsentPhase if phase not in (GIVEN, ERASED)},
}


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(ConsentPhase, ConsentEvent)))
def test_every_phase_of_a_consent_meets_every_event(phase: ConsentPhase, event: ConsentEvent) -> None:
    """Rules 1, 2: 64 pairs, 20 of them legal, the others raise and name what was tried."""
    if (phase, event) in LEGAL:
        assert next_consent_phase(phase, event) is LEGAL[phase, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{phase}.*{event}"):
            next_consent_phase(phase, event)


def test_nothing_comes_to_stand_past_the_first_word_or_the_second() -> None:
    """Rule 1: what stands was given so or confirmed; what ended stays ended, and what is erased is gone."""
    into = {before for (_, before), after in CONSENT_TRANSITIONS.items() if after is STANDING}
    assert into == {GIVEN, PENDING}
    assert {after for (_, before), after in CONSENT_TRANSITIONS.items() if before in (WITHDRAWN, LAPSED)} == {ERASED}
    assert not any(before is ERASED for _, before in CONSENT_TRANSITIONS)


DUE, DEFERRED, TOLD, MOOT = SubjectNoticeState
GIVE, DEFER, RESUME, FORGET = SubjectNoticeEvent
LEGAL_OF_NOTICES = {
    (DUE, GIVE): TOLD,
    (DEFERRED, GIVE): TOLD,
    (DUE, DEFER): DEFERRED,
    (DEFERRED, DEFER): DEFERRED,
    (DEFERRED, RESUME): DUE,
    (DUE, FORGET): MOOT,
    (DEFERRED, FORGET): MOOT,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SubjectNoticeState, SubjectNoticeEvent)))
def test_every_state_of_a_notice_meets_every_event(state: SubjectNoticeState, event: SubjectNoticeEvent) -> None:
    """Rule 3: 16 pairs, 7 of them legal; given and moot are ends."""
    if (state, event) in LEGAL_OF_NOTICES:
        assert next_subject_notice_state(state, event) is LEGAL_OF_NOTICES[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
            next_subject_notice_state(state, event)


def test_the_diagrams_come_from_the_tables() -> None:
    """Every transition is one line, and nobody changes a table while running."""
    assert consent_mermaid().count(" : ") == len(LEGAL) == len(CONSENT_TRANSITIONS)
    assert subject_notice_mermaid().count(" : ") == len(LEGAL_OF_NOTICES) == len(SUBJECT_NOTICE_TRANSITIONS)
    with pytest.raises(TypeError):
        cast("dict[tuple[ConsentEvent, ConsentPhase], ConsentPhase]", CONSENT_TRANSITIONS)[CONFIRM, LAPSED] = STANDING
