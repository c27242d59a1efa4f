"""How are the service's processes, and a bare endpoint, started for a measurement?

1. Each is a process of its own, spawned, and killed at the end. `serve` says its URL once it answers; the first keeps
   the log, the others only answer. A data folder is each process's own; keys are copied, as `docs/operations.md` asks.
2. One process is `serve` with everything in it, two are `serve` and `worker`, four are two of each.
3. The bare endpoint is of the same framework and server, reads the same body as the service does, and answers 201.
"""

import asyncio
import multiprocessing
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

import fastapi
import uvicorn

from tiprouter import wiring
from tiprouter.api.schemas.records import TipBody
from tiprouter.cli import logs
from tiprouter.errors import UnavailableError
from tiprouter.settings import Settings

START_SECONDS: Final = 60.0
CREATED: Final = 201
_BACKLOG: Final = 1_024


@dataclass(slots=True)
class Fleet:
    """Running processes, and the URLs of those that answer."""

    processes: list[SpawnProcess] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def memory(self) -> int:
        """The most that any of them ever held, in MB; 0 where the system does not say."""
        return max((_most(process.pid or 0) for process in self.processes), default=0)

    def computed(self) -> float:
        """Seconds that all of them have computed so far; 0 where the system does not say."""
        return sum(_computed(process.pid or 0) for process in self.processes)

    def start(self, target: Callable[..., None], *arguments: object) -> None:
        """One more; it must say that it is there. Raises `UnavailableError`."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()  # or one that ended would be waited for
        self.processes.append(process)
        try:
            url = ours.recv() if ours.poll(START_SECONDS) else None
        except EOFError:
            url = None
        if url is None:
            raise UnavailableError("A measured process did not start.")
        if url:
            self.urls.append(url)


@contextmanager
def running(settings: Settings, count: int) -> Iterator[Fleet]:
    """So many processes of one service, while inside (rules 1, 2)."""
    with _emptied(Fleet()) as fleet:
        fleet.start(_serve, settings.model_dump(), {"worker": count == 1})
        for number in range(1, count):
            own = settings.data / f"process-{number}"
            own.mkdir()
            shutil.copytree(settings.data / "keys", own / "keys")
            values = settings.model_copy(update={"data": own}).model_dump()
            if number % 2:
                fleet.start(_work, values)
            else:
                fleet.start(_serve, values, {"worker": False, "sequencer": False})
        yield fleet


@contextmanager
def bare() -> Iterator[Fleet]:
    """The bare endpoint (rule 3)."""
    with _emptied(Fleet()) as fleet:
        fleet.start(_bare)
        yield fleet


@contextmanager
def _emptied(fleet: Fleet) -> Iterator[Fleet]:
    try:
        yield fleet
    finally:
        for process in fleet.processes:
            process.kill()
            process.join()


def _serve(told: Connection, values: dict[str, Any], parts: dict[str, bool]) -> None:
    logs.configure("critical")
    settings = Settings.model_validate(values)
    asyncio.run(wiring.serve(settings, **parts, ready=told.send))


def _work(told: Connection, values: dict[str, Any]) -> None:
    logs.configure("critical")
    told.send("")
    asyncio.run(wiring.work(Settings.model_validate(values), asyncio.Event()))


def _bare(told: Connection) -> None:
    app = fastapi.FastAPI()

    @app.post("/v1/tips", status_code=CREATED)
    async def take(request: fastapi.Request) -> dict[str, str]:
        return {"id": TipBody.model_validate_json(await request.body()).external_id}

    # The protocol is named: asyncio sends small answers without delay only where it reads TCP there.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(_BACKLOG)
        told.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, loop="asyncio"))
        server.run(sockets=[listener])


def _most(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1_024 for line in lines if line.startswith("VmHWM:")), 0)


def _computed(pid: int) -> float:
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
