"""What must hold before a route's own function is called?

1. In this order: the caller may be here, and ask so much (`api/limits.py`); a write has its Idempotency-Key; the body
   is small enough, is declared as JSON and is strict JSON (`api/strict_json.py`); there is a place to work on it. The
   first that fails is the answer, and nothing has happened.
2. A body is read at most to the limit: a longer one is refused at its declared length, or where it passes the limit;
   one that is not here in time is refused too (`api/patience.py`).
3. A route without a body field never reads one; where the field may be left out, an empty body leaves it out.
4. A route is built when it is first asked for, or sooner in the background (`api/warming.py`), once for all threads:
   a start does not wait for what nobody asked yet. What it is at, and who may be there, is known from the first.

FastAPI calls `Request.body` and then `Request.json` for a body field; both are answered here from what was parsed.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import compile_path

from tiprouter.api import access, idempotency, limits, strict_json
from tiprouter.api.errors import BodyBrokenError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
from tiprouter.api.schemas.words import building

_JSON: Final = re.compile(r'application/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?', re.ASCII | re.IGNORECASE)
STALE_SECONDS: Final = 0.25
"""How long a body may take before its caller is looked up again."""
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
    """A route of the service: it cannot be declared without a row in the access table, nor reached past it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **declared: Any) -> None:  # noqa: ANN401 - as APIRoute's
        self._declared, self._built = declared, False
        self.path, self.endpoint = path, endpoint
        self.name = declared.get("name") or endpoint.__name__
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.methods = methods = {method.upper() for method in declared.get("methods") or ("GET",)}
        self.include_in_schema = declared.get("include_in_schema", True)
        self._row = min(methods), self.path_format
        if self._row not in access.TABLE:
            raise KeyError(self._row)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a built route
        """What only a built route has."""
        self.build()
        if name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(name)

    def build(self) -> None:
        """Build the route, unless it is built; the first to ask builds it, others wait for it (rule 4)."""
        if self._built:
            return
        with building():
            declared = self.__dict__.pop("_declared", None)
            if declared is None:  # another thread built it, or this one is about to
                return
            super().__init__(self.path, self.endpoint, **declared)
            for field in _fields(self.dependant):
                field._type_adapter.rebuild()  # noqa: SLF001 - the framework has no other way to it
            self._built = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's function behind the checks of rule 1."""
        answer = super().get_route_handler()
        method, template = self._row
        field = self.body_field

        async def checked(request: Request) -> Response:
            visit = access.visit_of(request)
            visit.template = template
            roles = access.TABLE[method, template]
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
            clock = asyncio.get_running_loop().time
            began = clock()
            data = await read(request, office.body_bytes_max, office.patience.body_seconds)
            if roles is not access.PUBLIC and clock() - began > STALE_SECONDS:
                # Whoever was let in may have been ended while their body was on its way.
                await access.admit(request, roles)
            value = None
            if data or field.field_info.is_required():
                refuse_other_media(request)
                value = strict_json.parse(data)
                visit.canonical = strict_json.canonical(value)
            turn.hear(value)
            with turn.working():
                return await answer(ParsedRequest(request, data, value))

        return checked


def _fields(dependant: Dependant) -> Iterator[ModelField]:
    yield from (*dependant.path_params, *dependant.query_params, *dependant.body_params)
    for one in dependant.dependencies:
        yield from _fields(one)


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
