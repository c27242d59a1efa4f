"""What must hold before a route's own function is called?

1. In this order: the caller may be here, and ask so much (`api/limits.py`); a write has its Idempotency-Key; the body
   is small enough, is declared as JSON and is strict JSON (`api/strict_json.py`); there is a place to work on it. The
   first that fails is the answer, and nothing has happened.
2. A body is read at most to the limit: a longer one is refused at its declared length, or where it passes the limit;
   one that is not here in time is refused too (`api/patience.py`).
3. A route without a body field never reads one; where the field may be left out, an empty body leaves it out.

FastAPI calls `Request.body` and then `Request.json` for a body field; both are answered here from what was parsed.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tiprouter.api import access, idempotency, limits, strict_json
from tiprouter.api.errors import BodyBrokenError, BodyTooLargeError, BodyTooSlowError, MediaTypeError

_JSON: Final = re.compile(r'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.ASCII | re.IGNORECASE)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class ParsedRequest(Request):
    """A request whose body was read and parsed already."""

    def __init__(self, request: Request, data: bytes, value: Any) -> None:  # noqa: ANN401 - JSON has no narrower type
        super().__init__(request.scope, request.receive)
        self._data, self._value = data, value

    async def body(self) -> bytes:
        """The bytes as they came."""
        return self._data

    async def json(self) -> Any:  # noqa: ANN401 - as above
        """The one value they spell."""
        return self._value


class Route(APIRoute):
    """A route of the service: it cannot be built without a row in the access table, nor reached past it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's function behind the checks of rule 1."""
        answer = super().get_route_handler()
        method = min(self.methods or {"GET"})
        template = self.path_format
        roles = access.TABLE[method, template]
        field = self.body_field

        async def checked(request: Request) -> Response:
            visit = access.visit_of(request)
            visit.template = template
            turn = limits.Turn(request, method, template)
            if roles is access.PUBLIC:
                turn.greet()
            else:
                await turn.admit(roles)
            if idempotency.needs_key(method, template):
                visit.key = idempotency.key_of(request.headers)
            if field is None:
                with turn.working():
                    return await answer(request)
            office = access.office_of(request)
            data = await read(request, office.body_bytes_max, office.patience.body_seconds)
            value = None
            if data or field.field_info.is_required():
                refuse_other_media(request)
                value = strict_json.parse(data)
                visit.canonical = strict_json.canonical(value)
            turn.hear(value)
            with turn.working():
                return await answer(ParsedRequest(request, data, value))

        return checked


async def read(request: Request, bytes_max: int, seconds: float) -> bytes:
    """The body, at most `bytes_max` bytes in `seconds`.

    Raises `BodyTooLargeError`, `BodyTooSlowError`, `BodyBrokenError`.
    """
    declared = request.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(declared) or int(declared) > bytes_max:
        raise BodyTooLargeError
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > bytes_max:
                    raise BodyTooLargeError
    except ClientDisconnect:
        raise BodyBrokenError from None
    except TimeoutError:
        raise BodyTooSlowError from None
    return bytes(data)


def refuse_other_media(request: Request) -> None:
    """Let only JSON in UTF-8 through, and no content encoding. Raises `MediaTypeError`."""
    declared = request.headers.getlist("content-type")
    if len(declared) != 1 or not _JSON.fullmatch(declared[0].strip()):
        raise MediaTypeError
    if any(coding.strip().lower() != "identity" for coding in request.headers.getlist("content-encoding")):
        raise MediaTypeError
