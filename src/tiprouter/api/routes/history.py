"""What would another bundle have decided, and can every decision be made again?

Both read the whole history of a period, a page at a time, and change nothing but the log, which knows of the answer
before the asker has it. One is answered at a time.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from tiprouter.api import proving
from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.routes.paths import BundleDigest
from tiprouter.api.schemas.history import ReplayedBody, SimulatedBody
from tiprouter.api.schemas.queries import PastQuery, SinceQuery
from tiprouter.api.schemas.words import Nothing
from tiprouter.errors import InvalidError
from tiprouter.workflow import history, inquiry, simulation

router = APIRouter(route_class=Route, tags=["history"])


@router.post("/v1/bundles/{digest}/simulate", operation_id="simulateBundle", response_model=SimulatedBody)
async def simulate_bundle(
    digest: BundleDigest,
    query: Annotated[PastQuery, Query()],
    office: Desks,
    actor: Caller,
    body: Nothing | None = None,
) -> Response:
    """What this bundle would have decided on everything that stood at the end of a period; nothing is changed.

    Asked of two bundles over one period, the two answers compare them: both are counted against what was decided.
    """
    del body  # it can say nothing: it is read only to refuse one that tries to
    if query.since is not None and query.until is not None and query.since >= query.until:
        raise InvalidError("A period ends after it begins.", "/until")
    engine = await proving.engine_of(office, digest)
    async with office.proving:
        found = await simulation.simulate(office.database, office.desk, engine, query.since, until=query.until)
    count = found.simulated
    await office.database.write(
        lambda tx: inquiry.history_read(tx, office.desk, actor, "simulation", count), quietly=True
    )
    return Response(SimulatedBody.of(found).rendered(), 200, None, "application/json")


@router.post("/v1/decisions/replay", operation_id="replayDecisions", response_model=ReplayedBody)
async def replay_decisions(
    query: Annotated[SinceQuery, Query()], office: Desks, actor: Caller, body: Nothing | None = None
) -> Response:
    """Make every decision since a moment again, under the bundle of its day, and compare it with what the log says."""
    del body  # as above
    async with office.proving:
        found = await history.replay(office.database, office.desk, query.since)
    count = found.replayed
    await office.database.write(lambda tx: inquiry.history_read(tx, office.desk, actor, "replay", count), quietly=True)
    return Response(ReplayedBody.of(found).rendered(), 200, None, "application/json")
