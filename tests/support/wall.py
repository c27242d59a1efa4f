"""A wall in front of PostgreSQL: what stands behind it goes away, and comes back, when a test says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Wall:
    """Passes bytes on while it has a door; `url` leads through it to the database behind."""

    host: str
    port: int
    url: str = ""
    _own_port: int = 0
    _listener: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _word: bytes | None = None
    _cut: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """The database is there; on the same port each time."""
        self._listener = await asyncio.start_server(self._passed, "127.0.0.1", self._own_port)
        self._own_port = self._listener.sockets[0].getsockname()[1]

    def close(self) -> None:
        """The database is gone: its sessions break, and new ones are refused."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._break()

    def cut_at(self, word: bytes) -> asyncio.Event:
        """The next time somebody says this word all sessions break, before it is heard; the event tells of it."""
        self._word, self._cut = word, asyncio.Event()
        return self._cut

    def _break(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        self._writers |= {writer, back}
        await asyncio.gather(self._one_way(reader, back, asked=True), self._one_way(there, writer, asked=False))
        self._writers -= {writer, back}

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asked: bool) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65_536):
                if asked and self._word is not None and self._word in some:
                    self._word = None
                    self._break()
                    self._cut.set()
                    break
                writer.write(some)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def walled(url: str) -> AsyncIterator[Wall]:
    """A wall with an open door in front of the database of this URL."""
    server, _, name = url.rpartition("/")
    user, _, place = server.rpartition("@")
    host, _, port = place.rpartition(":")
    wall = Wall(host, int(port))
    await wall.open()
    wall.url = f"{user}@127.0.0.1:{wall._own_port}/{name}"  # noqa: SLF001 - its own module's
    try:
        yield wall
    finally:
        wall.close()
