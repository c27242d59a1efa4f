"""How is a consent, a refusal, a narrowing or a withdrawal spelt?

1. A grant names categories, purposes, recipients or kinds, an informed checklist and an end; a refusal may be bare:
   its empty scopes mean everything. No `jurisdictions` means anywhere. The checklist is what the person was told;
   `true` is short for all of it, `false` for nothing, and a grant without all of it is refused.
2. A consent is from when it was given, unless it says later.
3. `state` says where it is in its life; what waits to be confirmed says from when on it may be.
4. Who the guardian, the witness and the interpreter are, and how the person can be reached, is sealed like the rest.
5. A guardian's grant, alone or with the person, says who the guardian is, and who attested when that nothing
   implicates them; `ref` is how the record names them. It counts only where the record says the same.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.outcomes import Names, OutcomeBody, outcomes_of
from tiprouter.api.schemas.words import LAX, Id, Language, Message, Moment, Place, Ref, ShortText, Some
from tiprouter.domain.consent import (
    Choice,
    Consent,
    Guardianship,
    InformedItem,
    Interpreter,
    SafeContact,
    gaps_of,
)
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import Answer, Category, ConsentMethod, Grantor, Purpose, RecipientKind
from tiprouter.domain.widening import phase_at
from tiprouter.errors import InvalidError
from tiprouter.workflow.consenting import Given, Narrower, Whose, Withdrawal

_GRANT_RULE: Final[dict[str, Any]] = {
    "if": {"properties": {"choice": {"const": "grant"}}},
    "then": {
        "properties": {
            "categories": {"minItems": 1},
            "purposes": {"minItems": 1},
            "informed": {
                "anyOf": [
                    {"const": True},
                    {"type": "array", "minItems": len(InformedItem), "uniqueItems": True},
                ]
            },
            "expires_at": {"type": "string"},
        },
        "required": ["categories", "purposes", "informed", "expires_at"],
        "anyOf": [
            {"properties": {"recipients": {"minItems": 1}}, "required": ["recipients"]},
            {"properties": {"kinds": {"minItems": 1}}, "required": ["kinds"]},
        ],
        "if": {"properties": {"grantor": {"enum": ["guardian", "both"]}}, "required": ["grantor"]},
        "then": {
            "properties": {
                "guardian": {
                    "type": "object",
                    "properties": {"attested_by": {"type": "string"}, "attested_at": {"type": "string"}},
                    "required": ["attested_by", "attested_at"],
                },
                "guardian_implicated": {"const": "no"},
            },
            "required": ["guardian", "guardian_implicated"],
        },
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


class GuardianBody(Message):
    """Who the guardian is to the person, how the record names them, and who attests that nothing implicates them."""

    relationship: ShortText
    attested_by: ShortText | None = None
    attested_at: Moment | None = None
    ref: Ref | None = None


class InterpreterBody(Message):
    """Into which language somebody interpreted, and whether they were there."""

    language: Language
    present: bool


class SafeContactBody(Message):
    """How and when the person says that they can be reached safely."""

    channel: ShortText | None = None
    time: ShortText | None = None


Recipients = Annotated[Some[Id], Field(max_length=100)]
Kinds = Annotated[Some[Annotated[RecipientKind, LAX]], Field(max_length=5)]
Purposes = Annotated[Some[Annotated[Purpose, LAX]], Field(max_length=4)]
Categories = Annotated[Some[Annotated[Category, LAX]], Field(max_length=7)]
Places = Annotated[Some[Place], Field(max_length=100)]


def _all_or_nothing(told: object) -> object:
    """Rule 1: what a bare yes or no is short for; anything else is as it was sent."""
    if isinstance(told, bool):
        return tuple(InformedItem) if told else ()
    return told


_ITEMS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string", "enum": [item.value for item in InformedItem]},
    "maxItems": len(InformedItem),
}
Told = Annotated[
    Some[Annotated[InformedItem, LAX]],
    Field(max_length=len(InformedItem)),
    BeforeValidator(_all_or_nothing),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, _ITEMS]}),
]


class ConsentBody(Message):
    """One person's grant or refusal."""

    model_config = ConfigDict(json_schema_extra=_GRANT_RULE | examples.example(examples.CONSENT))

    person: WhoseBody
    choice: Annotated[Choice, LAX]
    grantor: Annotated[Grantor, LAX]
    guardian_implicated: Annotated[Answer, LAX] = Answer.UNKNOWN
    recipients: Recipients = ()
    kinds: Kinds = ()
    purposes: Purposes = ()
    categories: Categories = ()
    jurisdictions: Places = ()
    method: Annotated[ConsentMethod, LAX]
    informed: Told = ()
    given_at: Moment
    valid_from: Moment | None = None
    expires_at: Moment | None = None
    guardian: GuardianBody | None = None
    interpreter: InterpreterBody | None = None
    witness: ShortText | None = None
    safe_contact: SafeContactBody | None = None

    @property
    def whose(self) -> Whose:
        """Whose consent it is."""
        return Whose(self.person.id, self.person.source, self.person.ref)

    def to_domain(self) -> Consent:
        """The consent, its ids still to be given. Raises `InvalidError` (rule 1)."""
        attests = self.guardian is not None and self.guardian.attested_by is not None
        values = {name: value for name, value in self if name != "person"}
        more = {
            "guardian": None if self.guardian is None else Guardianship(**dict(self.guardian)),
            "interpreter": None if self.interpreter is None else Interpreter(**dict(self.interpreter)),
            "safe_contact": None if self.safe_contact is None else SafeContact(**dict(self.safe_contact)),
        }
        set_here = {"id": "", "person_id": "", "valid_from": self.valid_from or self.given_at}
        consent = Consent(**values | more | set_here)
        if self.choice is Choice.GRANT:
            self._refuse_unscoped()
            for pointer, message in (*_untold(consent), *gaps_of(consent)):
                raise InvalidError(message, pointer)
        if attests and self.guardian_implicated is not Answer.NO:
            raise InvalidError("It attests what guardian_implicated does not say.", "/guardian/attested_by")
        return consent

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


def _untold(consent: Consent) -> Iterator[tuple[str, str]]:
    if consent.untold:
        yield "/informed", f"The person was not told all of it: {', '.join(consent.untold)}."


class NarrowBody(Message):
    """What a grant is about from now on; what is not named stays as it is. Nothing may be added."""

    model_config = ConfigDict(json_schema_extra=examples.example({"categories": ["incident"]}))

    recipients: Recipients | None = None
    kinds: Kinds | None = None
    purposes: Purposes | None = None
    categories: Categories | None = None
    jurisdictions: Places | None = None
    expires_at: Moment | None = None

    def to_domain(self) -> Narrower:
        """The narrowing."""
        return Narrower(**dict(self))


class PersonId(Message):
    """A person by the router's id."""

    id: str


class ConsentStanding(Message):
    """A consent as it stands. `informed` says that the person was told everything, `untold` what is missing."""

    id: str
    person: PersonId
    choice: Choice
    grantor: Grantor
    guardian_implicated: Answer
    recipients: tuple[str, ...]
    kinds: tuple[RecipientKind, ...]
    purposes: tuple[Purpose, ...]
    categories: tuple[Category, ...]
    jurisdictions: tuple[str, ...]
    method: ConsentMethod
    informed: bool
    checklist: tuple[InformedItem, ...]
    untold: tuple[InformedItem, ...]
    given_at: Moment
    valid_from: Moment
    expires_at: Moment | None
    revision: int
    state: ConsentPhase
    confirm_from: Moment | None
    confirmed_at: Moment | None
    withdrawn_at: Moment | None
    guardian: GuardianBody | None
    interpreter: InterpreterBody | None
    witness: str | None
    safe_contact: SafeContactBody | None

    @classmethod
    def of(cls, consent: Consent, revision: int, now: datetime | None = None) -> Self:
        """A consent at a revision, as it stands now; without a moment, as it was stored."""
        values = {name: getattr(consent, name) for name in cls._as_they_are()}
        guardian, interpreter, contact = consent.guardian, consent.interpreter, consent.safe_contact
        return cls(
            **values,
            person=PersonId(id=consent.person_id),
            revision=revision,
            informed=not consent.untold,
            state=consent.life if now is None else phase_at(consent, now),
            guardian=None
            if guardian is None
            else GuardianBody(
                relationship=guardian.relationship,
                attested_by=guardian.attested_by,
                attested_at=guardian.attested_at,
                ref=guardian.ref,
            ),
            interpreter=None
            if interpreter is None
            else InterpreterBody(language=interpreter.language, present=interpreter.present),
            safe_contact=None if contact is None else SafeContactBody(channel=contact.channel, time=contact.time),
        )

    @staticmethod
    def _as_they_are() -> tuple[str, ...]:
        made_here = {"person", "revision", "informed", "state", "guardian", "interpreter", "safe_contact"}
        return tuple(name for name in ConsentStanding.model_fields if name not in made_here)


class ConsentList(Message):
    """A page of consents."""

    items: tuple[ConsentStanding, ...]


class ConsentGiven(ConsentStanding):
    """A consent, and the outcomes that stand about the person's records because of it."""

    outcomes: tuple[OutcomeBody, ...]


class Stopped(Message):
    """What a withdrawal or a narrowing found of the disclosures that no longer stand."""

    cancelled: int
    in_flight: int
    delivered: int


class ConsentWithdrawn(ConsentGiven):
    """A withdrawn or narrowed consent and what became of what rested on it."""

    stopped: Stopped


def given(done: Given, names: Names) -> ConsentGiven:
    """The answer to a consent."""
    told = ConsentStanding.of(done.consent, done.revision)
    return ConsentGiven(**dict(told), outcomes=outcomes_of(done.decisions, names))


def withdrawn(done: Withdrawal, names: Names) -> ConsentWithdrawn:
    """The answer to a withdrawal or a narrowing."""
    stopped = Stopped(cancelled=done.cancelled, in_flight=done.in_flight, delivered=done.delivered)
    return ConsentWithdrawn(**dict(given(done.given, names)), stopped=stopped)
