"""How are agencies' questions told to the hotline, and how does it answer?"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.words import LAX, LongText, Message, Moment, Ref, Some
from tiprouter.domain.question import AnswerResult, QuestionState
from tiprouter.domain.record import Statement
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Category, Outcome, Urgency
from tiprouter.workflow.questions import Asked, Barred, Given, Standing

_EXAMPLE: Final[dict[str, Any]] = {"text": "Example answer about nobody.", "persons": ["p1"], "category": "incident"}


class AnswerBody(Message):
    """What the hotline answers: a statement, the kind of data it is, and the persons of the record it is about."""

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    text: LongText
    persons: Annotated[Some[Ref], Field(min_length=1, max_length=50)]
    category: Annotated[Category, LAX]

    def to_domain(self) -> Statement:
        """The statement."""
        return Statement(self.text, self.persons, self.category)


class CarriedBody(Message):
    """The disclosure that carries the answer, and where its delivery is."""

    disclosure: str
    state: DeliveryState | None


class QuestionBody(Message):
    """A question as it stands; `asked_about` is the disclosure, `acknowledgement` the agency's word that asks it.

    `cause` says why it is not open any more, `by` who answered it or whose doing closed it.
    """

    id: str
    acknowledgement: str
    asked_about: str
    record: str
    recipient: str
    urgency: Urgency
    state: QuestionState
    asked_at: Moment
    deadline: Moment
    settled_at: Moment | None
    by: str | None
    cause: str | None
    answer: CarriedBody | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """A question."""
        return cls(**_values(standing))


class QuestionList(Message):
    """A page of questions."""

    items: tuple[QuestionBody, ...]


class QuestionFull(QuestionBody):
    """A question with the agency's words, and the persons of its record by `ref`."""

    question: str | None
    case_number: str | None
    persons: tuple[str, ...]

    @classmethod
    def told(cls, asked: Asked) -> Self:
        """A question with its words."""
        words = asked.words
        return cls(
            **_values(asked.standing), question=words.question, case_number=words.case_number, persons=asked.persons
        )


class BarredBody(Message):
    """A person because of whom an answer was withheld, and what today's decision permits to be told of them.

    `decision` is null where nothing is decided about them toward that agency.
    """

    ref: str
    decision: str | None
    outcome: Outcome | None
    permitted: tuple[Category, ...]

    @classmethod
    def of(cls, barred: Barred) -> Self:
        """One person."""
        one = barred.decision
        permitted = () if one is None else tuple(Category(each) for each in one.categories)
        return cls(
            ref=barred.ref,
            decision=None if one is None else one.id,
            outcome=None if one is None else one.outcome,
            permitted=permitted,
        )


class AnswerGiven(Message):
    """What became of an answer: `sent`, or why nothing of it leaves. A withheld answer is not kept."""

    result: AnswerResult
    question: QuestionBody
    withheld_by: tuple[BarredBody, ...]

    @classmethod
    def of(cls, given: Given) -> Self:
        """What became of it."""
        return cls(
            result=given.result,
            question=QuestionBody.of(given.standing),
            withheld_by=tuple(BarredBody.of(one) for one in given.barred),
        )


def _values(standing: Standing) -> dict[str, Any]:
    one = standing.question
    same = "id urgency state asked_at deadline settled_at cause"
    carried = None if one.carried_by is None else CarriedBody(disclosure=one.carried_by, state=standing.answer_is)
    return {name: getattr(one, name) for name in same.split()} | {
        "acknowledgement": one.acknowledgement_id,
        "asked_about": one.disclosure_id,
        "record": one.record_id,
        "recipient": one.recipient_id,
        "by": one.settled_by,
        "answer": carried,
    }
