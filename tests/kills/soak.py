"""Does anything grow while the service does the same for long?

1. A row a minute: accepting (p50, p99), accepted to arrived (p50, p99), the length of a claim that claimed something
   (p50, p99, from the workers' spans), and each part's resident memory. What arrives later counts in the minute in
   which its tip was accepted, as far as it had arrived by that row.
2. At the end the last quarter of the minutes is compared with the first quarter after the first minute: the medians of
   each column. What is no more than `FLAT` above is flat.
"""

import time
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Final

from rich.console import Console

from tests.kills.driver import AGENCIES, Running
from tests.kills.traced import claims_in

MINUTE: Final = 60.0
FLAT: Final = 1.25
MEMORY_FLAT: Final = 1.10
MILLI: Final = 1_000
LEAST_ROWS: Final = 5


class Soak:
    """Called now and then while the service runs; prints a row a minute (rule 1)."""

    def __init__(self, console: Console) -> None:
        self._console, self._minute, self._rows = console, 0, list[dict[str, float]]()

    def __call__(self, it: Running, elapsed: float) -> None:
        """Print what the minute that just ended was like, if one did."""
        if elapsed < (self._minute + 1) * MINUTE or elapsed > it.plan.seconds + MINUTE:
            return
        self._minute += 1
        row = self._row(it, time.time() - MINUTE)
        self._rows.append(row)
        self._console.print(f"{self._minute:4d} " + "  ".join(f"{name} {value:.0f}" for name, value in row.items()))

    def conclude(self) -> None:
        """Rule 2."""
        if len(self._rows) < LEAST_ROWS:
            self._console.print("Too short to say what grew.")
            return
        rows = self._rows[1:]
        part = max(len(rows) // 4, 1)
        for name in rows[0]:
            first, last = (median(row.get(name, 0.0) for row in some) for some in (rows[:part], rows[-part:]))
            flat = last <= first * (MEMORY_FLAT if name.endswith("MiB") else FLAT)
            self._console.print(f"{'flat ' if flat else 'GREW '} {name}: {first:.1f} to {last:.1f}")

    def _row(self, it: Running, since: float) -> dict[str, float]:
        tips = [tip for tip in it.callers.tips.values() if tip.accepted.sent >= since]
        accepting = [(tip.accepted.at - tip.accepted.sent) * MILLI for tip in tips]
        heard = [(tip, it.agencies.tips.get((name, tip.number))) for tip in tips for name in AGENCIES]
        arriving = [(at - (tip.consented or tip.accepted).at) * MILLI for tip, at in heard if at is not None]
        claims = [took for part in it.parts for at, took in claims_in(part.claims) if at >= since]
        columns = {"accept ms": accepting, "arrive ms": arriving, "claim ms": claims}
        row = {f"{name} {which}": value for name, took in columns.items() for which, value in _of(took)}
        return row | {"tips": float(len(tips))} | {f"{part.name} MiB": float(part.memory()) for part in it.parts}


def _of(took: Sequence[float]) -> tuple[tuple[str, float], ...]:
    if len(took) < 2:
        return ("p50", 0.0), ("p99", 0.0)
    cuts = quantiles(took, n=100)
    return ("p50", cuts[49]), ("p99", cuts[98])
