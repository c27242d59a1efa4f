"""A small service's whole life, in a process of its own that may be killed at any point.

1. Three tips come in, three disclosures go out to two agencies, the log grows. Told again after a kill, it goes on.
2. It is the product that works: `claim` leases, `Sender` sends over HTTP to a process that is not killed
   (`hearing.py`), `Answers` writes what came of it in batches, the sequencer grows the log.
3. A point is a statement, a commit, or a step around the sending; the process kills itself at the one it is told.
4. What the outside world was told is written to two files: tips that were acknowledged, and deliveries that are done.
5. `fault` plants a known defect (`pipeline_faults.py`), so that the tests can be seen to find it.
"""

import asyncio
import faulthandler
import os
import signal
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.attacks.pipeline_faults import FAULTS, Late, nothing
from tests.delivery.sending import TRUST
from tests.support.fictional import DANGER, agency, person, tip
from tests.support.service import START, Clock, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import deliveries, registry
from tiprouter.workflow.dispatch import Ready
from tiprouter.workflow.finishing import Answers
from tiprouter.workflow.intake import DuplicateError

ACKNOWLEDGED: Final = "acknowledged"
DONE: Final = "done"
POINTS: Final = "points"
STUCK: Final = "stuck"
ROUNDS: Final = 12
"""So many looks at what is due, ten seconds apart: whoever is not done by then never is."""

AGENCIES = (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)
TIPS = (
    tip(person("p1"), external_id="T-1"),
    tip(person("p2", years=12), external_id="T-2"),
    tip(person("p3"), external_id="T-3", violence=DANGER),
)


@dataclass(frozen=True)
class Life:
    """Which database and folder, who listens, at which point to die, how long after START, and with which fault.

    `kill_at` is a point's number, 0 for never, or its name and the how manyeth of that name: `sent:2`.
    """

    url: str
    folder: Path
    hook: str
    kill_at: int | str = 0
    seconds_later: float = 0
    fault: str = ""


class Points:
    """Counts the points of a life and ends it at one of them."""

    def __init__(self, kill_at: int | str) -> None:
        self.seen: list[str] = []
        self._each = Counter[str]()
        self._kill_at = kill_at

    def at(self, name: str) -> None:
        """One more point."""
        self.seen.append(name)
        self._each[name] += 1
        if self._kill_at in (len(self.seen), f"{name}:{self._each[name]}"):
            os.kill(os.getpid(), signal.SIGKILL)

    def listen(self) -> None:
        """Let every statement and every commit of this process be a point."""

        def statement(*_: Any) -> None:  # noqa: ANN401 - the event's own arguments
            self.at("statement")

        def commit(_connection: object) -> None:
            self.at("commit")

        sa.event.listen(Engine, "before_cursor_execute", statement)
        sa.event.listen(Engine, "commit", commit)


def live(life: Life) -> None:
    """Live; the target of a process."""
    points = Points(life.kill_at)
    points.listen()
    with (life.folder / STUCK).open("w") as stuck:
        # A life takes a second; one that hangs says where, and ends.
        faulthandler.dump_traceback_later(40, exit=True, file=stuck)
        asyncio.run(whole_life(life, points))
        faulthandler.cancel_dump_traceback_later()
    _note(life.folder / POINTS, ",".join(points.seen))


async def whole_life(life: Life, points: Points | None = None) -> None:
    """From an empty database, or from wherever an earlier life ended, to the end."""
    points = points or Points(0)
    clock = Clock(START + timedelta(seconds=life.seconds_later))
    late = FAULTS[life.fault](points.at) if life.fault else nothing
    async with open_service(life.url, life.folder, clock) as service, Sender(sandbox=True, ssl_context=TRUST) as sender:
        service.desk = replace(service.desk, sandbox=True)
        await _enrol(service, life.hook)
        for record in TIPS:
            try:
                await service.accept(record)
            except DuplicateError:
                continue
            _note(life.folder / ACKNOWLEDGED, record.external_id)
            points.at("accepted")
            await late(service)
        await service.sequencer.drain()
        await _Delivering(life, points, service, sender, late).run(clock)
        await service.sequencer.drain()


@dataclass
class _Delivering:
    """What a worker does, in rounds instead of in time."""

    life: Life
    points: Points
    service: Service
    sender: Sender
    late: Late

    async def run(self, clock: Clock) -> None:
        """Until nothing is unfinished, or for `ROUNDS`."""
        answers = Answers(self.service.database, self.service.desk)
        writing = asyncio.create_task(answers.run())
        for _ in range(ROUNDS):
            if not await self.service.database.read(deliveries.unfinished):
                break
            await asyncio.gather(*(self._deliver(ready, answers) for ready in await self.service.claim()))
            await self.service.sequencer.drain()
            clock.forward(seconds=10)
        writing.cancel()

    async def _deliver(self, ready: Ready, answers: Answers) -> None:
        self.points.at("before sending")
        attempted = await self.sender.send(ready.envelope)
        self.points.at("sent")
        await self.late(self.service)
        state = await answers.write(ready, attempted)
        if state is DeliveryState.DELIVERED:
            _note(self.life.folder / DONE, ready.delivery_id)
        self.points.at("finished")
        await self.late(self.service)


async def _enrol(service: Service, hook: str) -> None:
    known = {one.kind for one in await service.database.read(registry.everyone)}
    for kind in AGENCIES:
        if kind not in known:
            await service.enrol(agency(kind, url=f"{hook}/{kind.value}"))


def _note(path: Path, line: str) -> None:
    """What the outside world was told survives the process."""
    handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)
