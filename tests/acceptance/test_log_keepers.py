"""The log goes on whoever keeps it, and refuses to go on from a history that was changed."""

import errno
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support import postgres
from tests.support.fictional import agency, grant, person, tip
from tests.support.service import OPERATOR, ORIGIN, Service, open_service
from tiprouter.audit import folder
from tiprouter.audit.checkpoint import open_checkpoint, read_unverified
from tiprouter.audit.entry import compose, parse
from tiprouter.audit.folder import FolderError
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import NoteError, Signer, Verifier
from tiprouter.audit.tiles import TILE_WIDTH, Tile
from tiprouter.audit.verify import verify_folder
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import ConfigurationError, ConflictError, UnavailableError
from tiprouter.storage import log_mentions, outbox, treelog
from tiprouter.storage.database import Transaction, open_database
from tiprouter.storage.keeping import keeping_the_log
from tiprouter.storage.log_mentions import Mentions, Sought, found
from tiprouter.workflow import log_keys, log_watch, publish
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.stored_log import LogRefusedError


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


async def test_a_log_of_another_origin_is_refused_in_one_clear_line(service: Service, tmp_path: Path) -> None:
    """Nothing is damaged: whoever set another origin is told so, and the log goes on under its own."""
    await service.enrol(agency())
    await service.check_house()
    renamed = Signer("log.hotline.example/audit-2", b"\x07" * 32)
    with pytest.raises(LogRefusedError, match="another origin; set TIPROUTER_LOG_ORIGIN as it was"):
        await Sequencer(service.database, service.desk, renamed, tmp_path / "empty").start()
    await Sequencer(service.database, service.desk, service.signer, tmp_path / "empty").start()
    # Under the right origin another key is another thing.
    with pytest.raises(LogRefusedError, match="damaged"):
        await Sequencer(service.database, service.desk, Signer(ORIGIN, b"\x07" * 32), tmp_path / "other").start()


async def test_what_a_keeper_of_the_version_before_stored_is_found_by_what_it_names(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows nothing of the table of what entries name; the next start writes there what is missing."""
    await service.enrol(agency())
    monkeypatch.setattr(log_mentions, "BUNDLE", 4)
    await service.check_house()
    with monkeypatch.context() as older:
        older.setattr(Mentions, "keep", lambda *_: None)
        accepted = await service.accept(tip(person(years=9)))
        await service.check_house()
    sought = Sought(ids=(accepted.stored.id,))
    assert (await service.database.read(lambda tx: found(tx, sought, None, 50))).rows == ()
    await Sequencer(service.database, service.desk, service.signer, tmp_path / "new").start()
    rows = (await service.database.read(lambda tx: found(tx, sought, None, 50))).rows
    told = await service.rows('select "index", entry from log_entries order by "index" desc')
    named = f'"{accepted.stored.id}"'.encode()
    assert [one.index for one in rows] == [index for index, entry in told if named in entry]
    assert len(rows) > 1


def makes(service: Service, count: int) -> Callable[[Transaction], None]:
    """A story of so many entries."""

    def story(tx: Transaction) -> None:
        at = service.clock()
        outbox.add(tx, [compose(Kind.ACCESS, at, os.urandom(16), {"what": "test"}) for _ in range(count)])

    return story


async def test_a_folder_far_behind_is_brought_up_in_bounded_steps(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step takes more entries than it may, whatever the folder lacks; and the log ends whole."""
    monkeypatch.setattr(publish, "BATCH", 50)
    monkeypatch.setattr(publish, "CATCH_UP_STEP", 120)
    await service.database.write(makes(service, 700))
    await service.check_house()
    shutil.rmtree(service.folder / "log")
    sizes: list[int] = []
    write = folder.publish

    def watched(where: Path, files: dict[Tile, bytes], note: bytes, vkey: str) -> None:
        sizes.append(read_unverified(note).size)
        write(where, files, note, vkey)

    monkeypatch.setattr(folder, "publish", watched)
    await Sequencer(service.database, service.desk, service.signer, service.folder / "log").start()
    assert len(sizes) > 5
    assert all(new - old <= 120 for old, new in pairwise([0, *sizes]))
    await service.check_house()


async def test_a_backlog_is_cut_where_tiles_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the last batch leaves a partial tile behind; the ones before it are no longer than they may be."""
    monkeypatch.setattr(publish, "BATCH", 300)
    await service.database.write(makes(service, 900))
    await service.sequencer.drain()
    *before, last = [row[0] for row in await service.rows("select size from log_checkpoints order by size")]
    assert last % TILE_WIDTH
    assert before[-3:] == [TILE_WIDTH, 2 * TILE_WIDTH, 3 * TILE_WIDTH]
    await service.check_house()


async def test_a_start_reads_the_right_edge_and_no_more(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the entries cost the next start hardly a tile more."""
    read: list[tuple[int, int]] = []
    tile = treelog.tile

    def counted(tx: Transaction, level: int, number: int) -> treelog.TileRow | None:
        read.append((level, number))
        return tile(tx, level, number)

    await service.database.write(makes(service, 300))
    await service.check_house()
    monkeypatch.setattr(treelog, "tile", counted)
    await Sequencer(service.database, service.desk, service.signer, service.folder / "log").start()
    few = len(read)
    await service.database.write(makes(service, 2_700))
    await service.check_house()
    read.clear()
    await Sequencer(service.database, service.desk, service.signer, service.folder / "log").start()
    assert 0 < len(read) <= few + 4


async def test_a_new_key_signs_from_its_entry_on(service: Service) -> None:
    """The old key names the new one in the log; every key given leads there, also after the next start."""
    await service.database.write(makes(service, 3))
    await service.check_house()

    def replace(tx: Transaction) -> str:
        return log_keys.replace(tx, service.desk, OPERATOR, service.signer)

    new = await service.database.write(replace)
    with pytest.raises(ConflictError):
        await service.database.write(replace)
    await service.database.write(makes(service, 3))
    await service.check_house()
    for key in (service.signer.vkey, new):
        assert verify_folder(service.folder / "log", key).ok
    note = (service.folder / "log" / "checkpoint").read_bytes()
    open_checkpoint(note, Verifier.from_vkey(new))
    with pytest.raises(NoteError):
        open_checkpoint(note, service.signer.verifier)
    again = Sequencer(service.database, service.desk, service.signer, service.folder / "log")
    await again.start()
    await service.database.write(replace)
    await again.drain()
    assert verify_folder(service.folder / "log", new).ok
    assert "this is number 3" in verify_folder(service.folder / "log", service.signer.vkey).steps[1].detail


async def test_a_silent_log_says_that_it_is_alive(service: Service) -> None:
    """Once an hour of silence, and not while anything waits."""

    def alive(tx: Transaction) -> bool:
        return publish.say_alive(tx, service.desk)

    await service.check_house()
    assert not await service.database.write(alive)
    service.clock.forward(minutes=61)
    assert await service.database.write(alive)
    assert not await service.database.write(alive), "one waits already"
    await service.check_house()
    assert not await service.database.write(alive)
    assert await service.rows("select count(*) from log_entries where kind = 'log.alive'") == [(1,)]


async def test_entries_that_wait_too_long_are_told_of_once(service: Service) -> None:
    """A human is told when nobody takes entries into the log, and not again for the same one."""

    def look(tx: Transaction) -> int:
        return log_watch.watch_log(tx, service.desk)

    await service.check_house()
    await service.database.write(makes(service, 1))
    await service.database.write(look)
    service.clock.forward(minutes=3)
    for _ in range(3):
        await service.database.write(look)
    told = "select count(*) from notices where reason = 'log.behind'"
    assert await service.rows(told) == [(1,)]
    await service.check_house()
    await service.database.write(look)
    assert await service.rows(told) == [(1,)]


async def test_rows_and_entries_are_counted_and_the_result_is_logged(service: Service) -> None:
    """Over a life all numbers are the same; a row that was slipped in is found, logged and told."""
    await service.enrol(agency())
    await service.accept(tip(person("p1", years=9)))
    accepted = await service.accept(tip(person("p2"), external_id="T-2"))
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(RecipientKind.LAW_ENFORCEMENT))
    await service.deliver(AttemptResult.HTTP_ERROR)
    await service.withdraw(given.consent.id)
    counted = {one.what: one for one in await log_watch.reconcile(service.database, service.desk)}
    assert all(one.rows == one.entries for one in counted.values()), counted
    assert all(counted[what].rows for what in ("records", "consent-revisions", "recipients", "decisions", "attempts"))

    def slip_in(tx: Transaction) -> None:
        outbox.add(tx, [compose(Kind.RECORD_ACCEPTED, service.clock(), b"\1" * 16, {"record": "rec_example"})])

    await service.database.write(slip_in)
    await log_watch.reconcile(service.database, service.desk)
    await service.check_house()
    logged = [parse(bytes(row.entry)) for row in await service.rows('select entry from log_entries order by "index"')]
    results = [entry.body["result"] for entry in logged if entry.kind is Kind.LOG_RECONCILED]
    assert results == ["same", "different"]
    assert await service.rows("select count(*) from notices where reason = 'log.unreconciled'") == [(1,)]


async def test_the_count_is_due_once_a_day(service: Service) -> None:
    """Not on the first day, and not twice on the next."""

    def due(tx: Transaction) -> bool:
        return log_watch.due(tx, service.clock())

    await service.check_house()
    assert not await service.database.read(due)
    service.clock.forward(days=1, minutes=1)
    assert await service.database.read(due)
    await log_watch.reconcile(service.database, service.desk)
    await service.check_house()
    assert not await service.database.read(due)


async def test_an_export_grows_with_the_log_and_verifies_alone(service: Service, tmp_path: Path) -> None:
    """A folder far from the service: written whole, grown later, and refused for another log."""
    target = tmp_path / "exported"
    for count in (300, 5):
        await service.database.write(makes(service, count))
        whole = await service.check_house()
        await publish.bring_up(service.database, target, service.signer.vkey)
        report = verify_folder(target, service.signer.vkey)
        assert (report.ok, report.size) == (True, whole.size)
    with pytest.raises(FolderError):
        await publish.bring_up(service.database, target, Signer(service.signer.name, b"\7" * 32).vkey)


async def test_one_keeper_of_a_postgresql_at_a_time(postgres_url: str, tmp_path: Path) -> None:
    """Two machines cannot both keep the log: the second stands by, and has the post once the first let go of it."""
    url = await postgres.new_database(postgres_url)
    async with keeping_the_log(url, tmp_path / "two.lock") as second:
        async with keeping_the_log(url, tmp_path / "one.lock") as first:
            assert await first.take()
            assert await first.held()
            assert not await second.take()
            assert not await second.held()
        assert await second.take()
    await postgres.drop_database(url)


async def test_a_keeper_whose_session_broke_knows_it(postgres_url: str, tmp_path: Path) -> None:
    """Another may have the post by then; the first asks for it again like everybody else."""
    url = await postgres.new_database(postgres_url)
    kill = sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    database = open_database(url)
    async with keeping_the_log(url, tmp_path / "one.lock") as post:
        assert await post.take()
        assert len(await database.read(lambda tx: tx.execute(kill).all())) == 1
        assert not await post.held()
        assert await post.take()
    await database.close()
    await postgres.drop_database(url)


async def test_a_second_keeper_of_one_data_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    """The lock file says so, whatever the database is."""
    url, lock = f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path / "log.lock"
    async with keeping_the_log(url, lock):
        with pytest.raises(ConfigurationError, match="Another tiprouter already serves"):
            async with keeping_the_log(url, lock):
                pass
    async with keeping_the_log(url, lock):
        pass


FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file'; END $$"""


async def test_a_database_whose_disk_is_full_is_waited_for(postgres_url: str, tmp_path: Path) -> None:
    """Entries are copied in past SQLAlchemy, and what PostgreSQL says then is still no defect; nothing is lost."""
    url = await postgres.new_database(postgres_url)
    async with open_service(url, tmp_path) as service:
        await service.database.write(makes(service, 3))
        refusing = "CREATE TRIGGER full_disk BEFORE INSERT ON log_entries EXECUTE FUNCTION full_disk()"
        await service.database.write(lambda tx: [tx.exec_driver_sql(one) for one in (FULL, refusing)])
        with pytest.raises(UnavailableError):
            await service.sequencer.drain()
        await service.database.write(lambda tx: tx.exec_driver_sql("DROP TRIGGER full_disk ON log_entries"))
        await service.check_house()
        told = await service.rows("select count(*) from log_entries where kind = 'access'")
        assert (told, await service.rows("select count(*) from outbox")) == ([(3,)], [(0,)])
    await postgres.drop_database(url)


async def test_a_folder_whose_disk_is_full_holds_nobody_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log goes on in the database; once there is room again the folder gets all that it lacks."""
    await service.check_house()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(folder, "publish", full)
        for _ in range(3):
            await service.database.write(makes(service, TILE_WIDTH))
            await service.sequencer._pass()  # noqa: SLF001 - one turn of `run`, which takes a second each
    sizes = "select max(size) from log_checkpoints"
    before = await service.rows(sizes)
    await service.database.write(makes(service, 3))
    await service.check_house()
    assert [(report.size,) for report in (await service.check_house(),)] == await service.rows(sizes)
    assert before < await service.rows(sizes)
