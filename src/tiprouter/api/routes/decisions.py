"""What was decided, the withheld ones too, and why?"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.naming import names_of
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import DecisionId
from tiprouter.api.schemas.decisions import DecisionBody, DecisionExplained, DecisionList
from tiprouter.api.schemas.outcomes import Names
from tiprouter.api.schemas.queries import DecisionQuery
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Filter
from tiprouter.workflow import inquiry
from tiprouter.workflow.inquiry import Explained

router = APIRouter(route_class=Route, tags=["decisions"])


@router.get("/v1/decisions", operation_id="listDecisions", response_model=DecisionList)
async def list_decisions(
    request: Request, query: Annotated[DecisionQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Decisions that match, newest first. Nobody is named in them."""
    wanted = Filter(query.record_id, query.person_id, query.recipient_id, query.outcome, query.current)

    def story(tx: Transaction) -> tuple[DecisionList, str | None]:
        page = inquiry.list_decisions(tx, office.desk, actor, wanted, query.after, query.limit)
        names = names_of(tx, page.items)
        return DecisionList(items=tuple(DecisionBody.of(one, names) for one in page.items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/decisions/{decision_id}", operation_id="readDecision", response_model=DecisionExplained)
async def read_decision(decision_id: DecisionId, office: Desks, actor: Caller) -> Response:
    """A decision: its facts, the policies that determined it with citations, and what single fact would change it."""

    def story(tx: Transaction) -> tuple[Explained, Names]:
        found = inquiry.decision(tx, office.desk, actor, decision_id)
        return found, names_of(tx, [found.decision])

    found, names = await office.database.write(story, quietly=True)
    # Some ninety questions are too many for the writer, and too many for the loop.
    why = await asyncio.to_thread(inquiry.counterfactuals, office.desk, found.decision)
    return Response(DecisionExplained.of(found, names, why).rendered(), 200, None, "application/json")
