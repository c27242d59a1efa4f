"""A database that a test gives back is lent to the next one only as the migrations made it."""

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import pytest

from tests.support import postgres

ROW = "INSERT INTO secrets (name, sealed) VALUES ('example', '\\x00')"

pytestmark = pytest.mark.usefixtures("nothing_lent")


async def lent_after(server: str, *statements: str) -> tuple[str, str]:
    """The database in which this was done and that was given back, and the one that is lent next."""
    used = await postgres.new_database(server, migrated=True)
    await told(used, *statements)
    await postgres.drop_database(used)
    return used, await postgres.new_database(server, migrated=True)


async def told(url: str, *statements: str) -> list[object]:
    """What a database answers to each statement."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [await connection.fetchval(statement) for statement in statements]
    finally:
        await connection.close()


async def test_what_a_test_wrote_is_gone_and_the_serials_begin_again(postgres_url: str) -> None:
    """Rows go, whatever refers to them; a sequence gives its first number; and it is the same database."""
    used, again = await lent_after(
        postgres_url, "SET session_replication_role = replica", ROW, "SELECT nextval('outbox_serial_seq')"
    )
    assert used == again
    assert await told(again, "SELECT count(*) FROM secrets", "SELECT nextval('outbox_serial_seq')") == [0, 1]
    await postgres.drop_database(again)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE example (id int)",
        "DROP INDEX {index}",
        "ALTER TABLE secrets ALTER COLUMN sealed DROP NOT NULL",
        "ALTER TABLE revisions DISABLE TRIGGER ALL",
        "DELETE FROM alembic_version",
        "ANALYZE alembic_version",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', current_database()); END $$",
    ],
)
async def test_a_changed_schema_is_not_lent_again(postgres_url: str, change: str) -> None:
    """Whatever a test did to the schema, its seeds or its settings, the next one has a database without it."""
    first = await postgres.new_database(postgres_url, migrated=True)
    (index,) = await told(first, "SELECT min(indexname) FROM pg_indexes WHERE indexdef LIKE 'CREATE INDEX%'")
    await postgres.drop_database(first)
    used, again = await lent_after(postgres_url, change.format(index=index))
    assert used != again
    await postgres.drop_database(again)


async def test_a_session_that_is_still_open_is_ended(postgres_url: str) -> None:
    """Nobody keeps a lock, or listens, in a database that is somebody else's by now."""
    used = await postgres.new_database(postgres_url, migrated=True)
    left = await asyncpg.connect(used.replace("+asyncpg", ""))
    await left.execute("BEGIN; LOCK TABLE secrets")
    await postgres.drop_database(used)
    assert await postgres.new_database(postgres_url, migrated=True) == used
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.execute("COMMIT")
    await left.close()
    await postgres.drop_database(used)
