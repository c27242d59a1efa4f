"""A claim costs what is due, whatever was finished before it.

Counted are the steps of SQLite's machine, which no other work on this one changes; `tests/support/long_claims.py` says
what PostgreSQL's processor does with ten million.
"""

from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.long_claims import LIVE, claimed, lengthen, plans, prepare
from tests.support.long_questions import named_in
from tests.support.service import Service, open_service
from tiprouter.storage.database import Transaction

HISTORY = 4_000


def steps(tx: Transaction, service: Service) -> int:
    """So many tens of SQLite's instructions does one claim of the batch take."""
    count, driver = [0], tx.connection.dbapi_connection
    assert driver is not None

    def step() -> int:
        count[0] += 1
        return 0

    driver.set_progress_handler(step, 10)
    try:
        assert claimed(tx, service) == LIVE
    finally:
        driver.set_progress_handler(None, 0)
    return count[0]


async def slowed(service: Service) -> float:
    """How much more a claim costs behind a history, with the statistics of it."""
    await prepare(service, finished=True)
    none = await service.database.write(lambda tx: steps(tx, service))
    await service.database.write(lambda tx: lengthen(tx, 1, HISTORY))
    await service.database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    return await service.database.write(lambda tx: steps(tx, service)) / none


async def test_a_claim_costs_the_same_behind_a_history(tmp_path: Path) -> None:
    """A hundred and some finished for each that is due: not a tenth more, and no table that grows is read whole."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await slowed(service) < 1.1
        told = await service.database.write(lambda tx: named_in(plans(tx, service)))
        for table in ("deliveries", "attempts", "disclosures", "matters", "records", "data_keys"):
            assert f"SCAN {table}" not in told
        assert "ix_deliveries_lane" in told


@pytest.mark.parametrize("index", ["ix_deliveries_matter", "ix_deliveries_claimed", "ix_deliveries_warn"])
async def test_the_tests_notice_a_claim_that_reads_what_is_finished(tmp_path: Path, index: str) -> None:
    """The test of the test: without one of the indexes that a claim goes by."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await service.database.write(lambda tx: tx.execute(sa.text(f"DROP INDEX {index}")))
        assert await slowed(service) > 1.1


async def test_a_claim_goes_by_matter_where_the_statistics_saw_nothing_waiting(service: Service) -> None:
    """As behind millions, of which no sample holds one that waits: nobody reads all that waits for each that is due."""
    await prepare(service, finished=True)
    await service.database.write(lambda tx: lengthen(tx, 1, HISTORY))
    for statement in (
        "UPDATE deliveries SET state = 'delivered' WHERE state = 'queued'",
        "ANALYZE",
        "UPDATE deliveries SET state = 'queued' WHERE finished_at IS NULL",
    ):
        await service.database.write(partial(_run, statement=statement))
    told = await service.database.write(lambda tx: plans(tx, service))
    assert not [line for line in told if "Bitmap" in line and "ix_deliveries" in line]
    assert [line for line in told if "ix_deliveries_matter" in line]


def _run(tx: Transaction, statement: str) -> None:
    tx.exec_driver_sql(statement)
