"""Leases are kept alive while an answer takes its time, and whoever stops keeping them is noticed.

Time passes only when a story says so: how fast the machine is decides nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hearing import hearing
from tests.attacks.pipeline import Life
from tests.attacks.test_worker_killed import fresh, lived
from tests.delivery.receiver_fixture import Behaviour, Receiver, serve, write
from tests.delivery.sending import TRUST
from tests.support.fictional import agency, person, tip
from tests.support.patience import PATIENCE, until
from tests.support.service import START, Clock, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.storage import deliveries
from tiprouter.storage.database import Transaction
from tiprouter.workflow import worker as product
from tiprouter.workflow.dispatch import LEASE
from tiprouter.workflow.finishing import Answers
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.messenger import Messenger
from tiprouter.workflow.pager import Pager
from tiprouter.workflow.worker import PartEndedError, Worker

STEP = timedelta(seconds=2)
ARRIVED = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def working(service: Service, act: Behaviour) -> AsyncIterator[tuple[Receiver, Worker, asyncio.Task[None]]]:
    """An agency, a worker that works, and one disclosure on its way."""
    service.desk = replace(service.desk, sandbox=True)
    async with serve(act) as receiver, Sender(sandbox=True, ssl_context=TRUST) as sender:
        await service.enrol(agency(url=f"http://{receiver.host}:{receiver.port}/hook"))
        worker = Worker(service.database, service.desk, sender)
        running = asyncio.create_task(worker.run())
        await service.accept(tip(person("p1", years=12), external_id="T-1"))
        try:
            yield receiver, worker, running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def seen(service: Service, sql: str, wanted: Callable[[Any], bool] = bool) -> None:
    """Wait until the rows of a query are as wanted."""

    async def look() -> bool:
        return wanted(await service.rows(sql))

    await until(look)


async def test_an_answer_that_takes_longer_than_a_lease_is_one_attempt(service: Service) -> None:
    """Six seconds pass on the worker's clock before the agency answers: it is asked once, and what it said counts."""
    answering = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering.wait()
        await write(ARRIVED)(reader, writer)

    async with working(service, slow) as (receiver, _, _):
        await seen(service, "select id from attempts")
        for _ in range(3):
            service.clock.forward(seconds=STEP.total_seconds())
            renewed = int((service.clock.at + LEASE).timestamp() * 1_000_000)
            await seen(service, f"select id from deliveries where lease_until >= {renewed}")  # noqa: S608 - our own
        assert service.clock.at - START > LEASE
        answering.set()
        await seen(service, "select id from deliveries where state = 'delivered'")
        assert await service.rows("select number, result from attempts") == [(1, "success")]
        assert len(receiver.requests) == 1


async def _fails(*_: object, **__: object) -> None:
    raise ZeroDivisionError


PARTS = {
    "leases": (Worker, "_renew"),
    "chores": (Worker, "_do"),
    "answers": (Answers, "_write"),
    "cancelled": (Worker, "_look"),
    "pages": (Pager, "run"),
    "messages": (Messenger, "run"),
}


@pytest.mark.parametrize("part", sorted(PARTS))
async def test_a_part_that_ends_with_an_error_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Heartbeat, chores, answers and all: none of them ends unnoticed, whatever is in flight."""
    monkeypatch.setattr(*PARTS[part], _fails)
    async with (
        open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service,
        working(service, _never if part == "leases" else write(ARRIVED)) as (_, _, running),
        asyncio.timeout(PATIENCE),
    ):
        with pytest.raises(PartEndedError, match=part):
            await running


async def _never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_part_that_ends_while_the_worker_drains_is_noticed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to stop, with an answer awaited: what would write it is gone, and the worker ends all the same."""
    answering = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering.wait()
        await write(ARRIVED)(reader, writer)

    monkeypatch.setattr(Answers, "_write", _fails)
    async with (
        open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service,
        working(service, slow) as (_, worker, running),
    ):
        await seen(service, "select id from attempts")
        worker.stop()
        answering.set()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(PartEndedError, match="answers"):
                await running


async def test_a_chore_that_always_has_more_to_do_holds_no_other_one_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of a whole nation's records takes minutes: whoever watches duties has its turn meanwhile."""
    turns: list[str] = []

    def endless(_: Transaction, __: Desk) -> int:
        turns.append("endless")
        return 1

    def other(_: Transaction, __: Desk) -> int:
        turns.append("other")
        return 0

    monkeypatch.setattr("tiprouter.workflow.worker.CHORES", (endless, other))
    async with working(service, write(ARRIVED)):
        await until(lambda: turns.count("other") > 1)
    assert turns.count("endless") > 1


async def test_what_a_killed_worker_held_arrives_again_within_five_seconds(tmp_path: Path) -> None:
    """Killed with SIGKILL when it had sent: on the clock of the next worker, five seconds later is late enough.

    A lease is four seconds long, and an idle worker looks once a second; how long its claim takes comes on top.
    """
    assert LEASE + timedelta(seconds=max(product.IDLE_SECONDS, product.SWEEP_SECONDS)) <= timedelta(seconds=5)
    async with hearing() as there:
        life = Life(await fresh(None, tmp_path / "life"), tmp_path / "life", there.url, "sent:1")
        assert await lived(life) == -9
        await there.settled()
        clock = Clock(START + LEASE)
        async with (
            open_service(life.url, life.folder, clock) as service,
            Sender(sandbox=True, ssl_context=TRUST) as sender,
        ):
            (held,) = await service.rows("select count(*) from deliveries where lease is not null")
            assert held[0] > 0
            service.desk = replace(service.desk, sandbox=True)
            worker = Worker(service.database, service.desk, sender)
            running = asyncio.create_task(worker.run())
            await seen(
                service, "select id from deliveries where state = 'delivered'", lambda rows: len(rows) >= held[0]
            )
            worker.stop()
            await running
            again = await service.rows("select started_at, result from attempts where number = 2")
            first = await service.rows("select min(started_at) from attempts")
            assert len(again) == held[0]
            assert all(row.result == "success" for row in again)
            assert max(row.started_at for row in again) - first[0][0] <= 5_000_000
            assert await service.rows("select count(*) from attempts where result = 'unknown'") == [(held[0],)]
            assert await service.database.read(deliveries.unfinished) == 0
