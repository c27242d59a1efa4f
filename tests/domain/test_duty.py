"""Must a child's situation be reported, to whom, how, and by when?"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.age import Majority
from tiprouter.domain.duty import (
    NO_DUTY,
    TRIBAL,
    Duty,
    DutyRow,
    Part,
    Protocol,
    World,
    deadline_somewhere,
    duty_toward,
    parts,
    relied_on,
    served,
)
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Jurisdiction
from tiprouter.domain.vocabulary import (
    Answer,
    Bound,
    Confidence,
    DutyState,
    DutySubject,
    Perpetrator,
    RecipientKind,
)

from .examples import (
    ANY_WORLD,
    CHILDREN,
    CLEARINGHOUSE,
    FEDERAL,
    HOUR,
    NOW,
    POLICE,
    PROVIDER,
    STALE_AFTER,
    agency,
    both,
    either,
    place,
    protocol,
    row,
    territory,
)

TODAY = NOW.date()
TEXAS = (place(),)
EVERYWHERE = ("US-TX", "US-GA", "US-AL")
ONE_DAY = timedelta(days=1)
UNKNOWN_AT_ONCE = Duty(DutyState.UNKNOWN, (), HOUR)


def _duty(
    toward: Recipient,
    table: Protocol,
    places: tuple[Jurisdiction, ...] = TEXAS,
    worlds: tuple[World, ...] = ANY_WORLD,
    today: date = TODAY,
) -> Duty:
    return duty_toward(toward, places, worlds, table, today)


def _told(*kinds: RecipientKind, of: DutyRow, where: Jurisdiction = TEXAS[0]) -> Part:
    return Part(where, frozenset(kinds), of)


@pytest.mark.parametrize("kind", [POLICE, CHILDREN])
def test_every_authority_that_is_named_has_the_duty(kind: RecipientKind) -> None:
    """Rule 2: "A or B" names both, and the row that does is told."""
    assert _duty(agency(kind), protocol(row())) == Duty(DutyState.REQUIRED, (row(),), 24 * HOUR)


@pytest.mark.parametrize("kind", [POLICE, CLEARINGHOUSE])
def test_every_part_of_a_duty_has_the_duty(kind: RecipientKind) -> None:
    """Rule 2: "A and B" names both too; they differ in when the duty is done, not in who is told."""
    table = protocol(row(receivers=both(POLICE, CLEARINGHOUSE)))
    assert _duty(agency(kind), table).state is DutyState.REQUIRED
    assert _duty(agency(CHILDREN), table) == NO_DUTY


def test_who_is_not_named_has_none() -> None:
    """Rule 1: a sourced row that names child protection alone."""
    table = protocol(row("US-TX", CHILDREN))
    assert _duty(agency(POLICE), table) == NO_DUTY
    assert _duty(agency(PROVIDER), table) == NO_DUTY


def test_several_jurisdictions_are_a_union_with_the_earliest_deadline() -> None:
    """Rule 1: where it happened and where the child was found both count."""
    texas, georgia = row("US-TX", CHILDREN, hours=48), row("US-GA", CHILDREN, POLICE, hours=24)
    table, places = protocol(texas, georgia), (place("US-TX"), place("US-GA"))
    assert _duty(agency(CHILDREN, jurisdictions=EVERYWHERE), table, places) == Duty(
        DutyState.REQUIRED, (texas, georgia), 24 * HOUR
    )
    assert _duty(agency(POLICE, jurisdictions=EVERYWHERE), table, places) == Duty(
        DutyState.REQUIRED, (georgia,), 24 * HOUR
    )
    assert _duty(agency(CHILDREN, jurisdictions=("US-TX",)), table, places).within == 48 * HOUR


def test_two_rows_of_one_jurisdiction_are_a_union_too() -> None:
    """Rule 1: a general duty and one toward the police about sexual exploitation."""
    general = row("US-TX", CHILDREN, hours=48)
    special = row(id="us-tx.csec", receivers=either(POLICE), subject=DutySubject.CHILD_SEXUAL_EXPLOITATION, hours=None)
    table = protocol(general, special)
    assert _duty(agency(CHILDREN), table) == Duty(DutyState.REQUIRED, (general,), 48 * HOUR)
    assert _duty(agency(POLICE), table) == Duty(DutyState.REQUIRED, (special,), HOUR)
    assert _duty(agency(POLICE), table, worlds=(World(frozenset(Perpetrator), sexual=False),)) == NO_DUTY


def test_immediately_is_read_by_the_protocol() -> None:
    """Rule 5."""
    assert _duty(agency(), protocol(row(hours=None))).within == HOUR


@pytest.mark.parametrize("kind", [POLICE, CHILDREN])
@pytest.mark.parametrize(
    "silent",
    [
        row("US-GA"),
        row(confidence=Confidence.NONE),
        row(source=""),
        row(verified_on=None),
        row(verified_on=TODAY - STALE_AFTER),
        row(effective_from=TODAY + ONE_DAY),
        row(effective_until=TODAY),
        row(binds=Bound.OFFICIAL),
    ],
    ids=["another-place", "no-confidence", "no-source", "never-verified", "stale", "to-come", "over", "binds-others"],
)
def test_a_row_that_is_not_relied_on_is_unknown_for_an_authority(kind: RecipientKind, silent: DutyRow) -> None:
    """Rule 3: the clock runs as if it were immediately; who is no authority is not made one."""
    table = protocol(silent)
    assert _duty(agency(kind), table) == UNKNOWN_AT_ONCE
    assert _duty(agency(PROVIDER), table) == NO_DUTY
    assert list(parts(TEXAS, ANY_WORLD, table, TODAY)) == [Part(TEXAS[0], frozenset({POLICE, CHILDREN}), None)]


@pytest.mark.parametrize(
    "relied",
    [
        row(verified_on=TODAY - STALE_AFTER + ONE_DAY),
        row(effective_from=TODAY),
        row(effective_until=TODAY + ONE_DAY),
        row(confidence=Confidence.LOW),
        row(binds=Bound.MANDATED_REPORTER),
    ],
    ids=["nearly-stale", "from-today", "until-today", "low-confidence", "binds-reporters"],
)
def test_a_row_is_relied_on_to_its_last_day(relied: DutyRow) -> None:
    """Rule 3: from its first day, to the day before it ends or goes stale."""
    assert _duty(agency(), protocol(relied)) == Duty(DutyState.REQUIRED, (relied,), 24 * HOUR)


def test_a_row_that_binds_others_is_told_and_not_followed() -> None:
    """Rule 3: an official's duty beside the hotline's own; a bundle whose hotline is an official follows it."""
    own, official = row("US-TX", CHILDREN), row(id="us-tx.agency", receivers=either(POLICE), binds=Bound.OFFICIAL)
    assert _duty(agency(POLICE), protocol(own, official)) == NO_DUTY
    officials = protocol(own, official, bound_as=frozenset({Bound.ANYONE, Bound.OFFICIAL}))
    assert _duty(agency(POLICE), officials).state is DutyState.REQUIRED


def test_one_unknown_place_does_not_hide_a_known_duty() -> None:
    """Rules 1 and 3: known wins over unknown, unknown over none."""
    places = (place("US-TX"), place("US-GA"))
    everywhere = agency(POLICE, jurisdictions=EVERYWHERE)
    assert _duty(everywhere, protocol(row("US-TX", POLICE)), places).state is DutyState.REQUIRED
    assert _duty(everywhere, protocol(row("US-TX", CHILDREN)), places) == UNKNOWN_AT_ONCE


def test_an_authority_elsewhere_is_unknown_not_silent() -> None:
    """Rule 3: police named in a consent who serve no place of the record."""
    assert _duty(agency(jurisdictions=("US-GA",)), protocol(row())) == UNKNOWN_AT_ONCE


@pytest.mark.parametrize("toward", [agency(), agency(CHILDREN, jurisdictions=("US",))], ids=["local", "nationwide"])
def test_a_record_without_a_place_is_unknown(toward: Recipient) -> None:
    """Rule 3: nobody knows whose law it is, so a human looks, with the clock running."""
    assert _duty(toward, protocol(row()), places=()) == UNKNOWN_AT_ONCE
    assert _duty(agency(PROVIDER), protocol(row()), places=()) == NO_DUTY


def test_a_federal_row_applies_everywhere_and_makes_no_place_known() -> None:
    """Rules 1 and 3: it names its authority in Georgia too, but Georgia's own law stays unknown."""
    federal = row("US", FEDERAL, hours=48)
    everywhere = agency(FEDERAL, jurisdictions=("US",))
    known = protocol(row("US-TX", CHILDREN), federal)
    assert _duty(everywhere, known, (place("US-TX"),)) == Duty(DutyState.REQUIRED, (federal,), 48 * HOUR)
    assert _duty(everywhere, known, (place("US-GA"),)) == Duty(DutyState.REQUIRED, (federal,), 48 * HOUR)
    assert _duty(agency(POLICE), known, (place("US-TX"),)) == NO_DUTY
    assert _duty(agency(POLICE, jurisdictions=EVERYWHERE), known, (place("US-GA"),)) == UNKNOWN_AT_ONCE
    assert _duty(everywhere, protocol(federal), (place("US"),)).rows == (federal,)


def test_a_federal_row_is_told_once() -> None:
    """Rule 1: two places, one nation, one row."""
    federal = row("US", FEDERAL)
    table = protocol(row("US-TX"), row("US-GA"), federal)
    assert _duty(agency(FEDERAL, jurisdictions=("US",)), table, (place("US-TX"), place("US-GA"))).rows == (federal,)


def test_a_tribal_row_applies_on_all_tribal_land() -> None:
    """Rule 1: a reservation without a row of its own follows the row of all; a state does not."""
    tribal = row(TRIBAL, POLICE)
    reservation = place(f"{TRIBAL}-EXAMPLE")
    serving = agency(POLICE, jurisdictions=(reservation.code, TRIBAL, "US-TX"))
    table = protocol(tribal, row("US-TX", CHILDREN))
    assert _duty(serving, table, (reservation,)) == Duty(DutyState.REQUIRED, (tribal,), 24 * HOUR)
    assert _duty(serving, table, (place(TRIBAL),)).rows == (tribal,)
    assert _duty(serving, table, (place("US-TX"),)) == NO_DUTY
    own = row(reservation.code, CHILDREN)
    both_rows = protocol(tribal, own)
    assert both_rows.rows_of(reservation.code) == (own, tribal)
    assert protocol(row("US-TRIBALLY")).rows_of("US-TRIBALLY") == (row("US-TRIBALLY"),)


def test_a_county_agency_may_serve_when_the_county_is_not_known() -> None:
    """Served means serves or may serve; another county's agency does not."""
    county = agency(counties=("48113",))
    assert served((place(),), county)
    assert served((place(county="48113"),), county)
    assert not served((place(county="48201"),), county)


def test_the_parts_of_a_duty_are_told_one_by_one() -> None:
    """Rule 2: an "and" is two parts of one row; an "or" is one part of two kinds."""
    apart, together = row(receivers=both(POLICE, CLEARINGHOUSE)), row("US-GA")
    places = (place("US-TX"), place("US-GA"))
    assert list(parts(places, ANY_WORLD, protocol(apart, together), TODAY)) == [
        _told(POLICE, of=apart),
        _told(CLEARINGHOUSE, of=apart),
        _told(POLICE, CHILDREN, of=together, where=places[1]),
    ]


def test_the_threshold_and_the_zone_are_the_places_or_the_protocols() -> None:
    """Rule 1: the highest age of the rows that bind the hotline, in the zone where the place's days begin last."""
    zone = territory("US-AL", zone=UTC).zone
    table = protocol(
        row("US-AL", threshold=19),
        row("US-AL", id="us-al.agency", threshold=21, binds=Bound.OFFICIAL),
        row("US-AL", id="us-al.younger", threshold=16),
        territories=[territory("US-AL", zone=zone)],
        default_threshold=20,
    )
    assert table.majority("US-AL") == Majority(19, zone)
    assert table.majority("US-TX") == Majority(20, table.default_zone)
    assert protocol(row("US", threshold=21), row("US-TX", threshold=18)).majority("US-TX").threshold == 21


@pytest.mark.parametrize(
    ("codes", "hours"),
    [
        (["US-TX"], 48),
        (["US-TX", "US-GA"], 24),
        (["US-TX", "US"], 48),
        (["US"], 1),
        (["US-TX", "US-GU"], 1),
        (["US-TX", "US-AS"], 1),
        ([], 1),
    ],
)
def test_a_duty_without_a_recipient_has_the_earliest_deadline(codes: list[str], hours: int) -> None:
    """Rules 1, 3 and 5: an unknown row breaks first, because nobody knows how soon it must be told."""
    table = protocol(row("US-TX", hours=48), row("US-GA"), row("US-GU", confidence=Confidence.NONE, hours=None))
    places = tuple(place(code) for code in codes)
    assert deadline_somewhere(places, table, NOW, TODAY) == NOW + hours * HOUR


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "turn"),
    [
        ({"verified_on": TODAY - STALE_AFTER + 9 * ONE_DAY}, TODAY + 9 * ONE_DAY),
        ({"effective_from": TODAY + 3 * ONE_DAY}, TODAY + 3 * ONE_DAY),
        ({"effective_until": TODAY + 5 * ONE_DAY}, TODAY + 5 * ONE_DAY),
    ],
    ids=["stale", "in-effect", "over"],
)
def test_a_row_turns_exactly_at_its_day(changes: dict[str, Any], turn: date) -> None:
    """Rule 3: the moment is told beforehand, and the row turns at it and not a microsecond sooner."""
    stale = {"verified_on": TODAY} | changes
    table = protocol(row(**stale))
    (first, *_) = sorted(table.turns("US-TX", NOW))
    assert first == _midnight(turn)
    instant = timedelta(microseconds=1)
    before, after = (_duty(agency(), table, today=moment.date()).state for moment in (first - instant, first))
    assert {before, after} == {DutyState.REQUIRED, DutyState.UNKNOWN}


def test_the_nations_and_the_tribes_rows_turn_a_place_too() -> None:
    """Rules 1 and 3: a place is as old as the youngest row that speaks of it."""
    soon = TODAY + ONE_DAY
    table = protocol(row(f"{TRIBAL}-EXAMPLE", verified_on=TODAY), row(TRIBAL, effective_from=soon, verified_on=TODAY))
    assert min(table.turns(f"{TRIBAL}-EXAMPLE", NOW)) == _midnight(soon)
    federal = protocol(row("US-TX", verified_on=TODAY), row("US", effective_until=soon, verified_on=TODAY))
    assert min(federal.turns("US-TX", NOW)) == _midnight(soon)


def test_what_has_turned_turns_no_more() -> None:
    """Rule 3: only moments after now, or a record would be looked at again for ever."""
    table = protocol(row(effective_from=TODAY, effective_until=TODAY - ONE_DAY, verified_on=None))
    assert list(table.turns("US-TX", NOW)) == []
    assert list(table.turns("US-TX", _midnight(TODAY))) == []


_days = st.none() | st.integers(-3, 3).map(lambda days: TODAY + days * ONE_DAY)
_rows = st.builds(
    row,
    st.sampled_from(["US-TX", "US-GA", "US"]),
    id=st.uuids().map(str),
    receivers=st.sampled_from([either(POLICE), either(CHILDREN), either(POLICE, CHILDREN), both(POLICE, CHILDREN)]),
    perpetrator=st.none() | st.sampled_from(Perpetrator),
    subject=st.sampled_from(DutySubject),
    binds=st.sampled_from(Bound),
    hours=st.none() | st.integers(1, 99),
    effective_from=_days,
    effective_until=_days,
    verified_on=_days.map(lambda day: day and day - STALE_AFTER),
    confidence=st.sampled_from(Confidence),
)
_tables = st.lists(_rows, min_size=1, max_size=5)
_places = st.lists(st.sampled_from(["US-TX", "US-GA", "US-AL", "US"]).map(place), max_size=3, unique=True).map(tuple)
_worlds = st.sets(
    st.builds(World, st.sets(st.sampled_from(Perpetrator), min_size=1).map(frozenset), st.booleans()), min_size=1
).map(tuple)
_recipients = st.builds(
    agency, st.sampled_from(RecipientKind), jurisdictions=st.sampled_from([("US",), ("US-TX",), ("US-GA", "US-AL")])
)


@given(_tables, _rows, _places, _worlds, _recipients)
def test_a_wider_table_never_ends_a_duty(
    rows: list[DutyRow],
    further: DutyRow,
    places: tuple[Jurisdiction, ...],
    worlds: tuple[World, ...],
    toward: Recipient,
) -> None:
    """Rule 1: a union; with one row more whoever was owed a report still is, and no later."""
    before = _duty(toward, protocol(*rows), places, worlds)
    after = _duty(toward, protocol(*rows, further), places, worlds)
    if before.state is DutyState.REQUIRED:
        assert after.state is DutyState.REQUIRED
        assert before.within is not None
        assert after.within is not None
        assert after.within <= before.within
        assert set(before.rows) <= set(after.rows)


@given(_tables, _places, _worlds, _recipients)
def test_the_less_is_known_the_less_is_certain(
    rows: list[DutyRow], places: tuple[Jurisdiction, ...], worlds: tuple[World, ...], toward: Recipient
) -> None:
    """Rule 4: what all worlds together require or leave unrequired, each of them alone does too."""
    table = protocol(*rows)
    together = _duty(toward, table, places, worlds).state
    alone = {_duty(toward, table, places, (world,)).state for world in worlds}
    if together is not DutyState.UNKNOWN:
        assert alone == {together}


@given(_tables, _places, _worlds, _recipients)
def test_nobody_with_a_duty_is_outside_its_parts(
    rows: list[DutyRow], places: tuple[Jurisdiction, ...], worlds: tuple[World, ...], toward: Recipient
) -> None:
    """Rule 2: whoever is owed a report in a place takes a part of it there, so telling them is telling a part."""
    table = protocol(*rows)
    duty = _duty(toward, table, places, worlds)
    owed = list(parts(places, worlds, table, TODAY))
    for each in duty.rows:
        taken = [part for part in owed if part.row == each and toward.kind in part.kinds]
        assert any(toward.serves(part.place) is not Answer.NO for part in taken)
    for where in places:
        own = relied_on(where.code, table, TODAY, own=True)
        silent = [world for world in worlds if not any(world.meets(each) for each in own)]
        assert any(part.row is None and part.place == where for part in owed) == bool(silent)


@given(_tables, _places, st.integers(0, 24 * 6))
def test_between_turns_a_table_says_the_same(rows: list[DutyRow], places: tuple[Jurisdiction, ...], hours: int) -> None:
    """Rule 3: nothing about a row changes by time alone but at the moments told."""
    table, later = protocol(*rows), NOW + hours * HOUR
    for where in places:
        if all(later < turn for turn in table.turns(where.code, NOW)):
            assert relied_on(where.code, table, later.date()) == relied_on(where.code, table, TODAY)


def test_a_stale_row_is_not_silenced_by_another_of_the_same_place() -> None:
    """Rule 3: the general row went stale, another is good: whether child protection is owed a report is for a human."""
    stale = row("US-TX", CHILDREN, verified_on=date(2020, 1, 1))
    good = row("US-TX", POLICE, id="us-tx.police")
    table = protocol(stale, good)
    places = (place(),)
    toward_children = duty_toward(agency(CHILDREN), places, ANY_WORLD, table, NOW.date())
    toward_police = duty_toward(agency(POLICE), places, ANY_WORLD, table, NOW.date())
    assert (toward_children.state, toward_children.within) == (DutyState.UNKNOWN, table.immediately)
    assert (toward_police.state, [one.id for one in toward_police.rows]) == (DutyState.REQUIRED, ["us-tx.police"])
    over = row("US-TX", CHILDREN, effective_until=date(2020, 1, 1))
    repealed = duty_toward(agency(CHILDREN), places, ANY_WORLD, protocol(over, good), NOW.date())
    assert repealed.state is DutyState.NOT_REQUIRED, "a repealed law is not a doubtful one"
