"""A database from before keys had prefixes: its tokens go on working, there and back again."""

import hashlib
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

from tests.support.service import OPERATOR, open_service
from tiprouter.storage import migrations
from tiprouter.storage.database import open_database
from tiprouter.workflow import credentials
from tiprouter.workflow.presenting import Presented, Recognised

TOKEN = "tr_" + "a_b-" * 10 + "c_d"
CALLER = "cal_01KJQH0CC0BX86ENBVMH4TY5PG"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
BEFORE = f"INSERT INTO callers (id, role, token_digest, created_at) VALUES ('{CALLER}', 'operator', '{DIGEST}', 1)"  # noqa: S608 - our words


async def test_a_token_from_before_works_until_it_is_rotated(database_url: str, tmp_path: Path) -> None:
    """It names the same caller; its prefix opens nothing; a rotation ends it and gives the caller a key of today."""
    await migrations.migrate(database_url, "0015")
    database = open_database(database_url)
    await database.write(lambda tx: tx.exec_driver_sql(BEFORE))
    await database.close()
    async with open_service(database_url, tmp_path) as service:
        desk, now = service.desk, datetime.now(UTC)

        def known(token: str) -> Awaitable[Recognised | None]:
            return service.database.read(lambda tx: credentials.identify(tx, Presented(token), now))

        found = await known(TOKEN)
        assert found is not None
        assert (found.actor.id, found.actor.role, found.refusal, found.verifier) == (CALLER, "operator", None, None)
        ((prefix, expires_at),) = await service.rows("SELECT prefix, expires_at FROM api_keys")
        assert expires_at > now.timestamp() * 1e6 + 364 * 86_400e6
        assert await known(f"tr_{prefix}_{'A' * 43}") is None
        assert await known(TOKEN[:-1] + "e") is None
        done = await service.database.write(lambda tx: credentials.rotate(tx, desk, OPERATOR, CALLER, overlap_days=0))
        again = await known(done.token)
        assert again is not None
        assert again.actor.id == CALLER


async def test_a_way_back_keeps_the_tokens_from_before(database_url: str) -> None:
    """Down again, the digest stands where it stood."""
    await migrations.migrate(database_url, "0015")
    database = open_database(database_url)
    await database.write(lambda tx: tx.exec_driver_sql(BEFORE))
    await migrations.migrate(database_url)
    await migrations.migrate(database_url, "0015")
    query = "SELECT token_digest FROM callers"
    rows = await database.read(lambda tx: list(tx.exec_driver_sql(query)))
    await database.close()
    assert [row[0] for row in rows] == [DIGEST]
