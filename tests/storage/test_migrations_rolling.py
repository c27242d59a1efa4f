"""Does the version before go on working while the schema is today's, and does no migration stop it for long? (ADR 0050)

1. The code of before the newest migration is taken from git's history, started on its own schema, and meets today's
   while it runs: what it accepts is delivered, and its log verifies by today's verifier. Today's code goes on from it.
2. On PostgreSQL a migration that keeps writers out of a big table reads none of that table and writes it not anew: the
   database itself counts its scans and names its locks. How long it took here says nothing about large tables.
Migrations up to `SINCE` are from before the rule.
"""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.engine import Connection

from tests.support import postgres
from tests.support.processes import Running, ask, child_tip, prepare, sink, wait_for
from tiprouter.audit.folder import VKEY
from tiprouter.audit.verify import verify_folder
from tiprouter.storage import migrations
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import open_database
from tiprouter.storage.hosts import engine_on
from tiprouter.storage.migrations import scripts

SINCE = "0033"
"""0031 takes the version before from its work, and says so in docs/operations.md; the rule came after it."""

BIG = {
    *(
        "records",
        "revisions",
        "persons",
        "consents",
        "decisions",
        "disclosures",
        "deliveries",
        "attempts",
        "acknowledgements",
    ),
    *("log_entries", "log_tiles", "log_mentions", "log_told", "matters", "outbox", "answers", "record_persons"),
}
"""What grows with the history (docs/growth.md)."""

TRIED = 10
"""So many commits back the version before is looked for."""

KEEPS_WRITERS_OUT = {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"}
_LOCKS = (
    "SELECT c.relname, l.mode, c.relfilenode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
    " WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind = 'r'"
)
_SCANS = "SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables"
_FILES = "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r'"


def git(*words: str) -> bytes:
    """What git says of this repository; skips where there is none, or not that much of its history."""
    program = shutil.which("git")
    if program is None:
        pytest.skip("no git here: the version before cannot be had")
    done = subprocess.run(  # noqa: S603 - our own words
        [program, "-C", str(scripts().parent), *words], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("no history here, or a shallow one: the version before cannot be had")
    return done.stdout


def version_before(folder: Path) -> Path:
    """The last whole code and migrations of before today's newest migration; skips where there is none."""
    (newest,) = (scripts() / "versions").glob(f"{migrations.head()}_*.py")
    name = str(newest.relative_to(scripts().parent))
    added = git("log", "--diff-filter=A", "--format=%H", "-1", "--", name).decode().strip()
    for commit in git("rev-list", f"--max-count={TRIED}", f"{added}^" if added else "HEAD").decode().split():
        found = folder / commit
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "src", "alembic"))) as tar:
            tar.extractall(found, filter="data")
        assert not (found / name).exists()
        # A commit may have been half of a change: what cannot be imported never ran anywhere.
        environment = os.environ | {"PYTHONPATH": str(found / "src")}
        whole = subprocess.run(
            [sys.executable, "-c", "import tiprouter.wiring"], env=environment, capture_output=True, check=False
        )
        if not whole.returncode:
            return found
    pytest.skip(f"none of the {TRIED} commits before the newest migration can be imported")


async def schema_of(url: str) -> str | None:
    """The revision that a database has."""
    database = open_database(url)
    try:
        return await database.read(migrations.current)
    finally:
        await database.close()


async def test_the_version_before_works_on_todays_schema(database_url: str, tmp_path: Path) -> None:
    """It runs while today's migrations reach its database: it accepts and delivers as before, and its log verifies."""
    if migrations.head() <= SINCE:
        pytest.skip(f"no migration is newer than {SINCE}, with which the rule begins")
    before, data, embedded = version_before(tmp_path / "before"), tmp_path / "data", database_url.startswith("sqlite")
    url = f"sqlite:///{data / 'tiprouter.db'}" if embedded else database_url
    chosen = {} if embedded else {"TIPROUTER_DATABASE_URL": url}
    old, words = chosen | {"PYTHONPATH": str(before / "src")}, ("serve", "--sandbox", "--port", "0")
    edge = Running(data, *words, *(() if embedded else ("--no-worker",)), **old)
    worker, today = Running(data, "worker", "--sandbox", **old), Running(data, *words, **chosen)
    with sink() as (hook, seen):
        try:
            edge.start()
            if not embedded:
                worker.begin()
            token = prepare(edge, hook)
            assert ask(f"{edge.url}/v1/tips", token, "0", child_tip(0)).status_code == 201
            wait_for(lambda: len(seen) == 1)
            then = await schema_of(url)
            await migrations.migrate(url)
            assert then != await schema_of(url) == migrations.head()
            for number in (1, 2, 3):
                assert ask(f"{edge.url}/v1/tips", token, str(number), child_tip(number)).status_code == 201
            wait_for(lambda: len(seen) == 4)
            assert edge.end(signal.SIGTERM) == 0
            if not embedded:
                assert worker.end(signal.SIGTERM) == 0
            key = (data / "log" / VKEY).read_text()
            told = verify_folder(data / "log", key)
            assert told.ok, told.steps
            today.start()
            assert ask(f"{today.url}/v1/tips", token, "4", child_tip(4)).status_code == 201
            wait_for(lambda: len(seen) == 5)
            assert len({disclosure for _, disclosure in seen}) == 5
            assert today.end(signal.SIGTERM) == 0
            assert verify_folder(data / "log", key).ok
        finally:
            for process in (edge, worker, today):
                process.kill()


def revisions_since() -> list[str]:
    """Each revision after `SINCE`, in order."""
    names = sorted(file.name.partition("_")[0] for file in (scripts() / "versions").glob("*.py"))
    return [name for name in names if name > SINCE]


def stopped_and_read(connection: Connection, revision: str) -> set[str]:
    """Upgrade to a revision; the big tables out of which it kept writers, and which it read or wrote anew (rule 2)."""
    files = {row.relname: row.relfilenode for row in connection.execute(sa.text(_FILES))}
    seen = {row[0]: row[1] for row in connection.execute(sa.text(_SCANS))}
    command.upgrade(migrations._config(connection), revision)  # noqa: SLF001 - within a transaction that can be looked at
    locked = [row for row in connection.execute(sa.text(_LOCKS)) if row.mode in KEEPS_WRITERS_OUT]
    anew = {row.relname for row in locked if files.get(row.relname, row.relfilenode) != row.relfilenode}
    read = {row[0] for row in connection.execute(sa.text(_SCANS)) if row[1] > seen.get(row[0], 0)}
    return BIG & {row.relname for row in locked} & files.keys() & (anew | read)


@pytest.mark.parametrize("revision", revisions_since())
async def test_no_migration_keeps_writers_out_of_a_big_table_while_it_reads_it(
    postgres_url: str, revision: str
) -> None:
    """Added columns are empty, constraints are added without looking, indexes are made with the tables they are of."""
    assert metadata.tables.keys() >= BIG
    url = await postgres.new_database(postgres_url)
    try:
        await migrations.migrate(url, f"{int(revision) - 1:04d}")
        engine = engine_on(url)
        async with engine.connect() as connection, connection.begin():
            found = await connection.run_sync(stopped_and_read, revision)
        await engine.dispose()
        assert not found
    finally:
        await postgres.drop_database(url)
