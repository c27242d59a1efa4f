"""Is this person a child here, today, or is that unknown?

1. A date of birth decides by the birthday, which counts from the local midnight of the jurisdiction whose law it is.
2. Stated whole years advance on each anniversary of the signal, on the same local calendar: no birthday is known, so
   none is guessed.
3. A range decides only when all of it lies on one side of the threshold. A belief decides as stated.
4. Nothing known is unknown, and unknown is neither adult nor minor.
5. Several jurisdictions may apply: a minor in one is a minor, and only an adult in every one is an adult.
6. Somebody born on 29 February has their birthday on 1 March in other years, as Md. Code, Gen. Prov. 1-303(b) says;
   where a law says nothing, the later day protects a day longer.

Not promised: a state's own way to count. By the common law one comes of age on the day before the birthday (United
States v. Tucker, 407 A.2d 1067 (D.C. 1979), which did not follow it); here everybody is a child for that day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, tzinfo

from tiprouter.domain.calendar import day_begins
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand

ALWAYS, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Majority:
    """From what age, in years, nobody is a child in one jurisdiction, and the time zone its days begin in."""

    threshold: int
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class _Coming:
    """From when somebody may be of age, and from when they surely are: a minor before, unknown between."""

    maybe: datetime
    surely: datetime


def age_band(age: Age, majorities: Sequence[Majority], signaled_at: datetime, now: datetime) -> AgeBand:
    """The most protective band under these majorities, of which there is at least one (rules 1-6)."""
    bands = {_band(age, majority, signaled_at, now) for majority in majorities}
    if AgeBand.MINOR in bands:
        return AgeBand.MINOR
    # Compared with the whole set, so that no majority at all would make nobody an adult.
    return AgeBand.ADULT if bands == {AgeBand.ADULT} else AgeBand.UNKNOWN


def next_change(age: Age, majorities: Sequence[Majority], signaled_at: datetime, now: datetime) -> datetime | None:
    """The first moment after now at which time alone may change the band, or None; never later than the true one."""
    comings = [_coming_of_age(age, majority, signaled_at) for majority in majorities]
    moments = [moment for coming in comings if coming is not None for moment in (coming.maybe, coming.surely)]
    return min((moment for moment in moments if now < moment < NEVER), default=None)


def _band(age: Age, majority: Majority, signaled_at: datetime, now: datetime) -> AgeBand:
    coming = _coming_of_age(age, majority, signaled_at)
    if coming is None:
        return age.belief or AgeBand.UNKNOWN
    if now >= coming.surely:
        return AgeBand.ADULT
    return AgeBand.MINOR if now < coming.maybe else AgeBand.UNKNOWN


def _coming_of_age(age: Age, majority: Majority, signaled_at: datetime) -> _Coming | None:
    """When the threshold is reached by what is known (rules 1-3), or None when no time decides it."""
    threshold, zone = majority.threshold, majority.zone
    if age.date_of_birth is not None:
        birthday = _anniversary_begins(age.date_of_birth, threshold, zone)
        return _Coming(birthday, birthday)
    signaled = signaled_at.astimezone(zone).date()
    if age.years is not None:
        anniversary = _anniversary_begins(signaled, threshold - age.years, zone)
        return _Coming(anniversary, anniversary)
    if age.range_low is None and age.range_high is None:
        return None
    return _Coming(
        ALWAYS if age.range_high is None else _anniversary_begins(signaled, threshold - age.range_high, zone),
        NEVER if age.range_low is None else _anniversary_begins(signaled, threshold - age.range_low, zone),
    )


def _anniversary_begins(start: date, years: int, zone: tzinfo) -> datetime:
    """When the day `years` after `start` begins in the zone; no years at all have always passed."""
    if years <= 0:
        return ALWAYS
    year = start.year + years
    if year >= MAXYEAR:  # its last midnights may lie beyond what a datetime can say
        return NEVER
    try:
        day = start.replace(year=year)
    except ValueError:  # rule 6
        day = date(year, 3, 1)
    return day_begins(day, zone)
