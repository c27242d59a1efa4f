"""How are many deliveries to one agency tried again, by two people's word?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import ReplayId
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.replays import ReplayBody, ReplayList, ReplayProgress, ReplayWanted
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, delivery_inquiry, replaying
from tiprouter.workflow.once import Answer
from tiprouter.workflow.replaying import Progress

router = APIRouter(route_class=Route, tags=["replays"])


@router.get("/v1/replays", operation_id="listReplays", response_model=ReplayList)
async def list_replays(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Replays of deliveries, newest first."""
    page = await office.database.read(lambda tx: delivery_inquiry.list_replays(tx, query.after, query.limit))
    await accessing.note(office.database, office.desk, actor, "replays", len(page.items))
    items = ReplayList(items=tuple(ReplayBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


@router.post("/v1/replays", status_code=201, operation_id="proposeReplay", response_model=ReplayProgress)
async def propose_replay(body: ReplayWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Count and fix what would be tried again. Nothing is, until another credential confirms it within a day."""

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, replaying.propose(tx, office.desk, actor, body.plan()), 201)

    return await answer_once(office, asked, story)


@router.get("/v1/replays/{replay_id}", operation_id="readReplay", response_model=ReplayProgress)
async def read_replay(replay_id: ReplayId, office: Desks, actor: Caller) -> Response:
    """A replay: what its proposal counted, who confirmed it, and how far it is."""
    found = await office.database.read(lambda tx: delivery_inquiry.replay(tx, replay_id))
    await accessing.note(office.database, office.desk, actor, "replay", subject=replay_id)
    return Response(ReplayProgress.by(found).rendered(), 200, None, "application/json")


@router.post(
    "/v1/replays/{replay_id}/confirm", status_code=200, operation_id="confirmReplay", response_model=ReplayProgress
)
async def confirm_replay(
    replay_id: ReplayId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Let a replay begin that another credential proposed. Each delivery is decided again first."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, replaying.confirm(tx, office.desk, actor, replay_id), 200)

    return await answer_once(office, asked, story)


@router.post("/v1/replays/{replay_id}/stop", status_code=200, operation_id="stopReplay", response_model=ReplayProgress)
async def stop_replay(
    replay_id: ReplayId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """End a replay before it is done. What was made by then stays made, and is decided again before it leaves."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        return _told(tx, office, replaying.stop(tx, office.desk, actor, replay_id), 200)

    return await answer_once(office, asked, story)


def _told(tx: Transaction, office: Office, progress: Progress, status: int) -> Answer:
    return about_nobody(tx, office), status, ReplayProgress.by(progress).rendered()
