"""Which bytes become a request, and how many may come before they are one?

1. What the parser (llhttp, strict) refuses is refused here, and the connection ends: two lengths, a length beside a
   transfer coding, folded or malformed fields, bare line feeds, chunks that are none. After such bytes nobody knows
   where the next request begins.
2. Before a head is whole at most `HEAD_BYTES_MAX` bytes of it are awaited; a body's framing (chunk sizes, extensions,
   trailers) may not be much more than the body. Trailers are dropped: nothing sent after a body is believed.
3. A refusal is a request like any other to `api/edge.py`: same problem, same headers, same line in the log. It is never
   sent before, or instead of, the answer to an earlier request on the connection: that one is finished, then it ends.
4. A connection that asks to become something else (`Upgrade`) is answered in HTTP/1.1 and then ended.
5. Whoever sends a body by crumbs does not wake its reader with each: `WAKE_BYTES` of it do, or its end.
6. Each request knows what certificate its connection was begun with (`api/certificates.py`).
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tiprouter.api import certificates
from tiprouter.api.headers import FAULT, HEAD_BYTES_MAX, TARGET

FRAMING_BYTES_MAX: Final = 16_384
FRAMING_TIMES: Final = 6
"""A body in chunks of one byte is framed by five times as much."""
WAKE_BYTES: Final = 1_024
"""The least that a limit of bodies may be: one that is too long is noticed there, and not at its deadline."""


class Wire(HttpToolsProtocol):
    """uvicorn's own, which knows what it must not take."""

    _in_head = True
    _head_bytes = _body_bytes = _taken_bytes = 0
    _ended = False
    _certificate: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Somebody is there, and showed what they showed (rule 6)."""
        super().connection_made(transport)
        self._certificate = certificates.of_connection(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within bounds (rules 1 and 2)."""
        if self._ended:
            return
        began_in_head, had = self._in_head, self._body_bytes
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data) if began_in_head else 0
            if self._head_bytes > HEAD_BYTES_MAX:
                self._end("head-too-large")
        elif not began_in_head:
            self._taken_bytes += len(data) - (self._body_bytes - had)
            if self._taken_bytes > FRAMING_BYTES_MAX + FRAMING_TIMES * self._body_bytes:
                self._end("malformed")

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for bytes that are no request (rule 1); its own words are not said."""
        del msg
        self._end("malformed")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()
        self.scope["method"] = ""
        self.scope[certificates.CONNECTED] = self._certificate  # type: ignore[typeddict-unknown-key]  # ours, as TARGET

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; a trailer is dropped (rule 2)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head, self._body_bytes, self._taken_bytes = False, 0, 0
        self.scope[TARGET] = self.url  # type: ignore[typeddict-unknown-key]  # an extension of ours
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of a body (rule 5)."""
        self._body_bytes += len(body)
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if len(cycle.body) >= WAKE_BYTES:
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """A message is whole; what comes next is a head."""
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0

    def on_response_complete(self) -> None:
        """An answer is whole; after a fault it was the last one (rule 3)."""
        super().on_response_complete()
        if self._ended:
            self.transport.close()

    def _end(self, fault: str) -> None:
        """Refuse what came and take nothing more (rule 3)."""
        self._ended = True
        if self.pipeline:  # the one that is being answered is none of these
            self.pipeline.clear()
            return
        current = self.cycle
        if current is not None and not current.response_complete:
            current.keep_alive = False
            if not current.more_body:
                return
            # Its own body is what is broken: whoever reads it hears that there is no more, and nothing of it is kept.
            if current.response_started:
                self.transport.close()
                return
            current.disconnected = True
            current.message_event.set()
        self._refuse(fault)

    def _refuse(self, fault: str) -> None:
        super().on_message_begin()
        path = {"method": "", "path": "/", "raw_path": b"/", "query_string": b"", FAULT: fault}
        self.scope.update(path)  # type: ignore[typeddict-item]  # as above
        self.cycle = RequestResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        self._start_asgi_task(self.cycle, self.app)
