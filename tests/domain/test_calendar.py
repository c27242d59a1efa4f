"""When does a day begin in a place, and which days are business days?"""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.calendar import business_days_after, day_begins, holidays

from .examples import DAY, HOUR

MICROSECOND = timedelta(microseconds=1)
HERE = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Adak", "Pacific/Pago_Pago", "Pacific/Guam")
ODD = (
    "America/Havana",  # skips midnight
    "America/Toronto",  # skipped 23:30 to 00:30 in 1919
    "America/St_Johns",  # went back at 00:01 until 2011, so some midnights came twice
    "America/Sao_Paulo",  # skipped midnight, and went back from it
    "Pacific/Apia",  # had no 30 December 2011
    "Australia/Lord_Howe",  # changes by half an hour
    "Africa/Cairo",  # skips midnight of a Friday
)
here = st.sampled_from(HERE).map(ZoneInfo)
anywhere = st.one_of(
    st.sampled_from(HERE + ODD).map(ZoneInfo), st.integers(-23, 23).map(lambda hours: timezone(hours * HOUR))
)
days = st.dates(date(1900, 1, 1), date(2060, 1, 1))
moments = st.datetimes(datetime(2015, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone beside


def _is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays(day.year)


def _at(text: str, zone: tzinfo = UTC) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("America/New_York", date(2030, 1, 15), "2030-01-15T05:00"),
        ("America/New_York", date(2030, 3, 10), "2030-03-10T05:00"),  # the clock goes forward two hours later
        ("America/New_York", date(2030, 3, 11), "2030-03-11T04:00"),
        ("America/New_York", date(2030, 11, 3), "2030-11-03T04:00"),  # and back
        ("America/New_York", date(2030, 11, 4), "2030-11-04T05:00"),
        ("America/Phoenix", date(2030, 6, 15), "2030-06-15T07:00"),
        ("America/Adak", date(2030, 1, 15), "2030-01-15T10:00"),
        ("America/Adak", date(2030, 6, 15), "2030-06-15T09:00"),
        ("Pacific/Pago_Pago", date(2030, 6, 15), "2030-06-15T11:00"),
        ("Pacific/Guam", date(2030, 6, 15), "2030-06-14T14:00"),
        ("America/Havana", date(2030, 3, 10), "2030-03-10T05:00"),  # at 01:00, there is no midnight
        ("America/Toronto", date(1919, 3, 31), "1919-03-31T04:30"),  # at 00:30
        ("America/St_Johns", date(2010, 11, 7), "2010-11-07T02:30"),  # at the first of two midnights
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00"),  # 23:00 came twice, midnight once
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00"),  # never was: with the 31st
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00"),
    ],
)
def test_a_day_begins_when_its_place_first_says_so(zone: str, day: date, instant: str) -> None:
    """Rule 1, far west, east of the date line, and where clocks change about midnight."""
    assert day_begins(day, ZoneInfo(zone)) == _at(instant)


@given(days, anywhere, st.timedeltas(MICROSECOND, 30 * HOUR))
def test_no_moment_before_a_day_begins_is_of_that_day(day: date, zone: tzinfo, earlier: timedelta) -> None:
    """Rule 1: a microsecond before, and at any time before, it is still an earlier day."""
    begins = day_begins(day, zone)
    first = begins.astimezone(zone).date()
    assert first == day or (first > day and day_begins(first, zone) == begins)
    assert (begins - MICROSECOND).astimezone(zone).date() < day
    assert (begins - earlier).astimezone(zone).date() < day


@given(days, anywhere)
def test_days_begin_one_after_another(day: date, zone: tzinfo) -> None:
    """Rule 1: in order, whatever the clocks do; two at once only around a day that never was."""
    assert day_begins(day, zone) <= day_begins(day + DAY, zone)
    assert day_begins(day, zone) < day_begins(day + 2 * DAY, zone)


@pytest.mark.parametrize(
    ("year", "observed"),
    [
        (
            2020,
            "01-01 01-20 02-17 05-25 07-03 09-07 10-12 11-11 11-26 12-25",
        ),  # before Juneteenth; the Fourth a Saturday
        (2021, "01-01 01-18 02-15 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31"),  # two New Year's Days
        (2022, "01-17 02-21 05-30 06-20 07-04 09-05 10-10 11-11 11-24 12-26"),  # and none
        (2023, "01-02 01-16 02-20 05-29 06-19 07-04 09-04 10-09 11-10 11-23 12-25"),
        (2024, "01-01 01-15 02-19 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25"),
        (2025, "01-01 01-20 02-17 05-26 06-19 07-04 09-01 10-13 11-11 11-27 12-25"),  # an inauguration on King's day
        (2029, "01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25"),  # Inauguration Day, 20 January
    ],
)
def test_federal_holidays_are_those_that_were_published(year: int, observed: str) -> None:
    """Rules 2, 3 and 5: as the Office of Personnel Management lists them."""
    assert sorted(holidays(year)) == [date.fromisoformat(f"{year}-{day}") for day in observed.split()]


def test_inauguration_day_is_a_business_day() -> None:
    """Rule 5: 20 January 2037 is a Tuesday on which only Washington is off."""
    assert _is_business_day(date(2037, 1, 20))


@given(st.integers(1, 9998))
def test_no_holiday_is_lost_between_years(year: int) -> None:
    """Rules 2 and 3: on weekdays of the year asked for; no New Year's Day goes missing."""
    both = holidays(year) | holidays(year + 1)
    assert all(day.weekday() < 5 for day in both)
    assert {day.year for day in holidays(year)} == {year}
    new_year = date(year + 1, 1, 1)
    assert any(abs(day - new_year) <= DAY for day in both)


@pytest.mark.parametrize(
    ("moment", "count", "due"),
    [
        (_at("2030-06-14T10:30"), 3, _at("2030-06-20T10:30")),  # Friday; Juneteenth is a Wednesday
        (_at("2030-06-15T23:59"), 1, _at("2030-06-17T23:59")),
        (_at("2030-06-16T00:00"), 1, _at("2030-06-17T00:00")),
        (_at("2030-06-17T00:00"), 1, _at("2030-06-18T00:00")),
        (_at("2021-12-30T09:00"), 1, _at("2022-01-03T09:00")),  # the 31st is New Year's Day
        (_at("2030-06-15T12:00"), 0, _at("2030-06-15T12:00")),
    ],
)
def test_business_days_skip_weekends_and_holidays(moment: datetime, count: int, due: datetime) -> None:
    """Rules 2 to 4: the moment's own day never counts, even a business day at its first instant."""
    assert business_days_after(moment, count, UTC) == due


@pytest.mark.parametrize(
    ("zone", "moment", "due"),
    [
        ("America/New_York", "2030-03-08T10:00", "2030-03-11T14:00"),  # Friday to Monday across the change: 71 hours
        ("America/New_York", "2030-11-01T10:00", "2030-11-04T15:00"),  # and 73
        ("America/New_York", "2030-06-13T23:00", "2030-06-15T03:00"),  # already Friday in UTC
        ("Pacific/Pago_Pago", "2030-06-13T20:00", "2030-06-15T07:00"),
        ("Pacific/Guam", "2030-06-17T05:00", "2030-06-17T19:00"),  # Monday there, Sunday in UTC
        ("Africa/Cairo", "2031-04-24T01:30", "2031-04-24T22:30"),  # Friday skips 00:00 to 01:00, not 01:30
        ("Africa/Cairo", "2031-04-24T00:30", "2031-04-24T22:00"),  # skipped: the first instant of the Friday
    ],
)
def test_a_business_day_is_the_places_own(zone: str, moment: str, due: str) -> None:
    """Rule 4: the next business day by the local date, at the same local time."""
    local = ZoneInfo(zone)
    assert business_days_after(_at(moment, local), 1, local) == _at(due)


@pytest.mark.parametrize(
    ("zone", "moment", "due"),
    [
        ("America/New_York", "1942-02-06T02:30", "1942-02-09T06:30"),  # war time: 02:30 of that Monday is skipped
        ("Africa/Cairo", "2030-10-30T23:30", "2030-10-31T20:30"),  # 23:30 of that Thursday comes twice
    ],
)
def test_a_time_the_clock_skips_or_repeats_is_the_earlier_instant(zone: str, moment: str, due: str) -> None:
    """Rule 4: on the rare business day on which a clock changes."""
    local = ZoneInfo(zone)
    assert business_days_after(_at(moment, local), 1, local) == _at(due)


@given(moments, st.integers(1, 60), here)
def test_a_deadline_is_on_its_business_day(moment: datetime, count: int, zone: tzinfo) -> None:
    """Rules 2 and 4: exactly as many business days after the moment's own, at its own time, whatever the zone."""
    due = business_days_after(moment, count, zone)
    start, end = moment.astimezone(zone), due.astimezone(zone)
    passed = [start.date() + n * DAY for n in range(1, (end.date() - start.date()).days + 1)]
    assert due.tzinfo is UTC
    assert _is_business_day(end.date())
    assert sum(map(_is_business_day, passed)) == count
    assert end.time() == start.time()


@given(moments, st.integers(0, 60), anywhere)
def test_each_further_business_day_is_later(moment: datetime, count: int, zone: tzinfo) -> None:
    """Rule 4: strictly, and never sooner than as many times 24 hours, less the hour a clock may lose."""
    sooner, later = (business_days_after(moment, count + more, zone) for more in (0, 1))
    assert moment <= sooner < later
    assert sooner >= moment + count * DAY - HOUR


@given(days.filter(lambda day: day.year > 2012), st.integers(1, 20), anywhere)
def test_a_moment_before_midnight_counts_from_the_day_before(day: date, count: int, zone: tzinfo) -> None:
    """Rules 1 and 4: a microsecond decides whether this day is the first to count."""
    begins = day_begins(day, zone)
    before, on = (business_days_after(moment, count, zone) for moment in (begins - MICROSECOND, begins))
    assert begins.astimezone(zone).time() == time() or begins.astimezone(zone).date() == day
    if _is_business_day(day):
        assert before.astimezone(zone).date() < on.astimezone(zone).date()
    else:
        assert before.astimezone(zone).date() == on.astimezone(zone).date()
