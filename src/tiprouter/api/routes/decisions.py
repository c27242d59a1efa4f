"""What was decided, the withheld ones too, and why?"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.naming import names_of
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import DecisionId
from tiprouter.api.schemas.decisions import COLUMNS, DecisionBody, DecisionExplained, DecisionList
from tiprouter.api.schemas.outcomes import Names
from tiprouter.api.schemas.queries import DecisionQuery
from tiprouter.api.tables import FORMS, Form, form_of, stream
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.workflow import inquiry, searching
from tiprouter.workflow.inquiry import Explained
from tiprouter.workflow.searching import Asked, Rows, decisions_found

router = APIRouter(route_class=Route, tags=["decisions"])


@router.get("/v1/decisions", operation_id="listDecisions", response_model=DecisionList, responses=FORMS)
async def list_decisions(
    request: Request, query: Annotated[DecisionQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Decisions that match, newest first, each with its place in the log. Nobody is named in them."""
    form, asked = form_of(request), Asked("decisions", decisions_found, query.search())
    if form is Form.JSON:
        page = await office.database.write(
            lambda tx: searching.page(tx, office.desk, actor, asked, query.after, query.limit),
            quietly=True,
        )
        return answer_page(visit_of(request), query, DecisionList(items=_rows(page)), page.after)
    ended, now = await office.database.write(
        lambda tx: searching.taken_away(tx, office.desk, actor, asked), quietly=True
    )

    async def following(after: str | None, count: int) -> tuple[tuple[DecisionBody, ...], str | None]:
        rows = await office.database.read(lambda tx: decisions_found(tx, ended, after, count, now))
        return _rows(rows), rows.after

    return await stream(form, COLUMNS, following, query.after, searching.PAGE, query.limit_named())


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


def _rows(found: Rows[Decision]) -> tuple[DecisionBody, ...]:
    names = Names({}, found.kinds)
    return tuple(DecisionBody.of(one, names, found.indexes.get(one.id)) for one in found.rows)
