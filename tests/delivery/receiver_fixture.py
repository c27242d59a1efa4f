"""How does a receiver misbehave? Raw sockets, one coroutine per kind of harm.

`serve(behaviour)` listens on loopback and yields a `Receiver`, which counts connections and keeps the requests it read.
A behaviour gets the reader and the writer after the request was read, and the connection closes when it returns.
"""

import asyncio
import datetime as dt
import gzip
import itertools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ENOUGH_SECONDS = 30


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


@asynccontextmanager
async def serve(
    behaviour: Behaviour,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    read: bool = True,
) -> AsyncIterator[Receiver]:
    """Listen on `host` (port 0: a free one); `read=False` hands the connection over before a request is read."""
    receiver = Receiver(host, 0)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            if read:
                receiver.requests.append(await _read_request(reader))
            await behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, port, ssl=tls, reuse_port=True)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def reply(status: int, *, headers: str = "", body: bytes = b"") -> Behaviour:
    """Answer well-formed, whatever the status; `headers` holds whole lines ended by CRLF."""
    head = f"HTTP/1.1 {status} Fine\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1")
    return write(head + body)


def write(raw: bytes) -> Behaviour:
    """Write these bytes and close."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def drip(head: bytes, crumb: bytes) -> Behaviour:
    """Write `head`, then `crumb` every 50 ms for ever."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _turn in itertools.count():
            writer.write(crumb)
            await writer.drain()
            await asyncio.sleep(0.05)

    return behave


def flood(head: bytes, wave: bytes) -> Behaviour:
    """Write `head`, then `wave` as fast as the other side takes it."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _turn in itertools.count():
            writer.write(wave)
            await writer.drain()
            await asyncio.sleep(0)

    return behave


def reset_after(raw: bytes) -> Behaviour:
    """Write these bytes, let them arrive, then reset the connection."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.05)
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return behave


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
        await _read_request(reader)
        writer.write(answer)


def gzip_bomb() -> bytes:
    """Return 20 MB of zeroes in about 20 kB."""
    return gzip.compress(bytes(20_000_000), compresslevel=9)


def certificate(folder: Path, name: str, *, days: int = 36_500) -> Path:
    """Write a self-signed certificate and its key for `name` into one file and return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_tls(certificate_path: Path) -> ssl.SSLContext:
    """Return a server's context that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path)
    return context
