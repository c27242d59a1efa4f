"""Sender, rules 3 to 6: whatever the other side does, the attempt ends in time."""

import asyncio
import gc
import socket

import pytest

from tiprouter.delivery.sender import AttemptResult

from .receiver_fixture import (
    Behaviour,
    drip,
    flood,
    gzip_bomb,
    hang,
    reply,
    reset_after,
    serve,
    write,
)
from .sending import (
    CONNECTION_ERROR,
    DEADLINE,
    GONE,
    GRACE,
    HTTP_ERROR,
    OK_HEAD,
    PROTOCOL_ERROR,
    SUCCESS,
    TIMEOUT,
    TOO_LARGE,
    attempt,
    envelope,
    redacted,
    sandbox,
    sleep,
    url,
)

CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
BOMB = gzip_bomb()
HARMS: dict[str, tuple[Behaviour, AttemptResult, int | None]] = {
    # the status is known: it decides
    "body drips": (drip(OK_HEAD + b"Content-Length: 1000\r\n\r\n", b"x"), SUCCESS, 200),
    "body of an error drips": (drip(b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", b"x"), HTTP_ERROR, 500),
    "chunks without end": (flood(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK), SUCCESS, 200),
    "body without end": (flood(OK_HEAD + b"\r\n", b"x" * 65_536), SUCCESS, 200),
    "body without end on an error": (flood(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 65_536), HTTP_ERROR, 500),
    "gzip bomb": (reply(200, headers="Content-Encoding: gzip\r\n", body=BOMB), SUCCESS, 200),
    "reset in the middle of the body": (reset_after(OK_HEAD + b"Content-Length: 1000\r\n\r\nsome"), SUCCESS, 200),
    "200, then reset": (reset_after(OK_HEAD + b"Content-Length: 0\r\n\r\n"), SUCCESS, 200),
    "Content-Length too long": (write(OK_HEAD + b"Content-Length: 1000\r\n\r\nshort"), SUCCESS, 200),
    "Content-Length too short": (write(OK_HEAD + b"Content-Length: 2\r\n\r\nmuch longer"), PROTOCOL_ERROR, None),
    "410 with a broken body": (write(b"HTTP/1.1 410 Gone\r\nContent-Length: 1000\r\n\r\nx"), GONE, 410),
    "101": (write(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), HTTP_ERROR, 101),
    "100, then 200": (write(b"HTTP/1.1 100 Continue\r\n\r\n" + OK_HEAD + b"Content-Length: 0\r\n\r\n"), SUCCESS, 200),
    # the status is not known
    "headers drip": (drip(OK_HEAD + b"X: ", b"x"), TIMEOUT, None),
    "header lines drip": (drip(OK_HEAD, b"X: x\r\n"), TIMEOUT, None),
    "1xx without end": (flood(b"", b"HTTP/1.1 103 Early\r\n\r\n" * 50), TIMEOUT, None),
    "silence": (hang, TIMEOUT, None),
    "header of 5 MB": (write(OK_HEAD + b"X: " + b"x" * 5_000_000 + b"\r\n\r\n"), TOO_LARGE, None),
    "status line of 5 MB": (write(b"HTTP/1.1 200 " + b"x" * 5_000_000 + b"\r\n\r\n"), TOO_LARGE, None),
    "100,000 headers": (write(OK_HEAD + b"X: x\r\n" * 100_000 + b"\r\n"), PROTOCOL_ERROR, None),
    "HTTP/0.9": (write(b"<html>hello</html>\r\n\r\n"), PROTOCOL_ERROR, None),
    "binary rubbish": (write(bytes(range(256)) + b"\r\n\r\n"), PROTOCOL_ERROR, None),
    "no status": (write(b"HTTP/1.1 abc OK\r\n\r\n"), PROTOCOL_ERROR, None),
    "two lengths": (write(OK_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"), PROTOCOL_ERROR, None),
    "closed without a word": (write(b""), CONNECTION_ERROR, None),
    "reset without a word": (reset_after(b""), CONNECTION_ERROR, None),
    "reset in the middle of the head": (reset_after(OK_HEAD + b"X: "), CONNECTION_ERROR, None),
}


@pytest.mark.parametrize("name", HARMS)
async def test_a_misbehaving_receiver_gets_one_result_in_time(name: str) -> None:
    """Rules 3 to 6: deadline plus 0.2 s at most, a bounded snippet, and the address that was dialled."""
    behaviour, result, status = HARMS[name]
    attempted, receiver = await attempt(behaviour)
    assert (attempted.result, attempted.status) == (result, status)
    assert len(attempted.snippet) <= 1_024
    assert attempted.dialled == "127.0.0.1"
    assert receiver.connections == 1


@pytest.mark.parametrize("name", ["body without end", "body without end on an error", "chunks without end"])
async def test_a_body_without_end_is_left_before_the_deadline(name: str) -> None:
    """Rule 5: after 64 KiB we have heard enough."""
    attempted, _ = await attempt(HARMS[name][0])
    assert attempted.duration_ms < 1000 * DEADLINE
    assert len(attempted.snippet) == 1_024


async def test_a_bomb_is_not_unpacked() -> None:
    """Rule 5: the snippet is what came over the wire."""
    attempted, _ = await attempt(HARMS["gzip bomb"][0])
    assert attempted.snippet == BOMB[:1_024]


async def test_a_silent_receiver_does_not_delay_another() -> None:
    """No pool makes one recipient wait for the other's connection."""
    async with serve(hang) as silent, serve(reply(200)) as prompt, sandbox() as sender:
        slow = [asyncio.create_task(sender.send(envelope(url(silent), timeout_seconds=30))) for _ in range(20)]
        await asyncio.sleep(0.05)
        attempted = await sender.send(envelope(url(prompt), timeout_seconds=5))
        assert attempted.result is SUCCESS
        for each in slow:
            assert each.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_a_receiver_that_reads_nothing_is_left_in_time() -> None:
    """Rule 3: the deadline covers our own writing too; the body is far larger than any socket buffer."""
    async with serve(sleep, read=False) as receiver, sandbox() as sender:
        attempted = await sender.send(envelope(url(receiver), body=redacted(bytes(10_000_000))))
    assert attempted.result is TIMEOUT
    assert attempted.duration_ms < 1000 * (DEADLINE + GRACE)


async def test_an_early_answer_while_we_still_write_counts() -> None:
    """Rule 4: a gateway may refuse before it has read the body."""
    answer = write(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async def answer_then_wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await asyncio.sleep(30)

    async with serve(answer_then_wait, read=False) as receiver, sandbox() as sender:
        attempted = await sender.send(envelope(url(receiver), body=redacted(bytes(10_000_000))))
    assert (attempted.result, attempted.status) == (HTTP_ERROR, 413)


async def test_nobody_listens() -> None:
    """Rule 6: a refused connection is a result, with the address that refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with sandbox() as sender:
            attempted = await sender.send(envelope(f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert (attempted.result, attempted.dialled) == (CONNECTION_ERROR, "127.0.0.1")


async def test_nothing_is_left_open_or_unsaid(caplog: pytest.LogCaptureFixture) -> None:
    """Rule 6: no log line and no warning of the HTTP library, which would quote URLs and bytes."""
    for name in (
        "header of 5 MB",
        "silence",
        "chunks without end",
        "binary rubbish",
        "reset in the middle of the body",
    ):
        await attempt(HARMS[name][0])
    await asyncio.sleep(0)
    gc.collect()
    assert not [record for record in caplog.records if record.name != "asyncio" or record.levelno > 10]
