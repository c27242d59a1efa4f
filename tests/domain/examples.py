"""Values for the rules' tests, all fictional: a record in Texas, its persons, agencies, consents and duty rows.

`scenes` are any situation and recipient at all, near every moment at which time alone changes something. A scene is
made from one number, because drawing each of its two hundred values would take longer than deciding it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tiprouter.domain.consent import Choice, Consent, Guardianship
from tiprouter.domain.duty import DutyRow, Protocol, Territory, World
from tiprouter.domain.facts import Situation
from tiprouter.domain.recipient import Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.record import Age, Guardian, Implicated, Jurisdiction, Person, Record, Signaler, Violence
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Bound,
    Category,
    Channel,
    Confidence,
    ConsentMethod,
    DutySubject,
    Exploitation,
    Grantor,
    JurisdictionReason,
    Perception,
    Perpetrator,
    Purpose,
    RecipientKind,
    RecordKind,
    Relationship,
    ReportChannel,
    Role,
    SignalerWish,
)

NOW = datetime(2030, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
STALE_AFTER = 730 * DAY
POLICE, CHILDREN, PROVIDER = (
    RecipientKind.LAW_ENFORCEMENT,
    RecipientKind.CHILD_PROTECTION,
    RecipientKind.SERVICE_PROVIDER,
)
CLEARINGHOUSE, FEDERAL = RecipientKind.CLEARINGHOUSE, RecipientKind.FEDERAL_AUTHORITY
CARETAKER, OTHER = Perpetrator.CARETAKER, Perpetrator.OTHER
ANY_WORLD = (World(frozenset(Perpetrator), sexual=True),)
"""The one world that every row speaks of."""


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


AUNT = Guardianship("aunt", "Example Advocate", NOW - DAY)
"""A guardian who consents, and whose word it is that nothing implicates her."""


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
    if changes.get("grantor", Grantor.SELF) is not Grantor.SELF:
        values["guardian"] = AUNT
    return Consent(**(values | changes))


def refusal(**changes: Any) -> Consent:  # noqa: ANN401 - fields of many types
    """A refusal of everything toward everybody."""
    everything: dict[str, Any] = {"choice": Choice.REFUSE, "purposes": (), "categories": (), "expires_at": None}
    return grant(**(everything | {"kinds": ()} | changes))


def either(*kinds: RecipientKind) -> tuple[frozenset[RecipientKind], ...]:
    """Receivers in one part: any one of these kinds will do."""
    return (frozenset(kinds),)


def both(*kinds: RecipientKind) -> tuple[frozenset[RecipientKind], ...]:
    """Receivers in parts: each of these kinds must be told."""
    return tuple(frozenset((kind,)) for kind in kinds)


def row(code: str = "US-TX", *receivers: RecipientKind, **changes: Any) -> DutyRow:  # noqa: ANN401 - many types
    """A sourced duty row about every child that names the police or child protection within a day."""
    values: dict[str, Any] = {
        "id": code.lower(),
        "jurisdiction": code,
        "binds": Bound.ANYONE,
        "subject": DutySubject.CHILD_MALTREATMENT,
        "perpetrator": None,
        "receivers": either(*(receivers or (POLICE, CHILDREN))),
        "hours": 24,
        "channel": ReportChannel.ANY,
        "written": None,
        "threshold": 18,
        "effective_from": None,
        "effective_until": None,
        "source": "https://statutes.example/",
        "source_date": "2030-01",
        "verified_on": (NOW - 30 * DAY).date(),
        "confidence": Confidence.HIGH,
        "citation": "Example Code 1",
        "note": "",
    }
    return DutyRow(**(values | changes))


def territory(code: str = "US-TX", **changes: Any) -> Territory:  # noqa: ANN401 - fields of many types
    """A place whose days are those of UTC, and where no minor consents alone."""
    values: dict[str, Any] = {"name": "Example State", "zone": UTC, "minor_alone": False, "source": ""}
    return Territory(code, **(values | changes))


def protocol(*rows: DutyRow, territories: Iterable[Territory] = (), **changes: Any) -> Protocol:  # noqa: ANN401 - many
    """These rows, or the example's; immediately is one hour, violence is fresh for twelve, the hotline is anyone."""
    table: dict[str, tuple[DutyRow, ...]] = {}
    for each in rows or (row(),):
        table[each.jurisdiction] = (*table.get(each.jurisdiction, ()), each)
    values: dict[str, Any] = {
        "rows": table,
        "territories": {each.code: each for each in territories},
        "bound_as": frozenset({Bound.ANYONE, Bound.MANDATED_REPORTER}),
        "immediately": HOUR,
        "violence_fresh": 12 * HOUR,
        "stale_after": STALE_AFTER,
        "default_threshold": 18,
        "default_zone": UTC,
    }
    return Protocol(**(values | changes))


def situation(about: Record, *rows: DutyRow, **consents: list[Consent]) -> Situation:
    """A record under a protocol of these rows at `NOW`, with consents by the persons' refs."""
    return Situation(about, consents, protocol(*rows), NOW)


REFS = ("a", "b", "c")
CODES = ("US-TX", "US-GA", "US-AL", "US-TRIBAL-EXAMPLE", "US")
ZONES = (UTC, *map(ZoneInfo, ("America/New_York", "America/Adak", "Pacific/Pago_Pago", "Pacific/Guam")))
_TURNING = (
    NOW,
    datetime(2028, 2, 29, 5, tzinfo=UTC),  # a leap day, as New York's midnight passes
    datetime(2030, 3, 1, 10, 59, tzinfo=UTC),  # 1 March is about to begin in Pago Pago: a birthday of 29 February
    datetime(2030, 3, 10, 6, 30, tzinfo=UTC),  # the clocks of New York go forward
    datetime(2030, 1, 1, tzinfo=UTC),
)


CHOICE = TypeVar("CHOICE")


class Dice:
    """Choices that one number makes: as good as random, and the same for ever."""

    def __init__(self, number: int) -> None:
        self._rest = int.from_bytes(hashlib.shake_256(number.to_bytes(8)).digest(512))

    def of(self, pool: Sequence[CHOICE]) -> CHOICE:
        """One of these."""
        self._rest, index = divmod(self._rest, len(pool))
        return pool[index]

    def some(self, pool: Sequence[CHOICE], at_most: int) -> tuple[CHOICE, ...]:
        """A few of these, none twice."""
        return tuple(dict.fromkeys(self.of(pool) for _ in range(self.of(range(at_most + 1)))))

    def near(self, moment: datetime) -> datetime:
        """Within three days before or after."""
        return moment + self.of(range(-72, 73)) * HOUR


def _age(dice: Dice, now: datetime) -> Age:
    whole = range(15, 22)
    birthday = date(now.year - dice.of(whole), now.month, min(now.day, 28)) + timedelta(days=dice.of(range(-3, 4)))
    return dice.of(
        [
            Age(date_of_birth=birthday),
            Age(date_of_birth=date(dice.of([2008, 2012]), 2, 29)),
            Age(years=dice.of(whole)),
            Age(range_low=dice.of([None, *whole]), range_high=dice.of([None, *whole])),
            Age(belief=dice.of([None, *AgeBand])),
        ]
    )


def _consent(dice: Dice, now: datetime) -> Consent:
    scope: dict[str, Any] = {
        "id": dice.of("uvwxyz"),
        "kinds": dice.of([(POLICE,), (CHILDREN, PROVIDER), tuple(RecipientKind), tuple(RecipientKind)]),
        "categories": dice.of([tuple(Category), (Category.INCIDENT,), (Category.LOCATION, Category.HEALTH)]),
        "given_at": now - dice.of(range(99)) * HOUR,
    }
    if dice.of(range(4)) == 0:
        return refusal(**scope)
    return grant(
        grantor=dice.of([Grantor.SELF, *Grantor]),
        guardian_implicated=dice.of([Answer.NO, Answer.NO, *Answer]),
        informed=dice.of([True, True, True, False]),
        valid_from=dice.of([now - DAY, now - DAY, dice.near(now)]),
        expires_at=dice.of([None, dice.near(now), *(now + hours * HOUR for hours in range(1, 9))]),
        withdrawn_at=dice.of([None, None, None, now - HOUR]),
        **scope,
    )


def any_row(dice: Dice, now: datetime) -> DutyRow:
    """Any row, that mostly is relied on, and mostly begins, ends or goes stale around `now`."""
    turn = dice.near(now).date()
    turning: dict[str, Any] = dice.of(
        [
            {},
            {"effective_from": turn},
            {"effective_until": turn},
            {"verified_on": turn - STALE_AFTER},
            {"effective_from": dice.near(now).date(), "effective_until": turn},
        ]
    )
    return row(
        dice.of([*CODES[:3], *CODES, "US-TRIBAL"]),
        id=f"row-{dice.of(range(10**9))}",
        receivers=dice.of([either(POLICE), either(CHILDREN, POLICE), both(CHILDREN, CLEARINGHOUSE)]),
        subject=dice.of([DutySubject.CHILD_MALTREATMENT, *DutySubject]),
        perpetrator=dice.of([None, None, *Perpetrator]),
        binds=dice.of([Bound.ANYONE, Bound.ANYONE, Bound.MANDATED_REPORTER, Bound.OFFICIAL]),
        hours=dice.of([None, *range(1, 49)]),
        threshold=dice.of(range(17, 21)),
        confidence=dice.of([*Confidence, Confidence.HIGH, Confidence.HIGH]),
        **{"verified_on": now.date(), **turning},
    )


def any_agency(dice: Dice, now: datetime) -> Recipient:
    """Any recipient, whose agreement may end soon."""
    return agency(
        dice.of([POLICE, CHILDREN, *RecipientKind]),
        jurisdictions=dice.of([("US",), ("US",), ("US-TX",), ("US-GA", "US-AL"), ("US-TRIBAL-EXAMPLE",)]),
        counties=dice.of([(), ("48113",)]),
        status=dice.of([RecipientStatus.ACTIVE, *RecipientStatus]),
        agreement_until=dice.of([None, dice.near(now), dice.near(now)]),
    )


def any_record(dice: Dice, now: datetime) -> Record:
    """Three people in some trouble in some places."""
    people = [
        person(
            ref,
            age=_age(dice, now),
            role=dice.of([Role.POTENTIAL_VICTIM, Role.POTENTIAL_VICTIM, *Role]),
            guardians=tuple(Guardian("parent", each) for each in dice.some(list(Answer), 2)),
        )
        for ref in REFS
    ]
    observed = dice.of([None, *(now - hours * HOUR for hours in range(-1, 14))])
    return record(
        *people,
        signaled_at=now - dice.of([0 * DAY, HOUR, 365 * DAY, 366 * DAY, 365 * DAY + HOUR]),
        received_at=now,
        signaler=Signaler(dice.of(list(Relationship)), dice.of(list(SignalerWish)), dice.of([None, *REFS])),
        jurisdictions=tuple(place(code) for code in dice.some(CODES, 3)),
        exploitation=dice.of([(), tuple(Exploitation)[:1], tuple(Exploitation)[:2]]),
        implicated=dice.of([(), (Implicated(kind=POLICE),), (Implicated(recipient_id="example-other"),)]),
        violence=Violence(dice.of(list(Answer)), dice.of(list(Answer)), dice.of(list(Perception)), observed),
    )


def scene(number: int) -> tuple[Situation, Recipient]:
    """The situation and the recipient with this number; consents and the law's table are any, too.

    In every other scene the table alone turns, because what turns first hides whatever turns later.
    """
    dice = Dice(number)
    now = dice.of(_TURNING) + dice.of(range(-7200, 7200)) * timedelta(seconds=1)
    about, toward = any_record(dice, now), any_agency(dice, now)
    consents = {ref: [_consent(dice, now) for _ in range(dice.of(range(4)))] for ref in REFS}
    if dice.of([True, False]):
        people = tuple(replace(each, age=Age(belief=dice.of([*AgeBand, AgeBand.MINOR]))) for each in about.persons)
        about = replace(about, persons=people, violence=Violence())
        consents, toward = {}, replace(toward, agreement_until=None)
    under = protocol(
        *(any_row(dice, now) for _ in range(dice.of(range(1, 5)))),
        territories=[territory(code, zone=dice.of(ZONES), minor_alone=dice.of([True, False])) for code in CODES[:3]],
        default_zone=dice.of(ZONES),
    )
    return Situation(about, consents, under, now), toward


numbers = st.integers(0, 2**64 - 1)
scenes = numbers.map(scene)
