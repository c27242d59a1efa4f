"""Is this person a child here, today, or is that unknown?"""

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tiprouter.domain.age import Majority, age_band, next_change
from tiprouter.domain.calendar import day_begins
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand

from .examples import DAY, HOUR, NOW

ADULT, MINOR, UNKNOWN = AgeBand.ADULT, AgeBand.MINOR, AgeBand.UNKNOWN
PROTECTIVE = (MINOR, UNKNOWN, ADULT)
MICROSECOND = timedelta(microseconds=1)
EIGHTEEN = Majority(18, UTC)
ZONES = (
    "America/New_York",
    "America/Adak",
    "Pacific/Pago_Pago",
    "Pacific/Guam",
    "America/Havana",  # skips midnight in March
    "America/St_Johns",  # had some midnights twice until 2011
    "Pacific/Apia",  # had no 30 December 2011
)
ages = st.one_of(
    st.dates(date(1990, 1, 1), date(2029, 1, 1)).map(lambda born: Age(date_of_birth=born)),
    st.sampled_from([1992, 1996, 2012, 2024]).map(lambda year: Age(date_of_birth=date(year, 2, 29))),
    st.integers(0, 99).map(lambda years: Age(years=years)),
    st.tuples(st.none() | st.integers(0, 40), st.none() | st.integers(0, 40)).map(
        lambda ends: Age(range_low=ends[0], range_high=ends[1])
    ),
    st.sampled_from([None, *AgeBand]).map(lambda belief: Age(belief=belief)),
)
zones: st.SearchStrategy[tzinfo] = st.one_of(
    st.sampled_from(ZONES).map(ZoneInfo), st.integers(-23, 23).map(lambda hours: timezone(hours * HOUR))
)
majorities = st.builds(Majority, st.sampled_from([16, 18, 19, 21]), zones)
laws = st.lists(majorities, min_size=1, max_size=3)
moments = st.datetimes(datetime(2005, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("born", "threshold", "zone", "birthday"),
    [
        (date(2012, 6, 15), 18, "UTC", "2030-06-15T00:00"),
        (date(2012, 6, 15), 19, "UTC", "2031-06-15T00:00"),
        (date(2012, 1, 15), 18, "America/New_York", "2030-01-15T05:00"),
        (date(2012, 6, 15), 18, "America/New_York", "2030-06-15T04:00"),
        (date(2012, 3, 11), 18, "America/New_York", "2030-03-11T04:00"),  # the day after the clock went forward
        (date(2012, 6, 15), 18, "America/Adak", "2030-06-15T09:00"),
        (date(2012, 6, 15), 18, "Pacific/Pago_Pago", "2030-06-15T11:00"),
        (date(2012, 6, 15), 18, "Pacific/Guam", "2030-06-14T14:00"),
        (date(2012, 3, 10), 18, "America/Havana", "2030-03-10T05:00"),  # has no midnight
        (date(1901, 3, 31), 18, "America/Toronto", "1919-03-31T04:30"),  # began at half past midnight
        (date(1992, 11, 7), 18, "America/St_Johns", "2010-11-07T02:30"),  # has two: the first counts, and for good
        (date(2012, 2, 29), 18, "UTC", "2030-03-01T00:00"),
        (date(2012, 2, 29), 18, "Pacific/Pago_Pago", "2030-03-01T11:00"),
        (date(2012, 2, 29), 20, "UTC", "2032-02-29T00:00"),
        (date(2082, 2, 28), 18, "UTC", "2100-02-28T00:00"),
        (date(2080, 2, 29), 20, "UTC", "2100-03-01T00:00"),  # no leap year
    ],
)
def test_a_birthday_counts_from_local_midnight(born: date, threshold: int, zone: str, birthday: str) -> None:
    """Rules 1 and 6: not a microsecond before, and never again after."""
    age, law, begins = Age(date_of_birth=born), [Majority(threshold, ZoneInfo(zone))], _at(birthday)
    around = {after: age_band(age, law, NOW, begins + after) for after in (-MICROSECOND, 0 * DAY, HOUR / 2, HOUR)}
    assert around == {-MICROSECOND: MINOR, 0 * DAY: ADULT, HOUR / 2: ADULT, HOUR: ADULT}
    assert next_change(age, law, NOW, begins - 100 * DAY) == begins
    assert next_change(age, law, NOW, begins) is None


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
    assert age_band(Age(years=years), [Majority(threshold, UTC)], NOW, NOW + passed) is band


@pytest.mark.parametrize(
    ("zone", "signaled", "anniversary"),
    [
        ("UTC", "2030-06-15T23:30", "2031-06-15T00:00"),
        ("America/New_York", "2030-06-16T03:30", "2031-06-15T04:00"),  # the evening of the 15th there
        ("America/New_York", "2030-06-16T04:00", "2031-06-16T04:00"),
        ("Pacific/Pago_Pago", "2030-06-16T10:59", "2031-06-15T11:00"),
        ("Pacific/Guam", "2030-06-15T14:00", "2031-06-15T14:00"),  # the 16th there
        ("UTC", "2032-02-29T12:00", "2033-03-01T00:00"),
    ],
)
def test_the_anniversary_is_on_the_local_calendar(zone: str, signaled: str, anniversary: str) -> None:
    """Rules 2, 3 and 6: seventeen, stated in the evening, is eighteen from the local midnight of that day next year."""
    law = [Majority(18, ZoneInfo(zone))]
    for age, later in ((Age(years=17), ADULT), (Age(range_low=12, range_high=17), UNKNOWN)):
        assert next_change(age, law, _at(signaled), _at(signaled)) == _at(anniversary)
        assert age_band(age, law, _at(signaled), _at(anniversary) - MICROSECOND) is MINOR
        assert age_band(age, law, _at(signaled), _at(anniversary)) is later


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
    assert age_band(Age(range_low=low, range_high=high), [EIGHTEEN], NOW, NOW) is band


def test_a_range_grows_older() -> None:
    """Rules 2 and 3: a year later a range of 16 to 17 may be an adult, two years later it is."""
    bands = [age_band(Age(range_low=16, range_high=17), [EIGHTEEN], NOW, NOW + years * 366 * DAY) for years in range(3)]
    assert bands == [MINOR, UNKNOWN, ADULT]


@pytest.mark.parametrize(("belief", "band"), [(ADULT, ADULT), (MINOR, MINOR), (UNKNOWN, UNKNOWN), (None, UNKNOWN)])
def test_a_belief_decides_as_stated_and_nothing_is_unknown(belief: AgeBand | None, band: AgeBand) -> None:
    """Rules 3 and 4: whatever the law, and for ever."""
    assert age_band(Age(belief=belief), [EIGHTEEN, Majority(19, UTC)], NOW, NOW) is band
    assert next_change(Age(belief=belief), [EIGHTEEN], NOW, NOW) is None


@pytest.mark.parametrize(
    ("age", "thresholds", "band"),
    [
        (Age(years=18), (18, 19), MINOR),
        (Age(years=18), (19, 18), MINOR),
        (Age(range_low=18, range_high=30), (18, 21), UNKNOWN),
        (Age(range_low=17, range_high=18), (18, 19), MINOR),
        (Age(years=21), (18, 19, 21), ADULT),
    ],
)
def test_the_most_protective_law_wins(age: Age, thresholds: tuple[int, ...], band: AgeBand) -> None:
    """Rule 5: in whatever order."""
    assert age_band(age, [Majority(threshold, UTC) for threshold in thresholds], NOW, NOW) is band


def test_a_birthday_has_to_begin_in_every_place() -> None:
    """Rule 5: from Guam to Pago Pago the day begins four times, and the last one decides."""
    age, law = Age(date_of_birth=date(2012, 1, 15)), [Majority(18, ZoneInfo(zone)) for zone in ZONES[:4]]
    moments = [_at(text) for text in ("2030-01-14T14:00", "2030-01-15T05:00", "2030-01-15T10:00", "2030-01-15T11:00")]
    assert [age_band(age, law, NOW, moment) for moment in moments] == [MINOR, MINOR, MINOR, ADULT]


def test_no_law_at_all_makes_nobody_an_adult() -> None:
    """Rule 5: nothing to ask is never a yes."""
    assert age_band(Age(years=40), [], NOW, NOW) is UNKNOWN


@given(ages, laws, moments, moments)
def test_nobody_grows_younger(age: Age, law: list[Majority], first: datetime, second: datetime) -> None:
    """An adult stays an adult, and whoever is a child later was one before."""
    earlier, later = sorted((first, second))
    bands = [PROTECTIVE.index(age_band(age, law, NOW, moment)) for moment in (earlier, later)]
    assert bands == sorted(bands)


@given(ages, majorities, moments, st.integers(1, 3))
def test_a_higher_threshold_only_protects_more(age: Age, law: Majority, now: datetime, more: int) -> None:
    """Whoever is a minor at eighteen is one at nineteen."""
    if age_band(age, [law], NOW, now) is MINOR:
        assert age_band(age, [Majority(law.threshold + more, law.zone)], NOW, now) is MINOR


@given(ages, laws, majorities, moments)
def test_a_further_law_only_protects_more(age: Age, law: list[Majority], further: Majority, now: datetime) -> None:
    """Rule 5: another jurisdiction never makes anybody less of a child, wherever in the list it stands."""
    alone = PROTECTIVE.index(age_band(age, law, NOW, now))
    together = PROTECTIVE.index(age_band(age, [*law, further], NOW, now))
    assert together == min(alone, PROTECTIVE.index(age_band(age, [further], NOW, now)))
    assert age_band(age, [further, *law], NOW, now) is PROTECTIVE[together]


@given(ages, laws, moments, moments, st.floats(0, 1, exclude_min=True, exclude_max=True))
@example(Age(years=17), [EIGHTEEN], NOW, NOW, 1 - 1e-16)
def test_a_band_holds_until_the_next_change(
    age: Age, law: list[Majority], signaled: datetime, now: datetime, share: float
) -> None:
    """Time alone changes nothing strictly between now and `next_change`, to its last microsecond, which lies ahead."""
    change = next_change(age, law, signaled, now)
    until = change or datetime(2200, 1, 1, tzinfo=UTC)
    assert until > now
    band = age_band(age, law, signaled, now)
    for moment in (now + (until - now) * share, until - MICROSECOND):
        assert moment == until or age_band(age, law, signaled, moment) is band


@given(ages, majorities, moments, moments)
def test_under_one_law_the_next_change_is_a_change(age: Age, law: Majority, signaled: datetime, now: datetime) -> None:
    """No fact ends sooner than it must: at that moment the band is another, unless the range is upside down."""
    change = next_change(age, [law], signaled, now)
    upside_down = age.range_low is not None and age.range_high is not None and age.range_low > age.range_high
    if change is not None and not upside_down:
        assert age_band(age, [law], signaled, change) is not age_band(age, [law], signaled, now)


@given(st.dates(date(1967, 1, 1), date(2030, 12, 31)), zones)
@example(date(2012, 2, 29), ZoneInfo("Pacific/Pago_Pago"))
def test_the_edge_of_a_birthday_is_the_edge_of_its_day(born: date, zone: tzinfo) -> None:
    """Rules 1 and 6: in every zone; the eighteenth of a leap day's child is never in a leap year."""
    day = date(born.year + 18, *((3, 1) if (born.month, born.day) == (2, 29) else (born.month, born.day)))
    age, law, begins = Age(date_of_birth=born), [Majority(18, zone)], day_begins(day, zone)
    assert age_band(age, law, NOW, begins - MICROSECOND) is MINOR
    assert age_band(age, law, NOW, begins) is ADULT
    assert (begins - MICROSECOND).astimezone(zone).date() < day


@pytest.mark.parametrize("born", [date(9981, 12, 31), date(9999, 12, 31), date(1, 1, 1)])
def test_a_birthday_beyond_the_calendar_never_comes(born: date) -> None:
    """A mistyped year is no error: who would be eighteen after the year 9998 stays a minor, for ever."""
    age, law = Age(date_of_birth=born), [Majority(18, ZoneInfo("Pacific/Pago_Pago"))]
    assert age_band(age, law, NOW, NOW) is (ADULT if born.year == 1 else MINOR)
    assert next_change(age, law, NOW, NOW) is None
