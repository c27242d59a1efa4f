"""What did the hotline hear, about whom, and where?

1. A tip and a case record have one shape; a case has revisions and a status, and may name the tips it grew from.
2. Everything a person said or is, is personal data: these values are sealed at rest and never logged.
3. A statement without persons is about every person; without a category it is of every category (decision rule 7).
4. Person references (`ref`) are the caller's own opaque names, unique within one record.

Not checked here: shapes and lengths (the edge parses them), and whether a reference exists (`problems_of`, called once
at intake).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    CaseStatus,
    Category,
    Channel,
    Exploitation,
    Gender,
    JurisdictionReason,
    Perception,
    RecipientKind,
    RecordKind,
    Relationship,
    Role,
    SignalerWish,
    TraffickingStatus,
)


@dataclass(frozen=True, slots=True)
class Age:
    """What is known of a person's age; at most one of the four is given.

    `years` and the range are whole years on the day of the signal; `belief` is the hotline worker's own.
    """

    date_of_birth: date | None = None
    years: int | None = None
    range_low: int | None = None
    range_high: int | None = None
    belief: AgeBand | None = None


@dataclass(frozen=True, slots=True)
class Guardian:
    """An adult responsible for a person, and whether the record implicates them."""

    relationship: str
    implicated: Answer
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is (HTCDS person fields)."""

    first_name: str | None = None
    middle_name: str | None = None
    second_name: str | None = None
    nickname: str | None = None
    description: str | None = None
    identity_number: str | None = None
    gender: Gender | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """How a person can be reached, and how safely."""

    email: str | None = None
    phone: str | None = None
    safe_channel: str | None = None
    safe_time: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Someone in the situation."""

    ref: str
    role: Role
    age: Age
    guardians: tuple[Guardian, ...] = ()
    identity: Identity | None = None
    contact: Contact | None = None
    health: str | None = None
    immigration: str | None = None
    trafficking_status: TraffickingStatus | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A piece of the narrative, labelled with whom it is about and what kind of data it is."""

    text: str
    persons: tuple[str, ...] = ()
    category: Category | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where it happens (HTCDS event fields); about `persons`, or about everyone when they are not given."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    description: str | None = None
    persons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """A place whose law applies: ISO 3166-2 code, optional 5-digit county FIPS code, and why it applies."""

    code: str
    reason: JurisdictionReason
    county: str | None = None


@dataclass(frozen=True, slots=True)
class Violence:
    """The indicators of decision rule 6, as stated."""

    immediate: Answer = Answer.UNKNOWN
    escalating: Answer = Answer.UNKNOWN
    perceived: Perception = Perception.UNKNOWN
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Implicated:
    """An agency the record accuses: one recipient, or every recipient of a kind (in a jurisdiction)."""

    recipient_id: str | None = None
    kind: RecipientKind | None = None
    jurisdiction: str | None = None


@dataclass(frozen=True, slots=True)
class Signaler:
    """Who contacted the hotline. `ref` names their entry among the persons, when they have one."""

    relationship: Relationship
    wish: SignalerWish = SignalerWish.UNSTATED
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One revision of a tip or case record. Times are aware UTC; `received_at` starts every deadline."""

    kind: RecordKind
    source: str
    external_id: str
    signaled_at: datetime
    received_at: datetime
    channel: Channel
    language: str
    signaler: Signaler
    exploitation: tuple[Exploitation, ...]
    jurisdictions: tuple[Jurisdiction, ...]
    persons: tuple[Person, ...]
    statements: tuple[Statement, ...] = ()
    location: Location | None = None
    violence: Violence = Violence()
    implicated: tuple[Implicated, ...] = ()
    status: CaseStatus | None = None
    tips: tuple[str, ...] = ()

    def labelled(self, refs: tuple[str, ...]) -> tuple[str, ...]:
        """Whom something with these labels is about: no label means everyone."""
        return refs or tuple(person.ref for person in self.persons)


def problems_of(record: Record) -> Iterator[tuple[str, str]]:
    """What makes the record contradict itself, as (JSON pointer, message) pairs; nothing when it is sound."""
    refs = [person.ref for person in record.persons]
    if len(set(refs)) != len(refs):
        yield "/persons", "two persons have the same ref"
    known = set(refs)
    if record.signaler.ref is not None and record.signaler.ref not in known:
        yield "/signaler/ref", "names no person of this record"
    for number, statement in enumerate(record.statements):
        if not known.issuperset(statement.persons):
            yield f"/statements/{number}/persons", "names a person that is not in this record"
    if record.location is not None and not known.issuperset(record.location.persons):
        yield "/location/persons", "names a person that is not in this record"
    for number, person in enumerate(record.persons):
        if any(guardian.ref is not None and guardian.ref not in known for guardian in person.guardians):
            yield f"/persons/{number}/guardians", "names a person that is not in this record"
    if record.signaled_at > record.received_at:
        yield "/signaled_at", "is later than received_at"
