"""Fixtures that every room's tests may use."""

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.support import postgres
from tests.support.embedded import prepared
from tests.support.service import Service, open_service

# A test is about what comes out, never about how long it took on a busy machine; a build repeats its examples.
settings.register_profile("house", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whatever a test made of the process's log lines ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of the tests' own; skips with the reason where there is none."""
    with postgres.server() as url:
        if url is None:
            pytest.skip(postgres.WHY_NOT)
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database, on each of the two kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tiprouter.db'}"
        return
    url = await postgres.new_database(request.getfixturevalue("postgres_url"))
    yield url
    await postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
async def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database with the schema and nothing in it, on each of the two kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
        await prepared(url)
        yield url
        return
    url = await postgres.new_database(request.getfixturevalue("postgres_url"), migrated=True)
    yield url
    await postgres.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    """A service without its edge, on each of the two databases."""
    if request.param == "sqlite":
        async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
            yield service
        return
    url = await postgres.new_database(request.getfixturevalue("postgres_url"), migrated=True)
    async with open_service(url, tmp_path) as service:
        yield service
    await postgres.drop_database(url)
