"""Attack: a crowd of agencies that take the connection and never answer holds every place of a worker."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.receiver.misbehaving import opened
from tiprouter.workflow import enrolment, worker
from tiprouter.workflow.worker import Worker

PLACES = 4
DEAD = 12


async def seconds_to_the_live_one(service: Service) -> float | None:
    """Twelve agencies hang and hold all four places; then one that answers has something due. None: not in time."""
    service.desk = replace(
        service.desk, sandbox=True, verify_endpoints=False, now=lambda: datetime.now(UTC), entropy=os.urandom
    )
    loop = asyncio.get_running_loop()
    async with opened("silence") as dead, opened("ok") as live, Sender(sandbox=True) as sender:
        for number in range(DEAD):
            await enrolled(service, f"{dead.url}/{number}")
        running = Worker(service.database, service.desk, sender, places=PLACES)
        working = asyncio.create_task(running.run())
        await child(service, 1)
        for _ in range(500):
            if len(await service.rows("select id from attempts")) >= PLACES:
                break
            await asyncio.sleep(0.02)
        await enrolled(service, live.url)
        began = loop.time()
        await child(service, 2)
        arrived = None
        while arrived is None and loop.time() < began + 8:
            await asyncio.sleep(0.02)
            if await service.rows("select id from deliveries where state = 'delivered'"):
                arrived = loop.time() - began
        running.stop()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return arrived


async def enrolled(service: Service, url: str) -> None:
    """Register an agency that children are reported to."""
    await service.database.write(lambda tx: enrolment.register(tx, service.desk, OPERATOR, agency(url=url)))


async def child(service: Service, number: int) -> None:
    """A tip about a child, now."""
    now = datetime.now(UTC)
    told = tip(person(f"c{number}", years=12), external_id=f"C-{number}", received_at=now, signaled_at=now)
    await service.accept(told)


async def test_those_who_never_answer_keep_nobody_waiting(tmp_path: Path) -> None:
    """Long before the first of their attempts ends the agency that answers has its report."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await seconds_to_the_live_one(service) is not None


async def test_this_story_notices_what_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: nothing is ever slow; the agency that answers waits behind all the others."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await seconds_to_the_live_one(service) is None
