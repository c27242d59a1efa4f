"""How does one matter leave as a file that anybody can verify?"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.routes.paths import RecordId
from tiprouter.audit.matter_bundle import MEDIA_TYPE
from tiprouter.workflow import exporting

Under = Annotated[
    str | None,
    Query(
        pattern="^grt_[0-9A-Z]{26}$",
        description="a grant of yours that opens the matter: what opens the log's commitments is told too",
    ),
]

router = APIRouter(route_class=Route, tags=["audit"])


class ArchiveResponse(Response):
    """An archive, for the documentation of what the route answers."""

    media_type = MEDIA_TYPE


@router.get("/v1/matters/{record_id}/audit-bundle", operation_id="exportMatter", response_class=ArchiveResponse)
async def export_matter(record_id: RecordId, office: Desks, actor: Caller, grant: Under = None) -> Response:
    """What the log says of one record's matter, with proofs, signed by the log's key. Takes a second word.

    Nobody's identity is in it; but whoever names a grant of theirs also gets what people wrote, by which the log's
    commitments are opened.
    """
    data = await exporting.export(office.database, office.desk, actor, record_id, grant)
    headers = {
        "Content-Disposition": f'attachment; filename="{record_id}.audit-bundle.zip"',
        "Cache-Control": "no-store",
    }
    return Response(data, 200, headers, MEDIA_TYPE)
