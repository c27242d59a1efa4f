"""Where is an agency's question, and until when must somebody have acted on it, or an agency on what it was sent?

A table of its own beside those of `states`; the database constraint and the diagram derive from it.

1. A question is opened by an agency that needs information. The hotline answers it, or it is closed: by the agency's
   own later word, or because nothing may be told to that agency any more.
2. An answer that was taken back before it left, or recalled after, closes its question; it does not open it again.
3. Imminent danger is answered within the hour and looked at in minutes; everything else within a day.
4. What arrived and nobody acknowledged is told to a human after `ACKNOWLEDGED_WITHIN`: 15 minutes are one repeat of an
   imminent page and long enough to read a report; 24 hours are the shortest span in which most duty rows want a report,
   so that a disclosure without a duty is not waited for longer than one with it.

Not promised: that an answer is right, or that the agency reads it.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final

from tiprouter.domain.states import diagram, next_in
from tiprouter.domain.vocabulary import Urgency


@unique
class QuestionState(StrEnum):
    """Where an agency's question is."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


@unique
class QuestionEvent(StrEnum):
    """What can happen to it."""

    ANSWER = "answer"
    CLOSE = "close"
    TAKE_BACK = "take_back"


@unique
class AnswerResult(StrEnum):
    """What became of the hotline's answer at the gate, and why."""

    SENT = "sent"
    PERSON_WITHHELD = "person_withheld"  # of one of them nothing may be told to this agency
    CATEGORY_WITHHELD = "category_withheld"  # that kind of data may not be told to it
    REVIEW_PENDING = "review_pending"  # a reviewer has to look first
    ERROR = "error"  # it could not be decided, so nothing left


_Q, _E = QuestionState, QuestionEvent

QUESTION_TRANSITIONS: Mapping[tuple[QuestionEvent, QuestionState], QuestionState] = MappingProxyType(
    {
        (_E.ANSWER, _Q.OPEN): _Q.ANSWERED,
        (_E.CLOSE, _Q.OPEN): _Q.CLOSED,
        (_E.TAKE_BACK, _Q.ANSWERED): _Q.CLOSED,
    }
)

ANSWER_WITHIN: Final[Mapping[Urgency, timedelta]] = MappingProxyType(
    {Urgency.IMMINENT: timedelta(hours=1), Urgency.STANDARD: timedelta(hours=24)}
)
"""How long a question may wait for the hotline, and an answer for its arrival (rule 3)."""

ACKNOWLEDGED_WITHIN: Final[Mapping[Urgency, timedelta]] = MappingProxyType(
    {Urgency.IMMINENT: timedelta(minutes=15), Urgency.STANDARD: timedelta(hours=24)}
)
"""How long what arrived may go without a word of its agency (rule 4)."""


def next_question_state(state: QuestionState, event: QuestionEvent) -> QuestionState:
    """Return a question's state after `event`, or raise `IllegalTransitionError`."""
    return next_in(QUESTION_TRANSITIONS, "A question", state, event)


def question_mermaid() -> str:
    """Return the questions' table as a Mermaid state diagram for the documentation."""
    return diagram(QUESTION_TRANSITIONS, QuestionState.OPEN, [QuestionState.ANSWERED, QuestionState.CLOSED])
