"""What several tests of the storage room begin with."""

from collections.abc import AsyncIterator

import pytest

from tests.support import postgres
from tiprouter.storage.database import Database, open_database


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[Database]:
    """A migrated PostgreSQL database."""
    url = await postgres.new_database(postgres_url, migrated=True)
    opened = open_database(url)
    yield opened
    await opened.close()
    await postgres.drop_database(url)


@pytest.fixture
def nothing_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests gave back is left to them: its pages are there still, and plans go by how large a table is."""
    for stock in postgres._stocks.values():  # noqa: SLF001 - there is no other way to set it aside
        monkeypatch.setattr(stock, "idle", [])
