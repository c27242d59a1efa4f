"""A small service's whole life, in a process of its own that may be killed at any point.

1. Three tips come in, three disclosures go out to two agencies, the log grows. Told again after a kill, it goes on.
2. A point is a statement, a commit, or a step around the sending; the process kills itself at the one it is told.
3. What the outside world saw is written to two files: tips that were acknowledged, and webhook-ids that were received.
4. `fault` plants a known defect, so that the tests can be seen to find it.
"""

import asyncio
import faulthandler
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tests.support.fictional import DANGER, agency, person, tip
from tests.support.service import START, Clock, Service, open_service
from tiprouter.audit.kinds import Kind
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import deliveries, outbox, registry
from tiprouter.storage.database import Transaction
from tiprouter.workflow.dispatch import Ready
from tiprouter.workflow.happening import ROUTER, Happening, happening
from tiprouter.workflow.intake import DuplicateError

ACKNOWLEDGED: Final = "acknowledged"
RECEIVED: Final = "received"
POINTS: Final = "points"
STUCK: Final = "stuck"

AGENCIES = (RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION)
TIPS = (
    tip(person("p1"), external_id="T-1"),
    tip(person("p2", years=12), external_id="T-2"),
    tip(person("p3"), external_id="T-3", violence=DANGER),
)


@dataclass(frozen=True)
class Life:
    """Which database and folder, at which point to die (0 for never), how long after START, and with which fault."""

    url: str
    folder: Path
    kill_at: int = 0
    seconds_later: float = 0
    fault: str = ""


class Points:
    """Counts the points of a life and ends it at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.seen: list[str] = []
        self._kill_at = kill_at

    def at(self, name: str) -> None:
        """One more point."""
        self.seen.append(name)
        if len(self.seen) == self._kill_at:
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
    late = _plant(life.fault)
    async with open_service(life.url, life.folder, clock) as service:
        await _enrol(service)
        for record in TIPS:
            try:
                await service.accept(record)
            except DuplicateError:
                continue
            points.at("accepted")
            _note(life.folder / ACKNOWLEDGED, record.external_id)
            await late(service)
        await service.sequencer.drain()
        while await service.database.read(deliveries.unfinished):
            for ready in await service.claim():
                await _send(life, points, ready)
                await late(service)
                await service.finish(ready)
                points.at("finished")
                await late(service)
            await service.sequencer.drain()
            clock.forward(seconds=10)
        await service.sequencer.drain()


async def _enrol(service: Service) -> None:
    known = {one.kind for one in await service.database.read(registry.everyone)}
    for kind in AGENCIES:
        if kind not in known:
            await service.enrol(agency(kind))


async def _send(life: Life, points: Points, ready: Ready) -> None:
    points.at("before sending")
    _note(life.folder / RECEIVED, ready.envelope.webhook_id)
    points.at("sent")


def _note(path: Path, line: str) -> None:
    """What the outside world saw survives the process."""
    handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
    finally:
        os.close(handle)


def _plant(fault: str) -> Callable[[Service], Any]:
    """Plant a fault; what makes up for it later, as a program with the fault would."""
    return {"": _nothing, "entry after sending": _entry_after_sending, "entries apart": _entries_apart}[fault]()


def _nothing() -> Callable[[Service], Any]:
    async def late(_: Service) -> None:
        return

    return late


def _entry_after_sending() -> Callable[[Service], Any]:
    """The attempt's entry is written when it was sent, not before."""
    bodies: list[dict[str, Any]] = []
    log = Happening.log

    def held(it: Happening, kind: Kind, body: dict[str, Any]) -> None:
        if kind is Kind.ATTEMPT_STARTED:
            bodies.append(body)
        else:
            log(it, kind, body)

    def story(service: Service) -> Callable[[Transaction], None]:
        def told(tx: Transaction) -> None:
            with happening(tx, service.desk, ROUTER) as it:
                while bodies:
                    log(it, Kind.ATTEMPT_STARTED, bodies.pop())

        return told

    async def late(service: Service) -> None:
        await service.database.write(story(service))

    setattr(Happening, "log", held)  # noqa: B010 - mypy refuses to see a method replaced
    return late


def _entries_apart() -> Callable[[Service], Any]:
    """Entries are written in a transaction of their own after the one they tell of: the classic double write."""
    waiting: list[bytes] = []
    add = outbox.add

    def held(_: Transaction, entries: Any) -> None:  # noqa: ANN401 - a sequence of bytes
        waiting.extend(entries)

    async def late(service: Service) -> None:
        entries = tuple(waiting)
        waiting.clear()
        await service.database.write(lambda tx: add(tx, entries))

    setattr(outbox, "add", held)  # noqa: B010 - as above
    return late
