"""Sender, rules 3 to 6: what `test_every_behaviour.py` does not ask of a misbehaving receiver."""

import asyncio
import gc
import socket

import pytest

from tiprouter.receiver.misbehaving import BEHAVIOURS

from .receiver_fixture import (
    gzip_bomb,
    hang,
    reply,
    serve,
    write,
)
from .sending import (
    CONNECTION_ERROR,
    DEADLINE,
    GRACE,
    HTTP_ERROR,
    SUCCESS,
    TIMEOUT,
    attempt,
    envelope,
    redacted,
    sandbox,
    sleep,
    url,
)

BOMB = gzip_bomb()


@pytest.mark.parametrize("name", ["endless-body", "endless-error", "endless-chunks", "huge-body"])
async def test_a_body_without_end_is_left_before_the_deadline(name: str) -> None:
    """Rule 5: after 64 KiB we have heard enough."""
    attempted, _ = await attempt(BEHAVIOURS[name].make())
    assert attempted.duration_ms < 1000 * DEADLINE
    assert len(attempted.snippet) == 1_024


async def test_a_bomb_is_not_unpacked() -> None:
    """Rule 5: the snippet is what came over the wire."""
    attempted, _ = await attempt(BEHAVIOURS["gzip-bomb"].make())
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
    for name in ("header-5mb", "silence", "endless-chunks", "garbage", "reset-mid-body", "answers-twice-late"):
        await attempt(BEHAVIOURS[name].make())
    await asyncio.sleep(0)
    gc.collect()
    assert not [record for record in caplog.records if record.name != "asyncio" or record.levelno > 10]
