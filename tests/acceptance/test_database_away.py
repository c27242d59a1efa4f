"""The database goes away under a running service: it is waited for, and nobody who is told to stop waits for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.fictional import agency, person, tip
from tests.support.service import Service, open_service
from tests.support.wall import Wall, walled
from tiprouter.delivery.sender import Sender
from tiprouter.receiver.misbehaving import opened
from tiprouter.workflow.worker import Worker

PATIENCE = 60.0


@pytest.fixture
async def wall(postgres_url: str) -> AsyncIterator[Wall]:
    """A wall in front of a database with the schema in it."""
    url = await postgres.new_database(postgres_url, migrated=True)
    async with walled(url) as wall:
        yield wall
    await postgres.drop_database(url)


@asynccontextmanager
async def working(wall: Wall, folder: Path) -> AsyncIterator[tuple[Service, Worker, asyncio.Task[None]]]:
    """A service behind the wall, and a worker that runs."""
    async with open_service(wall.url, folder) as service:
        service.desk = replace(service.desk, sandbox=True, now=lambda: datetime.now(UTC), entropy=os.urandom)
        async with Sender(sandbox=True) as sender:
            worker = Worker(service.database, service.desk, sender)
            running = asyncio.create_task(worker.run())
            try:
                yield service, worker, running
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def test_an_idle_worker_outlives_a_session_that_breaks_under_its_question(wall: Wall, tmp_path: Path) -> None:
    """The database restarts just as the worker asks when the next delivery falls due: it delivers what comes later."""
    async with opened("ok") as there, working(wall, tmp_path) as (service, _, running):
        async with asyncio.timeout(PATIENCE):
            await wall.cut_at(b"min(deliveries.next_at)").wait()
        await service.enrol(agency(url=there.url))
        now = datetime.now(UTC)
        await service.accept(tip(person(years=12), received_at=now, signaled_at=now))
        arrived: list[object] = []
        for _ in range(1_000):
            arrived = await service.rows("select id from deliveries where state = 'delivered'")
            if arrived or running.done():
                break
            await asyncio.sleep(0.05)
        assert arrived
        assert not running.done()


async def test_a_worker_that_is_told_to_stop_does_not_wait_for_the_database(wall: Wall, tmp_path: Path) -> None:
    """Nothing is in its hands: it ends while the database is away."""
    async with working(wall, tmp_path) as (_, worker, running):
        wall.close()
        await asyncio.sleep(1)
        assert not running.done()
        worker.stop()
        async with asyncio.timeout(PATIENCE):
            await running
