"""Is this person a child here, today, or is that unknown?

1. A date of birth decides by the birthday; a birthday counts only when that day has begun everywhere on Earth
   (UTC-12), so that nobody stops being a child too early.
2. Stated whole years advance on each anniversary of the signal: no birthday is known, so none is guessed.
3. A range decides only when all of it lies on one side of the threshold. A belief decides as stated.
4. Nothing known is unknown, and unknown is neither adult nor minor.
"""

from datetime import UTC, date, datetime, timedelta

from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand

LATEST_DAY_BEHIND_UTC = timedelta(hours=12)


def age_band(age: Age, threshold: int, signaled_at: datetime, now: datetime) -> AgeBand:
    """The band against a threshold in years (rules 1-4)."""
    today = (now.astimezone(UTC) - LATEST_DAY_BEHIND_UTC).date()
    if age.date_of_birth is not None:
        return _side(_years_between(age.date_of_birth, today), threshold)
    passed = max(0, _years_between(signaled_at.date(), now.date()))
    if age.years is not None:
        return _side(age.years + passed, threshold)
    if age.range_low is not None or age.range_high is not None:
        return _range(age, passed, threshold)
    return age.belief or AgeBand.UNKNOWN


def _range(age: Age, passed: int, threshold: int) -> AgeBand:
    if age.range_low is not None and age.range_low + passed >= threshold:
        return AgeBand.ADULT
    if age.range_high is not None and age.range_high + passed < threshold:
        return AgeBand.MINOR
    return AgeBand.UNKNOWN


def next_change(age: Age, threshold: int, signaled_at: datetime, now: datetime) -> datetime | None:
    """The next moment at which time alone may change the band, or None; never later than the true one."""
    if age.date_of_birth is not None:
        birthday = _anniversary(age.date_of_birth, threshold)
        moment = datetime(birthday.year, birthday.month, birthday.day, tzinfo=UTC) + LATEST_DAY_BEHIND_UTC
        return moment if moment > now else None
    if age.years is None and age.range_low is None and age.range_high is None:
        return None
    start = signaled_at.date()
    birthday = _anniversary(start, max(0, _years_between(start, now.date())) + 1)
    return datetime(birthday.year, birthday.month, birthday.day, tzinfo=UTC)


def _side(years: int, threshold: int) -> AgeBand:
    return AgeBand.ADULT if years >= threshold else AgeBand.MINOR


def _years_between(start: date, end: date) -> int:
    return end.year - start.year - ((end.month, end.day) < (start.month, start.day))


def _anniversary(start: date, years: int) -> date:
    """The day `years` after `start`; somebody born on 29 February has their birthday on 1 March in other years."""
    try:
        return start.replace(year=start.year + years)
    except ValueError:
        return date(start.year + years, 3, 1)
