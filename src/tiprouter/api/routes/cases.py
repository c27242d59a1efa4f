"""How are case records sent, revised and read? A case's id in the path is the hotline's own."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.naming import names_of
from tiprouter.api.paging import answer_page
from tiprouter.api.preconditions import NamedOrNew, etag
from tiprouter.api.routes.paths import CaseId
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.records import CaseBody
from tiprouter.api.schemas.standings import AcceptedBody, CaseStanding, StandingList, accepted, standing, whole
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.errors import InvalidError
from tiprouter.storage.database import Transaction
from tiprouter.workflow import inquiry, intake
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["cases"])

_CASE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NEW_ID: Final = Path(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,64}$"}, examples=["C-1001"])


@router.put(
    "/v1/cases/{case_id}",
    operation_id="putCase",
    response_model=AcceptedBody,
    responses={201: {"model": AcceptedBody, "description": "The case's first revision was accepted"}},
)
async def put_case(
    case_id: Annotated[str, _NEW_ID],
    body: CaseBody,
    office: Desks,
    actor: Caller,
    asked: Asking,
    expected: NamedOrNew,
) -> Response:
    """Send a case's first revision (If-None-Match: *), or its next one, made against the revision in If-Match."""
    if not _CASE_ID.fullmatch(case_id):
        raise InvalidError("A case's id has 1 to 64 letters, digits, dashes or underscores.", "/case_id")

    def story(tx: Transaction) -> Answer:
        done = intake.put_case(tx, office.desk, actor, body.to_domain(case_id), expected)
        names = names_of(tx, done.assessed.decisions, [done.stored])
        return done.stored.id, 201 if expected is None else 200, accepted(done, names).rendered()

    return await answer_once(office, asked, story)


@router.get("/v1/cases", operation_id="listCases", response_model=StandingList)
async def list_cases(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Case records, newest first, without what people said or are."""

    def story(tx: Transaction) -> tuple[StandingList, str | None]:
        page = inquiry.list_records(tx, office.desk, actor, RecordKind.CASE, query.after, query.limit)
        items = (standing(one.stored, one.decisions, names_of(tx, one.decisions, [one.stored])) for one in page.items)
        return StandingList(items=tuple(items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/cases/{case_id}", operation_id="readCase", response_model=CaseStanding)
async def read_case(case_id: CaseId, office: Desks, actor: Caller) -> Response:
    """A case record with everything its current revision holds, and the outcomes that stand."""

    def story(tx: Transaction) -> tuple[bytes, int]:
        found = inquiry.case(tx, office.desk, actor, case_id)
        told = whole(found.stored, found.decisions, names_of(tx, found.decisions, [found.stored]))
        return told.rendered(), found.stored.revision

    body, revision = await office.database.write(story, quietly=True)
    return Response(body, 200, {"ETag": etag(revision)}, "application/json")
