"""Where can a consent, or a notice to the person it is about, be, and what may happen to it there?

Tables of their own beside those of `states`; the database constraints and the diagrams derive from them.

1. A grant that widens waits, and stands only once it was confirmed; nothing brings back what was withdrawn, ran out,
   lapsed or was erased: what is said then is a new consent.
2. Time alone ends a consent, and is never stored: `widening.phase_at` asks the table (`NEVER_STORED`).
3. A notice to a person is given once. While it waits it may be put off, again and again.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in


@unique
class ConsentPhase(StrEnum):
    """Where a grant or a refusal is in its life."""

    GIVEN = "given"  # heard in this very story, never stored
    PENDING = "pending"  # it widens, and waits to be said again: it counts for nothing
    STANDING = "standing"
    NARROWED = "narrowed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"  # by time alone, never stored
    LAPSED = "lapsed"  # it never stood
    ERASED = "erased"


@unique
class ConsentEvent(StrEnum):
    """What can happen to a grant or a refusal."""

    STAND = "stand"
    WAIT = "wait"
    CONFIRM = "confirm"
    LAPSE = "lapse"
    NARROW = "narrow"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    ERASE = "erase"


@unique
class SubjectNoticeState(StrEnum):
    """Where the telling of a person that something was disclosed about them is."""

    DUE = "due"
    DEFERRED = "deferred"
    GIVEN = "given"
    MOOT = "moot"  # who was to be told was erased


@unique
class SubjectNoticeEvent(StrEnum):
    """What can happen to it."""

    GIVE = "give"
    DEFER = "defer"
    RESUME = "resume"
    ERASE = "erase"


_CP, _CE = ConsentPhase, ConsentEvent

CONSENT_TRANSITIONS: Mapping[tuple[ConsentEvent, ConsentPhase], ConsentPhase] = MappingProxyType(
    {
        (_CE.STAND, _CP.GIVEN): _CP.STANDING,
        (_CE.WAIT, _CP.GIVEN): _CP.PENDING,
        (_CE.CONFIRM, _CP.PENDING): _CP.STANDING,
        (_CE.NARROW, _CP.PENDING): _CP.PENDING,
        (_CE.LAPSE, _CP.PENDING): _CP.LAPSED,
        (_CE.EXPIRE, _CP.PENDING): _CP.LAPSED,
        (_CE.WITHDRAW, _CP.PENDING): _CP.LAPSED,
        (_CE.NARROW, _CP.STANDING): _CP.NARROWED,
        (_CE.NARROW, _CP.NARROWED): _CP.NARROWED,
        (_CE.EXPIRE, _CP.STANDING): _CP.EXPIRED,
        (_CE.EXPIRE, _CP.NARROWED): _CP.EXPIRED,
        (_CE.WITHDRAW, _CP.STANDING): _CP.WITHDRAWN,
        (_CE.WITHDRAW, _CP.NARROWED): _CP.WITHDRAWN,
        (_CE.WITHDRAW, _CP.EXPIRED): _CP.WITHDRAWN,
        (_CE.ERASE, _CP.PENDING): _CP.ERASED,
        (_CE.ERASE, _CP.STANDING): _CP.ERASED,
        (_CE.ERASE, _CP.NARROWED): _CP.ERASED,
        (_CE.ERASE, _CP.WITHDRAWN): _CP.ERASED,
        (_CE.ERASE, _CP.EXPIRED): _CP.ERASED,
        (_CE.ERASE, _CP.LAPSED): _CP.ERASED,
    }
)

NEVER_STORED: Final = frozenset({ConsentPhase.GIVEN, ConsentPhase.EXPIRED})
"""Phases that no row holds (rule 2): heard in this very story, and what time alone makes of one."""

_NS, _NE = SubjectNoticeState, SubjectNoticeEvent

SUBJECT_NOTICE_TRANSITIONS: Mapping[tuple[SubjectNoticeEvent, SubjectNoticeState], SubjectNoticeState] = (
    MappingProxyType(
        {
            (_NE.GIVE, _NS.DUE): _NS.GIVEN,
            (_NE.DEFER, _NS.DUE): _NS.DEFERRED,
            (_NE.DEFER, _NS.DEFERRED): _NS.DEFERRED,
            (_NE.RESUME, _NS.DEFERRED): _NS.DUE,
            (_NE.GIVE, _NS.DEFERRED): _NS.GIVEN,
            (_NE.ERASE, _NS.DUE): _NS.MOOT,
            (_NE.ERASE, _NS.DEFERRED): _NS.MOOT,
        }
    )
)


def next_consent_phase(phase: ConsentPhase, event: ConsentEvent) -> ConsentPhase:
    """Return a consent's phase after `event`, or raise `IllegalTransitionError`."""
    return next_in(CONSENT_TRANSITIONS, "A consent", phase, event)


def next_subject_notice_state(state: SubjectNoticeState, event: SubjectNoticeEvent) -> SubjectNoticeState:
    """Return a subject notice's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(SUBJECT_NOTICE_TRANSITIONS, "A subject notice", state, event)


def consent_mermaid() -> str:
    """Return the consents' table as a Mermaid state diagram for the documentation."""
    return diagram(CONSENT_TRANSITIONS, ConsentPhase.GIVEN, [ConsentPhase.ERASED])


def subject_notice_mermaid() -> str:
    """Return the subject notices' table as a Mermaid state diagram for the documentation."""
    ends = [SubjectNoticeState.GIVEN, SubjectNoticeState.MOOT]
    return diagram(SUBJECT_NOTICE_TRANSITIONS, SubjectNoticeState.DUE, ends)
