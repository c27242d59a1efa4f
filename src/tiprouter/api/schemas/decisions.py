"""How is a decision told to those who review and audit?

1. A list says what was decided; a single one adds the facts it rested on, the policies that determined it, and what
   single fact would change it.
2. Nobody is named: persons are the router's ids. `salt` opens the facts' commitment in the log.
"""

from typing import Any, Final, Self

from tiprouter.api.schemas.consents import PersonId
from tiprouter.api.schemas.outcomes import Names, RecipientName, recipient_name
from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.explain import Explanation
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category, Outcome, Urgency
from tiprouter.policy.annotations import Effect
from tiprouter.storage.decisions import Decision
from tiprouter.workflow.inquiry import Explained


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
    notice: Notice
    errors: tuple[str, ...]
    bundle: str
    cause: str
    valid_until: Moment | None
    decided_at: Moment
    current: bool


class DecisionBody(DecidedBody):
    """A decision with the names of the policies that determined it."""

    policies: tuple[str, ...]

    @classmethod
    def of(cls, decision: Decision, names: Names) -> Self:
        """A decision without its reasons."""
        return cls(**_values(decision, names), policies=decision.policies)


class DecisionList(Message):
    """A page of decisions."""

    items: tuple[DecisionBody, ...]


class PolicyBody(Message):
    """A determining policy, in words and with its source; `effect` is null for the router's own rules."""

    id: str
    effect: Effect | None
    basis: str
    cite: str


class ChangeBody(Message):
    """What would have been decided had one fact been another."""

    fact: str
    value: str
    outcome: Outcome
    categories: tuple[Category, ...]


class WhyBody(Message):
    """Every single fact that would change the outcome, and the unknown facts that decide it."""

    changes: tuple[ChangeBody, ...]
    deciding_unknowns: tuple[str, ...]

    @classmethod
    def of(cls, why: Explanation) -> Self:
        """An explanation."""
        changes = (
            ChangeBody(
                fact=one.fact,
                value=one.value,
                outcome=one.outcome,
                categories=tuple(category for category in Category if category in one.categories),
            )
            for one in why.changes
        )
        return cls(changes=tuple(changes), deciding_unknowns=why.deciding_unknowns)


class DecisionExplained(DecidedBody):
    """A decision, the facts the policy saw (null when they could not be derived), and why.

    `why` is null when there are no facts, or when another bundle decided than the one that could be asked now.
    """

    policies: tuple[PolicyBody, ...]
    facts: dict[str, str | bool | dict[str, str]] | None
    why: WhyBody | None
    salt: str

    @classmethod
    def of(cls, explained: Explained, names: Names, why: Explanation | None) -> Self:
        """A decision with its reasons."""
        decision, notes = explained.decision, {note.id: note for note in explained.notes}
        policies = tuple(
            PolicyBody(id=note.id, effect=note.effect, basis=note.basis, cite=note.cite)
            if (note := notes.get(name)) is not None
            else _OWN.get(name, PolicyBody(id=name, effect=None, basis="A policy of an earlier bundle.", cite="bundle"))
            for name in decision.policies
        )
        facts = None if decision.facts is None else dict(decision.facts)
        return cls(
            **_values(decision, names),
            policies=policies,
            facts=facts,
            why=None if why is None else WhyBody.of(why),
            salt=decision.salt,
        )


_OWN: Final = {
    rule.id: rule
    for rule in (
        PolicyBody(
            id="default-deny",
            effect=None,
            basis="Nothing permits it, and what is not permitted stays here.",
            cite="Decision rule 1",
        ),
        PolicyBody(
            id="duty.no-recipient",
            effect=None,
            basis="A child's duty found no recipient that could take it; a human must act.",
            cite="Decision rule 5",
        ),
        PolicyBody(
            id="policy.error",
            effect=None,
            basis="A policy failed while it was asked, so nothing leaves and a human is told.",
            cite="Decision rule 1",
        ),
        PolicyBody(
            id="router.error",
            effect=None,
            basis="Something failed while it was decided, so nothing leaves and a human is told.",
            cite="Decision rule 1",
        ),
    )
}


def _values(decision: Decision, names: Names) -> dict[str, Any]:
    same = "id revision outcome review deadline urgency errors bundle cause valid_until decided_at current"
    return {name: getattr(decision, name) for name in same.split()} | {
        "record": decision.record_id,
        "person": PersonId(id=decision.person_id),
        "recipient": recipient_name(decision, names),
        "categories": tuple(Category(one) for one in decision.categories),
        "notice": Notice(decision.notice),
    }
