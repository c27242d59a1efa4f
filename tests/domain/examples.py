"""Values for the rules' tests, all fictional: a record in Texas, its persons, agencies, consents and duty rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.duty import DutyRow, Protocol
from tiprouter.domain.facts import Situation
from tiprouter.domain.recipient import Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.record import Age, Jurisdiction, Person, Record, Signaler
from tiprouter.domain.vocabulary import (
    Answer,
    Category,
    Channel,
    ConsentMethod,
    Grantor,
    JurisdictionReason,
    Purpose,
    RecipientKind,
    RecordKind,
    Relationship,
    Role,
)

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
POLICE, CHILDREN, PROVIDER = (
    RecipientKind.LAW_ENFORCEMENT,
    RecipientKind.CHILD_PROTECTION,
    RecipientKind.SERVICE_PROVIDER,
)


def agency(kind: RecipientKind = POLICE, **changes: Any) -> Recipient:  # noqa: ANN401 - fields of many types
    """An active agency of Texas with an agreement."""
    values: dict[str, Any] = {
        "id": f"example-{kind.value}",
        "name": "Example Agency",
        "kind": kind,
        "jurisdictions": ("US-TX",),
        "counties": (),
        "url": "https://agency.example/inbox",
        "scheme": SignatureScheme.ED25519,
        "status": RecipientStatus.ACTIVE,
        "agreement_until": NOW + 365 * DAY,
        "revision": 1,
    }
    return Recipient(**(values | changes))


def place(code: str = "US-TX", county: str | None = None) -> Jurisdiction:
    """Where somebody was found."""
    return Jurisdiction(code, JurisdictionReason.FOUND, county)


def person(ref: str = "a", **changes: Any) -> Person:  # noqa: ANN401 - fields of many types
    """An adult potential victim."""
    values: dict[str, Any] = {"ref": ref, "role": Role.POTENTIAL_VICTIM, "age": Age(years=30)}
    return Person(**(values | changes))


def record(*persons: Person, **changes: Any) -> Record:  # noqa: ANN401 - fields of many types
    """A tip from Texas, signaled an hour before `NOW`."""
    values: dict[str, Any] = {
        "kind": RecordKind.TIP,
        "source": "example-hotline",
        "external_id": "example-1",
        "signaled_at": NOW - HOUR,
        "received_at": NOW - HOUR,
        "channel": Channel.PHONE,
        "language": "en",
        "signaler": Signaler(Relationship.SELF),
        "exploitation": (),
        "jurisdictions": (place(),),
        "persons": persons or (person(),),
    }
    return Record(**(values | changes))


def grant(*kinds: RecipientKind, **changes: Any) -> Consent:  # noqa: ANN401 - fields of many types
    """An informed grant of everything, by the person, for a month."""
    values: dict[str, Any] = {
        "id": "consent-1",
        "person_id": "person-1",
        "choice": Choice.GRANT,
        "grantor": Grantor.SELF,
        "guardian_implicated": Answer.NO,
        "recipients": (),
        "kinds": kinds or (POLICE,),
        "purposes": tuple(Purpose),
        "categories": tuple(Category),
        "method": ConsentMethod.VERBAL,
        "informed": True,
        "given_at": NOW - DAY,
        "valid_from": NOW - DAY,
        "expires_at": NOW + 30 * DAY,
    }
    return Consent(**(values | changes))


def refusal(**changes: Any) -> Consent:  # noqa: ANN401 - fields of many types
    """A refusal of everything toward everybody."""
    everything: dict[str, Any] = {"choice": Choice.REFUSE, "purposes": (), "categories": (), "expires_at": None}
    return grant(**(everything | {"kinds": ()} | changes))


def row(code: str = "US-TX", *receivers: RecipientKind, **changes: Any) -> DutyRow:  # noqa: ANN401 - many types
    """A sourced duty row that names the police and child protection within a day."""
    values: dict[str, Any] = {
        "jurisdiction": code,
        "receivers": frozenset(receivers or (POLICE, CHILDREN)),
        "hours": 24,
        "written_hours": None,
        "threshold": 18,
        "telephone_only": False,
        "minor_alone": False,
        "sourced": True,
        "source": "https://statutes.example/",
        "source_date": "2030-01",
        "citation": "Example Code 1",
    }
    return DutyRow(**(values | changes))


def protocol(*rows: DutyRow) -> Protocol:
    """These rows; immediately is one hour, violence is fresh for twelve."""
    table = rows or (row(),)
    return Protocol({each.jurisdiction: each for each in table}, HOUR, 12 * HOUR)


def situation(about: Record, *rows: DutyRow, **consents: list[Consent]) -> Situation:
    """A record under a protocol at `NOW`, with consents by the persons' refs."""
    return Situation(about, consents, protocol(*rows), NOW)
