"""Two services on one PostgreSQL, as two machines would run it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.service import Clock, Service, open_service


@pytest.fixture
async def two(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Service, Service]]:
    """Two services with one database, one key file and one clock; only the first one's sequencer is used."""
    url = await postgres.new_database(postgres_url, migrated=True)
    clock = Clock()
    async with open_service(url, tmp_path, clock) as first, open_service(url, tmp_path, clock) as second:
        yield first, second
    await postgres.drop_database(url)
