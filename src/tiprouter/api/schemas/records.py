"""How is a tip or a case record spelt?

1. A case is a tip whose external id stands in the URL, with a status and the tips it grew from.
2. An age is at most one of a date of birth, years, a range, a belief; `{}` when nothing is known.
3. What is read back has the shape of what was sent, without the fields nobody filled.
"""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tiprouter.api.schemas import examples
from tiprouter.api.schemas.persons import PersonBody
from tiprouter.api.schemas.words import (
    LAX,
    County,
    Id,
    Language,
    LongText,
    Message,
    Moment,
    Place,
    Ref,
    ShortText,
    Some,
)
from tiprouter.domain.record import Implicated, Jurisdiction, Location, Record, Signaler, Statement, Violence
from tiprouter.domain.vocabulary import (
    Answer,
    CaseStatus,
    Category,
    Channel,
    Exploitation,
    JurisdictionReason,
    Perception,
    RecipientKind,
    RecordKind,
    Relationship,
    SignalerWish,
)


class SignalerBody(Message):
    """Who contacted the hotline."""

    relationship: Annotated[Relationship, LAX]
    wish: Annotated[SignalerWish, LAX] = SignalerWish.UNSTATED
    ref: Ref | None = None


class JurisdictionBody(Message):
    """A place whose law applies, and why."""

    code: Place
    reason: Annotated[JurisdictionReason, LAX]
    county: County | None = None


class StatementBody(Message):
    """A piece of the narrative; without `persons` it is about everyone, without `category` it is of every category."""

    text: LongText
    persons: Annotated[Some[Ref], Field(max_length=50)] = ()
    category: Annotated[Category, LAX] | None = None


class LocationBody(Message):
    """Where it happens."""

    street: ShortText | None = None
    city: ShortText | None = None
    state: ShortText | None = None
    postal_code: ShortText | None = None
    country: ShortText | None = None
    description: LongText | None = None
    persons: Annotated[Some[Ref], Field(max_length=50)] = ()


class ViolenceBody(Message):
    """The indicators of imminent danger, as stated."""

    immediate: Annotated[Answer, LAX] = Answer.UNKNOWN
    escalating: Annotated[Answer, LAX] = Answer.UNKNOWN
    perceived: Annotated[Perception, LAX] = Perception.UNKNOWN
    observed_at: Moment | None = None


class ImplicatedBody(Message):
    """An accused agency: one recipient by id, or every recipient of a kind, perhaps in one jurisdiction."""

    recipient_id: Id | None = None
    kind: Annotated[RecipientKind, LAX] | None = None
    jurisdiction: Place | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.recipient_id is None) == (self.kind is None):
            raise PydanticCustomError("either_recipient_or_kind", "one of two")
        if self.recipient_id is not None and self.jurisdiction is not None:
            raise PydanticCustomError("either_recipient_or_kind", "one of two")
        return self


class SituationBody(Message):
    """What a tip and a case record have in common."""

    source: Ref
    signaled_at: Moment
    received_at: Moment
    channel: Annotated[Channel, LAX]
    language: Language
    signaler: SignalerBody
    exploitation: Annotated[Some[Annotated[Exploitation, LAX]], Field(max_length=11)] = ()
    jurisdictions: Annotated[Some[JurisdictionBody], Field(max_length=10)] = ()
    persons: Annotated[Some[PersonBody], Field(min_length=1, max_length=50)]
    statements: Annotated[Some[StatementBody], Field(max_length=200)] = ()
    location: LocationBody | None = None
    violence: ViolenceBody = ViolenceBody()
    implicated: Annotated[Some[ImplicatedBody], Field(max_length=20)] = ()

    def _parts(self) -> dict[str, Any]:
        location, implicated = self.location, self.implicated
        return {
            "source": self.source,
            "signaled_at": self.signaled_at,
            "received_at": self.received_at,
            "channel": self.channel,
            "language": self.language,
            "signaler": Signaler(**dict(self.signaler)),
            "exploitation": self.exploitation,
            "jurisdictions": tuple(Jurisdiction(**dict(place)) for place in self.jurisdictions),
            "persons": tuple(person.to_domain() for person in self.persons),
            "statements": tuple(Statement(**dict(statement)) for statement in self.statements),
            "location": None if location is None else Location(**dict(location)),
            "violence": Violence(**dict(self.violence)),
            "implicated": tuple(Implicated(**dict(agency)) for agency in implicated),
        }


class TipBody(SituationBody):
    """One inbound signal."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.TIP))

    external_id: Ref

    def to_domain(self) -> Record:
        """The record."""
        return Record(kind=RecordKind.TIP, external_id=self.external_id, **self._parts())

    @classmethod
    def of(cls, record: Record) -> Self:
        """The record in the shape of what was sent (rule 3)."""
        return cls.model_validate(record, from_attributes=True)


class CaseBody(SituationBody):
    """One revision of a case record; its id stands in the URL."""

    model_config = ConfigDict(json_schema_extra=examples.example(examples.CASE))

    status: Annotated[CaseStatus, LAX]
    tips: Annotated[Some[Id], Field(max_length=100)] = ()

    def to_domain(self, external_id: str) -> Record:
        """The record."""
        return Record(
            kind=RecordKind.CASE,
            external_id=external_id,
            status=self.status,
            tips=self.tips,
            **self._parts(),
        )

    @classmethod
    def of(cls, record: Record) -> Self:
        """The record in the shape of what was sent (rule 3)."""
        return cls.model_validate(record, from_attributes=True)
