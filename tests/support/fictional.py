"""Fictional records, recipients and consents. Nobody in here exists."""

from datetime import timedelta
from typing import Any

from tests.support.service import START
from tiprouter.domain.consent import Choice, Consent, Guardianship
from tiprouter.domain.recipient import Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.record import (
    Age,
    Contact,
    Guardian,
    Identity,
    Jurisdiction,
    Person,
    Record,
    Signaler,
    Statement,
    Violence,
)
from tiprouter.domain.vocabulary import (
    PURPOSE_OF,
    Answer,
    Category,
    Channel,
    ConsentMethod,
    Exploitation,
    Grantor,
    JurisdictionReason,
    Perception,
    RecipientKind,
    RecordKind,
    Relationship,
    Role,
)

DANGER = Violence(Answer.YES, Answer.YES, Perception.HEARD, START - timedelta(minutes=3))
SECRET = "Zyxwv-Marker-Secret"
BLAMELESS = (Guardian("parent", Answer.NO),)
"""Guardians whom nothing implicates: a child with them is harmed by somebody else."""
AUNT = Guardianship("aunt", "Example Advocate", START - timedelta(hours=1))
"""A guardian who consents, and whose word it is that nothing implicates her."""


def agency(kind: RecipientKind = RecipientKind.LAW_ENFORCEMENT, *places: str, **changes: Any) -> Recipient:  # noqa: ANN401
    """An agency in Texas, unless said otherwise."""
    values: dict[str, Any] = {
        "id": "",
        "name": f"Example {kind.value}",
        "kind": kind,
        "jurisdictions": places or ("US-TX",),
        "counties": (),
        "url": "https://agency.example/hook",
        "scheme": SignatureScheme.ED25519,
        "status": RecipientStatus.ACTIVE,
        "agreement_until": START + timedelta(days=365),
        "revision": 0,
    }
    return Recipient(**values | changes)


def person(ref: str = "p1", years: int | None = 29, role: Role = Role.POTENTIAL_VICTIM, **changes: Any) -> Person:  # noqa: ANN401
    """A fictional person of stated years; None for an unknown age."""
    values: dict[str, Any] = {
        "ref": ref,
        "role": role,
        "age": Age(years=years),
        "identity": Identity(first_name=f"Example-{ref}", second_name=SECRET),
        "contact": Contact(phone="+1-555-0100"),
        "health": f"health of {ref} {SECRET}",
        "immigration": f"status of {ref} {SECRET}",
    }
    return Person(**values | changes)


def statement(text: str = "is made to work", persons: tuple[str, ...] = ("p1",), **changes: Any) -> Statement:  # noqa: ANN401
    """A statement about what happened."""
    return Statement(**{"text": f"{text} {SECRET}", "persons": persons, "category": Category.INCIDENT} | changes)


def tip(*persons: Person, external_id: str = "T-1", **changes: Any) -> Record:  # noqa: ANN401
    """A tip from Texas by the person themselves, unless said otherwise."""
    everyone = persons or (person(),)
    values: dict[str, Any] = {
        "kind": RecordKind.TIP,
        "source": "hotline-example",
        "external_id": external_id,
        "signaled_at": START - timedelta(minutes=10),
        "received_at": START - timedelta(minutes=5),
        "channel": Channel.PHONE,
        "language": "en",
        "signaler": Signaler(Relationship.SELF, ref=everyone[0].ref),
        "exploitation": (Exploitation.FORCED_LABOUR,),
        "jurisdictions": (Jurisdiction("US-TX", JurisdictionReason.FOUND),),
        "persons": everyone,
        "statements": tuple(statement(persons=(one.ref,)) for one in everyone),
    }
    return Record(**values | changes)


def grant(*kinds: RecipientKind, **changes: Any) -> Consent:  # noqa: ANN401
    """A grant of everything to these kinds, for thirty days."""
    values: dict[str, Any] = {
        "id": "",
        "person_id": "",
        "choice": Choice.GRANT,
        "grantor": Grantor.SELF,
        "guardian_implicated": Answer.NO,
        "recipients": (),
        "kinds": kinds,
        "purposes": tuple({PURPOSE_OF[kind] for kind in kinds}),
        "categories": tuple(Category),
        "method": ConsentMethod.VERBAL,
        "informed": True,
        "given_at": START - timedelta(hours=1),
        "valid_from": START - timedelta(hours=1),
        "expires_at": START + timedelta(days=30),
    }
    if changes.get("grantor", Grantor.SELF) is not Grantor.SELF:
        values["guardian"] = AUNT
    return Consent(**values | changes)
