"""What, exactly, may this recipient read of this record?

1. `Redacted` is the only thing the sender accepts, and only this module makes one.
2. A person appears only when their own verdict toward the recipient lets something leave; nobody else is counted,
   named or hinted at.
3. A person's field appears only when its category is permitted for that person.
4. A statement leaves only if every person it is about permits its category; an unlabelled one counts as every
   category of every person (decision rule 7). The location is a statement of category `location`.
5. Who signaled, and as what, is `signaler_identity`: a person whose role is signaler appears only when that is
   permitted. What kind of exploitation and whether there is violence are `incident`.
6. Persons are numbered within the disclosure; the router's and the hotline's own person ids never leave.
7. The notice against redisclosure travels with the data (the idea of 42 CFR 2.32).

Not promised: that a text holds only what its label says. Labelling is the hotline's.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, TypeAlias

from tiprouter.domain.duty import served
from tiprouter.domain.outcome import Verdict
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Contact, Identity, Location, Person, Record, Statement
from tiprouter.domain.vocabulary import PURPOSE_OF, Category, Role, Urgency
from tiprouter.errors import TiprouterError

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

REDISCLOSURE_NOTICE: Final = (
    "This disclosure is limited to the purpose named in it. Do not disclose it further without the consent of the "
    "person it concerns or as otherwise required by law. It is an unverified report, not a finding."
)


class RedactionError(TiprouterError):
    """A payload was not made by redaction, or was changed since."""


_MINT: Final = object()
_SPELT: Final = {category: category.value for category in Category}


class Redacted:
    """Bytes that redaction made, and nobody else could have: `body` (UTF-8 JSON) and its SHA-256 `digest` (hex)."""

    __slots__ = ("_body", "_digest")

    def __init__(self, body: bytes, mint: object) -> None:
        if mint is not _MINT:
            raise RedactionError
        self._body = body
        self._digest = hashlib.sha256(body).hexdigest()

    @property
    def body(self) -> bytes:
        """The bytes to sign and send."""
        return self._body

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        return self._digest


@dataclass(frozen=True, slots=True)
class Address:
    """What a disclosure says about itself: its ids, its place in the matter's sequence, and its deadline."""

    disclosure_id: str
    matter_id: str
    sequence: int
    made_at: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """A redacted disclosure, and which statements (by position) were left out of it."""

    redacted: Redacted
    content_digest: str
    categories: frozenset[Category]
    persons: tuple[str, ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a disclosure tells, to whomever it is addressed; `digest` covers it."""

    content: Mapping[str, Json]
    digest: str
    categories: frozenset[Category]
    persons: tuple[str, ...]
    left_out: tuple[int, ...]


def redact(record: Record, verdicts: Mapping[str, Verdict], recipient: Recipient, address: Address) -> Made | None:
    """The disclosure of one record to one recipient (rules 2-7), or None when nothing leaves.

    `verdicts` are by person `ref`. `content_digest` covers what is told, not the ids and times around it: equal
    digests tell the same thing.
    """
    return addressed(told(record, verdicts, recipient), recipient, address)


def told(record: Record, verdicts: Mapping[str, Verdict], recipient: Recipient) -> Told | None:
    """What a recipient is told of a record (rules 2-6), or None when nothing leaves.

    It is the same for every recipient with the same verdicts that serves the same of the record's places.
    """
    permitted = _permitted(record, verdicts)
    if not permitted:
        return None
    labels = _labels(permitted)
    kept = [
        (number, statement)
        for number, statement in enumerate(record.statements)
        if _may_leave(record, statement.persons, statement.category, permitted)
    ]
    content = _content(record, verdicts, recipient, labels, [statement for _, statement in kept])
    if record.location is not None and _may_leave(record, record.location.persons, Category.LOCATION, permitted):
        content["location"] = _location(record.location, labels)
    numbers = {number for number, _ in kept}
    return Told(
        content=content,
        digest=hashlib.sha256(_bytes(content)).hexdigest(),
        categories=frozenset().union(*permitted.values()),
        persons=tuple(labels),
        left_out=tuple(number for number in range(len(record.statements)) if number not in numbers),
    )


def addressed(what: Told | None, recipient: Recipient, address: Address) -> Made | None:
    """A disclosure of this to one recipient (rule 7); of nothing, None."""
    if what is None:
        return None
    return Made(
        redacted=_sealed("disclosure.made", {**_about(recipient, address), **what.content}, address.made_at),
        content_digest=what.digest,
        categories=what.categories,
        persons=what.persons,
        left_out=what.left_out,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer answers: the acknowledgement that asked, the disclosure it was about, and the one that stands."""

    acknowledgement_id: str
    disclosure_id: str
    stands: str


def answer(
    record: Record,
    verdicts: Mapping[str, Verdict],
    recipient: Recipient,
    address: Address,
    asked: Asked,
    said: Statement,
) -> Made | None:
    """The hotline's answer to a recipient's question, or None when it may not leave (rules 2, 4, 5 and 6).

    Persons are named as in the disclosure that stands (`labels_of`).
    """
    permitted = _permitted(record, verdicts)
    if not _may_leave(record, said.persons, said.category, permitted):
        return None
    labels = _labels(permitted)
    content: dict[str, Json] = {
        "answers": asked.acknowledgement_id,
        "asked_about": asked.disclosure_id,
        "statement": _statement(record, said, labels),
    }
    data = _about(recipient, address) | content | {"labels_of": asked.stands}
    told = record.labelled(said.persons)
    return Made(
        redacted=_sealed("disclosure.answered", data, address.made_at),
        content_digest=hashlib.sha256(_bytes(content)).hexdigest(),
        categories=frozenset(Category) if said.category is None else frozenset((said.category,)),
        persons=told,
        left_out=(),
    )


def recall(recipient: Recipient, address: Address, recalled: str) -> Redacted:
    """The message that tells a recipient that consent for an earlier disclosure was withdrawn; it carries ids only."""
    data = _about(recipient, address) | {"recalls": recalled, "reason": "consent_withdrawn"}
    return _sealed("disclosure.recalled", data, address.made_at)


def announce(recipient: Recipient, address: Address, delivery_id: str, urgency: Urgency) -> Redacted:
    """The message that tells an agency in thin mode that something waits in its inbox; it carries ids only.

    It does not say whether a disclosure or a recall waits: whoever reads it in transit learns that something does.
    """
    data: dict[str, Json] = {
        "delivery_id": delivery_id,
        "disclosure_id": address.disclosure_id,
        "matter_id": address.matter_id,
        "sequence": address.sequence,
        "recipient_id": recipient.id,
        "urgency": urgency.value,
        "deadline": stamp(address.deadline),
    }
    return _sealed("disclosure.available", data, address.made_at)


def challenge(recipient_id: str, token: str, made_at: datetime) -> Redacted:
    """The question to an endpoint whether it is the agency's (`receiver/challenge.py`); ids and a random token only."""
    return _sealed("endpoint.challenge", {"recipient_id": recipient_id, "token": token}, made_at)


def trial(recipient_id: str, made_at: datetime) -> Redacted:
    """A message that asks for nothing but an answer."""
    return _sealed("endpoint.test", {"recipient_id": recipient_id}, made_at)


def changing(recipient_id: str, change_id: str, changes: Sequence[str], until: datetime, made_at: datetime) -> Redacted:
    """The message that tells an endpoint that somebody proposes to change it: what, not into what."""
    data: dict[str, Json] = {
        "recipient_id": recipient_id,
        "change_id": change_id,
        "changes": list(changes),
        "confirm_before": stamp(until),
    }
    return _sealed("endpoint.changing", data, made_at)


def reopen(body: bytes, digest: str) -> Redacted:
    """A payload read back from storage, if it still is what redaction made. Raises `RedactionError` otherwise."""
    redacted = Redacted(body, _MINT)
    if redacted.digest != digest:
        raise RedactionError
    return redacted


def _permitted(record: Record, verdicts: Mapping[str, Verdict]) -> dict[str, frozenset[Category]]:
    return {
        person.ref: verdicts[person.ref].categories
        for person in record.persons
        if person.ref in verdicts and _may_appear(person, verdicts[person.ref])
    }


def _labels(permitted: Mapping[str, frozenset[Category]]) -> dict[str, str]:
    return {ref: f"person-{number}" for number, ref in enumerate(permitted, start=1)}


def _may_leave(
    record: Record, refs: tuple[str, ...], category: Category | None, permitted: Mapping[str, frozenset[Category]]
) -> bool:
    wanted = frozenset(Category) if category is None else frozenset((category,))
    about = record.labelled(refs)
    return bool(about) and all(wanted <= permitted.get(ref, frozenset()) for ref in about)


def _may_appear(person: Person, verdict: Verdict) -> bool:
    shown = person.role is not Role.SIGNALER or Category.SIGNALER_IDENTITY in verdict.categories
    return verdict.leaves and shown


def _about(recipient: Recipient, address: Address) -> dict[str, Json]:
    return {
        "disclosure_id": address.disclosure_id,
        "matter_id": address.matter_id,
        "sequence": address.sequence,
        "recipient_id": recipient.id,
        "purpose": PURPOSE_OF[recipient.kind].value,
        "deadline": stamp(address.deadline),
        "redisclosure_notice": REDISCLOSURE_NOTICE,
    }


def _content(
    record: Record,
    verdicts: Mapping[str, Verdict],
    recipient: Recipient,
    labels: Mapping[str, str],
    statements: list[Statement],
) -> dict[str, Json]:
    content: dict[str, Json] = {
        "signaled_at": stamp(record.signaled_at),
        "received_at": stamp(record.received_at),
        "jurisdictions": [
            {"code": place.code, "reason": place.reason.value, "county": place.county}
            for place in served(record.jurisdictions, recipient)
        ],
        "persons": [
            _person(person, verdicts[person.ref], labels[person.ref])
            for person in record.persons
            if person.ref in labels
        ],
        "statements": [_statement(record, statement, labels) for statement in statements],
    }
    told = frozenset().union(*(verdicts[ref].categories for ref in labels))
    if Category.INCIDENT in told:
        violence = record.violence
        content["exploitation"] = [kind.value for kind in record.exploitation]
        content["violence"] = {"immediate": violence.immediate.value, "escalating": violence.escalating.value}
    signaler = record.signaler
    if (
        signaler.ref is not None
        and signaler.ref in labels
        and Category.SIGNALER_IDENTITY in verdicts[signaler.ref].categories
    ):
        content["signaler"] = {"person": labels[signaler.ref], "relationship": signaler.relationship.value}
    return content


def _person(person: Person, verdict: Verdict, label: str) -> Json:
    shown: dict[str, Json] = {
        "person": label,
        "role": person.role.value,
        "outcome": verdict.outcome.value,
        "basis": list(verdict.policies),
        "categories": [_SPELT[category] for category in Category if category in verdict.categories],
    }
    if verdict.facts is not None:
        shown["age_band"] = verdict.facts.age.value
    if Category.IDENTITY in verdict.categories and person.identity is not None:
        shown["identity"] = _given(person.identity)
    if Category.CONTACT in verdict.categories and person.contact is not None:
        shown["contact"] = _given(person.contact)
    if Category.HEALTH in verdict.categories and person.health is not None:
        shown["health"] = person.health
    if Category.IMMIGRATION in verdict.categories and person.immigration is not None:
        shown["immigration"] = person.immigration
    return shown


def _statement(record: Record, statement: Statement, labels: Mapping[str, str]) -> Json:
    return {
        "persons": [labels[ref] for ref in record.labelled(statement.persons)],
        "category": statement.category.value if statement.category is not None else None,
        "text": statement.text,
    }


def _location(location: Location, labels: Mapping[str, str]) -> Json:
    shown = {name: value for name, value in _fields(location) if name != "persons" and value is not None}
    return {**shown, "persons": [labels[ref] for ref in location.persons]}


def _given(part: Identity | Contact) -> Json:
    return {name: value for name, value in _fields(part) if value is not None}


def _fields(part: Identity | Contact | Location) -> list[tuple[str, Json]]:
    return [(field.name, getattr(part, field.name)) for field in fields(part)]


def _sealed(event: str, data: dict[str, Json], made_at: datetime) -> Redacted:
    return Redacted(_bytes({"type": event, "timestamp": stamp(made_at), "data": data}), _MINT)


def _bytes(value: Json) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def stamp(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
