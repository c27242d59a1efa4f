"""Where does one read what the service promises?"""

import base64
import hashlib
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from tiprouter.api import documentation
from tiprouter.api.body import Route

router = APIRouter(route_class=Route, tags=["documents"])


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


HEADERS: Final = {"Content-Security-Policy": _policy(documentation.STYLE)}


@router.get("/openapi.json", operation_id="readDocument", response_model=dict[str, Any])
async def read_document(request: Request) -> Response:
    """This document."""
    return Response(await request.app.state.papers.document(), 200, None, "application/json")


@router.get("/docs", operation_id="readPage", response_class=HTMLResponse)
async def read_page(request: Request) -> Response:
    """The routes, for people."""
    return HTMLResponse(await request.app.state.papers.page(), 200, dict(HEADERS))
