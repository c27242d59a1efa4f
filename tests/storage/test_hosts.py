"""Is a PostgreSQL found behind a host that says nothing, and is a session lost when its host does?"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.delivery.receiver_fixture import certificate
from tests.support import postgres
from tiprouter.errors import ConfigurationError, UnavailableError
from tiprouter.storage import migrations
from tiprouter.storage.database import open_database
from tiprouter.storage.hosts import SILENT_SECONDS, engine_on
from tiprouter.storage.keeping import keeping_the_log
from tiprouter.storage.waking import waking

PATIENCE = 45.0
"""More than any machine needs; less than asyncpg would wait for all hosts together."""


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """A database with the schema in it."""
    made = await postgres.new_database(postgres_url, migrated=True)
    yield made
    await postgres.drop_database(made)


def several(url: str, *hosts: str) -> str:
    """The URL of a database on one of these hosts, and then on its own."""
    place, name = url.rpartition("/")[0].rpartition("@")[2], url.rpartition("/")[2]
    listed = "&".join(f"host={one}" for one in (*hosts, place))
    return f"postgresql+asyncpg://tiprouter@/{name}?{listed}&target_session_attrs=read-write"


async def told(url: str) -> int:
    """One story of a process that has just started."""
    database = open_database(url)
    try:
        found: int = await database.write(lambda tx: tx.execute(sa.select(1)).scalar_one())
        return found
    finally:
        await database.close()


async def rung(url: str) -> bool:
    """Whether a bell could be opened, which rings then."""
    database = open_database(url)
    async with waking(url, database.changed):
        return await database.changed.wait()


async def test_a_silent_host_does_not_keep_the_next_from_being_asked(silent: str, url: str, tmp_path: Path) -> None:
    """Rule 1: for stories, the bell, the keeper's post and the schema."""
    hosts = several(url, silent)
    async with asyncio.timeout(PATIENCE), keeping_the_log(hosts, tmp_path / "lock") as post:
        await asyncio.gather(told(hosts), rung(hosts), migrations.check(hosts))
        assert await post.take()


async def test_where_the_only_host_is_silent_the_database_does_not_answer(silent: str) -> None:
    """Nothing hangs, and the error is the one that is waited for."""
    with pytest.raises(UnavailableError):
        async with asyncio.timeout(PATIENCE):
            await told(f"postgresql+asyncpg://tiprouter@/nowhere?host={silent}")


async def test_the_system_is_told_to_notice_a_host_that_is_gone(url: str) -> None:
    """Rule 2: what is idle is asked for a sign of life, and what is not acknowledged is given up."""
    engine = engine_on(url)
    try:
        async with engine.connect() as connection:
            session: Any = (await connection.get_raw_connection()).driver_connection
            plug = session._transport.get_extra_info("socket")  # noqa: SLF001 - as the module itself
            assert plug.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < SILENT_SECONDS
            assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENT_SECONDS * 1_000
    finally:
        await engine.dispose()


async def test_over_tls_a_server_is_believed_by_its_certificate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ssl=verify-full`: nothing is said in the clear, and another's certificate, or another's name, is refused."""
    own, other = certificate(tmp_path, "localhost"), certificate(tmp_path, "other.example")
    with postgres.server(own) as started:
        if started is None:
            pytest.skip(postgres.WHY_NOT)
        url = f"{started.replace('127.0.0.1', 'localhost')}/postgres?ssl=verify-full"
        monkeypatch.setenv("PGSSLROOTCERT", str(own))
        engine = engine_on(url)
        async with engine.connect() as session:
            asked = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            assert (await session.execute(sa.text(asked))).scalar_one() is True
        await engine.dispose()
        with pytest.raises(ConfigurationError, match="certificate is not trusted"):
            await migrations.check(url.replace("localhost", "127.0.0.1"))
        monkeypatch.setenv("PGSSLROOTCERT", str(other))
        with pytest.raises(ConfigurationError, match="certificate is not trusted"):
            await migrations.check(url)
