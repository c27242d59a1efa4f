"""How are tips sent and read?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.naming import names_of
from tiprouter.api.paging import answer_page
from tiprouter.api.preconditions import etag
from tiprouter.api.routes.paths import TipId
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.records import TipBody
from tiprouter.api.schemas.standings import AcceptedBody, StandingList, TipStanding, accepted, standing, whole
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage.database import Transaction
from tiprouter.workflow import inquiry, intake
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["tips"])


@router.post("/v1/tips", status_code=201, operation_id="acceptTip", response_model=AcceptedBody)
async def accept_tip(body: TipBody, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Send a tip. The answer says what was decided for each person toward each recipient; it is durable by then."""

    def story(tx: Transaction) -> Answer:
        done = intake.accept_tip(tx, office.desk, actor, body.to_domain())
        names = names_of(tx, done.assessed.decisions, [done.stored])
        return done.stored.id, 201, accepted(done, names).rendered()

    return await answer_once(office, asked, story)


@router.get("/v1/tips", operation_id="listTips", response_model=StandingList)
async def list_tips(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Tips, newest first, without what people said or are."""

    def story(tx: Transaction) -> tuple[StandingList, str | None]:
        page = inquiry.list_records(tx, office.desk, actor, RecordKind.TIP, query.after, query.limit)
        items = (standing(one.stored, one.decisions, names_of(tx, one.decisions, [one.stored])) for one in page.items)
        return StandingList(items=tuple(items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/tips/{tip_id}", operation_id="readTip", response_model=TipStanding)
async def read_tip(tip_id: TipId, office: Desks, actor: Caller) -> Response:
    """A tip with everything it holds, and the outcomes that stand."""

    def story(tx: Transaction) -> tuple[bytes, int]:
        found = inquiry.record(tx, office.desk, actor, tip_id)
        told = whole(found.stored, found.decisions, names_of(tx, found.decisions, [found.stored]))
        return told.rendered(), found.stored.revision

    body, revision = await office.database.write(story, quietly=True)
    return Response(body, 200, {"ETag": etag(revision)}, "application/json")
