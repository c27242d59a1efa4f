"""What does the hotline report to those who fund it?"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.schemas.queries import PeriodQuery
from tiprouter.api.schemas.reports import COLUMNS, FederalReport, FederalRow
from tiprouter.api.tables import FORMS, Form, form_of, stream
from tiprouter.domain.federal_report import FORM
from tiprouter.workflow import federal, timeliness

router = APIRouter(route_class=Route, tags=["reports"])


@router.get("/v1/reports/federal", operation_id="readFederalReport", response_model=FederalReport, responses=FORMS)
async def read_federal_report(
    request: Request, query: Annotated[PeriodQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """The headings of the federal performance report (OMB 0970-0598) and the figures that the service holds."""
    form, over = form_of(request), timeliness.period(office.desk, query.since, query.until)
    async with office.proving:
        found = await federal.federal(office.database, office.desk, actor, over)
    rows = tuple(FederalRow.of(over, one) for one in found)
    if form is Form.JSON:
        return Response(FederalReport(items=rows).rendered(), 200, {"Vary": "Accept"}, form.value)

    async def all_at_once(_after: str | None, _count: int) -> tuple[Sequence[FederalRow], None]:
        return rows, None

    return await stream(form, COLUMNS, all_at_once, None, len(FORM), None)
