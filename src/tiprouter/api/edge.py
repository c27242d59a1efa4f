"""What happens around every request, whatever becomes of it?

1. It gets an id of ours, which its answer carries; an id that a caller sends is not looked at.
2. What cannot be anybody's request (`api/headers.py`, `api/wire.py`) is refused before a route is looked for, and its
   connection ends. Every answer carries the headers that protect its reader, and what is left of the caller's budget.
3. An error that nobody expected becomes the 500 problem; only its class is logged, its text may quote the request.
4. One line is logged: id, method, the route's template, status, milliseconds, the caller's id and role, and what they
   lack where they may not be: `role`, or the scope. Never the path, the query, a header or a byte of the body. It is
   counted by the same words, and a span for whoever traces it, refused or not.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiprouter import ids, telemetry
from tiprouter.api import certificates, headers, limits, problems
from tiprouter.api.access import Visit
from tiprouter.api.office import Office

log = structlog.get_logger()

_MILLISECOND: Final = timedelta(milliseconds=1)
_UNEXPECTED: Final = 500
"""What is answered where nothing was yet (rule 3)."""


class Edge:
    """Pure ASGI around the application."""

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self._app, self._office = app, office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (rules 1-4)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        desk = self._office.desk
        began = desk.now()
        visit = Visit(ids.mint("req", began, desk.entropy(ids.RANDOM_BYTES)))
        # Before a proxy's word about who is behind it is taken: the certificate is the word of the peer itself.
        visit.certificate = certificates.shown(scope, self._office.trusted_proxies)
        scope["tiprouter.visit"] = visit
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._mark(MutableHeaders(scope=message), scope, visit, status)
            await send(message)

        try:
            fault = headers.fault_of(scope, self._office.hosts)
            with telemetry.span("request", method=_method(scope)) as step:
                try:
                    await (self._app if fault is None else _refusal(fault, visit))(scope, receive, sending)
                finally:
                    step.says(route=visit.template or "none", status=telemetry.class_of(status or _UNEXPECTED))
        except Exception as error:  # noqa: BLE001 - rule 3
            log.error(  # noqa: TRY400 - rule 3: a traceback quotes
                "request.failed", id=visit.request_id, error=type(error).__name__
            )
            if status == 0:
                await problems.answer(problems.UNEXPECTED, visit.request_id)(scope, receive, sending)
        finally:
            self._say(scope, visit, status, began)

    def _mark(self, said: MutableHeaders, scope: Scope, visit: Visit, status: int) -> None:
        https = self._office.https or scope["scheme"] == "https"
        headers.mark(said, visit.request_id, https=https, subdomains=self._office.subdomains)
        limits.show(said, scope, status, self._office.limiter.bounds.of)

    def _say(self, scope: Scope, visit: Visit, status: int, began: datetime) -> None:
        took = self._office.desk.now() - began
        telemetry.answered(_method(scope), visit.template, status, took.total_seconds())
        log.info(
            "request",
            id=visit.request_id,
            method=_method(scope),
            route=visit.template,
            status=status,
            ms=round(took / _MILLISECOND, 1),
            caller=None if visit.actor is None else visit.actor.id,
            role=None if visit.actor is None else visit.actor.role,
            **({} if visit.lacks is None else {"lacks": visit.lacks}),
        )


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in headers.METHODS else "other"


def _refusal(fault: str, visit: Visit) -> Response:
    response = problems.answer(problems.REFUSED[fault], visit.request_id)
    response.headers["Connection"] = "close"
    return response
