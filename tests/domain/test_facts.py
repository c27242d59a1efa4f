"""What may the policy see of one person and one recipient?"""

import json
from dataclasses import fields, replace
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprouter.domain.duty import Territory
from tiprouter.domain.explain import VOCABULARY, facts_from
from tiprouter.domain.facts import VICTIM_ROLES, Facts, Finding, Situation, bands_anywhere, findings_for
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Age, Guardian, Implicated, Signaler, Violence
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Grantor,
    Perceived,
    Perception,
    Relationship,
    Role,
    SignalerWish,
)

from .examples import (
    CARETAKER,
    CHILDREN,
    DAY,
    HOUR,
    NOW,
    OTHER,
    POLICE,
    PROVIDER,
    REFS,
    Dice,
    agency,
    any_row,
    either,
    grant,
    numbers,
    person,
    place,
    protocol,
    record,
    refusal,
    row,
    scenes,
    situation,
    territory,
)

CHILD = Age(years=9)
INSTANT = timedelta(microseconds=1)
HEARD = Violence(Answer.YES, Answer.YES, Perception.HEARD, NOW - HOUR)


def _facts(of: Situation, recipient: Recipient | None = None, ref: str = "a") -> Facts:
    return findings_for(of, recipient or agency())[ref].facts


def test_the_facts_are_closed_vocabularies_and_nothing_else() -> None:
    """Rules 1 and 2: what is stored and replayed is words and truth values, never a text of the record."""
    plain = _facts(situation(record(person("a", health="example illness")))).plain()
    assert set(plain) == {field.name for field in fields(Facts)}
    assert plain["consents"] == {category.value: "not_asked" for category in Category}
    assert plain["usable"] is True
    assert plain["recipient_kind"] == "law_enforcement"
    assert plain["rows"] == []
    assert "illness" not in repr(plain)


@pytest.mark.parametrize(
    ("changes", "fact", "value"),
    [
        ({"status": RecipientStatus.SUSPENDED}, "usable", False),
        ({"agreement_until": None}, "agreement", False),
        ({"agreement_until": NOW}, "agreement", False),
        ({"agreement_until": NOW + HOUR}, "agreement", True),
        ({"jurisdictions": ("US-GA",)}, "in_jurisdiction", Answer.NO),
        ({"jurisdictions": ("US",)}, "in_jurisdiction", Answer.YES),
        ({"counties": ("48113",)}, "in_jurisdiction", Answer.UNKNOWN),
    ],
)
def test_the_recipients_facts(changes: dict[str, Any], fact: str, value: object) -> None:
    """Rules 2 and 3: a county nobody named is unknown, an agreement ends at its own moment."""
    assert getattr(_facts(situation(record()), agency(**changes)), fact) == value


@pytest.mark.parametrize(
    ("entry", "implicated"),
    [
        (Implicated(recipient_id="example-law_enforcement"), True),
        (Implicated(recipient_id="example-other"), False),
        (Implicated(kind=POLICE), True),
        (Implicated(kind=CHILDREN), False),
        (Implicated(kind=POLICE, jurisdiction="US-TX"), True),
        (Implicated(kind=POLICE, jurisdiction="US-GA"), False),
    ],
)
def test_an_accused_agency_is_implicated(entry: Implicated, implicated: bool) -> None:  # noqa: FBT001 - a table
    """Rule 1: by its id, or by its kind in a place."""
    assert _facts(situation(record(implicated=(entry,)))).implicated is implicated


@pytest.mark.parametrize(
    ("perceived", "observed", "fact", "fresh"),
    [
        (Perception.HEARD, NOW - HOUR, Perceived.FIRST_HAND, True),
        (Perception.OBSERVED, NOW - HOUR, Perceived.FIRST_HAND, True),
        (Perception.RELAYED, NOW - HOUR, Perceived.RELAYED, True),
        (Perception.UNKNOWN, NOW - HOUR, Perceived.UNKNOWN, True),
        (Perception.HEARD, NOW - 12 * HOUR, Perceived.FIRST_HAND, False),
        (Perception.HEARD, NOW - 12 * HOUR + timedelta(seconds=1), Perceived.FIRST_HAND, True),
        (Perception.HEARD, None, Perceived.FIRST_HAND, False),
    ],
)
def test_violence_is_first_hand_and_fresh_or_it_is_not(
    perceived: Perception,
    observed: Any,  # noqa: ANN401 - a moment or none
    fact: Perceived,
    fresh: bool,  # noqa: FBT001 - a table
) -> None:
    """Rule 4: undated violence is not fresh."""
    facts = _facts(situation(record(violence=Violence(Answer.YES, Answer.YES, perceived, observed))))
    assert (facts.perceived, facts.fresh) == (fact, fresh)


@pytest.mark.parametrize(
    ("role", "duty"),
    [
        (Role.POTENTIAL_VICTIM, DutyState.REQUIRED),
        (Role.DEPENDANT, DutyState.REQUIRED),
        (Role.WITNESS, DutyState.NOT_REQUIRED),
        (Role.SIGNALER, DutyState.NOT_REQUIRED),
        (Role.ALLEGED_TRAFFICKER, DutyState.NOT_REQUIRED),
    ],
)
def test_a_duty_is_about_victims_and_their_dependants(role: Role, duty: DutyState) -> None:
    """Rule 1: whose childhood makes a duty; its span comes with the finding."""
    finding = findings_for(situation(record(person("a", role=role, age=CHILD))), agency())["a"]
    assert finding.facts.duty is duty
    assert finding.duty_within == (24 * HOUR if duty is DutyState.REQUIRED else None)


def test_a_duty_runs_no_clock_for_an_adult() -> None:
    """Rule 1: the duty table is about children; an adult's review has its own hours."""
    finding = findings_for(situation(record(person("a", age=Age(years=30)))), agency())["a"]
    assert (finding.facts.duty, finding.facts.rows, finding.duty_within) == (DutyState.REQUIRED, (), None)


def test_the_duty_is_each_childs_own() -> None:
    """Rule 1: a guardian harms one of two children, a stranger the other: other authorities, rows and clocks."""
    by_caretaker = row("US-TX", CHILDREN, perpetrator=CARETAKER, hours=48)
    by_other = row(id="us-tx.other", receivers=either(POLICE), perpetrator=OTHER, hours=24)
    one = person("a", age=CHILD, guardians=(Guardian("parent", Answer.YES, "t"),))
    other = person("b", age=CHILD, guardians=(Guardian("parent", Answer.NO),))
    about = record(one, other, person("t", role=Role.ALLEGED_TRAFFICKER))
    found = findings_for(situation(about, by_caretaker, by_other), agency(POLICE))
    assert [(found[ref].facts.duty, found[ref].facts.rows, found[ref].duty_within) for ref in ("a", "b", "t")] == [
        (DutyState.UNKNOWN, ("us-tx.other",), 24 * HOUR),
        (DutyState.REQUIRED, ("us-tx.other",), 24 * HOUR),
        (DutyState.NOT_REQUIRED, (), None),
    ]


def test_the_rows_that_name_a_recipient_are_named_of_whoever_may_be_a_child() -> None:
    """Rule 1: of a child and of somebody of unknown age, in the table's order; an adult has no child's row."""
    table = row("US-TX"), row("US-GA", CHILDREN), row("US", POLICE)
    people = person("a", age=CHILD), person("b", age=Age()), person("c"), person("w", age=CHILD, role=Role.WITNESS)
    about = record(*people, jurisdictions=(place("US-TX"), place("US-GA")))
    found = findings_for(situation(about, *table), agency(POLICE, jurisdictions=("US",)))
    assert [found[ref].facts.rows for ref in ("a", "b", "c", "w")] == [("us-tx", "us"), ("us-tx", "us"), (), ()]


def test_business_days_are_counted_where_the_recipient_serves() -> None:
    """Rule 3: the zone of a place that the recipient serves, not of every place of the record."""
    zones = {"US-TX": ZoneInfo("America/Denver"), "US-GA": ZoneInfo("America/New_York")}
    about = record(person("a"), jurisdictions=(place("US-TX"), place("US-GA")))
    under = protocol(territories=[territory(code, zone=zone) for code, zone in zones.items()])
    of = replace(situation(about), protocol=under)
    for code, zone in zones.items():
        assert findings_for(of, agency(jurisdictions=(code,)))["a"].zone is zone
    assert findings_for(situation(record()), agency())["a"].zone is UTC


def test_the_band_is_by_the_most_protective_threshold_served() -> None:
    """Rule 1: an eighteen-year-old is a child toward whoever serves Alabama, and an adult toward Texas alone."""
    about = record(person("a", age=Age(years=18)), jurisdictions=(place("US-TX"), place("US-AL")))
    of = situation(about, row("US-TX"), row("US-AL", threshold=19))
    assert _facts(of, agency(jurisdictions=("US-TX",))).age is AgeBand.ADULT
    assert _facts(of, agency(jurisdictions=("US",))).age is AgeBand.MINOR
    assert bands_anywhere(of) == {"a": AgeBand.MINOR}


def test_basis_is_duty_then_consent_then_danger() -> None:
    """Rule 5: and without a potential victim there is none."""
    adult, child = person("a"), person("b", age=CHILD)
    consents = {"a": [grant()]}
    trafficker = person("t", role=Role.ALLEGED_TRAFFICKER)
    expected = [
        (record(adult, child, trafficker, violence=HEARD), consents, Basis.DUTY),
        (record(adult, child, trafficker, violence=HEARD), {}, Basis.DUTY),
        (record(adult, trafficker, violence=HEARD), consents, Basis.CONSENT),
        (record(adult, trafficker, violence=HEARD), {}, Basis.DANGER),
        (record(adult, trafficker), {}, Basis.NONE),
        (record(trafficker, violence=HEARD), {}, Basis.NONE),
    ]
    assert [_facts(situation(about, **given_), ref="t").basis for about, given_, _ in expected] == [
        basis for _, _, basis in expected
    ]


def test_basis_needs_the_victims_consent_to_the_incident() -> None:
    """Rule 5: neither a witness's consent nor a consent to something else opens the accused person's data."""
    trafficker, witness = person("t", role=Role.ALLEGED_TRAFFICKER), person("w", role=Role.WITNESS)
    about = record(person("a"), witness, trafficker)
    assert _facts(situation(about, w=[grant()]), ref="t").basis is Basis.NONE
    assert _facts(situation(about, a=[grant(categories=(Category.LOCATION,))]), ref="t").basis is Basis.NONE
    assert _facts(situation(about, a=[grant()]), ref="t").basis is Basis.CONSENT


def test_a_wish_to_stay_anonymous_narrows() -> None:
    """Rule 6: whatever was granted, and only about who signaled."""
    about = record(person("a"), signaler=Signaler(Relationship.SELF, SignalerWish.ANONYMOUS, "a"))
    facts = _facts(situation(about, a=[grant()]))
    assert facts.consent(Category.SIGNALER_IDENTITY) is ConsentState.REFUSED
    assert facts.consent(Category.INCIDENT) is ConsentState.GRANTED
    assert facts.reporter is Relationship.SELF


@pytest.mark.parametrize(
    ("guardians", "state"),
    [
        ([], ConsentState.VOID),
        ([Answer.NO], ConsentState.GRANTED),
        ([Answer.YES], ConsentState.VOID),
        ([Answer.UNKNOWN], ConsentState.VOID),
        ([Answer.YES, Answer.NO], ConsentState.VOID),
    ],
)
def test_a_childs_consent_needs_a_guardian_who_is_not_implicated(guardians: list[Answer], state: ConsentState) -> None:
    """Rule 8: the record's own word on the guardians counts beside the consent's; here no guardian is named."""
    child = person("a", age=CHILD, guardians=tuple(Guardian("parent", implicated) for implicated in guardians))
    of = situation(record(child), a=[grant(PROVIDER, grantor=Grantor.BOTH)])
    assert _facts(of, agency(PROVIDER)).consent(Category.INCIDENT) is state


def test_a_minor_may_consent_alone_only_where_every_law_says_so() -> None:
    """Rule 8: two jurisdictions, one of which does not, or says nothing."""
    about = record(person("a", age=CHILD), jurisdictions=(place("US-TX"), place("US-GA")))
    toward = agency(PROVIDER, jurisdictions=("US",))

    def state(*territories: Territory) -> ConsentState:
        under = protocol(row("US-TX"), row("US-GA"), territories=territories)
        of = replace(situation(about, a=[grant(PROVIDER)]), protocol=under)
        return _facts(of, toward).consent(Category.INCIDENT)

    texas, georgia = territory("US-TX", minor_alone=True), territory("US-GA", minor_alone=True)
    assert state(texas, georgia) is ConsentState.GRANTED
    assert state(texas, replace(georgia, minor_alone=False)) is ConsentState.VOID
    assert state(texas) is ConsentState.VOID


def test_facts_end_at_the_first_moment_that_changes_one() -> None:
    """Rule 3: freshness, agreement, birthdays, consents and duty rows each end the facts of everybody in the record."""
    about = record(person("a"), person("b", age=Age(date_of_birth=date(2012, 6, 20))), violence=HEARD)
    until = {
        "fresh": NOW + 11 * HOUR,
        "consent": NOW + DAY,
        "birthday": NOW + 5 * DAY - 12 * HOUR,
        "agreement": NOW + 9 * DAY,
        "over": NOW + 11 * DAY - 12 * HOUR,
        "in effect": NOW + 13 * DAY - 12 * HOUR,
        "stale": NOW + 700 * DAY - 12 * HOUR,
    }
    rows = row(effective_until=until["over"].date()), row(id="us-tx.new", effective_from=until["in effect"].date())
    of = situation(about, *rows, a=[grant(expires_at=until["consent"])])
    toward = agency(agreement_until=until["agreement"])
    seen = []
    for _ in until:
        found = findings_for(of, toward)["a"].valid_until
        assert found is not None
        seen.append(found)
        of = replace(of, now=found)
    assert seen == sorted(until.values())
    assert findings_for(of, toward)["a"].valid_until is None


@settings(max_examples=300)
@given(scenes, st.floats(0, 1))
def test_before_valid_until_time_alone_changes_nothing(both: tuple[Situation, Recipient], part: float) -> None:
    """Rule 3: not even its last microsecond; neither facts nor clocks nor the moment itself, for anybody."""
    of, toward = both
    found = findings_for(of, toward)
    until = found["a"].valid_until
    assert {finding.valid_until for finding in found.values()} == {until}
    last = of.now + 1200 * DAY if until is None else until - INSTANT
    assert last >= of.now
    for later in (of.now + (last - of.now) * part, last):
        assert findings_for(replace(of, now=later), toward) == found


def _granted(found: dict[str, Finding]) -> set[tuple[str, Category]]:
    return {
        (ref, category)
        for ref, finding in found.items()
        for category in Category
        if finding.facts.consent(category) is ConsentState.GRANTED
    }


def _weaker(after: Basis, before: Basis) -> bool:
    return after is before or (before is Basis.CONSENT and after in (Basis.DANGER, Basis.NONE))


@given(scenes, st.sampled_from(REFS), st.integers(0, 2))
def test_a_withdrawal_grants_nothing(both: tuple[Situation, Recipient], whose: str, which: int) -> None:
    """Narrowing is immediate: nobody's state becomes granted, and no basis takes a consent's place that tells more."""
    of, toward = both
    after = [
        replace(each, withdrawn_at=of.now) if number == which else each
        for number, each in enumerate(of.consents.get(whose, []))
    ]
    before, now = (findings_for(each, toward) for each in (of, replace(of, consents={**of.consents, whose: after})))
    assert _granted(now) <= _granted(before)
    assert all(_weaker(now[ref].facts.basis, before[ref].facts.basis) for ref in REFS)


@given(scenes, st.sampled_from(REFS), st.integers(0, 99), st.booleans())
def test_a_refusal_grants_nothing(
    both: tuple[Situation, Recipient],
    whose: str,
    hours: int,
    everything: bool,  # noqa: FBT001 - a table
) -> None:
    """Rule 8: whenever it was said, and of however little."""
    of, toward = both
    scope: dict[str, Any] = {} if everything else {"categories": (Category.LOCATION,)}
    said = refusal(id="said", given_at=of.now - hours * HOUR, **scope)
    wider = {**of.consents, whose: [*of.consents.get(whose, []), said]}
    before, now = (findings_for(each, toward) for each in (of, replace(of, consents=wider)))
    assert _granted(now) <= _granted(before)
    assert all(_weaker(now[ref].facts.basis, before[ref].facts.basis) for ref in REFS)
    if everything and not hours:
        assert not {ref for ref, _ in _granted(now)} & {whose}


@given(scenes, st.lists(st.dates(date(2008, 1, 1), date(2013, 12, 31)), min_size=3, max_size=3).map(sorted))
def test_who_is_born_later_is_never_older(both: tuple[Situation, Recipient], births: list[date]) -> None:
    """Rule 1: under one and the same law, whatever the calendar."""
    of, toward = both
    people = tuple(
        replace(each, age=Age(date_of_birth=born)) for each, born in zip(of.record.persons, births, strict=True)
    )
    of = replace(of, record=replace(of.record, persons=people))
    found = findings_for(of, toward)
    for bands in ([found[ref].facts.age for ref in REFS], [bands_anywhere(of)[ref] for ref in REFS]):
        assert bands == sorted(bands)  # "adult" is before "minor", and a date of birth leaves nothing unknown
        assert AgeBand.UNKNOWN not in bands


@given(scenes)
def test_every_fact_is_a_word_that_is_read_back(both: tuple[Situation, Recipient]) -> None:
    """Rule 2: through JSON and back, with nothing of the record but the ids of duty rows."""
    of, toward = both
    rows = {row.id for some in of.protocol.rows.values() for row in some}
    for finding in findings_for(of, toward).values():
        facts = finding.facts
        assert all(getattr(facts, name) in words for name, words in VOCABULARY.items())
        assert set(facts.rows) <= rows
        assert facts_from(json.loads(json.dumps(facts.plain()))) == facts


@given(scenes, numbers)
def test_a_wider_table_never_ends_anybodys_duty(both: tuple[Situation, Recipient], number: int) -> None:
    """Rule 1: one row more, of any place: who had to be told still must be, and no later."""
    of, toward = both
    further = any_row(Dice(number), of.now)
    table = {**of.protocol.rows, further.jurisdiction: (*of.protocol.rows.get(further.jurisdiction, ()), further)}
    before = findings_for(of, toward)
    after = findings_for(replace(of, protocol=replace(of.protocol, rows=table)), toward)
    for ref, finding in before.items():
        if finding.facts.duty is DutyState.REQUIRED:
            assert after[ref].facts.duty is DutyState.REQUIRED
            assert finding.duty_within is None or (after[ref].duty_within or timedelta.max) <= finding.duty_within


@given(scenes)
def test_a_duty_is_of_victims_and_dependants_alone(both: tuple[Situation, Recipient]) -> None:
    """Rule 1: nobody else has rows, a duty or its clock; a duty that may be owed to a child has a clock."""
    for person_, finding in zip(both[0].record.persons, findings_for(*both).values(), strict=True):
        owed = finding.facts.duty is not DutyState.NOT_REQUIRED and finding.facts.age is not AgeBand.ADULT
        assert owed == (finding.duty_within is not None)
        assert person_.role in VICTIM_ROLES or not (owed or finding.facts.rows)
