"""How is somebody in a record spelt?"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tiprouter.api.schemas.words import LAX, Day, LongText, Message, Ref, ShortText, Some, Years
from tiprouter.domain.record import Age, Contact, Guardian, Identity, Person
from tiprouter.domain.vocabulary import AgeBand, Answer, Gender, Role, TraffickingStatus


class AgeRange(Message):
    """Whole years; at least one end."""

    low: Years | None = None
    high: Years | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is None and self.high is None:
            raise PydanticCustomError("range_without_end", "no end")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise PydanticCustomError("range_reversed", "reversed")
        return self


class AgeBody(Message):
    """At most one of the four; `{}` when nothing is known. `belief` is the hotline worker's own."""

    date_of_birth: Day | None = None
    years: Years | None = None
    range: AgeRange | None = None
    belief: Annotated[AgeBand, LAX] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_domain(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the caller sent, or a domain age
        if not isinstance(value, Age):
            return value
        known = {"low": value.range_low, "high": value.range_high}
        return {
            "date_of_birth": value.date_of_birth,
            "years": value.years,
            "range": known if any(end is not None for end in known.values()) else None,
            "belief": value.belief,
        }

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = (self.date_of_birth, self.years, self.range, self.belief)
        if sum(one is not None for one in given) > 1:
            raise PydanticCustomError("age_twice", "more than one")
        return self

    def to_domain(self) -> Age:
        """The age."""
        return Age(
            date_of_birth=self.date_of_birth,
            years=self.years,
            range_low=None if self.range is None else self.range.low,
            range_high=None if self.range is None else self.range.high,
            belief=self.belief,
        )


class GuardianBody(Message):
    """An adult responsible for the person, and whether the record implicates them."""

    relationship: ShortText
    implicated: Annotated[Answer, LAX] = Answer.UNKNOWN
    ref: Ref | None = None


class IdentityBody(Message):
    """Who the person is."""

    first_name: ShortText | None = None
    middle_name: ShortText | None = None
    second_name: ShortText | None = None
    nickname: ShortText | None = None
    description: LongText | None = None
    identity_number: ShortText | None = None
    gender: Annotated[Gender, LAX] | None = None


class ContactBody(Message):
    """How the person can be reached, and how safely."""

    email: ShortText | None = None
    phone: ShortText | None = None
    safe_channel: ShortText | None = None
    safe_time: ShortText | None = None


class PersonBody(Message):
    """Someone in the situation; `ref` is the caller's own opaque name, unique within the record."""

    ref: Ref
    role: Annotated[Role, LAX]
    age: AgeBody = AgeBody()
    guardians: Annotated[Some[GuardianBody], Field(max_length=10)] = ()
    identity: IdentityBody | None = None
    contact: ContactBody | None = None
    health: LongText | None = None
    immigration: LongText | None = None
    trafficking_status: Annotated[TraffickingStatus, LAX] | None = None

    def to_domain(self) -> Person:
        """The person."""
        return Person(
            ref=self.ref,
            role=self.role,
            age=self.age.to_domain(),
            guardians=tuple(Guardian(**dict(guardian)) for guardian in self.guardians),
            identity=None if self.identity is None else Identity(**dict(self.identity)),
            contact=None if self.contact is None else Contact(**dict(self.contact)),
            health=self.health,
            immigration=self.immigration,
            trafficking_status=self.trafficking_status,
        )
