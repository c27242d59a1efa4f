"""Agencies in this process, which is not killed: what they were sent, over real HTTP.

1. An arrival is written down once its request was read whole, before it is answered.
2. A few first arrivals of an id are answered badly: with 500, or by a connection that ends without an answer. What
   arrives again is taken. Some answers take a moment, so that there is something in a worker's hands.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from tests.kills.evidence import Arrival
from tiprouter.receiver.misbehaving.listening import Request, read_request

BAD_OF_HUNDRED = 3
SLOW_OF_HUNDRED = 30
SLOW_SECONDS = 0.8
_NUMBER = re.compile(r"case number (\d+)\.")


@dataclass
class Agencies:
    """What arrived, and when an id arrived for the first time; `tips` is the same by agency and tip."""

    chance: Random
    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    tips: dict[tuple[str, int], float] = field(default_factory=dict)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection's requests."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(await read_request(reader), writer):
                pass
        writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        first = self._note(request)
        await asyncio.sleep(self.chance.random() * SLOW_SECONDS * (self.chance.randrange(100) < SLOW_OF_HUNDRED))
        if first and self.chance.randrange(100) < BAD_OF_HUNDRED:
            if self.chance.random() < 1 / 2:
                return False
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
            return True
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    def _note(self, request: Request) -> bool:
        """Rule 1; whether this id had not arrived before."""
        now, said = time.time(), json.loads(request.body)["data"]
        agency = request.line.split()[1].strip("/")
        name = request.headers["webhook-id"]
        found = _NUMBER.search(str(said.get("statements", "")))
        tip = int(found[1]) if found else None
        self.arrivals.append(Arrival(agency, name, said["disclosure_id"], tip, now))
        if tip is not None:
            self.tips.setdefault((agency, tip), now)
        known = name in self.ids
        self.ids.add(name)
        return not known


@asynccontextmanager
async def hearing(seed: int) -> AsyncIterator[Agencies]:
    """Agencies that listen on loopback; each has its name for a path."""
    agencies = Agencies(Random(seed))  # noqa: S311 - a load, no secret
    server = await asyncio.start_server(agencies.hear, "127.0.0.1", 0)
    agencies.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield agencies
    finally:
        server.close()
