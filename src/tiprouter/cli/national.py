"""What would a national hotline's years look like, day by day, if they were invented?

1. Sourced are four totals alone: 137 signals a day now, and in eighteen years about 500,000 signals, 100,000 cases and
   197,000 persons in them. Every other number is a field of `Shape`, and its default is invented: no share of channels,
   places, ages, violence or consents here says anything about a real hotline.
2. Signals a day grow evenly from `first_part` of the last day's to the last day's; that is how 137 a day and 500,000 in
   eighteen years agree.
3. A signal is a tip. Some open a situation, which becomes a case; some are about a situation that is open already, and
   some of those revise its case; the others stand alone. A case's persons are counted, not its accused.
4. Some of those persons are asked for their consent on the day, and some of these take it back on the next one.
5. The same seed, shape and days give the same history. Where some days alone are asked for, each has its full number of
   signals, and what happens on the next day happens on the next one asked for.
6. Names and words are plainly fictional; nothing is taken from anybody's situation.

Not promised: that people would say this on those days. No season, no weekday, no place's own habits.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.record import (
    Age,
    Identity,
    Jurisdiction,
    Location,
    Person,
    Record,
    Signaler,
    Statement,
    Violence,
)
from tiprouter.domain.vocabulary import (
    PURPOSE_OF,
    Answer,
    CaseStatus,
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

T = TypeVar("T")

DAYS_A_YEAR: Final = 365.25
SOURCE: Final = "national-hotline-example"
_CODES: Final = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR"
    " PA RI SC SD TN TX UT VT VA WA WV WI WY"
)
STATES: Final = tuple(f"US-{code}" for code in _CODES.split())
_LARGE: Final = {"US-CA": 8.0, "US-TX": 6.0, "US-FL": 5.0, "US-NY": 4.0}
ALL_KINDS: Final = (RecipientKind.SERVICE_PROVIDER, RecipientKind.LAW_ENFORCEMENT)


@dataclass(frozen=True, slots=True)
class Shape:
    """How often what is the case (rule 1); weights need not sum to one, shares are parts of one."""

    signals_a_day: float = 137
    first_part: float = 0.11
    years: float = 18
    opens_share: float = 0.2
    again_share: float = 0.3
    revises_share: float = 0.5
    open_situations: int = 300
    channels: Mapping[Channel, float] = field(
        default_factory=lambda: {
            Channel.PHONE: 60,
            Channel.TEXT: 18,
            Channel.CHAT: 8,
            Channel.WEB_FORM: 10,
            Channel.EMAIL: 4,
        }
    )
    relationships: Mapping[Relationship, float] = field(
        default_factory=lambda: {
            Relationship.SELF: 30,
            Relationship.FAMILY_FRIEND: 20,
            Relationship.COMMUNITY_MEMBER: 30,
            Relationship.SERVICE_PROVIDER: 10,
            Relationship.AUTHORITY: 5,
            Relationship.UNKNOWN: 5,
        }
    )
    states: Mapping[str, float] = field(default_factory=lambda: {code: _LARGE.get(code, 1.0) for code in STATES})
    persons: Mapping[int, float] = field(default_factory=lambda: {1: 44, 2: 29, 3: 16, 4: 8, 5: 3})
    ages: Mapping[str, float] = field(default_factory=lambda: {"adult": 70, "minor": 20, "unknown": 10})
    exploitations: Mapping[Exploitation, float] = field(
        default_factory=lambda: {
            Exploitation.SEXUAL_EXPLOITATION: 60,
            Exploitation.FORCED_LABOUR: 30,
            Exploitation.SERVITUDE: 10,
        }
    )
    violence: Mapping[Perception | None, float] = field(
        default_factory=lambda: {None: 85, Perception.RELAYED: 11, Perception.HEARD: 3, Perception.OBSERVED: 1}
    )
    accused_share: float = 0.3
    asked_share: float = 0.5
    said: Mapping[str, float] = field(default_factory=lambda: {"services": 70, "all": 15, "refuse": 15})
    withdrawn_share: float = 0.05
    acknowledged_share: float = 0.6


@dataclass(frozen=True, slots=True)
class CaseSent:
    """A case as a hotline would put it: its revision before (None for the first), and the tips it grew from."""

    record: Record
    expected: int | None
    tips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One day: its tips, then its cases and consents, and the persons (`ref`) who take a consent back."""

    number: int
    at: datetime
    tips: tuple[Record, ...]
    cases: tuple[CaseSent, ...]
    consents: tuple[tuple[str, Consent], ...]
    withdrawals: tuple[str, ...]


@dataclass(slots=True)
class _Situation:
    """What is open: the case's newest record, its revision (0 while it has none), and its tips by external id."""

    record: Record
    revision: int
    tips: list[str]


def days_of(shape: Shape) -> int:
    """How many days the history has."""
    return round(shape.years * DAYS_A_YEAR)


def signals_on(shape: Shape, number: int) -> int:
    """How many signals come on the day of this number (rule 2)."""
    return _until(shape, number + 1) - _until(shape, number)


def whole(shape: Shape) -> int:
    """How many signals come on all days."""
    return _until(shape, days_of(shape))


def _until(shape: Shape, day: int) -> int:
    """How many came before a day; rounding never loses one."""
    part = day / days_of(shape)
    average = shape.first_part + (1 - shape.first_part) * part / 2
    return round(shape.signals_a_day * day * average)


def history(shape: Shape, seed: int, begins: datetime, numbers: Sequence[int], times: float = 1) -> Iterator[Day]:
    """These days of the history, `times` as many signals on each (a burst)."""
    open_ones, leaving = list[_Situation](), list[str]()
    for number in numbers:
        chance = random.Random(f"{seed}/{number}/{times}")  # noqa: S311 - invented data, no secret
        at = begins + timedelta(days=number)
        count = round(signals_on(shape, number) * times)
        told = _Telling(shape, chance, at, f"{number}" if times == 1 else f"{number}-burst", open_ones)
        withdrawals, leaving = tuple(leaving), []
        for signal in range(count):
            told.signal(signal)
        leaving += [
            ref
            for ref, consent in told.consents
            if consent.choice is Choice.GRANT and _is(chance, shape.withdrawn_share)
        ]
        del open_ones[: -shape.open_situations]
        yield Day(number, at, tuple(told.tips), told.cases(), tuple(told.consents), withdrawals)


class _Telling:
    """One day, while it is invented."""

    def __init__(
        self, shape: Shape, chance: random.Random, at: datetime, name: str, open_ones: list[_Situation]
    ) -> None:
        self._shape, self._chance, self._at, self._name, self._open = shape, chance, at, name, open_ones
        self.tips: list[Record] = []
        self.consents: list[tuple[str, Consent]] = []
        self._changed: dict[str, tuple[_Situation, int]] = {}

    def signal(self, number: int) -> None:
        """One more tip, and what follows of it (rule 3)."""
        shape, turn = self._shape, self._chance.random()
        if turn < shape.opens_share:
            self._opens(f"{self._name}-{number}")
        elif turn < shape.opens_share + shape.again_share and self._open:
            self._again(f"{self._name}-{number}", self._chance.choice(self._open))
        else:
            self.tips.append(self._tip(f"{self._name}-{number}", (self._person(f"alone-{self._name}-{number}", None),)))

    def cases(self) -> tuple[CaseSent, ...]:
        """The day's cases, each as it stands at the day's end."""
        return tuple(
            CaseSent(replace(one.record, status=CaseStatus.ACTIVE), was or None, tuple(one.tips))
            for one, was in self._changed.values()
        )

    def _opens(self, name: str) -> None:
        count = _one_of(self._chance, self._shape.persons)
        persons = [self._person(f"person-{name}-{one}", f"{name}-{one}") for one in range(count)]
        if _is(self._chance, self._shape.accused_share):
            accused = Identity(first_name="Example", second_name=f"Accused {name}")
            persons.append(Person(f"accused-{name}", Role.ALLEGED_TRAFFICKER, Age(years=40), identity=accused))
        tip = self._tip(f"{name}", tuple(persons))
        case = replace(tip, kind=RecordKind.CASE, external_id=f"CASE-{name}")
        situation = _Situation(case, 0, [tip.external_id])
        self.tips.append(tip)
        self._open.append(situation)
        self._revise(situation)
        for person in persons:
            if person.role is Role.POTENTIAL_VICTIM and _is(self._chance, self._shape.asked_share):
                self._ask(person)

    def _again(self, name: str, situation: _Situation) -> None:
        tip = replace(self._tip(name, situation.record.persons), jurisdictions=situation.record.jurisdictions)
        self.tips.append(tip)
        situation.tips.append(tip.external_id)
        if _is(self._chance, self._shape.revises_share):
            added = (*situation.record.statements, *tip.statements)[-8:]
            situation.record = replace(
                situation.record, statements=added, signaled_at=tip.signaled_at, received_at=tip.received_at
            )
            self._revise(situation)

    def _revise(self, situation: _Situation) -> None:
        if situation.record.external_id not in self._changed:
            self._changed[situation.record.external_id] = situation, situation.revision
            situation.revision += 1

    def _tip(self, name: str, persons: tuple[Person, ...]) -> Record:
        shape, chance = self._shape, self._chance
        relationship = _one_of(chance, shape.relationships)
        perceived = _one_of(chance, shape.violence)
        received = self._at - timedelta(seconds=chance.randrange(60))
        return Record(
            kind=RecordKind.TIP,
            source=SOURCE,
            external_id=f"TIP-{name}",
            signaled_at=received - timedelta(seconds=chance.randrange(600)),
            received_at=received,
            channel=_one_of(chance, shape.channels),
            language="en",
            signaler=Signaler(relationship, ref=persons[0].ref if relationship is Relationship.SELF else None),
            exploitation=(_one_of(chance, shape.exploitations),),
            jurisdictions=(Jurisdiction(_one_of(chance, shape.states), JurisdictionReason.FOUND),),
            persons=persons,
            statements=tuple(
                Statement(f"an invented statement of signal {name}", (one.ref,), category)
                for one in persons
                for category in (Category.INCIDENT, Category.LOCATION)
            ),
            location=Location(street="1 Example Street", city="Exampleville"),
            violence=Violence()
            if perceived is None
            else Violence(Answer.YES, Answer.YES, perceived, received - timedelta(minutes=1)),
        )

    def _person(self, ref: str, name: str | None) -> Person:
        band = _one_of(self._chance, self._shape.ages)
        years = {"adult": 19 + self._chance.randrange(40), "minor": self._chance.randrange(10, 18)}.get(band)
        identity = None if name is None else Identity(first_name="Example", second_name=f"Person {name}")
        return Person(ref, Role.POTENTIAL_VICTIM, Age(years=years), identity=identity)

    def _ask(self, person: Person) -> None:
        """Rule 4."""
        said = _one_of(self._chance, self._shape.said)
        granted = said != "refuse"
        kinds = (RecipientKind.SERVICE_PROVIDER,) if said == "services" else ALL_KINDS if granted else ()
        consent = Consent(
            id="",
            person_id="",
            choice=Choice.GRANT if granted else Choice.REFUSE,
            grantor=Grantor.SELF,
            guardian_implicated=Answer.NO,
            recipients=(),
            kinds=kinds,
            purposes=tuple(PURPOSE_OF[kind] for kind in kinds),
            categories=tuple(Category) if granted else (),
            method=ConsentMethod.VERBAL,
            informed=True,
            given_at=self._at,
            valid_from=self._at,
            expires_at=self._at + timedelta(days=180) if granted else None,
        )
        self.consents.append((person.ref, consent))


def _one_of(chance: random.Random, weights: Mapping[T, float]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]


def _is(chance: random.Random, share: float) -> bool:
    return chance.random() < share
