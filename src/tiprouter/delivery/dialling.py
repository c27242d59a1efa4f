"""Which address is really dialled for an attempt, and was it allowed?

1. A name is resolved for each new connection; all its addresses are checked, and one forbidden address refuses the
   name: an attacker who mixes good and bad answers gets neither.
2. The connection goes to the addresses that were checked, not to a second look-up (no rebinding in between).
3. Each socket is checked again when it is made, because a literal address never meets the resolver.
4. The peer of a connection is checked once more before the first byte of a request is written to it, also when a kept
   connection is used again. A kept connection is used only while its peer is among the addresses that its name leads
   to now, by an answer at most `RECENT_SECONDS` old (`MovedError`, before a byte is written): who moves away, or whose
   name no longer leads anywhere, is not sent to for as long as there is enough to send.
5. A connection on which something has already arrived is not used: those bytes answer another request, or none, and
   would be taken for the answer to this one (`StrayBytesError`, before a byte is written).
6. Look-ups run in their own threads: a name server that hangs cannot hold up the rest of the program.

It does not promise to stop a look-up that has begun: when an attempt's time is up its thread ends by itself, with the
system resolver's own time limit.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from aiohttp import ClientRequest, ClientResponse
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.connector import AddrInfoType, Connection
from aiohttp.helpers import is_ip_address

from tiprouter.delivery.addresses import ForbiddenAddressError, Networks, check_address
from tiprouter.delivery.flight import CURRENT
from tiprouter.errors import TiprouterError

LOOKUP_THREADS = 32
RECENT_SECONDS = 2.0
NAMES_MAX = 4_096

AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int | bytes, ...]]
Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


class StrayBytesError(TiprouterError):
    """The other side spoke before it was asked."""


class MovedError(TiprouterError):
    """The name leads elsewhere by now than this connection does."""


class SystemLookup:
    """The operating system's resolver, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="tiprouter-lookup")

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        """Return what `getaddrinfo` says for TCP, or raise its `OSError`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        )

    def close(self) -> None:
        """Give up look-ups that have not begun; do not wait for the others."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedResolver(AbstractResolver):
    """Resolves a name to addresses that may all be dialled, or raises `ForbiddenAddressError`."""

    def __init__(self, lookup: Lookup, *, sandbox: bool, networks: Networks = ()) -> None:
        self._lookup = lookup
        self._sandbox, self._networks = sandbox, networks
        self._recent: dict[tuple[str, int], tuple[float, frozenset[str]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return every address of `host`, checked; `family` is not narrowed, so that none escapes the check."""
        del family
        found = await self._lookup(host, port)
        if not found:
            raise OSError(socket.EAI_NONAME, "The name has no address.")
        for *_, address in found:
            check_address(str(address[0]), sandbox=self._sandbox, networks=self._networks)
        self._keep(host, port, found)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def leads_to(self, host: str, port: int) -> frozenset[str]:
        """The checked addresses of `host`, asked for now or a moment ago (rule 4). Raises as `resolve` does."""
        known = self._recent.get((host, port))
        if known is None or _now() - known[0] > RECENT_SECONDS:
            await self.resolve(host, port)
            known = self._recent[host, port]
        return known[1]

    def _keep(self, host: str, port: int, found: Sequence[AddressInfo]) -> None:
        if len(self._recent) >= NAMES_MAX:
            self._recent.clear()
        addresses = frozenset(str(address[0]) for *_, address in found)
        self._recent[host, port] = (_now(), addresses)
        if (flight := CURRENT.get()) is not None:
            flight.vetted |= addresses

    async def close(self) -> None:
        """Hold nothing of its own."""


class CheckedSockets:
    """Makes a socket for an address that may be dialled, or raises `ForbiddenAddressError`."""

    def __init__(self, *, sandbox: bool, networks: Networks = ()) -> None:
        self._sandbox, self._networks = sandbox, networks

    def __call__(self, address_info: AddrInfoType) -> socket.socket:
        """Return an unconnected socket for `address_info`, and note the address for the attempt it serves."""
        family, kind, protocol, _, address = address_info
        check_address(str(address[0]), sandbox=self._sandbox, networks=self._networks)
        _note(str(address[0]))
        return socket.socket(family, kind, protocol)


def checked_request(resolver: CheckedResolver, *, sandbox: bool, networks: Networks = ()) -> type[ClientRequest]:
    """Return a request class that writes nothing before the peer's address was checked (rules 4 and 5)."""

    class CheckedRequest(ClientRequest):
        async def send(self, conn: Connection) -> ClientResponse:
            peer = None if conn.transport is None else conn.transport.get_extra_info("peername")
            if conn.transport is None or not peer:
                raise ForbiddenAddressError("The peer's address is not known.")
            check_address(str(peer[0]), sandbox=sandbox, networks=networks)
            _note(str(peer[0]))
            check_unspoken(conn)
            flight = CURRENT.get()
            if flight is None or str(peer[0]) not in flight.vetted:
                await check_there(resolver, self.url.raw_host or "", self.url.port or 0, str(peer[0]))
            if flight is not None:
                flight.use(conn.transport)
            return await super().send(conn)

        async def write_bytes(
            self, writer: AbstractStreamWriter, conn: Connection, content_length: int | None = None
        ) -> None:
            flight = CURRENT.get()
            if flight is not None:
                flight.begin()
            await super().write_bytes(writer, conn, content_length)
            if flight is not None:
                flight.written()

    return CheckedRequest


async def check_there(resolver: CheckedResolver, host: str, port: int, peer: str) -> None:
    """Return if the name leads to this peer (rule 4), which a literal always does; raise `MovedError` otherwise."""
    if not is_ip_address(host) and peer not in await resolver.leads_to(host, port):
        raise MovedError


def check_unspoken(connection: Connection) -> None:
    """Return if nothing has arrived on the connection; raise `StrayBytesError` otherwise (rule 5)."""
    if connection.protocol is not None and connection.protocol.should_close:
        raise StrayBytesError


def _now() -> float:
    return asyncio.get_running_loop().time()


def _note(address: str) -> None:
    if (flight := CURRENT.get()) is not None:
        flight.address = address
