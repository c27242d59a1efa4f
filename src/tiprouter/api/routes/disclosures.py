"""What went out, to whom, and how did it arrive?"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.matters import Under
from tiprouter.api.routes.paths import DisclosureId
from tiprouter.api.schemas.disclosures import (
    COLUMNS,
    DisclosureBody,
    DisclosureJourney,
    DisclosureList,
    journey,
    whole_journey,
)
from tiprouter.api.schemas.queries import DisclosureQuery
from tiprouter.api.tables import FORMS, Form, form_of, stream
from tiprouter.errors import NotFoundError
from tiprouter.storage.disclosures import Filter, Listed
from tiprouter.workflow import inquiry, searching, tracing
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.searching import Asked, Rows, disclosures_found

router = APIRouter(route_class=Route, tags=["disclosures"])

_AGENCIES_MAY_ASK: Final = frozenset({"limit", "after", "record_id", "recipient_id"})


@router.get("/v1/disclosures", operation_id="listDisclosures", response_model=DisclosureList, responses=FORMS)
async def list_disclosures(
    request: Request, query: Annotated[DisclosureQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Disclosures and recalls that match, newest first, each with its place in the log, never with their payload."""
    if actor.recipient_id is not None:
        return await _own(request, query, office, actor)
    form, asked = form_of(request), Asked("disclosures", disclosures_found, query.search())
    if form is Form.JSON:
        page = await office.database.write(
            lambda tx: searching.page(tx, office.desk, actor, asked, query.after, query.limit),
            quietly=True,
        )
        return answer_page(visit_of(request), query, DisclosureList(items=_rows(page, actor)), page.after)
    ended, now = await office.database.write(
        lambda tx: searching.taken_away(tx, office.desk, actor, asked), quietly=True
    )

    async def following(after: str | None, count: int) -> tuple[tuple[DisclosureBody, ...], str | None]:
        rows = await office.database.read(lambda tx: disclosures_found(tx, ended, after, count, now))
        return _rows(rows, actor), rows.after

    return await stream(form, COLUMNS, following, query.after, searching.PAGE, query.limit_named())


async def _own(request: Request, query: DisclosureQuery, office: Office, actor: Actor) -> Response:
    """An agency's own disclosures, once sent. By what it was decided is not told by asking for it either."""
    if set(query.model_dump(exclude_none=True)) - _AGENCIES_MAY_ASK:
        raise NotFoundError
    wanted = Filter(query.record_id, query.recipient_id)
    page = await office.database.write(
        lambda tx: inquiry.list_disclosures(tx, office.desk, actor, wanted, query.after, query.limit), quietly=True
    )
    items = DisclosureList(items=tuple(DisclosureBody.of(one) for one in page.items))
    return answer_page(visit_of(request), query, items, page.after)


def _rows(found: Rows[Listed], actor: Actor) -> tuple[DisclosureBody, ...]:
    with_digest = actor.role != CallerRole.AUDITOR
    return tuple(DisclosureBody.found(one, found, with_digest=with_digest) for one in found.rows)


@router.get("/v1/disclosures/{disclosure_id}", operation_id="readDisclosure", response_model=DisclosureJourney)
async def read_disclosure(disclosure_id: DisclosureId, office: Desks, actor: Caller, grant: Under = None) -> Response:
    """A disclosure or recall from end to end: why, which fields, every attempt, what its recipient said, its recall.

    Whoever names a grant of theirs that opens its matter is also given what opens the log's commitments of it.
    """
    if actor.recipient_id is not None:
        if grant is not None:
            raise NotFoundError
        own = await office.database.write(
            lambda tx: inquiry.disclosure(tx, office.desk, actor, disclosure_id), quietly=True
        )
        return Response(journey(own).rendered(), 200, None, "application/json")
    found = await office.database.write(
        lambda tx: tracing.traced(tx, office.desk, actor, disclosure_id, grant), quietly=True
    )
    told = whole_journey(found, with_words=actor.role != CallerRole.AUDITOR)
    kept = None if grant is None else {"Cache-Control": "no-store"}
    return Response(told.rendered(), 200, kept, "application/json")
