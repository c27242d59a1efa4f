"""Which behaviours are there, by name, and how is a receiver opened with one?

1. A name says what is wrong; `meaning` says it in a sentence. Names are only ever added.
2. `opened` gives everything an attempt needs: the URL, the authority to trust, and the lookup to use.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType

from tiprouter.receiver.misbehaving import answering, breaking, connecting
from tiprouter.receiver.misbehaving.certificates import Authority
from tiprouter.receiver.misbehaving.listening import Act, Receiver, serve
from tiprouter.receiver.misbehaving.naming import Lookup, answers

HOST = "agency.example"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to misbehave.

    `make` gives a fresh act, which gets the connection after the request was read, or before if not `reads`. `tls`
    makes the server's context from a fresh authority. `lookup` misleads about the name. `secure` says that the URL is
    https though no TLS is spoken. `deaf` says that nobody accepts connections.
    """

    meaning: str
    make: Callable[[], Act]
    reads: bool = True
    tls: Callable[[Authority], ssl.SSLContext] | None = None
    lookup: Callable[[], Lookup] | None = None
    secure: bool = False
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A receiver that misbehaves: where it is, whom to trust, and how its name is looked up."""

    url: str
    receiver: Receiver
    authority: Authority | None
    lookup: Lookup


def _catalogue() -> Mapping[str, Behaviour]:
    found: dict[str, Behaviour] = {}
    for name, (meaning, make) in (answering.ACTS | breaking.ACTS).items():
        found[name] = Behaviour(meaning, make)
    for name, (meaning, make) in breaking.EARLY_ACTS.items():
        found[name] = Behaviour(meaning, make, reads=False)
    for name, (meaning, tls) in connecting.CERTIFICATES.items():
        found[name] = Behaviour(meaning, connecting.polite, tls=tls)
    for name, (meaning, make) in connecting.HANDSHAKES.items():
        found[name] = Behaviour(meaning, make, reads=False, secure=True)
    for name, (meaning, lookup) in connecting.NAMES.items():
        found[name] = Behaviour(meaning, connecting.polite, lookup=lookup)
    found["accept-stalled"] = Behaviour(
        "Nobody accepts connections, and the queue is full.", connecting.polite, deaf=True
    )
    return MappingProxyType(dict(sorted(found.items())))


BEHAVIOURS: Mapping[str, Behaviour] = _catalogue()


@asynccontextmanager
async def opened(name: str, *, port: int = 0) -> AsyncIterator[Opened]:
    """Listen on loopback with the behaviour of this name. Raises `KeyError` for a name there is not."""
    behaviour = BEHAVIOURS[name]
    authority = Authority() if behaviour.tls else None
    tls = behaviour.tls(authority) if behaviour.tls and authority else None
    secure = tls is not None or behaviour.secure
    named = secure or behaviour.lookup is not None
    lookup = (behaviour.lookup or (lambda: answers("127.0.0.1")))()
    async with AsyncExitStack() as stack:
        if behaviour.deaf:
            receiver = await stack.enter_async_context(connecting.deaf(port))
        else:
            receiver = await stack.enter_async_context(
                serve(behaviour.make(), port=port, tls=tls, read=behaviour.reads)
            )
        url = f"{'https' if secure else 'http'}://{HOST if named else '127.0.0.1'}:{receiver.port}/hook"
        yield Opened(url, receiver, authority, lookup)
