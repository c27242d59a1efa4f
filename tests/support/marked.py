"""Records, consents and words of people, with a marker in every field that can hold personal data."""

from typing import Any

from tests.support.fictional import grant, person, tip
from tests.support.markers import Marks
from tiprouter.domain.consent import Consent, Guardianship, SafeContact
from tiprouter.domain.record import Age, Contact, Guardian, Identity, Location, Person, Record, Statement
from tiprouter.domain.vocabulary import Answer, Category, RecipientKind, RecordKind

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER


def words(mark: Marks, part: type[Any], *others: str) -> dict[str, Any]:
    """A marker for every field of a part of a record, but for `others`."""
    return {name: mark(name) for name in part.__slots__ if name not in others}


def somebody(mark: Marks, **changes: Any) -> Person:  # noqa: ANN401 - fields of a person
    """A person."""
    return person(
        mark("ref"),
        identity=Identity(**words(mark, Identity, "gender")),
        contact=Contact(**words(mark, Contact)),
        health=mark("health"),
        immigration=mark("immigration"),
        **changes,
    )


def marked(mark: Marks, kind: RecordKind) -> Record:
    """A record about an adult and a child."""
    child = {"age": Age(years=9), "guardians": (Guardian(mark("guardian"), Answer.NO),)}
    persons = (somebody(mark), somebody(mark, **child))
    return tip(
        *persons,
        kind=kind,
        source=mark("source"),
        external_id=mark("external"),
        statements=tuple(
            Statement(mark("statement"), (persons[number % 2].ref,), category)
            for number, category in enumerate((*Category, None))
        ),
        location=Location(**words(mark, Location, "persons")),
    )


def granted(mark: Marks) -> Consent:
    """A grant with words of the person's own."""
    return grant(
        LE,
        PROVIDER,
        witness=mark("witness"),
        safe_contact=SafeContact(mark("channel"), mark("time")),
        guardian=Guardianship(mark("relationship"), mark("attested_by"), ref=mark("guardian_ref")),
    )
