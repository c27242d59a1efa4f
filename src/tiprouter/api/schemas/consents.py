"""How is a consent, a refusal or a withdrawal spelt?

1. A grant names categories, purposes, recipients or kinds, an informed checklist and an end; a refusal may be bare:
   its empty scopes mean everything.
2. A consent is from when it was given, unless it says later.
"""

from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.outcomes import Names, OutcomeBody, outcomes_of
from tiprouter.api.schemas.words import LAX, Id, Message, Moment, Ref, Some
from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.vocabulary import Answer, Category, ConsentMethod, Grantor, Purpose, RecipientKind
from tiprouter.errors import InvalidError
from tiprouter.workflow.consenting import Given, Whose, Withdrawal

_GRANT_RULE: Final[dict[str, Any]] = {
    "if": {"properties": {"choice": {"const": "grant"}}},
    "then": {
        "properties": {
            "categories": {"minItems": 1},
            "purposes": {"minItems": 1},
            "informed": {"const": True},
            "expires_at": {"type": "string"},
        },
        "required": ["categories", "purposes", "informed", "expires_at"],
        "anyOf": [
            {"properties": {"recipients": {"minItems": 1}}, "required": ["recipients"]},
            {"properties": {"kinds": {"minItems": 1}}, "required": ["kinds"]},
        ],
    },
}


class WhoseBody(Message):
    """Whose consent: a person's id, or the source and ref that records name them by."""

    id: Id | None = None
    source: Ref | None = None
    ref: Ref | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        named = self.source is not None and self.ref is not None
        half = (self.source is None) != (self.ref is None)
        if half or (self.id is not None) == named:
            raise PydanticCustomError("either_id_or_source_and_ref", "one of two")
        return self


class ConsentBody(Message):
    """One person's grant or refusal."""

    model_config = ConfigDict(json_schema_extra=_GRANT_RULE | examples.example(examples.CONSENT))

    person: WhoseBody
    choice: Annotated[Choice, LAX]
    grantor: Annotated[Grantor, LAX]
    guardian_implicated: Annotated[Answer, LAX] = Answer.UNKNOWN
    recipients: Annotated[Some[Id], Field(max_length=100)] = ()
    kinds: Annotated[Some[Annotated[RecipientKind, LAX]], Field(max_length=5)] = ()
    purposes: Annotated[Some[Annotated[Purpose, LAX]], Field(max_length=4)] = ()
    categories: Annotated[Some[Annotated[Category, LAX]], Field(max_length=7)] = ()
    method: Annotated[ConsentMethod, LAX]
    informed: bool = False
    given_at: Moment
    valid_from: Moment | None = None
    expires_at: Moment | None = None

    @property
    def whose(self) -> Whose:
        """Whose consent it is."""
        return Whose(self.person.id, self.person.source, self.person.ref)

    def to_domain(self) -> Consent:
        """The consent, its ids still to be given. Raises `InvalidError` (rule 1)."""
        if self.choice is Choice.GRANT:
            self._refuse_unscoped()
        values = {name: value for name, value in self if name != "person"}
        return Consent(**values | {"id": "", "person_id": "", "valid_from": self.valid_from or self.given_at})

    def _refuse_unscoped(self) -> None:
        wanted = {
            "/categories": self.categories,
            "/purposes": self.purposes,
            "/recipients": self.recipients or self.kinds,
            "/informed": self.informed,
            "/expires_at": self.expires_at,
        }
        for pointer, given in wanted.items():
            if not given:
                raise InvalidError("A grant needs this field.", pointer)


class PersonId(Message):
    """A person by the router's id."""

    id: str


class ConsentStanding(Message):
    """A consent as it stands."""

    id: str
    person: PersonId
    choice: Choice
    grantor: Grantor
    guardian_implicated: Answer
    recipients: tuple[str, ...]
    kinds: tuple[RecipientKind, ...]
    purposes: tuple[Purpose, ...]
    categories: tuple[Category, ...]
    method: ConsentMethod
    informed: bool
    given_at: Moment
    valid_from: Moment
    expires_at: Moment | None
    revision: int
    withdrawn_at: Moment | None

    @classmethod
    def of(cls, consent: Consent, revision: int) -> Self:
        """A consent at a revision."""
        values = {name: getattr(consent, name) for name in Consent.__slots__ if name != "person_id"}
        return cls(**values, person=PersonId(id=consent.person_id), revision=revision)


class ConsentList(Message):
    """A page of consents."""

    items: tuple[ConsentStanding, ...]


class ConsentGiven(ConsentStanding):
    """A consent, and the outcomes that stand about the person's records because of it."""

    outcomes: tuple[OutcomeBody, ...]


class Stopped(Message):
    """What a withdrawal found of the disclosures that no longer stand."""

    cancelled: int
    in_flight: int
    delivered: int


class ConsentWithdrawn(ConsentGiven):
    """A withdrawn consent and what became of what rested on it."""

    stopped: Stopped


def given(done: Given, names: Names) -> ConsentGiven:
    """The answer to a consent."""
    told = ConsentStanding.of(done.consent, done.revision)
    return ConsentGiven(**dict(told), outcomes=outcomes_of(done.decisions, names))


def withdrawn(done: Withdrawal, names: Names) -> ConsentWithdrawn:
    """The answer to a withdrawal."""
    stopped = Stopped(cancelled=done.cancelled, in_flight=done.in_flight, delivered=done.delivered)
    return ConsentWithdrawn(**dict(given(done.given, names)), stopped=stopped)
