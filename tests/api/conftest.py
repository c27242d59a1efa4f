"""A running service for each test of the edge, on a database of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.calling import Api, running
from tests.support.service import Service, open_service


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The edge on the embedded database."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as found:
        yield found


@pytest.fixture
async def either(service: Service) -> AsyncIterator[Api]:
    """The edge on each of the two databases."""
    async with running(service) as found:
        yield found
