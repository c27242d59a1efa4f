"""Who is there, and what did they send?

`serve(act)` listens on loopback and yields a `Receiver`, which counts connections and keeps the requests it read. An
act gets the reader and the writer after the request was read, and the connection closes when it returns.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

Act: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ENOUGH_SECONDS = 30
REQUESTS_KEPT_MAX = 1_000


@dataclass
class Request:
    """What the receiver read: the request line, lower-case header names, and the body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A listener on loopback."""

    host: str
    port: int
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    def keep(self, request: Request) -> None:
        """Remember a request, as long as there are not too many."""
        if len(self.requests) < REQUESTS_KEPT_MAX:
            self.requests.append(request)


@asynccontextmanager
async def serve(
    act: Act, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, read: bool = True
) -> AsyncIterator[Receiver]:
    """Listen on `host` (port 0: a free one); `read=False` hands the connection over before a request is read."""
    receiver = Receiver(host, 0)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        try:
            if read:
                receiver.keep(await read_request(reader))
            await act(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError, ValueError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, port, ssl=tls, reuse_port=True)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request with a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the other side goes away."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ENOUGH_SECONDS):
            while await reader.read(65_536):
                pass


async def keep_alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 204 to the request already read and to each further one on the same connection."""
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    writer.write(answer)
    while True:
        await read_request(reader)
        writer.write(answer)
