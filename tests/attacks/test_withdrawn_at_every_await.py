"""She withdraws while a worker is on its way: at every await point from the claim to the written answer."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from tests.delivery.receiver_fixture import Receiver, serve, write
from tests.delivery.sending import TRUST
from tests.machine.planting import planted
from tests.support.fictional import agency, grant, person, tip
from tests.support.service import START, Service
from tiprouter.delivery.sender import Sender
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import deliveries
from tiprouter.workflow.consenting import Given, Whose, Withdrawal
from tiprouter.workflow.worker import Worker

LE = RecipientKind.LAW_ENFORCEMENT
PATH: Final = ("Worker.run", "Worker._deliver", "Answers.run")
"""The tasks that a delivery goes through: claimed by the first, sent by the second, written down by the third."""
PATIENCE: Final = 0.3
"""How long the path stands still on PostgreSQL, where a withdrawal may wait for a lock that the path itself holds."""
ARRIVED: Final = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Ticking:
    """A clock of which no two looks are the same."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        """A millisecond later each time."""
        self.at += timedelta(milliseconds=1)
        return self.at


class Points:
    """Counts the await points of the path and lets something happen at one of them; meanwhile the path stands still."""

    def __init__(self, number: int, meanwhile: Callable[[], Coroutine[Any, Any, None]], patience: float) -> None:
        self._number, self._meanwhile, self._patience = number, meanwhile, patience
        self._seen, self._until = 0, 0.0
        self.happening: asyncio.Task[None] | None = None

    def reached(self) -> None:
        """One more point."""
        self._seen += 1
        if self._seen == self._number:
            self._until = asyncio.get_running_loop().time() + self._patience
            self.happening = asyncio.create_task(self._meanwhile())

    def still(self) -> Generator[Any, Any, None]:
        """Stand still while it happens."""
        left = self._until - asyncio.get_running_loop().time()
        if self.happening is not None and not self.happening.done() and left > 0:
            yield from asyncio.wait({self.happening}, timeout=left).__await__()


class Watched:
    """A coroutine whose every suspension is a point."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], points: Points) -> None:
        self._coroutine, self._points = coroutine, points

    def __await__(self) -> Generator[Any, Any, Any]:
        """Run it, point by point."""
        step: Callable[[Any], Any] = self._coroutine.send
        value: Any = None
        while True:
            try:
                waits_for = step(value)
            except StopIteration as ended:
                return ended.value
            self._points.reached()
            yield from self._points.still()
            try:
                value, step = (yield waits_for), self._coroutine.send
                yield from self._points.still()
            except BaseException as error:  # noqa: BLE001 - handed to the coroutine, as a task would
                value, step = error, self._coroutine.throw


@contextmanager
def watching(points: Points) -> Iterator[None]:
    """Let the tasks of the path be watched."""
    loop = asyncio.get_running_loop()

    async def watched(coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - the task's own
        return await Watched(coroutine, points)

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:  # noqa: ANN401
        on_path = getattr(coroutine, "__qualname__", "") in PATH
        return asyncio.Task(watched(coroutine) if on_path else coroutine, loop=loop, **more)

    loop.set_task_factory(make)
    try:
        yield
    finally:
        loop.set_task_factory(None)


@dataclass
class Story:
    """A service, an agency that says yes, and one disclosure after the other to it."""

    service: Service
    sender: Sender
    receiver: Receiver
    told: int = 0

    async def consented(self) -> Given:
        """A tip by an adult, and her consent to tell the police; a disclosure waits."""
        self.told += 1
        accepted = await self.service.accept(tip(person(f"p{self.told}"), external_id=f"T-{self.told}"))
        return await self.service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))

    async def work(self, points: Points, found: list[Withdrawal]) -> None:
        """A worker works, watched, until it was withdrawn and nothing is unfinished."""
        with watching(points):
            worker = Worker(self.service.database, self.service.desk, self.sender)
            working = asyncio.create_task(worker.run())
            for _ in range(30_000):
                if found and not await self.service.database.read(deliveries.unfinished):
                    break
                await asyncio.sleep(0.002)
            worker.stop()
            await working

    async def withdrawn_at(self, number: int) -> Withdrawal:
        """One disclosure on its way, withdrawn at one await point (0: before anybody claims); what must hold, holds."""
        given, before = await self.consented(), len(self.receiver.requests)
        found: list[Withdrawal] = []
        moment = self.service.desk.now()

        async def withdraw() -> None:
            nonlocal moment
            found.append(await self.service.withdraw(given.consent.id))
            moment = self.service.desk.now()

        if number == 0:
            await withdraw()
        waits = self.service.url.startswith("postgresql")
        await self.work(Points(number, withdraw, PATIENCE if waits else 30.0), found)
        (withdrawal,) = found
        late = await self.service.rows(
            f"""select a.started_at from attempts a join deliveries d on d.id = a.delivery_id
            join disclosures s on s.id = d.disclosure_id
            where s.recalls is null and a.started_at > {int(moment.timestamp() * 1_000_000)}"""  # noqa: S608 - our own
        )
        assert late == [], number
        said = [json.loads(request.body) for request in self.receiver.requests[before:]]
        if withdrawal.cancelled:
            assert said == [], number
            return withdrawal
        assert withdrawal.in_flight + withdrawal.delivered == 1, number
        types = [one["type"] for one in said]
        if types == ["disclosure.recalled"]:
            # It was on its way and had not left: the attempt was aborted, and the agency has the recall alone.
            assert withdrawal.in_flight, number
            assert await self.result_of(said[0]["data"]["recalls"]) == "aborted", number
            return withdrawal
        # It had left, or arrived: the agency has it once, and after it the recall, once.
        assert types == ["disclosure.made", "disclosure.recalled"], number
        assert said[1]["data"]["recalls"] == said[0]["data"]["disclosure_id"], number
        return withdrawal

    async def result_of(self, disclosure_id: str) -> str:
        """What came of the one attempt to deliver this."""
        (row,) = await self.service.rows(
            f"""select a.result from attempts a join deliveries d on d.id = a.delivery_id
            where d.disclosure_id = '{disclosure_id}'"""  # noqa: S608 - our own
        )
        return str(row.result)


async def withdrawn_everywhere(service: Service) -> list[tuple[int, int, int]]:
    """Cancelled, in flight, delivered: what each withdrawal found, one point later each time."""
    service.desk = replace(service.desk, sandbox=True, now=Ticking())
    async with serve(write(ARRIVED)) as receiver, Sender(sandbox=True, ssl_context=TRUST) as sender:
        await service.enrol(agency(LE, url=f"http://{receiver.host}:{receiver.port}/hook"))
        story = Story(service, sender, receiver)
        found: list[Withdrawal] = []
        while not (found and found[-1].delivered):
            found.append(await story.withdrawn_at(len(found)))
    return [(one.cancelled, one.in_flight, one.delivered) for one in found]


async def test_withdrawn_at_every_await_point_of_the_dispatch_path(service: Service) -> None:
    """Cancelled, in flight or delivered: the answer says which, and it is true of what the agency got."""
    states = await withdrawn_everywhere(service)
    assert states[0] == (1, 0, 0)
    assert len(states) > len(PATH)
    await service.check_house()


@pytest.mark.parametrize("fault", ["sent_after_withdrawal", "recall_forgotten"])
async def test_the_tests_notice_a_withdrawal_that_stops_nothing(service: Service, fault: str) -> None:
    """Planted: what waits is not cancelled, or what arrived is not recalled."""
    with planted(fault), pytest.raises(AssertionError):
        await withdrawn_everywhere(service)
