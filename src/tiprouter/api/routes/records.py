"""How is a record held, released, or erased?"""

from fastapi import APIRouter, Response

from tiprouter.api.access import Caller, Desks
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.routes.paths import RecordId
from tiprouter.api.schemas.subjects import ErasureTold, HoldBody, HoldTold, ReleaseBody
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.workflow import erasing, holding
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["subjects"])


@router.post("/v1/records/{record_id}/hold", status_code=201, operation_id="holdRecord", response_model=HoldTold)
async def hold_record(record_id: RecordId, body: HoldBody, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Keep a record from being erased, whoever asks for it."""

    def story(tx: Transaction) -> Answer:
        placed = holding.hold(tx, office.desk, actor, record_id, body.reason)
        return record_id, 201, HoldTold.of(placed).rendered()

    return await answer_once(office, asked, story)


@router.post("/v1/records/{record_id}/release", status_code=200, operation_id="releaseRecord", response_model=HoldTold)
async def release_record(
    record_id: RecordId, body: ReleaseBody, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """End one hold of a record."""

    def story(tx: Transaction) -> Answer:
        released = holding.release(tx, office.desk, actor, record_id, body.hold)
        return record_id, 200, HoldTold.of(released).rendered()

    return await answer_once(office, asked, story)


@router.post("/v1/records/{record_id}/erase", status_code=200, operation_id="eraseRecord", response_model=ErasureTold)
async def erase_record(
    record_id: RecordId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Ask to erase a record; the same from a second credential does it. Nothing that was sent is recalled."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        done = erasing.erase_record(tx, office.desk, actor, record_id)
        return about_nobody(tx, office), 200, ErasureTold.of(done).rendered()

    return await answer_once(office, asked, story)
