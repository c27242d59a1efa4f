"""Do two kinds of request take the same time, as far as anybody who asks can tell?

1. Asked in threes, in an order drawn anew each time: the one, the other, and the one again. What the one and its own
   repetition differ by is what this machine makes of nothing (the control).
2. A difference is the median over all threes, with an interval that resampling them gives (bootstrap, 99.8 %).
3. Two kinds differ if all of that interval is beyond both a millisecond and the control's own interval. A machine that
   is busy makes intervals wider, never a difference; nothing is compared with a fixed time.
"""

import random
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

RESAMPLES: Final = 1_000
_MILLISECOND: Final = 0.001

Asking = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Compared:
    """By how much the other took longer than the one, and what the same request differs from itself, in seconds."""

    low: float
    high: float
    control: float

    @property
    def differ(self) -> bool:
        """Rule 3."""
        bound = max(_MILLISECOND, self.control)
        return self.low > bound or self.high < -bound


async def compare(one: Asking, other: Asking, threes: int, chance: random.Random) -> Compared:
    """The two, asked so often."""
    rows: list[tuple[float, float]] = []
    for _ in range(threes):
        took = [0.0, 0.0, 0.0]
        for place in chance.sample(range(3), 3):
            begun = perf_counter()
            await (one, other, one)[place]()
            took[place] = perf_counter() - begun
        rows.append((took[1] - (took[0] + took[2]) / 2, took[2] - took[0]))
    low, high = _interval([row[0] for row in rows], chance)
    control = max(map(abs, _interval([row[1] for row in rows], chance)))
    return Compared(low, high, control)


def _interval(differences: list[float], chance: random.Random) -> tuple[float, float]:
    """Rule 2."""
    drawn = (statistics.median(chance.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    found = sorted(drawn)
    return found[0], found[-1]
