"""Somebody with the database rewrites history: the sequencer must refuse to go on, or the log must show it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import agency, grant, person, tip
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.storage.tables import log_checkpoints, log_entries, log_tiles
from tiprouter.workflow import credentials
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.stored_log import LogRefusedError, recheck

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
Tampering: TypeAlias = Callable[[Connection], object]

ENTRIES = 300
"""More than one full tile, so that something lies behind the right edge."""


async def grown(service: Service, count: int = ENTRIES) -> None:
    """A log of some length."""

    def story(tx: Connection) -> None:
        for _ in range(count):
            credentials.make(tx, service.desk, OPERATOR, CallerRole.INTAKE)

    await service.database.write(story)
    await service.check_house()


def restarted(service: Service) -> Sequencer:
    """The sequencer of the next start, on the same database and folder."""
    return Sequencer(service.database, service.desk, service.signer, service.folder / "log")


def _flip(tx: Connection, table: sa.Table, column: str, where: sa.ColumnElement[bool]) -> None:
    value = bytes(tx.execute(sa.select(table.c[column]).where(where)).scalar_one())
    middle = len(value) // 2
    changed = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
    tx.execute(table.update().where(where).values({column: changed}))


def _tile(level: int, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(log_tiles.c.level == level, log_tiles.c.number == number)


def _exchange(tx: Connection) -> None:
    rows = tx.execute(sa.select(log_entries).where(log_entries.c.index.in_((5, 6)))).mappings()
    entries = {row["index"]: row["entry"] for row in rows}
    for index, other in ((5, 6), (6, 5)):
        tx.execute(log_entries.update().where(log_entries.c.index == index).values(entry=entries[other]))


def _invent(tx: Connection) -> None:
    row = tx.execute(sa.select(log_entries).order_by(log_entries.c.index.desc()).limit(1)).mappings().one()
    tx.execute(log_entries.insert(), {**row, "index": row["index"] + 1})


def _last() -> sa.ScalarSelect[int]:
    return sa.select(sa.func.max(log_checkpoints.c.size)).scalar_subquery()


TAMPERINGS: dict[str, Tampering] = {
    "an old entry is changed": lambda tx: _flip(tx, log_entries, "entry", log_entries.c.index == 7),
    "a new entry is changed": lambda tx: _flip(tx, log_entries, "entry", log_entries.c.index == ENTRIES - 1),
    "an entry is dropped": lambda tx: tx.execute(log_entries.delete().where(log_entries.c.index == 7)),
    "the last entries are dropped": lambda tx: tx.execute(log_entries.delete().where(log_entries.c.index >= ENTRIES)),
    "two entries are exchanged": _exchange,
    "an entry is invented": _invent,
    "a full bundle is changed": lambda tx: _flip(tx, log_tiles, "tile", _tile(-1, 0)),
    "a partial bundle is changed": lambda tx: _flip(tx, log_tiles, "tile", _tile(-1, 1)),
    "a full tile is changed": lambda tx: _flip(tx, log_tiles, "tile", _tile(0, 0)),
    "a partial tile is changed": lambda tx: _flip(tx, log_tiles, "tile", _tile(0, 1)),
    "an upper tile is changed": lambda tx: _flip(tx, log_tiles, "tile", _tile(1, 0)),
    "a full bundle is dropped": lambda tx: tx.execute(log_tiles.delete().where(_tile(-1, 0))),
    "a tile is dropped": lambda tx: tx.execute(log_tiles.delete().where(_tile(0, 1))),
    "the last checkpoint is dropped": lambda tx: tx.execute(
        log_checkpoints.delete().where(log_checkpoints.c.size == _last())
    ),
    "every checkpoint is dropped": lambda tx: tx.execute(log_checkpoints.delete()),
    "the checkpoint is changed": lambda tx: _flip(tx, log_checkpoints, "note", log_checkpoints.c.size == _last()),
    "the root beside the checkpoint is changed": lambda tx: _flip(
        tx, log_checkpoints, "root", log_checkpoints.c.size == _last()
    ),
}


BEHIND_THE_EDGE = frozenset(
    {
        "an old entry is changed",
        "an entry is dropped",
        "two entries are exchanged",
        "a full bundle is changed",
        "a full bundle is dropped",
    }
)
"""What a start does not read any more: their hashes are under the signed root, and `audit recheck` reads them."""


@pytest.mark.parametrize("tampering", sorted(TAMPERINGS.keys() - BEHIND_THE_EDGE))
async def test_the_next_start_refuses_a_database_that_was_tampered_with(tmp_path: Path, tampering: str) -> None:
    """Whatever part of the log's right edge was changed, dropped or added, nothing is signed on top of it."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await grown(service)
        await restarted(service).start()

        def story(tx: Connection) -> None:
            TAMPERINGS[tampering](tx)

        await service.database.write(story)
        with pytest.raises(LogRefusedError) as caught:
            await restarted(service).start()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tampering", sorted(TAMPERINGS))
async def test_a_recheck_refuses_all_of_it(tmp_path: Path, tampering: str) -> None:
    """Hashing every entry again finds what lies behind the edge too."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await grown(service)
        desk, signer = service.desk, service.signer
        before = await service.database.read(lambda tx: recheck(tx, desk, signer))
        assert before.size > ENTRIES

        def story(tx: Connection) -> None:
            TAMPERINGS[tampering](tx)

        await service.database.write(story)
        try:
            after = await service.database.read(lambda tx: recheck(tx, desk, signer))
        except LogRefusedError:
            return
        # A log without its last checkpoint is a shorter log that is true: the copy outside remembers the longer one.
        assert after.size < before.size
        with pytest.raises(LogRefusedError):
            await restarted(service).start()


async def test_an_older_copy_of_the_database_is_refused(tmp_path: Path) -> None:
    """The file is put back to yesterday's while the log's folder is today's: nothing goes on from there."""
    path = tmp_path / "tiprouter.db"
    async with open_service(f"sqlite:///{path}", tmp_path) as service:
        await grown(service, 3)
    shutil.copy(path, tmp_path / "yesterday.db")
    async with open_service(f"sqlite:///{path}", tmp_path) as service:
        await grown(service, 3)
    shutil.copy(tmp_path / "yesterday.db", path)
    with pytest.raises(LogRefusedError, match="set back"):
        async with open_service(f"sqlite:///{path}", tmp_path):
            pass


@pytest.mark.parametrize("more", [0, 2, 300])
async def test_another_history_of_the_same_length_or_longer_is_refused(tmp_path: Path, more: int) -> None:
    """Yesterday's copy is grown elsewhere, with the real key, to the folder's size or beyond: the folder remembers."""
    path = tmp_path / "tiprouter.db"
    async with open_service(f"sqlite:///{path}", tmp_path) as service:
        await grown(service, 3)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "keys").mkdir(parents=True)
    shutil.copy(path, elsewhere / "other.db")
    shutil.copy2(tmp_path / "keys" / "kek", elsewhere / "keys" / "kek")
    async with open_service(f"sqlite:///{path}", tmp_path) as service:
        await grown(service, 3)
    async with open_service(f"sqlite:///{elsewhere / 'other.db'}", elsewhere) as service:
        await grown(service, 3 + more)
    shutil.copy(elsewhere / "other.db", path)
    with pytest.raises(LogRefusedError, match="another history"):
        async with open_service(f"sqlite:///{path}", tmp_path):
            pass


async def test_an_empty_database_beside_an_old_folder_is_refused(tmp_path: Path) -> None:
    """A fresh database under an old log is no fresh start."""
    async with open_service(f"sqlite:///{tmp_path / 'one.db'}", tmp_path) as service:
        await grown(service, 3)
    with pytest.raises(LogRefusedError):
        async with open_service(f"sqlite:///{tmp_path / 'two.db'}", tmp_path):
            pass


async def test_a_folder_that_is_behind_is_brought_up_to_date(service: Service) -> None:
    """The control of the above: the crash between commit and folder is no tampering."""
    await grown(service, 5)
    folder = service.folder / "log"
    shutil.copytree(folder, service.folder / "behind")
    await grown(service, ENTRIES)
    shutil.rmtree(folder)
    shutil.copytree(service.folder / "behind", folder)
    await restarted(service).start()
    await service.check_house()


async def test_every_decision_and_attempt_is_in_the_log_once(service: Service) -> None:
    """Over a whole life (accepted, revised, consented, failed, lost, delivered, withdrawn) rows and entries agree."""
    for kind in (LE, CPS, RecipientKind.SERVICE_PROVIDER):
        await service.enrol(agency(kind))
    case = tip(person("p1"), person("p2", years=9), kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(case, None)
    await service.deliver(AttemptResult.HTTP_ERROR)
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    await service.claim()
    service.clock.forward(minutes=1)
    await service.deliver(AttemptResult.GONE)
    await service.put_case(tip(person("p1"), kind=RecordKind.CASE, external_id="C-1"), 1)
    await service.deliver()
    await service.withdraw(given.consent.id)
    service.clock.forward(days=4)
    await service.deliver()
    assert (await service.rows("select count(*) from attempts"))[0][0] >= 5
    await log_agrees_with_rows(service)
