"""One furnished service for every question of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.calling import Api
from tests.security.furnished import Things, furnished
from tests.support import postgres

House = tuple[Api, Things]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The service on the embedded database, and what is in it."""
    folder = tmp_path_factory.mktemp("house")
    async with furnished(f"sqlite:///{folder / 'tiprouter.db'}", folder) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def postgres_house(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The same on PostgreSQL."""
    url = await postgres.new_database(postgres_url, migrated=True)
    async with furnished(url, tmp_path_factory.mktemp("house")) as found:
        yield found
    await postgres.drop_database(url)
