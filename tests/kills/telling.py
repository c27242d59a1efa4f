"""What is printed of a run?

1. Of kills: a row for each kind of part (`resuming.py`), and a line for each promise, kept or broken how often.
2. Of a soak: a row for each minute (`soak.py`), and at the end what grew. The promises are checked as well.
"""

import asyncio

from rich.console import Console
from rich.table import Table

from tests.kills import checker, driver, resuming, soak
from tests.kills.driver import Plan
from tests.kills.evidence import Evidence

BROKEN, LATE = 1, 2
SHOWN = 10


def main(plan: Plan) -> int:
    """Run and print (rules 1 and 2); the exit code: 1 where a promise was broken, 2 where something was late."""
    console = Console(width=140, highlight=False)
    soaking = soak.Soak(console) if plan.gap is None else None
    seen = asyncio.run(driver.run(plan, soaking))
    if soaking is not None:
        soaking.conclude()
    late = _tell_kills(console, seen)
    found = checker.violations(seen)
    for name, what in found.items():
        console.print(f"{len(what):6d}  {name}")
        for one in what[:SHOWN]:
            console.print(f"          {one}", markup=False)
    if any(found.values()):
        return BROKEN
    return LATE if late else 0


def _tell_kills(console: Console, seen: Evidence) -> int:
    """How many kills were late, or followed by nothing."""
    owed = sum(tip.owed for tip in seen.tips)
    withdrawn = sum(tip.withdrawn is not None for tip in seen.tips)
    console.print(
        f"{len(seen.tips)} tips accepted, {owed} of them allowed to {len(seen.agencies)} agencies, {withdrawn} consents"
        f" withdrawn; {len(seen.arrivals)} messages arrived under {len({one.webhook_id for one in seen.arrivals})} ids;"
        f" {len(seen.entries)} entries in the log; ended by themselves: {', '.join(seen.ended) or 'none'}"
    )
    table = Table(
        "killed", "what went on", "times", "after s, median", "max", "later than 5 s", "never", "process back, s"
    )
    rows = resuming.rows(seen)
    for row in rows:
        middle, longest, back = (f"{one:.2f}" for one in (row.median_seconds, row.max_seconds, row.back_seconds))
        table.add_row(row.kind, row.work, str(row.kills), middle, longest, str(row.late), str(row.never), back)
    if rows:
        console.print(table)
    return sum(row.late + row.never for row in rows)
