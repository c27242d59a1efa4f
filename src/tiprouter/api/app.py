"""How is the HTTP edge put together?

1. `assemble` makes the routes and the document, `build` puts an office behind them: what can be asked is known without
   a database.
2. Every refusal becomes a problem document in one place (`api/problems.py`); what nobody expected goes on to the edge.
3. Paths are as they are spelt: no redirects to or from a trailing slash.
4. What takes tips, and health, is there from the first; the other nouns come with the first who asks for one, or soon
   after the start (`api/later.py`, `api/warming.py`).
"""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tiprouter.api import access, documentation, limits, problems
from tiprouter.api.edge import Edge
from tiprouter.api.errors import TooManyError
from tiprouter.api.later import Later
from tiprouter.api.office import Office
from tiprouter.api.routes import health, tips
from tiprouter.errors import NotFoundError, TiprouterError


def build(office: Office) -> FastAPI:
    """The application that answers for this office: tips and health at once, the rest when somebody asks (rule 4)."""
    app = _app()
    app.router.routes = [*tips.router.routes, *health.router.routes, Later(app)]
    app.state.office = office
    if office.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(one) for one in office.trusted_proxies])
    app.add_middleware(Edge, office=office)
    return app


def assemble() -> FastAPI:
    """The application without an office: its routes, its refusals, its document (rule 1)."""
    app = _app()
    Later(app).load()
    return app


def _app() -> FastAPI:
    app = FastAPI(
        title="tiprouter",
        version=documentation.VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The framework's own spans hold paths and queries, its log records whole exceptions; ours are in `telemetry`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.add_exception_handler(TiprouterError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_shape)
    app.add_exception_handler(HTTPException, refuse_path)
    app.state.papers = documentation.Papers(app)
    return app


async def refuse(request: Request, error: Exception) -> Response:
    """The problem of one of our own errors; a defect goes on (rule 2)."""
    if problems.kind_of(error) is None:
        raise error
    return problems.answer_to(error, access.visit_of(request).request_id)


async def refuse_shape(request: Request, error: Exception) -> Response:
    """The problem of a body or query that is not as the schema says; a path that cannot be is not found."""
    if not isinstance(error, RequestValidationError):
        raise error
    request_id, found = access.visit_of(request).request_id, error.errors()
    if any(one["loc"][:1] == ("path",) for one in found):
        return problems.answer_to(NotFoundError(), request_id)
    return problems.answer_to_shapes(found, request_id)


async def refuse_path(request: Request, error: Exception) -> Response:
    """The problem of a path that nothing is at, or of a method that it does not take."""
    allowed = access.methods_at(request.scope["path"])  # as routes see it: `request.url` is percent-encoded again
    request_id = access.visit_of(request).request_id
    if not limits.greets_lost(request):
        return problems.answer_to(TooManyError(), request_id)
    if not allowed or not isinstance(error, HTTPException):
        return problems.answer_to(NotFoundError(), request_id)
    response = problems.answer(problems.METHOD, request_id)
    response.headers["Allow"] = ", ".join(allowed)
    return response
