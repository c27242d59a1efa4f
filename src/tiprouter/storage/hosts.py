"""How is a PostgreSQL found among several hosts, and how is it noticed that one is gone without a word?

1. Each host has `HOST_SECONDS` to let us in. asyncpg's own limit is over all of them: a first one that is silent would
   use it up, and the second would never be asked.
2. A host that was cut off says nothing, and TCP would wait for a quarter of an hour, or for ever. What is not
   acknowledged for `SILENT_SECONDS`, and what was idle and does not answer for about as long, is a lost connection
   (tcp(7): TCP_USER_TIMEOUT, TCP_KEEPIDLE).

Not promised: rule 2 where the system is not Linux, and the order of `target_session_attrs=prefer-standby`.
"""

import contextlib
import socket
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tiprouter.errors import ConfigurationError

HOST_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 10

UNREADABLE: Final = (
    "TIPROUTER_DATABASE_URL cannot be read: it is postgresql+asyncpg://USER:PASSWORD@HOST:PORT/NAME, and after that"
    " options of asyncpg alone (`?ssl=verify-full`)."
)

_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", SILENT_SECONDS // 2),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 2),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", SILENT_SECONDS * 1_000),
)


def engine_on(url: str, *, settings: dict[str, str] | None = None, **options: Any) -> AsyncEngine:  # noqa: ANN401 - SQLAlchemy's
    """An engine on the PostgreSQL behind a URL (rules 1, 2); `settings` are those of each of its sessions.

    Raises `ConfigurationError` for a URL that cannot be read, here or at the first session.
    """
    asked: dict[str, Any] = {"async_creator_fn": _connected, "server_settings": settings or {}}
    try:
        return create_async_engine(url, connect_args=asked, **options)
    except (sa.exc.ArgumentError, ValueError) as error:  # its text quotes the URL, in which a password may stand
        raise ConfigurationError(UNREADABLE) from error


async def _connected(**asked: Any) -> Any:  # noqa: ANN401 - asyncpg's own
    """A session on the first host that lets us in; raises what the last one said."""
    import asyncpg  # type: ignore[import-untyped]  # noqa: PLC0415 - untyped; and a start on SQLite does not wait for it

    next_host = (OSError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError)
    *others, last = _each(asked.pop("host", None), asked.pop("port", None))
    for host, port in others:
        with contextlib.suppress(*next_host):
            return await _session(asyncpg.connect, host, port, asked)
    return await _session(asyncpg.connect, *last, asked)


def _each(hosts: Any, ports: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - one or a list, as SQLAlchemy reads a URL
    if not isinstance(hosts, list):
        return [(hosts, ports)]
    return list(zip(hosts, ports if isinstance(ports, list) else [ports] * len(hosts), strict=True))


async def _session(connect: Any, host: Any, port: Any, asked: dict[str, Any]) -> Any:  # noqa: ANN401 - asyncpg's own
    try:
        session = await connect(host=host, port=port, **({"timeout": HOST_SECONDS} | asked))
    except OSError:  # of which a certificate that is not trusted is one, and a `ValueError` as well
        raise
    except (TypeError, ValueError) as error:  # an option after the name that asyncpg does not know, or not so
        raise ConfigurationError(UNREADABLE) from error
    plug = session._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no word for it
    for level, name, value in _OPTIONS:
        with contextlib.suppress(AttributeError, OSError):  # another system's, or a socket that is a file
            plug.setsockopt(level, getattr(socket, name), value)
    return session
