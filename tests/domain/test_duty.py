"""Must a child's situation be reported, to whom, and by when?"""

from datetime import timedelta

import pytest

from tiprouter.domain.duty import Duty, DutyRow, deadline_somewhere, duty_toward, served
from tiprouter.domain.vocabulary import DutyState, RecipientKind

from .examples import CHILDREN, HOUR, NOW, POLICE, PROVIDER, agency, place, protocol, row

UNKNOWN = Duty(DutyState.UNKNOWN, HOUR)
NONE = Duty(DutyState.NOT_REQUIRED, None)
EVERYWHERE = ("US-TX", "US-GA", "US-AL")


def _required(hours: int) -> Duty:
    return Duty(DutyState.REQUIRED, timedelta(hours=hours))


@pytest.mark.parametrize("kind", [POLICE, CHILDREN])
def test_every_authority_that_is_named_has_the_duty(kind: RecipientKind) -> None:
    """Rule 2: "A or B" names both."""
    assert duty_toward(agency(kind), (place(),), protocol(row())) == _required(24)


def test_who_is_not_named_has_none() -> None:
    """Rule 1: a sourced row that names child protection alone."""
    table = protocol(row("US-TX", CHILDREN))
    assert duty_toward(agency(POLICE), (place(),), table) == NONE
    assert duty_toward(agency(PROVIDER), (place(),), table) == NONE


def test_several_jurisdictions_are_a_union_with_the_earliest_deadline() -> None:
    """Rule 1: where it happened and where the child was found both count."""
    table = protocol(row("US-TX", CHILDREN, hours=48), row("US-GA", CHILDREN, POLICE, hours=24))
    places = (place("US-TX"), place("US-GA"))
    assert duty_toward(agency(CHILDREN, jurisdictions=EVERYWHERE), places, table) == _required(24)
    assert duty_toward(agency(POLICE, jurisdictions=EVERYWHERE), places, table) == _required(24)
    assert duty_toward(agency(CHILDREN, jurisdictions=("US-TX",)), places, table) == _required(48)


def test_immediately_is_read_by_the_protocol() -> None:
    """Rule 4."""
    assert duty_toward(agency(), (place(),), protocol(row(hours=None))) == Duty(DutyState.REQUIRED, HOUR)


@pytest.mark.parametrize("kind", [POLICE, CHILDREN])
@pytest.mark.parametrize("rows", [(row("US-GA"),), (row("US-TX", sourced=False),)])
def test_no_source_is_unknown_for_an_authority(kind: RecipientKind, rows: tuple[DutyRow, ...]) -> None:
    """Rule 3: no row, or a row without a source; the clock runs as if it were immediately."""
    table = protocol(*rows)
    assert duty_toward(agency(kind), (place(),), table) == UNKNOWN
    assert duty_toward(agency(PROVIDER), (place(),), table) == NONE


def test_one_unknown_row_does_not_hide_a_known_duty() -> None:
    """Rules 1 and 3: known wins over unknown, unknown over none."""
    places = (place("US-TX"), place("US-GA"))
    everywhere = agency(POLICE, jurisdictions=EVERYWHERE)
    assert duty_toward(everywhere, places, protocol(row("US-TX", POLICE))) == _required(24)
    assert duty_toward(everywhere, places, protocol(row("US-TX", CHILDREN))) == UNKNOWN


def test_an_authority_elsewhere_is_unknown_not_silent() -> None:
    """Rule 3: police named in a consent who serve no place of the record."""
    assert duty_toward(agency(jurisdictions=("US-GA",)), (place(),), protocol(row())) == UNKNOWN


def test_a_county_agency_may_serve_when_the_county_is_not_known() -> None:
    """Served means serves or may serve; another county's agency does not."""
    county = agency(counties=("48113",))
    assert served((place(),), county)
    assert served((place(county="48113"),), county)
    assert not served((place(county="48201"),), county)


def test_the_threshold_is_the_rows_or_the_protocols() -> None:
    """Rule 1: from what age a person is no child."""
    table = protocol(row("US-AL", threshold=19))
    assert (table.threshold("US-AL"), table.threshold("US-TX")) == (19, 18)


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
    """Rules 1, 3 and 4: an unknown row breaks first, because nobody knows how soon it must be told."""
    table = protocol(row("US-TX", hours=48), row("US-GA"), row("US-GU", sourced=False, hours=None))
    places = tuple(place(code) for code in codes)
    assert deadline_somewhere(places, table, NOW) == NOW + hours * HOUR
