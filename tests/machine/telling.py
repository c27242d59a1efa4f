"""Fictional records of a history: every piece of personal data in them is a marker of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from tiprouter.domain.record import (
    Age,
    Contact,
    Guardian,
    Identity,
    Implicated,
    Jurisdiction,
    Location,
    Person,
    Record,
    Signaler,
    Statement,
    Violence,
)
from tiprouter.domain.vocabulary import (
    AgeBand,
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
    Role,
    SignalerWish,
)

Markers = dict[str, tuple[tuple[str, ...], Category | None]]
PEOPLE: Final = 5
ROLES: Final = (
    *[Role.POTENTIAL_VICTIM] * 8,
    Role.SIGNALER,
    Role.ALLEGED_TRAFFICKER,
    Role.WITNESS,
    Role.DEPENDANT,
)
LABELS: Final = (*[Category.INCIDENT] * 5, Category.LOCATION, Category.HEALTH, None, None)


@dataclass
class Teller:
    """Tells records about a handful of people; `marker` gives a marker that was never given."""

    people: list[tuple[str, Age]] = field(default_factory=list)
    given: int = 0

    def marker(self) -> str:
        """A marker that was never given."""
        self.given += 1
        return f"MK{self.given}x"

    def meet(self, chance: Random, today: date) -> None:
        """Somebody whom records may be about; some come of age within the history."""
        soon = today.replace(year=today.year - 18) + timedelta(days=chance.randint(1, 120))
        ages = (
            Age(years=chance.randint(19, 60)),
            Age(years=chance.randint(5, 16)),
            Age(date_of_birth=soon),
            Age(belief=AgeBand.MINOR),
            Age(),
        )
        self.people.append((f"r-{self.marker()}", chance.choices(ages, (8, 3, 2, 1, 1))[0]))

    def record(
        self, chance: Random, now: datetime, kind: RecordKind, external_id: str, agencies: Sequence[str]
    ) -> tuple[Record, Markers]:
        """A record, and what each of its markers is about."""
        while len(self.people) < PEOPLE:
            self.meet(chance, now.date())
        markers: Markers = {}

        def marked(refs: tuple[str, ...], category: Category | None) -> str:
            marker = self.marker()
            markers[marker] = (refs, category)
            return f"fictional {marker}"

        who = chance.sample(self.people, chance.choice((1, 1, 1, 2, 2, 3)))
        persons = tuple(_person(chance, ref, age, marked) for ref, age in who)
        refs = [person.ref for person in persons]
        statements = tuple(
            Statement(marked(about, category), about, category)
            for about, category in ((_about(chance, refs), chance.choice(LABELS)) for _ in range(chance.randint(1, 2)))
        )
        record = Record(
            kind=kind,
            source="hotline-example",
            external_id=external_id,
            signaled_at=now - timedelta(minutes=10),
            received_at=now - timedelta(minutes=chance.randint(0, 5)),
            channel=Channel.PHONE,
            language="en",
            signaler=_signaler(chance, persons),
            exploitation=(Exploitation.FORCED_LABOUR,),
            jurisdictions=_places(chance),
            persons=persons,
            statements=statements,
            location=_location(chance, refs, marked),
            violence=_violence(chance, now),
            implicated=_implicated(chance, agencies),
            status=CaseStatus.ACTIVE if kind is RecordKind.CASE else None,
        )
        return record, markers


Marked = Callable[[tuple[str, ...], Category | None], str]


def _person(chance: Random, ref: str, age: Age, marked: Marked) -> Person:
    young = age.years is None or age.years < 18
    implicated = chance.choices(tuple(Answer), (1, 3, 1))[0]
    return Person(
        ref=ref,
        role=chance.choice(ROLES),
        age=age,
        guardians=(Guardian("parent", implicated),) if young and chance.random() < 0.7 else (),
        identity=Identity(first_name=marked((ref,), Category.IDENTITY)),
        contact=Contact(email=marked((ref,), Category.CONTACT)) if chance.random() < 0.7 else None,
        health=marked((ref,), Category.HEALTH) if chance.random() < 0.5 else None,
        immigration=marked((ref,), Category.IMMIGRATION) if chance.random() < 0.3 else None,
    )


def _about(chance: Random, refs: Sequence[str]) -> tuple[str, ...]:
    return () if chance.random() < 0.2 else tuple(chance.sample(refs, chance.randint(1, len(refs))))


def _signaler(chance: Random, persons: Sequence[Person]) -> Signaler:
    known = [person.ref for person in persons if person.role in (Role.SIGNALER, Role.POTENTIAL_VICTIM)]
    ref = chance.choice(known) if known and chance.random() < 0.7 else None
    wish = chance.choices(tuple(SignalerWish), (1, 1, 2))[0]
    return Signaler(chance.choice((Relationship.SELF, *Relationship)), wish, ref)


def _places(chance: Random) -> tuple[Jurisdiction, ...]:
    codes = chance.choices((("US-TX",), ("US-CA",), ("US-TX", "US-CA"), ()), (16, 2, 2, 1))[0]
    reasons = (JurisdictionReason.FOUND, JurisdictionReason.HAPPENED)
    return tuple(Jurisdiction(code, reason) for code, reason in zip(codes, reasons, strict=False))


def _location(chance: Random, refs: Sequence[str], marked: Marked) -> Location | None:
    if chance.random() < 0.5:
        return None
    about = _about(chance, refs)
    return Location(city=marked(about, Category.LOCATION), persons=about)


def _violence(chance: Random, now: datetime) -> Violence:
    if chance.random() < 0.3:
        return Violence(Answer.YES, Answer.YES, Perception.HEARD, now - timedelta(minutes=chance.randint(0, 30)))
    if chance.random() < 0.5:
        return Violence(Answer.NO, Answer.NO, Perception.UNKNOWN)
    observed = None if chance.random() < 0.5 else now - timedelta(hours=1)
    answers = tuple(Answer)
    return Violence(chance.choice(answers), chance.choice(answers), chance.choice(tuple(Perception)), observed)


def _implicated(chance: Random, agencies: Sequence[str]) -> tuple[Implicated, ...]:
    dice = chance.random()
    if dice < 0.08:
        return (Implicated(recipient_id=chance.choice(agencies)),)
    if dice < 0.12:
        kind = chance.choice((RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION))
        return (Implicated(kind=kind, jurisdiction="US-TX"),)
    return ()
