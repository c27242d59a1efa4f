"""Attack: callers who send their request a byte at a time, or take no answer, hold the service's connections."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.calling import BODY_BYTES_MAX, Api, running, tip, until
from tests.support.service import open_service
from tiprouter.api.office import Office
from tiprouter.api.patience import Patience
from tiprouter.settings import Settings
from tiprouter.wiring.edge import TAKEN_AT_ONCE, Edge, listen

PATIENCE = Patience(head_seconds=0.4, body_seconds=0.6)
HEAD = "POST /v1/tips HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: slow\r\n"
JSON = "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"


@pytest.fixture
async def hurried(tmp_path: Path) -> AsyncIterator[Api]:
    """A service that waits for nobody longer than a second."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    async with open_service(url, tmp_path) as service, running(service, patience=PATIENCE) as api:
        yield api


async def answered(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the service closes; fails when it never does."""
    said = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while chunk := await reader.read(65_536):
                said += chunk
    return said


async def dripped(api: Api, first: bytes, crumb: bytes) -> bytes:
    """Send `first`, then a crumb every 50 ms for as long as the service takes it; what it answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(crumb)
                await writer.drain()
                await asyncio.sleep(0.05)

    writer.write(first)
    dripping = asyncio.create_task(drip())
    try:
        return await answered(reader)
    finally:
        dripping.cancel()
        writer.close()


async def test_a_head_that_never_ends_is_dropped(hurried: Api) -> None:
    """Nothing at all, half a request line, one header after the other, and on a connection that was answered before."""
    assert await dripped(hurried, b"", b"") == b""
    assert await dripped(hurried, b"GET /heal", b"") == b""
    assert await dripped(hurried, b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n") == b""
    again = await dripped(hurried, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /heal", b"")
    assert again.count(b"HTTP/1.1 200") == 1


async def test_a_body_that_never_ends_is_refused_and_nothing_is_kept(hurried: Api) -> None:
    """The caller is told (408), the connection is closed, and no tip came of it."""
    head = HEAD.format(hurried.tokens["intake"]) + JSON.format(len(json.dumps(tip())))
    said = await dripped(hurried, head.encode(), b" ")
    assert said.startswith(b"HTTP/1.1 408")
    assert b"urn:tiprouter:problem:body-too-slow" in said
    assert (await hurried.counts())["records"] == 0


async def test_a_body_that_nobody_reads_does_not_hold_the_connection(hurried: Api) -> None:
    """A route without a body answers at once; what still drips in after the answer is cut off."""
    said = await dripped(hurried, b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b" ")
    assert said.count(b"HTTP/1.1 200") == 1


async def test_an_answer_that_nobody_takes_is_dropped(hurried: Api) -> None:
    """Many requests at once whose answers are not read: the service stops writing, then stops waiting."""
    _, writer = await asyncio.open_connection("127.0.0.1", hurried.port, limit=1)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            while True:
                writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
                await writer.drain()
                await asyncio.sleep(0.05)
    writer.close()


async def test_hundreds_of_slow_callers_keep_no_honest_one_out(hurried: Api) -> None:
    """While they hold their connections a tip is accepted; after their time all of them are gone."""
    waiting = [asyncio.create_task(dripped(hurried, b"POST /v1/tips HTTP/1.1\r\n", b"A: b\r\n")) for _ in range(300)]
    assert (await hurried.send("intake", "POST", "/v1/tips", tip())).status_code == 201
    assert set(await asyncio.gather(*waiting)) == {b""}


async def test_a_crowd_that_knocks_at_once_is_let_in_by_turns(tmp_path: Path) -> None:
    """Between two turns of the loop only a few come in, so that others are answered; and nobody is left outside."""
    url, settings = f"sqlite:///{tmp_path / 'tiprouter.db'}", Settings(port=0)
    async with open_service(url, tmp_path) as service:
        office = Office(service.database, service.desk, BODY_BYTES_MAX, list, PATIENCE)
        with listen(settings) as listener, contextlib.ExitStack() as crowd:
            edge = Edge(settings, office, listener, None)
            serving = asyncio.create_task(edge.serve())
            try:
                await until(lambda: edge.started and edge.servers)
                for _ in range(5 * TAKEN_AT_ONCE):  # the loop stands still meanwhile, as behind long work
                    crowd.enter_context(socket.create_connection(listener.socket.getsockname(), timeout=10))
                inside, most = len(edge.server_state.connections), 0
                async with asyncio.timeout(10):
                    while inside < 5 * TAKEN_AT_ONCE:
                        await asyncio.sleep(0)
                        before, inside = inside, len(edge.server_state.connections)
                        most = max(most, inside - before)
                assert 0 < most <= TAKEN_AT_ONCE
            finally:
                edge.stop()
                await serving
