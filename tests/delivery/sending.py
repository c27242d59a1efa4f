"""What the stories about sending share: keys, envelopes, a sender on loopback, and resolvers."""

import asyncio
import hashlib
import os
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tiprouter.delivery.dialling import AddressInfo, Lookup
from tiprouter.delivery.sender import Attempted, AttemptResult, Envelope, Sender
from tiprouter.delivery.signing import generate_ed25519, generate_hmac
from tiprouter.domain.redaction import Redacted, reopen

from .receiver_fixture import (
    Behaviour,
    Receiver,
    serve,
)

BODY = b'{"person":"Example Person","telephone":"555-0100"}'
ED25519 = generate_ed25519(bytes(range(32)))
HMAC = generate_hmac(bytes(range(24)))
TIMESTAMP = 1_893_553_445
NOW = datetime.fromtimestamp(TIMESTAMP, UTC)
# Reading the system's trust takes tens of milliseconds: once is enough.
TRUST = ssl.create_default_context()
# Parallel test workers share the cores, and a starved process is late for reasons of its own.
DEADLINE = 1.0 if "PYTEST_XDIST_WORKER" in os.environ else 0.3
GRACE = 1.0 if "PYTEST_XDIST_WORKER" in os.environ else 0.2

SUCCESS, HTTP_ERROR, GONE, THROTTLED, TIMEOUT = list(AttemptResult)[:5]
CONNECTION_ERROR, TLS_ERROR, FORBIDDEN, TOO_LARGE, PROTOCOL_ERROR = list(AttemptResult)[5:10]

# Every address of 127.0.0.0/8 leads to such a listener.
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a test needs many loopback addresses
OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def redacted(body: bytes = BODY) -> Redacted:
    """Return a payload as storage would give it back."""
    return reopen(body, hashlib.sha256(body).hexdigest())


def envelope(target: str, *, body: Redacted | None = None, timeout_seconds: float = DEADLINE) -> Envelope:
    """Return an envelope with the test's keys."""
    return Envelope(target, "msg_example1", TIMESTAMP, body or redacted(), [ED25519, HMAC], timeout_seconds)


def sandbox(lookup: Lookup | None = None) -> Sender:
    """Return a sender that dials loopback only."""
    return Sender(sandbox=True, ssl_context=TRUST, lookup=lookup)


def url(receiver: Receiver, path: str = "/hook") -> str:
    """Return the receiver's plain URL."""
    return f"http://{receiver.host}:{receiver.port}{path}"


async def attempt(behaviour: Behaviour, *, read: bool = True) -> tuple[Attempted, Receiver]:
    """Make one attempt at a fresh receiver and see that it ended in time."""
    async with serve(behaviour, read=read) as receiver, sandbox() as sender:
        begun = time.monotonic()
        attempted = await sender.send(envelope(url(receiver)))
        assert time.monotonic() - begun < DEADLINE + GRACE
        return attempted, receiver


async def sleep(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Do nothing, not even read."""
    await asyncio.sleep(30)


def answers(*addresses: str, delay_seconds: float = 0.0) -> Lookup:
    """Return a resolver that knows these addresses and nothing else."""

    async def lookup(_: str, port: int) -> Sequence[AddressInfo]:
        await asyncio.sleep(delay_seconds)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (address, port),
            )
            for address in addresses
        ]

    return lookup


def trusting(path: Path) -> ssl.SSLContext:
    """Return a context that trusts this certificate alone."""
    return ssl.create_default_context(cafile=path)
