"""When does a day begin in a place, and which days are business days?

1. A local day begins at the first instant whose local date is that day: midnight, or where a clock change skips
   midnight the moment of the change; where one repeats midnight, the first. A day that a place never had begins when
   the next one does.
2. A business day is no Saturday, no Sunday and no federal holiday: 5 U.S.C. 6103(a), Juneteenth from 2021 (Pub. L.
   117-17), the others in every year as they stand today.
3. A holiday on a Saturday is observed on the Friday before, 5 U.S.C. 6103(b); one on a Sunday on the Monday after,
   Executive Order 11582. So New Year's Day may be observed on 31 December.
4. The n-th business day after a moment keeps its local wall-clock time, and the moment's own day never counts. A time
   that the clock skips or repeats on that day is the earlier instant, but never before the day begins.
5. A day off in some places only stays a business day, which can only bring a deadline forward: holidays of a state,
   Inauguration Day (6103(c), Washington and around), a day on which a President closes the offices.

Not promised: that a state keeps every federal holiday. Where it keeps fewer (Texas has no Columbus Day, Tex. Gov't Code
662.003; New York no Friday before, N.Y. Gen. Constr. Law 24) the law's business day may be an earlier one, so counsel
must review each row that counts them. Nor order between moments: one early on a Sunday has its n-th business day at an
earlier hour than one late on the Saturday before.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
FIRST_JUNETEENTH = 2021


def day_begins(day: date, zone: tzinfo) -> datetime:
    """The instant, in UTC, at which this day begins in the zone (rule 1)."""
    before, after = _instants(datetime.combine(day, time.min, zone))
    if before <= after:
        return before
    # In a gap PEP 495 reads the time by the clock of either side, so the change lies after `after`, and no later than
    # `before`. A tzinfo cannot be asked for its changes; the date tells on which side of this one an instant is.
    span = range((before - after) // MICROSECOND + 1)
    passed = bisect_left(span, x=True, key=lambda step: (after + step * MICROSECOND).astimezone(zone).date() >= day)
    return after + passed * MICROSECOND


@lru_cache(maxsize=16)
def holidays(year: int) -> frozenset[date]:
    """The weekdays of this calendar year on which a federal holiday is observed (rules 2 and 3)."""
    movable = {
        _nth(3, MONDAY, date(year, 1, 1)),  # Birthday of Martin Luther King, Jr.
        _nth(3, MONDAY, date(year, 2, 1)),  # Washington's Birthday
        _nth(1, MONDAY, date(year, 5, 25)),  # Memorial Day, the last Monday of May
        _nth(1, MONDAY, date(year, 9, 1)),  # Labor Day
        _nth(2, MONDAY, date(year, 10, 1)),  # Columbus Day
        _nth(4, THURSDAY, date(year, 11, 1)),  # Thanksgiving Day
    }
    fixed = [
        date(year, 1, 1),  # New Year's Day
        date(year, 7, 4),  # Independence Day
        date(year, 11, 11),  # Veterans Day
        date(year, 12, 25),  # Christmas Day
    ]
    if year >= FIRST_JUNETEENTH:
        fixed.append(date(year, 6, 19))
    observed = {day for day in map(_observed, fixed) if day.year == year}
    last = date(year, 12, 31)
    if last.weekday() == FRIDAY:  # the next New Year's Day is a Saturday
        observed.add(last)
    return frozenset(movable | observed)


def business_days_after(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """The same local time on the n-th business day after the moment's local date, in UTC (rules 2-5).

    `days` below one is no time at all: the moment itself.
    """
    if days < 1:
        return moment.astimezone(UTC)
    local = moment.astimezone(zone)
    day = local.date()
    for _ in range(days):
        day = _next_business_day(day)
    return max(min(_instants(datetime.combine(day, local.time(), zone))), day_begins(day, zone))


def _instants(wall: datetime) -> tuple[datetime, datetime]:
    """What a wall-clock time may mean, in UTC: by the clock before a change and by the one after; mostly the same."""
    return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def _next_business_day(day: date) -> date:
    day += DAY
    while day.weekday() in (SATURDAY, SUNDAY) or day in holidays(day.year):
        day += DAY
    return day


def _nth(count: int, weekday: int, start: date) -> date:
    """The n-th such weekday on or after the start."""
    return start + ((weekday - start.weekday()) % 7 + 7 * (count - 1)) * DAY


def _observed(day: date) -> date:
    if day.weekday() == SATURDAY:
        return day - DAY
    return day + DAY if day.weekday() == SUNDAY else day
