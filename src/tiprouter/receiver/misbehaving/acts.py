"""In which ways can an answer be wrong? One function a way; each returns an act for `listening.serve`."""

import asyncio
import itertools
import socket
import struct
import zlib
from collections.abc import Iterable

from tiprouter.receiver.misbehaving.listening import Act, hang, read_request

WAVE_BYTES = 65_536
DRIP_SECONDS = 0.05
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
OK = OK_HEAD + b"Content-Length: 0\r\n\r\n"


def reply(status: int, *, headers: str = "", body: bytes = b"") -> Act:
    """Answer well-formed, whatever the status; `headers` holds whole lines ended by CRLF."""
    head = f"HTTP/1.1 {status} Fine\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1")
    return write(head + body)


def write(raw: bytes) -> Act:
    """Write these bytes and close."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def then_hang(raw: bytes) -> Act:
    """Write these bytes and keep the connection open without another word."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await hang(reader, writer)

    return behave


def lengthy(head: bytes, crumb: bytes, times: int, tail: bytes = b"") -> Act:
    """Write `head`, then `crumb` so many times, then `tail`, and close; never more in memory than a few waves."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _turn in range(times):
            writer.write(crumb)
            await writer.drain()
        writer.write(tail)
        await writer.drain()

    return behave


def drip(head: bytes, crumb: bytes) -> Act:
    """Write `head`, then `crumb` every 50 ms for ever."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _turn in itertools.count():
            writer.write(crumb)
            await writer.drain()
            await asyncio.sleep(DRIP_SECONDS)

    return behave


def flood(head: bytes, wave: bytes) -> Act:
    """Write `head`, let it arrive, then `wave` as fast as the other side takes it."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await asyncio.sleep(DRIP_SECONDS if head else 0)
        for _turn in itertools.count():
            writer.write(wave)
            await writer.drain()
            await asyncio.sleep(0)

    return behave


def reset_after(raw: bytes) -> Act:
    """Write these bytes, let them arrive, then reset the connection."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(DRIP_SECONDS)
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return behave


def in_turn(acts: Iterable[Act]) -> Act:
    """Do the first with the first connection, the next with the next, and the last ever after."""
    left = list(acts)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return behave


def close_when_used_again() -> Act:
    """Answer 200 and keep the connection, then read another request on it and close without an answer."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await read_request(reader)

    return behave


def early(act: Act) -> Act:
    """Do `act` when the head of the request was read, and none of its body."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await act(reader, writer)

    return behave


def answer_again(after_seconds: float) -> Act:
    """Answer 200, then give another answer that nobody asked for, and never read again."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(after_seconds)
        writer.write(OK_HEAD + b"Content-Length: 5\r\n\r\nstray")
        await hang(reader, writer)

    return behave


def gzip_bomb() -> bytes:
    """Return 20 MB of zeroes in about 20 kB."""
    press = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    zeroes = bytes(1_000_000)
    return b"".join([*(press.compress(zeroes) for _ in range(20)), press.flush()])
