"""An older database is restored, and with it the keys of what was erased since; the log outside remembers."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.test_erased_content import (
    HERS,
    ONE,
    OTHER,
    a_whole_life,
    case,
    erase_subject,
    hers,
    nobody_reads_her,
)
from tests.support.fictional import person
from tests.support.service import LIBRARY, OPERATOR, ORIGIN, Clock, Service, open_service
from tests.support.thief import everything_readable
from tiprouter.audit.erasures import UnverifiedLogError, erasures
from tiprouter.audit.note import Signer
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage import erasure
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow import erasing, erasing_again
from tiprouter.workflow.erasing_again import Again, erase_again, undone
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.stored_log import LogRefusedError

LOG = "log"
Story = Callable[[Service, Path], Awaitable[None]]


def database_of(folder: Path) -> str:
    """The embedded database's URL."""
    return f"sqlite:///{folder / 'tiprouter.db'}"


def back_up(folder: Path) -> None:
    """Copy the database while it runs, as docs/operations.md says; what comes after it comes a moment later."""
    with (
        closing(sqlite3.connect(folder / "tiprouter.db")) as source,
        closing(sqlite3.connect(folder / "copy.db")) as copy,
    ):
        source.backup(copy)


def restore(folder: Path) -> None:
    """Put the copy in the database's place."""
    for name in ("tiprouter.db", "tiprouter.db-wal", "tiprouter.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(folder / "copy.db", folder / "tiprouter.db")


async def alone(service: Service, folder: Path) -> None:
    """She was alone in her record: it is erased whole, and her consents with it."""
    _, her = await a_whole_life(service, hers())
    back_up(folder)
    service.clock.forward(minutes=1)
    for actor in (ONE, OTHER):
        await erase_subject(service, actor, her)


async def of_two(service: Service, folder: Path) -> None:
    """She is taken out of a record that goes on about somebody else."""
    _, her = await a_whole_life(service, hers(), person("p2"))
    back_up(folder)
    service.clock.forward(minutes=1)
    for actor in (ONE, OTHER):
        await erase_subject(service, actor, her)


async def whole(service: Service, folder: Path) -> None:
    """Her record is erased by its id."""
    record_id, _ = await a_whole_life(service, hers())
    back_up(folder)
    service.clock.forward(minutes=1)
    for actor in (ONE, OTHER):
        await service.database.write(
            lambda tx, actor=actor: erasing.erase_record(tx, service.desk, actor, record_id)  # type: ignore[misc] # a default is no argument
        )


STORIES = [alone, of_two, whole]


async def lived_erased_and_restored(folder: Path, story: Story) -> Clock:
    """The whole accident; the clock afterwards."""
    async with open_service(database_of(folder), folder) as service:
        clock = service.clock
        await story(service, folder)
        await nobody_reads_her(service)
        clock.forward(hours=1)
    restore(folder)
    return clock


@asynccontextmanager
async def by_hand(folder: Path, clock: Clock) -> AsyncIterator[tuple[Database, Desk, str]]:
    """The restored database with its desk, as the command line opens it, and the log's key; no service runs."""
    vault = Vault(FileKeyProvider(folder / "keys" / "kek", os.urandom), os.urandom)
    database = open_database(database_of(folder))
    try:
        blind, seed = await database.write(
            lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing"))
        )
        desk = Desk(clock, os.urandom, vault, LIBRARY, blind, sandbox=False, verify_endpoints=False)
        yield database, desk, Signer(ORIGIN, seed).vkey
    finally:
        await database.close()


async def repair(folder: Path, clock: Clock) -> Again:
    """`tiprouter erase again`."""
    async with by_hand(folder, clock) as (database, desk, vkey):
        return await erase_again(database, desk, OPERATOR, erasures(folder / LOG, vkey))


@pytest.mark.parametrize("story", STORIES)
async def test_a_restored_database_does_not_start_and_then_has_nothing_of_hers(tmp_path: Path, story: Story) -> None:
    """The start is refused while the log knows more; after erasing again her word is nowhere, and a human is told."""
    clock = await lived_erased_and_restored(tmp_path, story)
    with pytest.raises(LogRefusedError):
        async with open_service(database_of(tmp_path), tmp_path, clock):
            pytest.fail("it served what had been erased")
    done = await repair(tmp_path, clock)
    assert (done.done > 0, done.shut) == (True, 0)
    (tmp_path / LOG).rename(tmp_path / "evidence")
    async with open_service(database_of(tmp_path), tmp_path, clock) as service:
        await nobody_reads_her(service)
        told = await service.rows("select reason from notices where reason = 'erasure.repeated'")
        assert len(told) >= 1
        if story is of_two:
            assert await service.rows("select id from records where erased_at is null"), "the other's record is gone"


@pytest.mark.parametrize("story", STORIES)
async def test_the_backup_really_held_her_word(tmp_path: Path, story: Story) -> None:
    """The test of the test: restored and not repaired, whoever has database and key file reads her again."""
    clock = await lived_erased_and_restored(tmp_path, story)
    (tmp_path / LOG).rename(tmp_path / "evidence")
    async with open_service(database_of(tmp_path), tmp_path, clock) as service:
        assert HERS.encode() in await everything_readable(service)


@pytest.mark.parametrize("story", STORIES)
async def test_erasing_again_twice_or_on_a_database_that_is_whole_does_nothing(tmp_path: Path, story: Story) -> None:
    """What is erased is not erased again; what was told of her after that is hers, and stays."""
    clock = await lived_erased_and_restored(tmp_path, story)
    await repair(tmp_path, clock)
    assert await repair(tmp_path, clock) == Again(0, 0)
    (tmp_path / LOG).rename(tmp_path / "evidence")
    async with open_service(database_of(tmp_path), tmp_path, clock) as service:
        await service.accept(tip_about_her())
        await service.check_house()
        told = erasures(tmp_path / LOG, service.signer.vkey) + erasures(tmp_path / "evidence", service.signer.vkey)
        assert len(told) >= 2
        assert await service.database.read(lambda tx: undone(tx, told)) == []
        assert (await erase_again(service.database, service.desk, OPERATOR, told)).done == 0
        assert HERS.encode() in await everything_readable(service)


def tip_about_her() -> Record:
    """A new word of hers, after the erasure."""
    return replace(case(hers()), external_id="C-later", kind=RecordKind.TIP)


async def test_a_log_that_somebody_changed_erases_nothing(tmp_path: Path) -> None:
    """An erasure is believed only from a log that verifies, under the key of whoever runs the house."""
    clock = await lived_erased_and_restored(tmp_path, alone)
    bundle = next(path for path in sorted((tmp_path / LOG / "tile" / "entries").rglob("*")) if path.is_file())
    whole_bytes = bundle.read_bytes()
    bundle.write_bytes(whole_bytes.replace(b"record.erased", b"record.erasee"))
    with pytest.raises(UnverifiedLogError):
        await repair(tmp_path, clock)
    bundle.write_bytes(whole_bytes)
    with pytest.raises(UnverifiedLogError):
        erasures(tmp_path / LOG, Signer(ORIGIN, bytes(32)).vkey)


async def test_a_backup_whose_key_encryption_key_is_gone_is_shut_for_good(tmp_path: Path) -> None:
    """Rotated, re-wrapped and the old key file destroyed: an older copy's keys open for nobody, and are counted."""
    clock = await lived_erased_and_restored(tmp_path, alone)
    async with by_hand(tmp_path, clock) as (database, desk, vkey):
        told = erasures(tmp_path / LOG, vkey)
        elsewhere = FileKeyProvider(tmp_path / "other" / "kek", os.urandom)
        blinded = Desk(clock, os.urandom, Vault(elsewhere, os.urandom), LIBRARY, desk.blind_key, sandbox=False)
        done = await erase_again(database, blinded, OPERATOR, told)
        assert done.shut > 0


@pytest.mark.parametrize(
    ("where", "name", "instead"),
    [
        (erasing_again, "_stands", lambda *_: False),
        (erasing_again, "erase_whole", lambda *_: None),
        (erasing_again, "take_out", lambda *_: None),
        (erasure, "_empty", lambda *_: None),
    ],
    ids=["nothing-found", "not-erased", "not-taken-out", "left-in-place"],
)
async def test_a_repair_that_leaves_something_is_found_out(
    tmp_path: Path, where: object, name: str, instead: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with any part of the repair left out, her word, or a sealed copy of it, is still there."""
    clock = await lived_erased_and_restored(tmp_path, of_two if name == "take_out" else whole)
    monkeypatch.setattr(where, name, instead)
    await repair(tmp_path, clock)
    monkeypatch.undo()
    async with by_hand(tmp_path, clock) as (database, _, vkey):
        left = await database.read(lambda tx: undone(tx, erasures(tmp_path / LOG, vkey)))
        sealed = await database.read(
            lambda tx: [bytes(row[0]) for row in tx.exec_driver_sql("select sealed from revisions") if row[0]]
        )
    assert left or sealed
