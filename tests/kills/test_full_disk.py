"""The disk fills up under the real service, and under PostgreSQL: no promise is broken, and no process ends of it."""

import pytest

from tests.kills.checker import PROMISES, violations
from tests.kills.driver import Plan
from tests.kills.full_disk import NoDiskError, run
from tests.support import postgres

SECONDS, RATE, SEED = 9, 2, 7


@pytest.mark.parametrize("which", ["sqlite", "postgresql", "log"])
async def test_a_full_disk_loses_nothing_and_sends_nothing_untold(which: str) -> None:
    """Some seconds of what `python -m tests.kills.full_disk` does: the database's disk, and the published log's."""
    if which != "sqlite" and postgres.binaries() is None:
        pytest.skip(postgres.WHY_NOT)
    try:
        filled = await run(Plan(SECONDS, which != "sqlite", SEED, RATE, 1.0), which)
    except NoDiskError as error:
        pytest.skip(str(error))
    assert violations(filled.seen) == {promise: [] for promise in PROMISES}
    assert filled.seen.ended == ()
    assert filled.seen.arrivals
    # A log that cannot be published holds nobody up: its entries wait in the database.
    assert (filled.refused > 0) == (which != "log")
