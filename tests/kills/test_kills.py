"""The real processes are killed under load for a moment, on each database; no promise is broken."""

import pytest

from tests.kills.checker import PROMISES, violations
from tests.kills.driver import Plan, run
from tests.support import postgres

SECONDS, GAP, RATE, SEED = 6, 1.0, 2, 7


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_parts_killed_in_turn_break_no_promise(database: str) -> None:
    """Some seconds of what `python -m tests.kills` does for ten minutes: at least one kill, and nothing is found."""
    if database == "postgresql" and postgres.binaries() is None:
        pytest.skip(postgres.WHY_NOT)
    seen = await run(Plan(SECONDS, database == "postgresql", SEED, RATE, GAP))
    assert seen.kills
    assert seen.arrivals
    assert any(tip.withdrawn for tip in seen.tips)
    assert violations(seen) == {promise: [] for promise in PROMISES}
