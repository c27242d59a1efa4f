"""Which quarter of a year is a moment in, and when may it be counted?

Quarters are those of the calendar, in UTC. One is closed `SETTLED` after its end: by then what was sent in it has
arrived, was refused, or was given up.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

SETTLED: Final = timedelta(days=30)
_MONTHS: Final = 3
_LAST: Final = 4


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A quarter: `number` is 1 to 4."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """The quarter that a moment is in."""
        at = moment.astimezone(UTC)
        return cls(at.year, (at.month - 1) // _MONTHS + 1)

    @property
    def name(self) -> str:
        """Such as `2026-Q1`."""
        return f"{self.year}-Q{self.number}"

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, (self.number - 1) * _MONTHS + 1, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return self.next.begins

    @property
    def next(self) -> "Quarter":
        """The quarter after it."""
        return Quarter(self.year + 1, 1) if self.number == _LAST else Quarter(self.year, self.number + 1)

    def closed(self, now: datetime) -> bool:
        """Whether it may be counted."""
        return self.ends + SETTLED <= now


def closed_quarters(first: datetime, now: datetime) -> list[Quarter]:
    """Every closed quarter from the one that `first` is in, oldest first."""
    found, one = [], Quarter.of(first)
    while one.closed(now):
        found.append(one)
        one = one.next
    return found
