"""What happened in a period: what was not disclosed and why, how long things took, which duties were kept?"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.schemas.periods import TimelinessBody, WithheldBody
from tiprouter.api.schemas.queries import PeriodQuery
from tiprouter.workflow import timeliness

router = APIRouter(route_class=Route, tags=["periods"])


@router.get("/v1/decisions/withheld", operation_id="countWithheld", response_model=WithheldBody)
async def count_withheld(query: Annotated[PeriodQuery, Query()], office: Desks, actor: Caller) -> Response:
    """How many decisions of a period let nothing leave, by outcome, policy, kind of recipient and place."""
    over = timeliness.period(office.desk, query.since, query.until)
    async with office.proving:
        found = await timeliness.not_disclosed(office.database, office.desk, actor, over)
    return Response(WithheldBody.of(over, found).rendered(), 200, None, "application/json")


@router.get("/v1/timeliness", operation_id="readTimeliness", response_model=TimelinessBody)
async def read_timeliness(query: Annotated[PeriodQuery, Query()], office: Desks, actor: Caller) -> Response:
    """From signal to decision, delivery and acknowledgement by place, kind and policy; duties met, late and missed."""
    over = timeliness.period(office.desk, query.since, query.until)
    async with office.proving:
        found = await timeliness.timely(office.database, office.desk, actor, over)
    return Response(TimelinessBody.of(over, found).rendered(), 200, None, "application/json")
