"""The log goes on whoever keeps it, and refuses to go on from a history that was changed."""

import shutil
from pathlib import Path

import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import Service
from tiprouter.audit.verify import verify_folder
from tiprouter.storage.database import Transaction
from tiprouter.workflow.publish import LogRefusedError, Sequencer


async def test_two_sequencers_on_one_database_take_turns(service: Service, tmp_path: Path) -> None:
    """Each takes the log as the other left it; both folders verify, and neither loses an entry."""
    other = Sequencer(service.database, service.desk, service.signer, tmp_path / "other")
    await other.start()
    await service.enrol(agency())
    for number, keeper in enumerate((other, service.sequencer, service.sequencer, other, service.sequencer)):
        await service.accept(tip(person(f"p{number}", years=9), external_id=f"T-{number}"))
        await keeper.drain()
    await service.check_house()
    report = verify_folder(tmp_path / "other", service.signer.vkey)
    assert report.ok, report.steps
    assert await service.rows("select count(*) from outbox") == [(0,)]
    whole = await service.check_house()
    assert report.size is not None
    assert report.size < (whole.size or 0)
    assert await service.rows('select count(*), max("index") + 1 from log_entries') == [(whole.size, whole.size)]


async def test_a_folder_that_was_lost_is_written_again(service: Service) -> None:
    """The folder is rebuilt from the database at the next start, tile by tile the same."""
    await service.enrol(agency())
    await service.accept(tip(person(years=9)))
    await service.check_house()
    shutil.rmtree(service.folder / "log")
    again = Sequencer(service.database, service.desk, service.signer, service.folder / "log")
    await again.start()
    await service.check_house()


async def test_a_database_that_was_set_back_is_refused(service: Service, tmp_path: Path) -> None:
    """The folder remembers a larger log than the database has: the sequencer does not start."""
    await service.enrol(agency())
    await service.check_house()
    shutil.copytree(service.folder / "log", tmp_path / "remembered")

    def forget(tx: Transaction) -> None:
        for table in ("log_entries", "log_tiles", "log_checkpoints"):
            tx.exec_driver_sql(f"delete from {table}")  # noqa: S608 - our own names

    await service.database.write(forget)
    fresh = Sequencer(service.database, service.desk, service.signer, tmp_path / "remembered")
    with pytest.raises(LogRefusedError, match="set back"):
        await fresh.start()
