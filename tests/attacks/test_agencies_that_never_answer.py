"""Attack: a crowd of agencies that take the connection and never answer holds every place of a worker."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.domain.breaker import Breaker, BreakerState
from tiprouter.receiver.misbehaving import opened
from tiprouter.storage import lines
from tiprouter.storage.database import Transaction
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


async def probed_at_once(service: Service, enough: int) -> int:
    """Twelve hanging agencies are to be probed, all now, by eight places: how many are at once, of `enough`."""
    service.desk = replace(
        service.desk, sandbox=True, verify_endpoints=False, now=lambda: datetime.now(UTC), entropy=os.urandom
    )
    long_ago = datetime.now(UTC) - timedelta(hours=1)

    def shut(tx: Transaction) -> None:
        names = [row[0] for row in tx.exec_driver_sql("select id from recipients")]
        breaker = Breaker(BreakerState.OPEN, 5, 1, long_ago, long_ago)
        lines.save(tx, [replace(line, breaker=breaker) for line in lines.at_once(tx, names).values()])
        tx.exec_driver_sql("update deliveries set parked = 1")

    async with opened("silence") as dead, Sender(sandbox=True) as sender:
        for number in range(DEAD):
            await enrolled(service, f"{dead.url}/{number}")
        await child(service, 1)
        await service.database.write(shut)
        running = Worker(service.database, service.desk, sender, places=2 * PLACES)
        working = asyncio.create_task(running.run())
        most = 0
        for _ in range(1_500):
            under_way = "select count(*) from attempts where finished_at is null"
            most = max(most, (await service.rows(under_way))[0][0])
            if most >= enough:
                break
            await asyncio.sleep(0.02)
        # What else would be probed had the time of several looks to begin.
        for _ in range(50):
            most = max(most, (await service.rows(under_way))[0][0])
            await asyncio.sleep(0.02)
        running.stop()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return most


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


async def test_probes_of_the_dead_take_an_eighth_of_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve lines may be probed now: by eight places one goes at a time, until it counts as slow."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await probed_at_once(service, 1) == 1


async def test_probes_that_crowd_the_living_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: every place may be a probe's."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    monkeypatch.setattr(worker, "PLACES_FOR_EACH_PROBE", 1)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await probed_at_once(service, 2) > 1
