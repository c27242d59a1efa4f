"""When a jurisdiction's days begin, the same on every machine, and read whole or not at all."""

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from importlib.resources import files
from pathlib import Path

import pytest

from tiprouter.policy import zones
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.duty_lint import PLACES
from tiprouter.policy.refusal import BundleError
from tiprouter.policy.territories import territories

HEADER = "code,name,zone,minor_alone,source\n"
WINTER, SUMMER = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)


def offset(zone: tzinfo, moment: datetime) -> timedelta:
    """How far a zone is from UTC."""
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found


# Other zones of a jurisdiction, none of which may be behind the one its table names.
OTHERS = {
    "US-AK": ("America/Anchorage", "America/Juneau", "America/Nome"),
    "US-AZ": ("America/Denver",),
    "US-FL": ("America/New_York",),
    "US-ID": ("America/Boise",),
    "US-IN": ("America/Indiana/Indianapolis", "America/Indiana/Knox"),
    "US-KS": ("America/Chicago",),
    "US-KY": ("America/Kentucky/Louisville",),
    "US-MI": ("America/Detroit",),
    "US-ND": ("America/North_Dakota/Center",),
    "US-NE": ("America/Chicago",),
    "US-NV": ("America/Denver",),
    "US-OR": ("America/Boise",),
    "US-SD": ("America/Chicago",),
    "US-TN": ("America/New_York",),
    "US-TX": ("America/Chicago",),
}


def test_a_row_is_read_as_it_is_written() -> None:
    """Code, name, zone, whether a minor may consent alone, and its source."""
    table = territories("jurisdictions.csv", f"{HEADER}US-TX,Texas,America/Denver,true,https://law.example/minors\n")
    (texas,) = table.values()
    assert (texas.code, texas.name, str(texas.zone)) == ("US-TX", "Texas", "America/Denver")
    assert (texas.minor_alone, texas.source) == (True, "https://law.example/minors")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("US-TX,Texas,America/Denver,false,", "US-TX has two rows"),
        ("US,Nation,America/Denver,false,", "code is not an ISO 3166-2"),
        ("US-LA,,America/Chicago,false,", "name must be a text"),
        ("US-LA,Louisiana,America/Baton_Rouge,false,", "America/Baton_Rouge is not a time zone of the IANA database"),
        ("US-LA,Louisiana,America,false,", "America is not a time zone"),
        ("US-LA,Louisiana,__init__.py,false,", "__init__.py is not the name of a time zone"),
        ("US-LA,Louisiana,../zoneinfo/America/Chicago,false,", "is not the name of a time zone"),
        ("US-LA,Louisiana,,false,", "nothing is not the name of a time zone"),
        ("US-LA,Louisiana,America/Chicago,maybe,", "minor_alone must be true or false"),
        ("US-LA,Louisiana,America/Chicago,true,", "minor_alone needs a source"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(row: str, reason: str) -> None:
    """Rules 1-3: an unknown zone is never taken for another one."""
    with pytest.raises(BundleError) as refusal:
        territories("jurisdictions.csv", f"{HEADER}US-TX,Texas,America/Denver,false,\n{row}\n")
    assert (refusal.value.file, refusal.value.line) == ("jurisdictions.csv", 3)
    assert reason in refusal.value.reason


def test_every_place_has_a_territory(bundle: Bundle) -> None:
    """Fifty states, the district, five territories and tribal land; nobody's minors alone without research."""
    assert set(bundle.protocol.territories) == PLACES
    assert not any(territory.minor_alone for territory in bundle.protocol.territories.values())


@pytest.mark.parametrize("code", sorted(OTHERS))
def test_a_place_has_its_zone_that_is_furthest_behind(bundle: Bundle, code: str) -> None:
    """Rule 2: wherever in it a person is, the day has begun, in winter and in summer."""
    named = bundle.protocol.territories[code].zone
    for moment in (WINTER, SUMMER):
        assert offset(named, moment) <= min(offset(zones.zone(other), moment) for other in OTHERS[code])


def test_no_place_is_behind_tribal_land_but_a_pacific_one(bundle: Bundle) -> None:
    """Tribal land is told as one place, so its zone is behind every state with tribal land in it."""
    places = bundle.protocol.territories
    tribal = offset(places["US-TRIBAL"].zone, WINTER)
    assert tribal == timedelta(hours=-10)
    assert {code for code, place in places.items() if offset(place.zone, WINTER) < tribal} == {"US-AS"}


def test_the_machines_own_files_are_not_read(tmp_path: Path) -> None:
    """Rule 1 of `zones`: where the machine's files say another thing of a zone, the package's are read all the same."""
    false = tmp_path / "America" / "Chicago"
    false.parent.mkdir()
    false.write_bytes(files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes())
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath([tmp_path])
    try:
        assert WINTER.astimezone(zoneinfo.ZoneInfo.no_cache("America/Chicago")).utcoffset() == timedelta(hours=9)
        assert WINTER.astimezone(zones.zone.__wrapped__("America/Chicago")).utcoffset() == timedelta(hours=-6)
    finally:
        zoneinfo.reset_tzpath(before)


def test_a_zone_is_one_object_and_has_a_version() -> None:
    """Rule 2 of `zones`: read once, so that equal rows are equal; and it is known from which data."""
    assert zones.zone("America/Chicago") is zones.zone("America/Chicago")
    assert zones.version().count(".") == 1
