"""Attack: a crowd of agencies that take the connection and never answer holds every place of a worker."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.domain.breaker import Breaker, BreakerState
from tiprouter.domain.lanes import Room
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


async def arrived_while_the_dead_are_met(service: Service, seconds: float) -> bool:
    """One agency answered lately; then six things are due to it and to twelve that hang. Whether it has all in time."""
    service.desk = replace(
        service.desk, sandbox=True, verify_endpoints=False, now=lambda: datetime.now(UTC), entropy=os.urandom
    )
    delivered = "select count(*) from deliveries where state = 'delivered'"
    async with opened("silence") as dead, opened("ok") as live, Sender(sandbox=True) as sender:
        await enrolled(service, live.url)
        await child(service, 0)
        async with worked(Worker(service.database, service.desk, sender, places=PLACES)):
            assert await comes_true(service, delivered, 1, 30)
            for number in range(DEAD):
                await enrolled(service, f"{dead.url}/{number}")
            for number in range(1, 7):
                await child(service, number)
            return await comes_true(service, delivered, 7, seconds)


async def at_once_after_a_failure(service: Service) -> tuple[int, int]:
    """An agency that answered fails from here on: how many attempts it had at once before it said so, and after."""
    service.desk = replace(
        service.desk, sandbox=True, verify_endpoints=False, now=lambda: datetime.now(UTC), entropy=os.urandom
    )
    seen = Seen()
    server = await asyncio.start_server(seen.answer, "127.0.0.1", 0)
    async with server, Sender(sandbox=True) as sender:
        await enrolled(service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
        await child(service, 0)
        async with worked(Worker(service.database, service.desk, sender, each=2)):
            assert await comes_true(service, "select count(*) from deliveries where state = 'delivered'", 1, 30)
            seen.fails = True
            for number in range(1, 6):
                await child(service, number)
            assert await comes_true(service, "select count(*) from attempts where result = 'http_error'", 5, 30)
    return seen.most_before, seen.most_after


async def begun_while_silent(service: Service) -> int:
    """An agency that answered says nothing from here on: how many of two attempts begin, the second a while later."""
    service.desk = replace(
        service.desk, sandbox=True, verify_endpoints=False, now=lambda: datetime.now(UTC), entropy=os.urandom
    )
    seen, attempts = Seen(), "select count(*) from attempts"
    server = await asyncio.start_server(seen.answer, "127.0.0.1", 0)
    async with server, Sender(sandbox=True) as sender:
        await enrolled(service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
        await child(service, 0)
        async with worked(Worker(service.database, service.desk, sender, each=4)):
            assert await comes_true(service, "select count(*) from deliveries where state = 'delivered'", 1, 30)
            seen.silent = True
            await child(service, 1)
            assert await comes_true(service, attempts, 2, 30)
            await asyncio.sleep(4 * worker.SLOW_SECONDS)
            await child(service, 2)
            await comes_true(service, attempts, 3, 1)
            begun: int = (await service.rows(attempts))[0][0] - 1
        seen.over.set()
    return begun


class Seen:
    """A receiver that counts what it has at once, before its first failure and after it, and holds the first two."""

    def __init__(self) -> None:
        self.fails, self.failed, self.silent = False, 0, False
        self.over = asyncio.Event()
        self.here = self.most_before = self.most_after = 0
        self.two = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.partition(b":")[2]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
        await reader.readexactly(length)
        if self.silent:
            await self.over.wait()
        status = b"500 No" if self.fails else b"200 OK"
        if self.fails:
            await self._counted()
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    async def _counted(self) -> None:
        self.here += 1
        if self.failed < 2:
            self.most_before = max(self.most_before, self.here)
            if self.here == 2:
                self.two.set()
            await self.two.wait()
        else:
            self.most_after = max(self.most_after, self.here)
            await asyncio.sleep(0.05)
        self.here -= 1
        self.failed += 1


@asynccontextmanager
async def worked(worker: Worker) -> AsyncIterator[None]:
    """With this worker at work; what it has in flight is cut off."""
    working = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def comes_true(service: Service, count: str, enough: int, seconds: float) -> bool:
    """Whether so many are counted within so long."""
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        if (await service.rows(count))[0][0] >= enough:
            return True
        await asyncio.sleep(0.02)
    return False


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


async def test_the_dead_that_are_met_for_the_first_time_cost_those_who_answer_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers take half of the places at most: whoever answered lately goes by the other half, and before them."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    assert await arrived_while_the_dead_are_met(service, 30)


async def test_strangers_that_are_treated_as_anybody_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: nobody is a stranger; the dead take every place that the living give back."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    monkeypatch.setattr(Room, "is_strange", lambda *_: False)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert not await arrived_while_the_dead_are_met(service, 4)


async def test_who_fails_is_a_stranger_until_the_next_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two attempts at once went to an agency that answered; from its first failure on it is one."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 60.0)
    assert await at_once_after_a_failure(service) == (2, 1)


async def test_who_is_slow_is_a_stranger_until_the_next_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it says nothing to the one attempt no other begins, though it may have four at once."""
    monkeypatch.setattr(worker, "SLOW_SECONDS", 0.1)
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        assert await begun_while_silent(service) == 1
