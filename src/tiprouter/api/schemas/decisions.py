"""How is a decision told to those who review and audit?

1. A list says what was decided; a single one adds the facts it rested on, the policies that determined it, and what
   single fact would change it.
2. Nobody is named: persons are the router's ids. `salt` opens the facts' commitment in the log.
"""

from typing import Any, Final, Self

from tiprouter.api.schemas.consents import PersonId
from tiprouter.api.schemas.explanations import WhyBody
from tiprouter.api.schemas.outcomes import Names, ObligationsBody, RecipientName, obligations_of, recipient_name
from tiprouter.api.schemas.places import LogPlace
from tiprouter.api.schemas.policies import PolicyBody, told
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.explain import Explanation
from tiprouter.domain.vocabulary import Category, Outcome, Urgency
from tiprouter.storage.decisions import Decision
from tiprouter.workflow.inquiry import Explained

FactsTold = dict[str, str | bool | dict[str, str] | list[str]]
"""Facts, by name."""


class DecidedBody(Message):
    """What was decided about one person toward one recipient, and when."""

    id: str
    record: str
    revision: int
    person: PersonId
    recipient: RecipientName | None
    outcome: Outcome
    categories: tuple[Category, ...]
    review: bool
    deadline: Moment | None
    urgency: Urgency
    obligations: ObligationsBody
    errors: tuple[str, ...]
    bundle: str
    cause: str
    valid_until: Moment | None
    decided_at: Moment
    current: bool


class DecisionBody(DecidedBody):
    """A decision with the names of the policies that determined it, and where the log tells of it."""

    policies: tuple[str, ...]
    log: LogPlace | None

    @classmethod
    def of(cls, decision: Decision, names: Names, index: int | None) -> Self:
        """A decision without its reasons; `index` is its entry's in the log, once it is there."""
        return cls(**_values(decision, names), policies=decision.policies, log=LogPlace.at(index))


COLUMNS: Final = (
    "id",
    "record",
    "revision",
    "person.id",
    "recipient.id",
    "recipient.kind",
    "outcome",
    "categories",
    "policies",
    "review",
    "deadline",
    "urgency",
    "obligations.notify_subject",
    "obligations.telephone_call",
    "obligations.written_report_by",
    "errors",
    "bundle",
    "cause",
    "valid_until",
    "decided_at",
    "current",
    "log.index",
    "log.proof",
)
"""Of a row of CSV."""


class DecisionList(Message):
    """A page of decisions."""

    items: tuple[DecisionBody, ...]


class DecisionExplained(DecidedBody):
    """A decision, the facts the policy saw (null when they could not be derived), and why.

    `duty_within_seconds` is how long after receipt the duty table says this recipient must know. `why` is null when
    there are no facts.
    """

    policies: tuple[PolicyBody, ...]
    facts: FactsTold | None
    duty_within_seconds: int | None
    why: WhyBody | None
    salt: str

    @classmethod
    def of(cls, explained: Explained, names: Names, why: Explanation | None) -> Self:
        """A decision with its reasons."""
        decision, notes = explained.decision, {note.id: note for note in explained.notes}
        return cls(
            **_values(decision, names),
            policies=tuple(told(name, notes.get(name)) for name in decision.policies),
            facts=None if decision.facts is None else dict(decision.facts),
            duty_within_seconds=decision.duty_within,
            why=None if why is None else WhyBody.of(why),
            salt=decision.salt,
        )


def _values(decision: Decision, names: Names) -> dict[str, Any]:
    same = "id revision outcome review deadline urgency errors bundle cause valid_until decided_at current"
    return {name: getattr(decision, name) for name in same.split()} | {
        "record": decision.record_id,
        "person": PersonId(id=decision.person_id),
        "recipient": recipient_name(decision, names),
        "categories": tuple(Category(one) for one in decision.categories),
        "obligations": obligations_of(decision),
    }
