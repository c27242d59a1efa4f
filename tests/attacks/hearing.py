"""An agency in a process that is not killed: what it was sent, over real HTTP.

`settled` waits until everything that a dead process left in its connections was read.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tiprouter.receiver.misbehaving.listening import read_request

PATIENCE = 60.0
_ASIDE = b"GET /settled HTTP/1.1\r\n\r\n"


@dataclass
class Agency:
    """Where it listens, and what it heard: the ids of messages in order, and by id the digests of their bodies."""

    url: str = ""
    ids: list[str] = field(default_factory=list)
    bodies: dict[str, set[str]] = field(default_factory=dict)
    busy: set[asyncio.Task[None] | None] = field(default_factory=set)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note each request of a connection, then say yes."""
        self.busy.add(asyncio.current_task())
        self.idle.clear()
        try:
            while True:
                request = await read_request(reader)
                if not request.line.startswith("GET "):
                    name = request.headers["webhook-id"]
                    self.ids.append(name)
                    self.bodies.setdefault(name, set()).add(hashlib.sha256(request.body).hexdigest())
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            self.busy.discard(asyncio.current_task())
            if not self.busy:
                self.idle.set()

    async def settled(self) -> None:
        """Return once whatever was sent before this call was noted, and nobody is connected."""
        host, port = self.url.removeprefix("http://").split(":")
        async with asyncio.timeout(PATIENCE):
            # Connections are taken in order: once this one is answered, all before it are being read.
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(_ASIDE)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await self.idle.wait()

    def forget(self) -> None:
        """Begin anew."""
        self.ids.clear()
        self.bodies.clear()


@asynccontextmanager
async def hearing() -> AsyncIterator[Agency]:
    """An agency that listens on loopback."""
    agency = Agency()
    server = await asyncio.start_server(agency.answer, "127.0.0.1", 0)
    agency.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield agency
    finally:
        server.close()
