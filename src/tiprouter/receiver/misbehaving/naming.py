"""How does a name mislead whoever looks it up?

Each function returns a lookup: `await lookup(host, port)` gives what `socket.getaddrinfo` would, or raises `OSError`.
A sender that lets its resolver be replaced can be tried with these; a running service looks names up by itself.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int | bytes, ...]]
Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]


def answers(*addresses: str, delay_seconds: float = 0.0) -> Lookup:
    """Know these addresses and nothing else."""
    return answers_in_turn([addresses], delay_seconds=delay_seconds)


def answers_in_turn(turns: Sequence[Sequence[str]], *, delay_seconds: float = 0.0) -> Lookup:
    """Give the first addresses when first asked, the next when asked again, and the last ever after (rebinding)."""
    left = list(turns)

    async def lookup(_: str, port: int) -> Sequence[AddressInfo]:
        await asyncio.sleep(delay_seconds)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(_family(each), socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in found]

    return lookup


def fails() -> Lookup:
    """Know no name at all."""

    async def lookup(_: str, __: int) -> Sequence[AddressInfo]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return lookup


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
