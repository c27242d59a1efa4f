"""What time is it, when somebody turns this machine's clock back?

1. Time never goes back while the process runs: from what was once believed it goes on at the pace of a clock that
   nobody can set (`CLOCK_BOOTTIME`, which counts while the machine sleeps; else the monotonic one).
2. A clock that goes ahead is believed at once: consents end early rather than late, and deadlines are told of early
   rather than missed. If that was a mistake, the next start is at the right time again; until then `ahead` says how
   far off we are, nothing is erased for its age, and a human is told (`workflow/clock_watch.py`).

So no consent, grant, session or key that has ended comes back by turning the clock back.

Not promised: that the clock was right when the process began. `doctor --production` holds it against the database's and
the witnesses' (`surroundings.py`).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


def seconds_since_boot() -> float:
    """Seconds of a clock that only goes ahead, at its own pace (rule 1)."""
    counting = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(counting)


def wall() -> datetime:
    """This machine's clock, UTC, whoever set it."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Timekeeper:
    """The later of two: the machine's clock, and what was believed plus what has passed since (rules 1 and 2)."""

    clock: Callable[[], datetime] = wall
    elapsed: Callable[[], float] = seconds_since_boot
    _began: tuple[datetime, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        """This moment, UTC."""
        with self._lock:
            said, counted = self.clock(), self.elapsed()
            if self._began is None:
                self._began = said, counted
            began, from_then = self._began
            kept = began + timedelta(seconds=counted - from_then)
            if said >= kept:
                self._began = said, counted
            return max(said, kept)

    def ahead(self) -> timedelta:
        """How far this time is ahead of the machine's clock; nothing while that clock is believed (rule 2)."""
        return max(self() - self.clock(), timedelta())
