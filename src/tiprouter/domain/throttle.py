"""How long does who failed to sign in wait before the next try?

1. Tries are counted in lanes: one for each source, one for each name tried from sources it never signed in from, one
   for each account from a source it did sign in from, and one for each account by whoever has a recovery code of it. A
   stranger's failures never delay an account in the last two.
2. The first few failures of a lane cost nothing; then the wait doubles with each, up to the lane's longest. It always
   ends: nobody is locked out for good (NIST SP 800-63B-4 section 3.2.2).
3. A name that failed a hundred times from sources it never signed in from waits a day there; that section's limit.
4. A lane that was quiet for a day begins anew.

It does not promise to tell one person from another behind one network address.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Final

QUIET: Final = timedelta(days=1)
_DOUBLINGS_MAX: Final = 20


@unique
class Lane(StrEnum):
    """In what failures are counted (rule 1)."""

    SOURCE = "source"
    NAME = "name"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Pace:
    """How a lane waits: `free` failures without, then from `first` doubling to `longest`; after `limit`, `QUIET`."""

    free: int
    first: timedelta
    longest: timedelta
    limit: int | None = None


PACES: Final = {
    Lane.SOURCE: Pace(20, timedelta(seconds=1), timedelta(minutes=1)),
    Lane.NAME: Pace(5, timedelta(seconds=2), timedelta(hours=1), 100),
    Lane.KNOWN: Pace(5, timedelta(seconds=2), timedelta(minutes=5)),
}


@dataclass(frozen=True, slots=True)
class Count:
    """What a lane remembers: failures in a row, when the last was counted, and when the next may be tried."""

    failures: int
    last_at: datetime
    next_at: datetime


def wait(lane: Lane, failures: int) -> timedelta:
    """The wait after so many failures in a row (rules 2 and 3)."""
    pace = PACES[lane]
    if pace.limit is not None and failures >= pace.limit:
        return QUIET
    over = failures - pace.free
    return timedelta() if over <= 0 else min(pace.first * 2 ** min(over - 1, _DOUBLINGS_MAX), pace.longest)


def counted(lane: Lane, before: Count | None, now: datetime) -> Count:
    """The lane with one failure more (rule 4)."""
    failures = 1 if before is None or now - before.last_at >= QUIET else before.failures + 1
    return Count(failures, now, now + wait(lane, failures))


def seconds_left(before: Count | None, now: datetime) -> int:
    """Whole seconds until the next try in a lane; 0 when it may be now."""
    left = timedelta() if before is None else before.next_at - now
    return max(0, -(-left // timedelta(seconds=1)))


def worth_saying(failures: int) -> bool:
    """Whether this many failures are written down: at each power of two, so that a flood leaves few entries."""
    return failures > 0 and failures & (failures - 1) == 0
