"""Is this person a child here, today, or is that unknown?"""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.age import age_band, next_change
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand

from .examples import DAY, HOUR, NOW

ADULT, MINOR, UNKNOWN = AgeBand.ADULT, AgeBand.MINOR, AgeBand.UNKNOWN
ages = st.one_of(
    st.dates(date(1990, 1, 1), date(2029, 1, 1)).map(lambda born: Age(date_of_birth=born)),
    st.integers(0, 99).map(lambda years: Age(years=years)),
    st.tuples(st.none() | st.integers(0, 99), st.none() | st.integers(0, 99)).map(
        lambda ends: Age(range_low=ends[0], range_high=ends[1])
    ),
    st.sampled_from([None, *AgeBand]).map(lambda belief: Age(belief=belief)),
)
moments = st.datetimes(datetime(2030, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside
thresholds = st.sampled_from([18, 19])


def _at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("born", "threshold", "now", "band"),
    [
        (date(2012, 6, 15), 18, _at(2030, 6, 15, 11), MINOR),
        (date(2012, 6, 15), 18, _at(2030, 6, 15, 12), ADULT),
        (date(2012, 6, 15), 19, _at(2030, 6, 15, 12), MINOR),
        (date(2012, 6, 15), 19, _at(2031, 6, 15, 12), ADULT),
        (date(2012, 6, 16), 18, _at(2030, 6, 15, 23), MINOR),
        (date(2012, 2, 29), 18, _at(2030, 2, 28, 23), MINOR),
        (date(2012, 2, 29), 18, _at(2030, 3, 1, 11), MINOR),
        (date(2012, 2, 29), 18, _at(2030, 3, 1, 12), ADULT),
        (date(2030, 6, 16), 18, _at(2030, 6, 15, 12), MINOR),
    ],
)
def test_a_birthday_decides_once_it_began_everywhere(born: date, threshold: int, now: datetime, band: AgeBand) -> None:
    """Rule 1: at UTC-12; a leap day's child has their birthday on the first of March in other years."""
    assert age_band(Age(date_of_birth=born), threshold, NOW, now) is band


@pytest.mark.parametrize(
    ("years", "threshold", "passed", "band"),
    [
        (17, 18, timedelta(), MINOR),
        (18, 18, timedelta(), ADULT),
        (18, 19, timedelta(), MINOR),
        (19, 19, timedelta(), ADULT),
        (17, 18, 364 * DAY, MINOR),
        (17, 18, 365 * DAY, ADULT),
        (16, 18, 365 * DAY, MINOR),
        (17, 18, -400 * DAY, MINOR),
        (18, 18, -400 * DAY, ADULT),
    ],
)
def test_stated_years_advance_with_the_signal(years: int, threshold: int, passed: timedelta, band: AgeBand) -> None:
    """Rule 2: on each anniversary of the signal, and never backwards."""
    assert age_band(Age(years=years), threshold, NOW, NOW + passed) is band


@pytest.mark.parametrize(
    ("low", "high", "band"),
    [
        (18, 25, ADULT),
        (18, None, ADULT),
        (17, 25, UNKNOWN),
        (12, 17, MINOR),
        (None, 17, MINOR),
        (12, 18, UNKNOWN),
        (12, None, UNKNOWN),
        (None, 40, UNKNOWN),
    ],
)
def test_a_range_decides_only_when_it_is_on_one_side(low: int | None, high: int | None, band: AgeBand) -> None:
    """Rule 3."""
    assert age_band(Age(range_low=low, range_high=high), 18, NOW, NOW) is band


def test_a_range_grows_older() -> None:
    """Rules 2 and 3: a year later a range of 16 to 17 may be an adult, two years later it is."""
    bands = [age_band(Age(range_low=16, range_high=17), 18, NOW, NOW + years * 366 * DAY) for years in (0, 1, 2)]
    assert bands == [MINOR, UNKNOWN, ADULT]


@pytest.mark.parametrize(("belief", "band"), [(ADULT, ADULT), (MINOR, MINOR), (UNKNOWN, UNKNOWN), (None, UNKNOWN)])
def test_a_belief_decides_as_stated_and_nothing_is_unknown(belief: AgeBand | None, band: AgeBand) -> None:
    """Rules 3 and 4."""
    assert age_band(Age(belief=belief), 18, NOW, NOW) is band


@given(ages, thresholds, moments, moments)
def test_nobody_grows_younger(age: Age, threshold: int, first: datetime, second: datetime) -> None:
    """An adult stays an adult, and whoever is a child later was one before."""
    earlier, later = sorted((first, second))
    bands = (age_band(age, threshold, NOW, earlier), age_band(age, threshold, NOW, later))
    assert bands not in {(ADULT, MINOR), (ADULT, UNKNOWN), (UNKNOWN, MINOR)}


@given(ages, moments)
def test_a_higher_threshold_only_protects_more(age: Age, now: datetime) -> None:
    """Whoever is a minor at eighteen is one at nineteen."""
    if age_band(age, 18, NOW, now) is MINOR:
        assert age_band(age, 19, NOW, now) is MINOR


@given(ages, thresholds, moments, st.integers(0, 366 * 24))
def test_a_band_holds_until_the_next_change(age: Age, threshold: int, now: datetime, hours: int) -> None:
    """Before `next_change` time alone changes nothing, and it lies ahead."""
    change = next_change(age, threshold, NOW, now)
    assert change is None or change > now
    later = now + hours * HOUR
    if change is None or later < change:
        assert age_band(age, threshold, NOW, later) is age_band(age, threshold, NOW, now)


def test_the_next_change_is_the_birthday() -> None:
    """A child's band is known to change at the very moment it does; an adult's never will."""
    age = Age(date_of_birth=date(2012, 2, 29))
    change = next_change(age, 18, NOW, _at(2029, 12, 1))
    assert change == _at(2030, 3, 1, 12)
    assert next_change(age, 18, NOW, change) is None
