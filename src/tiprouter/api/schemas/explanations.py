"""What does a bundle say of facts, and what single fact would change it?

1. Facts are asked for as a decision shows them, so that a decision's facts can be asked of any bundle. A value outside
   a fact's vocabulary is refused where it stands.
2. What is explained is what the bundle says of these facts; nothing is decided, and no record is looked at.
"""

from typing import Annotated, Self

from pydantic import ConfigDict, Field

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.policies import Duration, PolicyBody, told
from tiprouter.api.schemas.words import LAX, Message, Some
from tiprouter.domain.explain import Explanation, facts_from
from tiprouter.domain.facts import Facts
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Outcome,
    Perceived,
    RecipientKind,
    Relationship,
    Role,
)
from tiprouter.errors import InvalidError
from tiprouter.policy.engine import Engine
from tiprouter.policy.spans import spelled
from tiprouter.workflow.explaining import reasons


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


_Consent = Annotated[ConsentState, LAX]


class ConsentsBody(Message):
    """The state of the person's consents toward the recipient, for each data category."""

    incident: _Consent
    location: _Consent
    identity: _Consent
    contact: _Consent
    health: _Consent
    immigration: _Consent
    signaler_identity: _Consent


class FactsBody(Message):
    """Facts as a decision shows them (rule 3)."""

    recipient_kind: Annotated[RecipientKind, LAX]
    usable: bool
    agreement: bool
    implicated: bool
    in_jurisdiction: Annotated[Answer, LAX]
    role: Annotated[Role, LAX]
    age: Annotated[AgeBand, LAX]
    duty: Annotated[DutyState, LAX]
    reporter: Annotated[Relationship, LAX]
    immediate: Annotated[Answer, LAX]
    escalating: Annotated[Answer, LAX]
    perceived: Annotated[Perceived, LAX]
    fresh: bool
    basis: Annotated[Basis, LAX]
    consents: ConsentsBody
    rows: Annotated[
        Some[Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,64}$", examples=["us-tx"])]], Field(max_length=20)
    ] = ()

    def to_domain(self) -> Facts:
        """The facts; a duty row named twice is one."""
        plain = self.model_dump(mode="json")
        return facts_from(plain | {"rows": dict.fromkeys(self.rows)})


class FactsWanted(Message):
    """What a bundle is asked."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.QUESTION))

    facts: FactsBody


class FactsExplained(Message):
    """What a bundle would decide on these facts, by which policies, and what single fact would change it.

    `deadline` is a span after receipt (ISO 8601), `written` are spans as a statute counts them. `why` is null after an
    error.
    """

    digest: str
    outcome: Outcome
    categories: tuple[Category, ...]
    review: bool
    deadline: Duration | None
    notify_subject: Notice
    telephone_call: bool
    written: tuple[str, ...]
    policies: tuple[PolicyBody, ...]
    errors: tuple[str, ...]
    why: WhyBody | None

    @classmethod
    def by(cls, digest: str, engine: Engine, asked: FactsBody) -> Self:
        """What a bundle's engine says, with its reasons: some ninety questions. Raises `InvalidError`."""
        bundle = engine.bundle
        for position, row in enumerate(asked.rows):
            if row not in bundle.slices:
                raise InvalidError("This field names no duty row of this bundle.", f"/facts/rows/{position}")
        found = reasons(engine, asked.to_domain())
        verdict = found.verdict
        return cls(
            digest=digest,
            outcome=verdict.outcome,
            categories=tuple(one for one in Category if one in verdict.categories),
            review=verdict.review,
            deadline=found.deadline,
            notify_subject=verdict.notice,
            telephone_call=verdict.call,
            written=tuple(spelled(span) for span in found.written),
            policies=tuple(told(name, bundle.note(name)) for name in verdict.policies),
            errors=verdict.errors,
            why=None if found.explanation is None else WhyBody.of(found.explanation),
        )
