"""How long may a caller take to say what it wants?

1. A head must be complete within `head_seconds` of connecting, or of its first byte on a connection that is kept. A TLS
   handshake before it has as long for itself (`wiring/edge.py`).
2. The whole message must be here within `head_seconds + body_seconds`, whether anybody reads its body or not. The body
   reader asks for less and can still answer (`api/body.py`); this is what holds where it cannot.
3. An answer that the caller does not take ends too: the connection is dropped `body_seconds` after it was full.
4. A connection that is out of time is dropped with whatever it still holds: nobody waits for it to agree. Nor, when the
   service stops, for the goodbye (TLS `close_notify`) of one that nothing is being answered on.

uvicorn itself knows no such limits; only between two messages it does (`timeout_keep_alive`). Not promised: a bound on
how many connections wait. A proxy in front has to count them by address.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from tiprouter.api.wire import Wire

GOODBYE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a head, and for a body after it."""

    head_seconds: float = 10.0
    body_seconds: float = 30.0


def patient(patience: Patience) -> type[asyncio.Protocol]:
    """The HTTP protocol of a server with this much patience."""
    return type("Patient", (_Patient,), {"patience": patience})


class _Patient(Wire):
    """The wire, with one timer for what is read and one for what is written."""

    patience = Patience()
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._read_within(self.patience.head_seconds)

    def data_received(self, data: bytes) -> None:
        if self._reading is None:
            self._read_within(self.patience.head_seconds)
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._read_within(self.patience.head_seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._read_within(self.patience.head_seconds + self.patience.body_seconds)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._read_within(None)
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._writing = self.loop.call_later(self.patience.body_seconds, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
        super().resume_writing()

    def shutdown(self) -> None:
        """The service stops (rule 4)."""
        idle = self.cycle is None or self.cycle.response_complete
        super().shutdown()
        if idle and not self.flow.write_paused:
            self.loop.call_later(GOODBYE_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._read_within(None)
        if self._writing is not None:
            self._writing.cancel()
        super().connection_lost(exc)

    def _read_within(self, seconds: float | None) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
