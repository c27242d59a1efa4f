"""How does the edge listen, start and stop?

1. The socket is bound here, so that a taken port is one clear line.
2. As many files as the system lets this process have are asked for: a thousand callers who wait are a thousand files,
   and an honest one after them needs one too. What is written to one of them the system holds `SEND_BYTES` of: whoever
   asks for much and takes nothing has the rest of the answers neither made nor kept. Of a crowd that knocks at once,
   each turn of the loop lets `TAKEN_AT_ONCE` in, and goes on answering those inside; the others wait with the system.
3. On SIGTERM or SIGINT nothing new is taken; the rest of the stopping is `serving`'s.
4. Where a certificate is named, nothing but TLS is spoken (`wiring/tls.py`), and a handshake has as long as a head has.
"""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn

from tiprouter.api.app import build
from tiprouter.api.office import Office
from tiprouter.api.patience import patient
from tiprouter.api.warming import warm
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.wiring.house import settle
from tiprouter.wiring.tls import Shown, shown_by

log = structlog.get_logger()

FILES_MAX: Final = 65_536
GRACE_SECONDS: Final = 10
SEND_BYTES: Final = 131_072
"""Linux keeps twice as much, and otherwise lets it grow to megabytes for each connection."""
TAKEN_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Listener:
    """The socket to serve on, and what is shown there (rule 4); None where no TLS is spoken."""

    socket: socket.socket
    shown: Shown | None = None


class Edge(uvicorn.Server):
    """The HTTP server; it stops on a signal and leaves the rest of the stopping to `serve` (rule 3)."""

    def __init__(
        self, settings: Settings, office: Office, listener: Listener, ready: Callable[[str], None] | None
    ) -> None:
        app = build(office)
        super().__init__(
            uvicorn.Config(
                app,
                http=patient(office.patience),
                loop="asyncio",
                access_log=False,
                log_config=None,
                server_header=False,
                ws="none",
                # Where a caller is, a named proxy may say and nobody else, not even on this machine. It is heard inside
                # (`api/app.py`), because the client certificate is believed of the peer itself.
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=15,
            )
        )
        self._host, self._ready, self._office = settings.host, ready, office
        self._app, self._listener = app, listener
        self._warming: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start answering, say so, then build what nobody asked for yet (`api/warming.py`)."""
        # uvicorn knows no deadline for a handshake (rule 4): it starts without a socket, and is given the server after.
        await super().startup(sockets or [])
        self.servers.append(await self._listening())
        settle()
        port, scheme = self._listener.socket.getsockname()[1], "https" if self._listener.shown else "http"
        log.info("service.ready", host=self._host, port=port)
        if self._ready is not None:
            self._ready(f"{scheme}://{self._host}:{port}")
        self._warming = asyncio.create_task(self._warm())
        if self._listener.shown is not None:
            self._looking = asyncio.create_task(self._listener.shown.keep_looking())

    async def _listening(self) -> asyncio.Server:
        patience, shown = self._office.patience, self._listener.shown

        def protocol() -> asyncio.Protocol:
            return self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn itself calls it
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        server = await asyncio.get_running_loop().create_server(
            protocol,
            sock=self._listener.socket,
            # asyncio lets in as many in one turn as it says may wait with the system (rule 2); that is said anew below.
            backlog=TAKEN_AT_ONCE,
            ssl=None if shown is None else shown.context,
            ssl_handshake_timeout=None if shown is None else patience.head_seconds,
            # It runs while the last answer is still being taken: as long as for any answer (`api/patience.py`, rule 3).
            ssl_shutdown_timeout=None if shown is None else patience.body_seconds,
        )
        self._listener.socket.listen(self.config.backlog)
        return server

    async def _warm(self) -> None:
        await warm(self._app)
        settle()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT without raising them again afterwards, as uvicorn's own would."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Take nothing new; who waits for an inbox is answered now."""
        self.should_exit = True
        if self._looking is not None:
            self._looking.cancel()
        self._office.porch.closing.set()


def allow_files() -> int:
    """Raise the limit of open files to what it may be raised to (rule 2); the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


@contextmanager
def listen(settings: Settings) -> Iterator[Listener]:
    """What to serve on (rules 1, 2 and 4). Raises `ConfigurationError`."""
    allow_files()
    shown = shown_by(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sends what it writes at once (TCP_NODELAY); a lone caller waits 40 ms less.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # each connection has it from here
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigurationError("The address to listen on is taken or not this machine's.") from error
        yield Listener(listener, shown)
