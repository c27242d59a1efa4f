"""An attempt is ended from outside: how much had left is known, and nothing leaves after."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from tests.support.patience import PATIENCE, until
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.dialling import AddressInfo
from tiprouter.delivery.flight import AbortedError, Flight, Sent

from .receiver_fixture import hang, keep_alive, serve, write
from .sending import BODY, answers, envelope, redacted, sandbox, sleep, url

LARGE = redacted(b'"' + b"x" * 32_000_000 + b'"')


def waiting(flight: Flight) -> int:
    """How many bytes wait in this process."""
    size: int = vars(flight)["_transport"].get_write_buffer_size()
    return size


async def test_all_of_it_had_left() -> None:
    """Rule 1: the request was read, the answer is awaited."""
    flight = Flight()
    async with serve(hang) as receiver, sandbox() as sender:
        sending = asyncio.create_task(sender.send(envelope(url(receiver), timeout_seconds=PATIENCE), flight))
        await until(lambda: receiver.requests)
        assert flight.abort()
        attempted = await sending
    assert (attempted.result, attempted.status, attempted.sent) == (AttemptResult.ABORTED, None, Sent.ALL)
    assert receiver.requests[0].body == BODY


async def test_a_part_of_it_had_left() -> None:
    """Rules 1 and 2: nobody reads, and buffers are full; what waited in ours is dropped."""
    flight, got = Flight(), bytearray()
    begin, over = asyncio.Event(), asyncio.Event()

    async def late(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await begin.wait()
        try:
            while some := await reader.read(65_536):
                got.extend(some)
        finally:
            over.set()

    async with serve(late, read=False) as receiver, sandbox() as sender:
        sending = asyncio.create_task(
            sender.send(envelope(url(receiver), body=LARGE, timeout_seconds=PATIENCE), flight)
        )
        await until(lambda: flight.sent is Sent.PART and waiting(flight))
        assert flight.abort()
        assert not waiting(flight)
        attempted = await sending
        begin.set()
        async with asyncio.timeout(PATIENCE):
            await over.wait()
    assert (attempted.result, attempted.sent) == (AttemptResult.ABORTED, Sent.PART)
    assert len(got) < len(LARGE.body)


async def test_nothing_of_it_had_left_while_its_name_was_looked_up() -> None:
    """Rule 1: the name server is silent."""
    asked, flight = asyncio.Event(), Flight()

    async def silent(host: str, port: int) -> Sequence[AddressInfo]:
        asked.set()
        return await answers(host, delay_seconds=3_600)(host, port)

    async with sandbox(silent) as sender:
        sending = asyncio.create_task(sender.send(envelope("http://slow.example/", timeout_seconds=PATIENCE), flight))
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        assert flight.abort()
        attempted = await sending
    assert (attempted.result, attempted.sent) == (AttemptResult.ABORTED, Sent.NOTHING)


async def test_nothing_of_it_had_left_while_hands_were_shaken() -> None:
    """Rule 1: bytes of TLS are none of the request."""
    flight = Flight()
    async with serve(sleep, read=False) as receiver, sandbox() as sender:
        there = f"https://127.0.0.1:{receiver.port}/"
        sending = asyncio.create_task(sender.send(envelope(there, timeout_seconds=PATIENCE), flight))
        await until(lambda: receiver.connections)
        assert flight.abort()
        attempted = await sending
    assert (attempted.result, attempted.sent) == (AttemptResult.ABORTED, Sent.NOTHING)


async def test_what_is_ended_before_it_began_does_not_begin() -> None:
    """Rule 2: nobody is dialled; and over a connection that is there already nothing would be written."""
    flight = Flight()
    assert flight.abort()
    async with serve(hang) as receiver, sandbox() as sender:
        attempted = await sender.send(envelope(url(receiver), timeout_seconds=PATIENCE), flight)
    assert (attempted.result, attempted.sent, receiver.requests) == (AttemptResult.ABORTED, Sent.NOTHING, [])
    with pytest.raises(AbortedError):
        flight.use(asyncio.WriteTransport())


async def test_an_answer_that_was_here_counts() -> None:
    """Sender, rule 3: its status decides, though the rest of the answer is cut off; and it is over once."""
    flight = Flight()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"
    heard = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await write(head)(reader, writer)
        await reader.read()
        heard.set()

    async with serve(half) as receiver, sandbox() as sender:
        sending = asyncio.create_task(sender.send(envelope(url(receiver), timeout_seconds=1.0), flight))
        attempted = await sending
        assert not flight.abort()
        async with asyncio.timeout(PATIENCE):
            await heard.wait()
    assert (attempted.result, attempted.status, attempted.sent) == (AttemptResult.SUCCESS, 200, None)


async def test_another_attempt_has_another_connection() -> None:
    """Rule 2: what was ended is not kept for the next one; a connection that was not, is."""
    async with serve(hang) as silent, serve(keep_alive) as kept, sandbox() as sender:
        flight = Flight()
        sending = asyncio.create_task(sender.send(envelope(url(silent), timeout_seconds=PATIENCE), flight))
        await until(lambda: silent.requests)
        assert flight.abort()
        assert not flight.abort()
        await sending
        for _ in range(2):
            assert (await sender.send(envelope(url(kept), timeout_seconds=PATIENCE))).result is AttemptResult.SUCCESS
    assert (silent.connections, kept.connections) == (1, 1)


async def test_ending_what_is_just_running_out_of_time_ends_nobody_else() -> None:
    """Rule 3: its time is up in the same turn of the loop, before it could say so."""
    flight, loop = Flight(), asyncio.get_running_loop()
    ended: list[bool] = []

    async def attempt() -> None:
        async with flight.lasting(0.01):
            # Handed to the loop after the timeout's own call and for the same moment, so run right behind it.
            loop.call_at(loop.time() + 0.01, lambda: ended.append(flight.abort()))
            time.sleep(0.05)  # noqa: ASYNC251 - both are due when the loop is back
            await asyncio.sleep(PATIENCE)

    with pytest.raises(TimeoutError):
        await attempt()
    assert ended == [True]
