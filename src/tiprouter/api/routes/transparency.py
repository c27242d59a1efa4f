"""What may everybody know? Tables of closed quarters, the same for ever."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from tiprouter.api.access import Desks
from tiprouter.api.body import Route
from tiprouter.api.schemas.transparency import QuarterQuery, TransparencyBody
from tiprouter.workflow import transparency

router = APIRouter(route_class=Route, tags=["transparency"])

_KEPT: Final = {"Cache-Control": "public, max-age=3600"}


@router.get("/v1/transparency", operation_id="readTransparency", response_model=TransparencyBody)
async def read_transparency(query: Annotated[QuarterQuery, Query()], office: Desks) -> Response:
    """Tables of one closed quarter, two bundles side by side; small counts withheld so that none can be found out."""
    now = office.desk.now()
    if await office.database.read(lambda tx: transparency.missing(tx, now)):
        async with office.proving:
            await transparency.publish(office.database, office.desk)
    known, found = await office.database.read(lambda tx: transparency.told(tx, query.quarter))
    return Response(TransparencyBody.of(known, found).rendered(), 200, _KEPT, "application/json")
