"""Where do measured deliveries go, and what does the same place take from a bare client?

1. A process of its own, so that what receiving costs is nobody else's figure. It answers 200 at once, keeps
   connections for as long as the client does, and looks at nothing but lengths.
2. Its dead endpoints are of two kinds: a port that refuses, and one that accepts and never says a word.
3. The silent port writes down when which webhook-id arrived, by a clock that all processes of a machine share.
4. The bare client is what the sender sends by (aiohttp, addresses checked where they are dialled), and nothing else:
   no database, no signature, no deadline. It is the limit that a figure is a part of.

Not promised: how far apart real endpoints are. All of these are one host, and connections are shared among them.
"""

import asyncio
import itertools
import multiprocessing
import re
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, TypeAlias

from tiprouter.delivery.dialling import SystemLookup
from tiprouter.delivery.sender import open_session

Post: TypeAlias = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]

IN_FLIGHT: Final = 64
START_SECONDS: Final = 30.0
_BACKLOG: Final = 1_024
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID: Final = re.compile(rb"\r\nwebhook-id: *([\x21-\x7e]+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Sink:
    """Base URLs: one that answers, one that says nothing, one that refuses; and what the silent one wrote down."""

    answers: str
    silent: str
    refuses: str
    file: Path

    def arrivals(self) -> list[tuple[str, float]]:
        """Webhook-ids with when they arrived at the silent port, in seconds of `time.monotonic` (rule 3)."""
        lines = self.file.read_text().splitlines(keepends=True) if self.file.exists() else []
        pairs = (line.split() for line in lines if line.endswith("\n"))
        return [(name, float(moment)) for name, moment in pairs]


@contextmanager
def running(port: int = 0) -> Iterator[Sink]:
    """A sink, while inside (rules 1-3); what answers is at this port, if one is named."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="tiprouter-bench-sink-") as folder, socket.socket() as refusing:
        file = Path(folder) / "arrivals"
        process = context.Process(target=_live, args=(theirs, file, port), daemon=True)
        # Bound and never listened on: nobody else gets the port, and whoever dials is refused.
        refusing.bind(("127.0.0.1", 0))
        process.start()
        try:
            if not ours.poll(START_SECONDS):
                raise TimeoutError
            ports = (*ours.recv(), refusing.getsockname()[1])
            answers, silent, refuses = (f"http://127.0.0.1:{port}" for port in ports)
            yield Sink(answers, silent, refuses, file)
        finally:
            process.kill()
            process.join()


@asynccontextmanager
async def bare_client() -> AsyncIterator[Post]:
    """What sends a body to a URL and returns the status of the answer, once that is read (rule 4)."""
    lookup = SystemLookup()
    try:
        async with open_session(ssl.create_default_context(), lookup, sandbox=True) as session:

            async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
                async with session.post(url, data=body, headers=dict(headers), allow_redirects=False) as answer:
                    await answer.read()
                    return int(answer.status)

            yield post
    finally:
        lookup.close()


async def bare(url: str, body: bytes, count: int, in_flight: int = IN_FLIGHT) -> tuple[float, float]:
    """Send the body so many times (rule 4); the seconds it took, and those of this process's own computing."""
    numbers = iter(range(count))
    headers = {"Content-Type": "application/json"}

    async def send(post: Post) -> None:
        for _ in numbers:
            await post(url, body, headers)

    async with bare_client() as post:
        begun, computing = time.perf_counter(), time.process_time()
        await asyncio.gather(*(send(post) for _ in range(in_flight)))
        return time.perf_counter() - begun, time.process_time() - computing


class _Answering(asyncio.Protocol):
    """Answers each request once all of it is here."""

    def __init__(self) -> None:
        self._come = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._come += data
        while (end := self._come.find(_END)) >= 0:
            length = _LENGTH.search(self._come, 0, end + len(_END))
            whole = end + len(_END) + (int(length[1]) if length else 0)
            if len(self._come) < whole:
                return
            self._come = self._come[whole:]
            if self._transport is not None:
                self._transport.write(_ANSWER)


class _Silent(asyncio.Protocol):
    """Writes down which message came, once its head is here, and keeps the line open."""

    def __init__(self, file: Path) -> None:
        self._come, self._file = b"", file

    def data_received(self, data: bytes) -> None:
        before, self._come = self._come, self._come + data
        if _END in self._come and _END not in before and (named := _ID.search(self._come)):
            with self._file.open("ab") as file:
                file.write(b"%s %f\n" % (named[1], time.monotonic()))


def _live(told: Connection, file: Path, port: int) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(protocol, "127.0.0.1", at, backlog=_BACKLOG)
            for protocol, at in ((_Answering, port), (lambda: _Silent(file), 0))
        ]
        told.send(tuple(server.sockets[0].getsockname()[1] for server in servers))
        await asyncio.gather(*(server.serve_forever() for server in servers))

    asyncio.run(serve())


def dead(sink: Sink, count: int) -> list[str]:
    """So many URLs at which nothing ever arrives, of both kinds in turn (rule 2)."""
    kinds = itertools.cycle((sink.refuses, sink.silent))
    return [f"{base}/dead-{number}" for number, base in zip(range(count), kinds, strict=False)]
