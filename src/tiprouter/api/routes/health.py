"""Does the process answer, and can it do its work?"""

from fastapi import APIRouter, Request, Response

from tiprouter.api import problems
from tiprouter.api.access import Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.schemas.credentials import Health
from tiprouter.errors import UnavailableError
from tiprouter.workflow import inquiry

router = APIRouter(route_class=Route, tags=["health"])


@router.get("/healthz", operation_id="isAlive", response_model=Health)
async def is_alive() -> Response:
    """Whether the process answers."""
    return Response(Health(status="ok").rendered(), 200, None, "application/json")


@router.get("/readyz", operation_id="isReady", response_model=Health)
async def is_ready(request: Request, office: Desks) -> Response:
    """Whether everything works that tips and disclosures need; otherwise `down` names what does not."""
    down = office.troubles()
    try:
        await office.database.read(lambda tx: inquiry.list_recipients(tx, None, 1))
    except UnavailableError:
        down = [*down, "database"]
    if down:
        return problems.answer_not_ready(visit_of(request).request_id, down)
    return Response(Health(status="ok").rendered(), 200, None, "application/json")
