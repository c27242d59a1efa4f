"""How is a hold told to who reviews it, and how do they answer?

1. The list says what waits, for whom and until when. It never holds a rationale, a fact or a payload.
2. One review adds why it is held, its facts, what each answer would do, and the very payload that would leave.
3. A rationale is personal data: sealed at rest, told to reviewers alone, never logged.
"""

import json
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.consents import PersonId
from tiprouter.api.schemas.explanations import WhyBody
from tiprouter.api.schemas.outcomes import Names, OutcomeBody, RecipientName, outcomes_of
from tiprouter.api.schemas.policies import PolicyBody, told
from tiprouter.api.schemas.words import LAX, LongText, Message, Moment, Some
from tiprouter.domain.explain import Explanation
from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import Category, Establishable, Outcome, ReviewAnswer, Urgency
from tiprouter.storage.decisions import Decision
from tiprouter.storage.reviews import Held
from tiprouter.workflow.review_reading import Item, Outlook
from tiprouter.workflow.reviewing import Said, Settled

_EXAMPLE: Final[dict[str, Any]] = {
    "answer": "establish",
    "fact": "age",
    "value": "minor",
    "rationale": "Example text about nobody: a fictional school confirmed the year of birth.",
}


class AnswerBody(Message):
    """A reviewer's answer to a hold.

    `release` names categories, none that the policy does not permit. `establish` names a fact that the record leaves
    unknown, and its value: an age (`adult`: of age under every law of the record; or `minor`), whether there is a duty
    toward this recipient (`required`, `not_required`), how violence was perceived (`first_hand`, `relayed`); then the
    policy decides again. `withhold` lets nothing leave. `retry` asks an error again.
    """

    model_config = ConfigDict(json_schema_extra=examples.example(_EXAMPLE))

    answer: Annotated[ReviewAnswer, LAX]
    categories: Annotated[Some[Annotated[Category, LAX]], Field(max_length=len(Category))] = ()
    fact: Annotated[Establishable, LAX] | None = None
    value: Annotated[str, Field(pattern="^[a-z_]{1,16}$", examples=["minor"])] | None = None
    rationale: LongText

    def said(self) -> Said:
        """The answer in the words of the story."""
        return Said(self.answer, self.rationale, self.categories, self.fact, self.value)


class ReviewBody(Message):
    """A review and the hold it is about; `outcome` is what was held, `answer` what was answered or proposed."""

    id: str
    state: ReviewState
    decision: str
    record: str
    person: PersonId
    recipient: RecipientName
    outcome: Outcome
    urgency: Urgency
    deadline: Moment
    opened_at: Moment
    claimed_by: str | None
    claimed_until: Moment | None
    answer: ReviewAnswer | None
    categories: tuple[Category, ...]
    decided_by: str | None
    decided_at: Moment | None
    confirmed_by: str | None
    confirmed_at: Moment | None

    @classmethod
    def of(cls, held: Held, decision: Decision, names: Names) -> Self:
        """A review as it is listed."""
        return cls(**_values(held, decision, names))


class ReviewList(Message):
    """A page of reviews: imminent danger first, then the earliest deadline."""

    items: tuple[ReviewBody, ...]


class SupposedBody(Message):
    """What would be decided about this person and recipient were this fact established so."""

    fact: Establishable
    value: str
    outcome: Outcome
    categories: tuple[Category, ...]


class ReleasableBody(Message):
    """What a release may disclose at most; what of it needs a second reviewer; the payload that would leave."""

    categories: tuple[Category, ...]
    second_person: tuple[Category, ...]
    preview: dict[str, Any] | None

    @classmethod
    def of(cls, outlook: Outlook) -> Self:
        """What may be released."""
        return cls(
            categories=_ordered(outlook.releasable),
            second_person=_ordered(outlook.twice),
            preview=None if outlook.preview is None else json.loads(outlook.preview)["data"],
        )


class ReviewExplained(ReviewBody):
    """A review with everything its answer rests on.

    `reasons` are the determining policies in words; `facts` what the policy saw (null after an error without facts);
    `answers` what each establishable fact would do; `why` every single fact that would change the outcome.
    """

    reasons: tuple[PolicyBody, ...]
    errors: tuple[str, ...]
    facts: dict[str, str | bool | dict[str, str] | list[str]] | None
    answers: tuple[SupposedBody, ...]
    release: ReleasableBody
    why: WhyBody | None
    rationale: str | None

    @classmethod
    def by(cls, item: Item, names: Names, why: Explanation | None) -> Self:
        """One review with its reasons."""
        decision, notes = item.decision, {note.id: note for note in item.notes}
        return cls(
            **_values(item.held, decision, names),
            reasons=tuple(told(name, notes.get(name)) for name in decision.policies),
            errors=decision.errors,
            facts=None if decision.facts is None else dict(decision.facts),
            answers=tuple(
                SupposedBody(fact=one.fact, value=one.value, outcome=one.outcome, categories=_ordered(one.categories))
                for one in item.outlook.supposed
            ),
            release=ReleasableBody.of(item.outlook),
            why=None if why is None else WhyBody.of(why),
            rationale=item.rationale,
        )


class ReviewSettled(Message):
    """A review after an answer, and what stands about its record now."""

    review: ReviewBody
    outcomes: tuple[OutcomeBody, ...]

    @classmethod
    def of(cls, settled: Settled, held: Decision, names: Names) -> Self:
        """An answer and what came of it."""
        return cls(
            review=ReviewBody.of(settled.held, held, names),
            outcomes=outcomes_of(settled.decisions, names),
        )


def _values(held: Held, decision: Decision, names: Names) -> dict[str, Any]:
    same = (
        "id state urgency deadline opened_at claimed_by claimed_until answer decided_by decided_at confirmed_by"
        " confirmed_at"
    )
    return {name: getattr(held, name) for name in same.split()} | {
        "decision": held.decision_id,
        "record": held.record_id,
        "person": PersonId(id=held.person_id),
        "recipient": RecipientName(id=held.recipient_id, kind=names.kinds[held.recipient_id]),
        "outcome": decision.outcome,
        "categories": tuple(map(Category, held.categories)),
    }


def _ordered(categories: frozenset[Category]) -> tuple[Category, ...]:
    return tuple(category for category in Category if category in categories)
