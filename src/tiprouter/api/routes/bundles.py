"""How does a policy bundle come into force, and what does it say?

What takes long is done before the transaction (`api/proving.py`); a bundle that was proposed never changes.
"""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api import proving
from tiprouter.api.access import Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once, answer_prepared
from tiprouter.api.office import Office
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import BundleDigest
from tiprouter.api.schemas.bundles import (
    ApprovalWanted,
    BundleBody,
    BundleFiles,
    BundleList,
    BundleProposed,
    BundleStanding,
    DifferenceBody,
    InForceBody,
)
from tiprouter.api.schemas.explanations import FactsExplained, FactsWanted
from tiprouter.api.schemas.queries import BundleQuery, DifferenceQuery
from tiprouter.api.schemas.words import Message, Nothing
from tiprouter.errors import NotFoundError
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.check import GateReport
from tiprouter.policy.gate.diff import Difference
from tiprouter.storage import bundles
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, governing
from tiprouter.workflow.governing import InForce, Wish
from tiprouter.workflow.happening import NoBundleError
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["bundles"])


@router.post("/v1/bundles", status_code=201, operation_id="proposeBundle", response_model=BundleStanding)
async def propose_bundle(body: BundleProposed, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Propose a bundle. One that cannot be used is refused with file, line and reason, and changes nothing."""

    def story(tx: Transaction, bundle: Bundle) -> Answer:
        done = governing.propose(tx, office.desk, actor, bundle)
        return _answer(tx, office, 201, BundleStanding.standing(done))

    return await answer_prepared(office, asked, lambda: proving.read_proposed(body.files), story)


@router.get("/v1/bundles", operation_id="listBundles", response_model=BundleList)
async def list_bundles(
    request: Request, query: Annotated[BundleQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """Bundles by digest, each with where it is on its way into force."""
    rows = await office.database.read(lambda tx: governing.listed(tx, query.after, query.limit + 1))
    kept = rows[: query.limit]
    await accessing.note(office.database, office.desk, actor, "bundles", len(kept))
    items = BundleList(items=tuple(BundleBody.of(row) for row in kept))
    return answer_page(visit_of(request), query, items, kept[-1].digest if len(rows) > query.limit else None)


@router.post("/v1/bundles/rollback", operation_id="rollBackBundle", response_model=InForceBody)
async def roll_back_bundle(office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None) -> Response:
    """Return, by a second word, to the bundle whose place the active one took. Every open record is decided again."""
    del body  # it can say nothing: it is read only to refuse one that tries to
    return await answer_once(
        office, asked, lambda tx: _in_force(tx, office, governing.roll_back(tx, office.desk, actor))
    )


@router.get("/v1/bundles/{digest}", operation_id="readBundle", response_model=BundleStanding)
async def read_bundle(digest: BundleDigest, office: Desks, actor: Caller) -> Response:
    """A bundle, who approved it, and what the gate said of it."""
    # A story, not a question: on PostgreSQL it holds the bundle for a moment, so that bundle and approvals fit.
    found = await office.database.write(lambda tx: governing.governed(tx, digest), quietly=True)
    await accessing.note(office.database, office.desk, actor, "bundle", subject=digest)
    return _told(BundleStanding.standing(found))


@router.get("/v1/bundles/{digest}/files", operation_id="readBundleFiles", response_model=BundleFiles)
async def read_bundle_files(digest: BundleDigest, office: Desks, actor: Caller) -> Response:
    """A bundle's complete texts."""
    texts = await office.database.read(lambda tx: bundles.texts(tx, digest))
    if texts is None:
        raise NotFoundError
    await accessing.note(office.database, office.desk, actor, "bundle.files", subject=digest)
    return _told(BundleFiles(digest=digest, files=dict(sorted(texts.files.items()))))


@router.get("/v1/bundles/{digest}/difference", operation_id="compareBundle", response_model=DifferenceBody)
async def compare_bundle(
    digest: BundleDigest, query: Annotated[DifferenceQuery, Query()], office: Desks, actor: Caller
) -> Response:
    """What would change if this bundle took the other's place, at every fact point, in words."""
    against = query.against or await office.database.read(bundles.active)
    if against is None:
        raise NoBundleError
    found = await proving.compared(office, against, digest)
    await accessing.note(office.database, office.desk, actor, "bundle.difference", subject=digest)
    return _told(DifferenceBody.of(found))


@router.post("/v1/bundles/{digest}/explain", operation_id="explainFacts", response_model=FactsExplained)
async def explain_facts(digest: BundleDigest, body: FactsWanted, office: Desks, actor: Caller) -> Response:
    """What this bundle would decide on these facts, by which policies, and what single fact would change it."""
    engine = await proving.engine_of(office, digest)
    found = await asyncio.to_thread(FactsExplained.by, digest, engine, body.facts)
    await accessing.note(office.database, office.desk, actor, "bundle.explained", subject=digest)
    return _told(found)


@router.post("/v1/bundles/{digest}/check", operation_id="checkBundle", response_model=BundleStanding)
async def check_bundle(
    digest: BundleDigest, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Let the gate prove the bundle and keep what it says. Without the gate's packages nothing is proved: 503."""
    del body  # as above

    def story(tx: Transaction, report: GateReport) -> Answer:
        done = governing.record_check(tx, office.desk, actor, digest, report)
        return _answer(tx, office, 200, BundleStanding.standing(done))

    return await answer_prepared(office, asked, lambda: proving.proved(office, digest), story)


@router.post("/v1/bundles/{digest}/approve", operation_id="approveBundle", response_model=BundleStanding)
async def approve_bundle(
    digest: BundleDigest, body: ApprovalWanted, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Approve a gated bundle against the active one. Two credentials must, and accept what would newly leave."""

    def story(tx: Transaction, found: Difference) -> Answer:
        wish = Wish(body.against, found.discloses, body.accept_newly_disclosed)
        done = governing.approve(tx, office.desk, actor, digest, wish)
        return _answer(tx, office, 200, BundleStanding.standing(done))

    return await answer_prepared(office, asked, lambda: proving.compared(office, body.against, digest), story)


@router.post("/v1/bundles/{digest}/activate", operation_id="activateBundle", response_model=InForceBody)
async def activate_bundle(
    digest: BundleDigest, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Bring an approved bundle into force. Every open record is decided again under it."""
    del body  # as above
    # Read before the transaction, which every decision waits for.
    return await answer_prepared(
        office,
        asked,
        lambda: proving.engine_of(office, digest),
        lambda tx, _: _in_force(tx, office, governing.activate(tx, office.desk, actor, digest)),
    )


def _in_force(tx: Transaction, office: Office, done: InForce) -> Answer:
    return _answer(tx, office, 200, InForceBody.of(done))


def _answer(tx: Transaction, office: Office, status: int, told: Message) -> Answer:
    return about_nobody(tx, office), status, told.rendered()


def _told(message: Message) -> Response:
    return Response(message.rendered(), 200, None, "application/json")
