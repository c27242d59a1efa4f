"""How many attempts a minute, or a second, does one recipient get?

1. At most `limit` standard attempts begin within any minute, whichever processes make them: what is remembered is
   one time per recipient (`free_at`), kept in the database (GCRA, ITU-T I.371).
2. A tenth of them may begin at once; the rest is spread evenly.
3. Imminent danger is exempt: a limit that protects an agency from a flood must not be what delays the one message that
   cannot wait. It counts all the same, so that what is standard gives way to it; concurrency bounds it (`lanes`).
4. Zero is no limit.
5. A recipient that says itself what it can take gets that in the house's place, be it less or more: at most so many
   within any second (`own`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)
AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """So many attempts a minute, or within another span; 0 is no limit (rule 4)."""

    limit: int = 0
    span: timedelta = MINUTE

    def own(self, max_per_second: int | None) -> "Pace":
        """The pace of a recipient with this limit of its own, if it has one (rule 5)."""
        return self if max_per_second is None else Pace(max_per_second, SECOND)

    @property
    def burst(self) -> int:
        """How many may begin at once (rule 2)."""
        return max(self.limit // AT_ONCE, 1)

    @property
    def step(self) -> timedelta:
        """The time that one attempt uses up; rounded up, so that a span never holds one too many."""
        if not self.limit:
            return timedelta()
        slots = self.limit - self.burst + 1
        return timedelta(microseconds=-(-(self.span // timedelta(microseconds=1)) // slots))

    def admits(self, free_at: datetime | None, now: datetime) -> bool:
        """Whether a standard attempt may begin now."""
        return free_at is None or not self.limit or free_at <= now + (self.burst - 1) * self.step

    def spend(self, free_at: datetime | None, now: datetime) -> datetime | None:
        """What is remembered once an attempt began (rules 1, 3)."""
        if not self.limit:
            return free_at
        return (now if free_at is None else max(free_at, now)) + self.step
