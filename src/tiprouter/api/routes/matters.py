"""How does one matter leave as a file that anybody can verify?"""

from fastapi import APIRouter, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.routes.paths import RecordId
from tiprouter.audit.matter_bundle import MEDIA_TYPE
from tiprouter.workflow import exporting

router = APIRouter(route_class=Route, tags=["audit"])


class ArchiveResponse(Response):
    """An archive, for the documentation of what the route answers."""

    media_type = MEDIA_TYPE


@router.get("/v1/matters/{record_id}/audit-bundle", operation_id="exportMatter", response_class=ArchiveResponse)
async def export_matter(record_id: RecordId, office: Desks, actor: Caller) -> Response:
    """What the log says of one record's matter, with proofs, signed by the log's key; nobody's identity is in it."""
    data = await exporting.export(office.database, office.desk, actor, record_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{record_id}.audit-bundle.zip"',
        "Cache-Control": "no-store",
    }
    return Response(data, 200, headers, MEDIA_TYPE)
