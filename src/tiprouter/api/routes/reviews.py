"""What waits for a human's decision, and what do they decide?"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, answer_once
from tiprouter.api.naming import names_of, names_with_refs
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import ReviewId
from tiprouter.api.schemas.outcomes import Names
from tiprouter.api.schemas.queries import ReviewQuery
from tiprouter.api.schemas.reviews import AnswerBody, ReviewBody, ReviewExplained, ReviewList, ReviewSettled
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.storage.reviews import Filter
from tiprouter.workflow import inquiry, review_reading, reviewing
from tiprouter.workflow.once import Answer
from tiprouter.workflow.review_reading import Item
from tiprouter.workflow.reviewing import Settled

router = APIRouter(route_class=Route, tags=["reviews"])


@router.get("/v1/reviews", operation_id="listReviews", response_model=ReviewList)
async def list_reviews(
    request: Request, query: Annotated[ReviewQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Holds that wait for a human: imminent danger first, then the earliest deadline."""
    wanted = Filter(query.state, query.due)

    def story(tx: Transaction) -> tuple[ReviewList, str | None]:
        page = review_reading.list_reviews(tx, office.desk, actor, wanted, query.after, query.limit)
        names = names_of(tx, [decision for _, decision in page.items])
        return ReviewList(items=tuple(ReviewBody.of(*one, names) for one in page.items)), page.after

    return answer_page(visit_of(request), query, *await office.database.write(story, quietly=True))


@router.get("/v1/reviews/{review_id}", operation_id="readReview", response_model=ReviewExplained)
async def read_review(review_id: ReviewId, office: Desks, actor: Caller) -> Response:
    """A hold: why, on which facts, what each answer would do, and exactly what a release would disclose."""

    def story(tx: Transaction) -> tuple[Item, Names]:
        item = review_reading.review(tx, office.desk, actor, review_id)
        return item, names_of(tx, [item.decision])

    item, names = await office.database.write(story, quietly=True)
    # Some ninety questions are too many for the writer, and too many for the loop.
    why = await asyncio.to_thread(inquiry.counterfactuals, office.desk, item.decision)
    return Response(ReviewExplained.by(item, names, why).rendered(), 200, None, "application/json")


@router.post("/v1/reviews/{review_id}/claim", status_code=200, operation_id="claimReview", response_model=ReviewBody)
async def claim_review(
    review_id: ReviewId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Take a hold for fifteen minutes; then another reviewer may. Taking what was proposed forgets the proposal."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        held = reviewing.claim(tx, office.desk, actor, review_id)
        decision = review_reading.decision_of(tx, held)
        return held.record_id, 200, ReviewBody.of(held, decision, names_of(tx, [decision])).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/reviews/{review_id}/decide", status_code=200, operation_id="decideReview", response_model=ReviewSettled
)
async def decide_review(review_id: ReviewId, body: AnswerBody, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Answer a hold you claimed. Asking for what no policy permits is refused, and changes nothing.

    Identity, contact and health go to police by release only after another reviewer's confirmation.
    """

    def story(tx: Transaction) -> Answer:
        return _settled(tx, office, reviewing.decide(tx, office.desk, actor, review_id, body.said()))

    return await answer_once(office, asked, story)


@router.post(
    "/v1/reviews/{review_id}/confirm", status_code=200, operation_id="confirmReview", response_model=ReviewSettled
)
async def confirm_review(
    review_id: ReviewId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Confirm what another reviewer proposed to release."""
    del body  # as above

    def story(tx: Transaction) -> Answer:
        return _settled(tx, office, reviewing.confirm(tx, office.desk, actor, review_id))

    return await answer_once(office, asked, story)


def _settled(tx: Transaction, office: Office, settled: Settled) -> Answer:
    held = review_reading.decision_of(tx, settled.held)
    names = names_with_refs(tx, office.desk, [held, *settled.decisions])
    return settled.held.record_id, 200, ReviewSettled.of(settled, held, names).rendered()
