"""What has this process counted of who asks how much?

1. A bucket for each caller and for each source (`domain/limits.py`), in one table of bounded size: the one that was not
   asked about for the longest time is forgotten first, and begins again with a full budget.
2. Requests that are worked on are counted while they are, whatever becomes of them.
3. What callers who were let in lately had shown is remembered as a digest: they are looked up even where a source has
   guessed too often. Remembering lets nobody in; the look-up does.

Not promised: anything about other processes. Each has its own counts, so that the limits of a service of four processes
are four times as wide.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from tiprouter.api.errors import OverloadedError
from tiprouter.domain.limits import Bucket, Budget, Passage, Spent, lets_in, spend

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED_MAX: Final = 16_384
"""Buckets, and callers who were let in."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Requests a minute by budget, and requests worked on at once; 0 is no limit."""

    reads: int = 6_000
    writes: int = 3_000
    strangers: int = 6_000
    attempts: int = 300
    in_flight: int = 256
    intake_percent: int = 25

    def of(self, budget: Budget) -> int:
        """Requests a minute of one budget."""
        return {
            Budget.READ: self.reads,
            Budget.WRITE: self.writes,
            Budget.STRANGER: self.strangers,
            Budget.ATTEMPT: self.attempts,
        }[budget]

    @property
    def kept(self) -> int:
        """Of those worked on at once, how many only writes of the intake may be."""
        return self.in_flight * self.intake_percent // 100


@dataclass(slots=True)
class Limiter:
    """The counts of this process."""

    bounds: Bounds = field(default_factory=Bounds)
    busy: int = 0
    _buckets: "OrderedDict[tuple[Budget, str], Bucket]" = field(default_factory=OrderedDict)
    _known: "OrderedDict[bytes, None]" = field(default_factory=OrderedDict)

    def spend(self, budget: Budget, who: str, now: datetime, cost: int = 1, *, owing: bool = False) -> Spent:
        """Spend of somebody's budget (rule 1)."""
        spent = spend(self.bounds.of(budget), self._buckets.get((budget, who)), now, cost, owing=owing)
        _keep(self._buckets, (budget, who), spent.bucket)
        return spent

    def look(self, budget: Budget, who: str, now: datetime) -> Spent:
        """What spending one would come to, without spending it."""
        return spend(self.bounds.of(budget), self._buckets.get((budget, who)), now)

    @contextmanager
    def working(self, passage: Passage) -> Iterator[None]:
        """Count a request as worked on, while inside (rule 2). Raises `OverloadedError`."""
        if not lets_in(passage, self.busy, self.bounds.in_flight, self.bounds.kept):
            raise OverloadedError
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    def remember(self, shown: str) -> None:
        """Who shows this was let in (rule 3)."""
        _keep(self._known, _digest(shown), None)

    def remembers(self, shown: str) -> bool:
        """Whether its caller was let in lately; whoever shows nothing was not."""
        return _digest(shown) in self._known


def _keep(table: "OrderedDict[Key, Value]", key: Key, value: Value) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > REMEMBERED_MAX:
        table.popitem(last=False)


def _digest(shown: str) -> bytes:
    return hashlib.sha256(shown.encode()).digest()
