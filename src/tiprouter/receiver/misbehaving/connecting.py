"""What can go wrong before the first byte of HTTP: names, queues, handshakes, certificates?"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tiprouter.receiver.misbehaving.acts import OK_HEAD, reset_after, then_hang, write
from tiprouter.receiver.misbehaving.certificates import Authority, old_tls, self_signed, server_tls
from tiprouter.receiver.misbehaving.listening import Act, Receiver, hang
from tiprouter.receiver.misbehaving.naming import Lookup, answers, answers_in_turn, fails

_HOST = "agency.example"
_HANGING_SECONDS = 30.0
_QUEUE_TRIES = 4


def polite() -> Act:
    """Answer 200 and close."""
    return write(OK_HEAD + b"Content-Length: 0\r\nConnection: close\r\n\r\n")


CERTIFICATES: dict[str, tuple[str, Callable[[Authority], ssl.SSLContext]]] = {
    "certificate-sound": (
        "TLS as it should be, by an authority of its own.",
        lambda authority: server_tls(authority.issue(_HOST)),
    ),
    "certificate-expired": (
        "A certificate that ended in 2020.",
        lambda authority: server_tls(authority.issue(_HOST, days=30)),
    ),
    "certificate-wrong-host": (
        "A certificate for another name.",
        lambda authority: server_tls(authority.issue("other.example")),
    ),
    "certificate-self-signed": (
        "A certificate for which nobody vouches.",
        lambda _: server_tls(self_signed(_HOST)),
    ),
    "certificate-unknown-ca": (
        "A certificate by an authority of the same name and another key.",
        lambda _: server_tls(Authority().issue(_HOST)),
    ),
}
HANDSHAKES: dict[str, tuple[str, Callable[[], Act]]] = {
    "tls-1.1-only": ("TLS 1.1 at most.", lambda: refuse_new_tls),
    "tls-stalled": ("Accepts, reads the hello, and says nothing.", lambda: hang),
    "tls-half-record": ("Half a TLS record, then nothing.", lambda: then_hang(b"\x16\x03\x03\x01\x00\x02")),
    "tls-plain-http": ("HTTP where TLS was expected.", lambda: write(b"HTTP/1.1 400 No\r\n\r\n")),
    "tls-cut": ("Closes during the handshake.", lambda: write(b"")),
    "tls-reset": ("Resets during the handshake.", lambda: reset_after(b"")),
}
NAMES: dict[str, tuple[str, Callable[[], Lookup]]] = {
    "name-unknown": ("DNS knows no such name.", fails),
    "name-hangs": ("DNS does not answer.", lambda: answers("127.0.0.1", delay_seconds=_HANGING_SECONDS)),
    "name-rebinds": (
        "DNS says loopback first and a metadata address ever after.",
        lambda: answers_in_turn([["127.0.0.1"], ["169.254.169.254"]]),
    ),
    "name-mixed": ("DNS says loopback and a private address at once.", lambda: answers("127.0.0.1", "10.0.0.1")),
}


async def refuse_new_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the hello of TLS 1.2 or later with the alert that a server of TLS 1.1 gives, and let it arrive."""
    context = old_tls(self_signed(_HOST))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = context.wrap_bio(incoming, outgoing, server_side=True)
    with suppress(ssl.SSLError):
        incoming.write(await reader.read(65_536))
        engine.do_handshake()
    writer.write(outgoing.read())
    await hang(reader, writer)


@asynccontextmanager
async def deaf(port: int = 0) -> AsyncIterator[Receiver]:
    """Listen on loopback, accept nothing, and have the queue of connections full."""
    waiting: list[socket.socket] = []
    loop = asyncio.get_running_loop()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        receiver = Receiver("127.0.0.1", listener.getsockname()[1])
        try:
            for _ in range(_QUEUE_TRIES):
                one = socket.socket()
                one.setblocking(False)  # noqa: FBT003 - the standard library's own parameter
                waiting.append(one)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await loop.sock_connect(one, ("127.0.0.1", receiver.port))
            yield receiver
        finally:
            for one in waiting:
                one.close()
