"""How does a policy bundle come into force, what becomes of what is open, and how does it leave again?"""

from dataclasses import replace
from functools import partial

import pytest

from tests.attacks.agreement import entries_of
from tests.support.fictional import agency, person, statement, tip
from tests.support.governing import COUNSEL, SECOND_COUNSEL, approved, gate_report
from tests.support.service import INTAKE, OPERATOR, Service, bundle
from tiprouter.domain.record import Record, Signaler
from tiprouter.domain.states import BundleState
from tiprouter.domain.vocabulary import CaseStatus, RecipientKind, RecordKind, Relationship
from tiprouter.errors import NotFoundError
from tiprouter.policy.annotations import Layer
from tiprouter.policy.library import AlteredBundleError, Library
from tiprouter.workflow import governing, inquiry, intake
from tiprouter.workflow.governing import (
    LapsedError,
    NothingToRollBackError,
    NotNowError,
    UnacceptedError,
    Wish,
)
from tiprouter.workflow.happening import Actor

AUDITOR = Actor("cal_auditor", "auditor")
LE = RecipientKind.LAW_ENFORCEMENT
SURVIVOR_LED, TIP_SHARING = bundle().digest, bundle("tip-sharing").digest


def sister_case(external_id: str = "C-1", status: CaseStatus = CaseStatus.ACTIVE) -> Record:
    """What a sister tells of an adult who was not asked: the disputed case."""
    told = tip(person(), statements=(statement(),), signaler=Signaler(Relationship.FAMILY_FRIEND))
    return replace(told, kind=RecordKind.CASE, external_id=external_id, status=status)


async def outcomes(service: Service) -> list[tuple[str, str]]:
    """What stands: outcome and bundle of every current decision."""
    rows = await service.rows("select outcome, bundle from decisions where current order by id")
    return [tuple(row) for row in rows]


async def propose(service: Service, name: str = "tip-sharing") -> str:
    """Propose a shipped bundle."""
    row = await service.database.write(lambda tx: governing.propose(tx, service.desk, COUNSEL, bundle(name)))
    return row.row.digest


async def check(service: Service, digest: str, name: str = "tip-sharing") -> None:
    """Let the gate's word be kept."""
    report = gate_report(name)
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, report))


async def approve(service: Service, digest: str, actor: Actor = COUNSEL, **wish: object) -> BundleState:
    """Approve against what is active, accepting that more may leave."""
    values = {"against": SURVIVOR_LED, "newly_discloses": True, "accepted": True} | wish
    stands = await service.database.write(
        lambda tx: governing.approve(tx, service.desk, actor, digest, Wish(**values))  # type: ignore[arg-type]  # as above
    )
    return stands.row.state


async def test_a_bundle_comes_into_force_and_what_is_open_is_decided_under_it(service: Service) -> None:
    """Withheld under one policy, the sister's words go to the police, minimised, once the other is active."""
    await service.enrol(agency(LE))
    await service.put_case(sister_case(), None)
    assert await outcomes(service) == [("WITHHOLD", SURVIVOR_LED)]
    digest = await propose(service)
    assert digest == TIP_SHARING
    await check(service, digest)
    assert await approve(service, digest) is BundleState.GATED
    assert await approve(service, digest, SECOND_COUNSEL) is BundleState.APPROVED
    in_force = await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, digest))
    assert (in_force.row.state, in_force.replaces, in_force.decided, in_force.waiting) == (
        BundleState.ACTIVE,
        SURVIVOR_LED,
        1,
        0,
    )
    assert await outcomes(service) == [("DISCLOSE", TIP_SHARING)]
    assert len(await service.deliver()) == 1
    await service.check_house()
    entries = [entry.body for entry in await entries_of(service) if entry.kind == "bundle.activated"]
    assert [entry["bundle"] for entry in entries] == [SURVIVOR_LED, TIP_SHARING]
    assert entries[1]["approvers"] == [COUNSEL.id, SECOND_COUNSEL.id]


async def test_rolling_back_is_instant_and_stops_what_waited(service: Service) -> None:
    """One person returns to the bundle before; what was queued under the other is cancelled in the same transaction."""
    await service.enrol(agency(LE))
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, TIP_SHARING))
    await service.put_case(sister_case(), None)
    assert await service.rows("select state from deliveries") == [("queued",)]
    back = await service.database.write(lambda tx: governing.roll_back(tx, service.desk, OPERATOR))
    assert (back.row.digest, back.replaces) == (SURVIVOR_LED, TIP_SHARING)
    assert await outcomes(service) == [("WITHHOLD", SURVIVOR_LED)]
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    assert await service.claim() == []
    with pytest.raises(NothingToRollBackError):
        await service.database.write(lambda tx: governing.roll_back(tx, service.desk, OPERATOR))
    await service.check_house()


async def test_nothing_comes_into_force_ungated_or_by_one_person(service: Service) -> None:
    """Unchecked, unapproved, approved once, approved twice by one: each is refused, and the active bundle stays."""
    digest = await propose(service)

    async def refused() -> None:
        with pytest.raises(NotNowError):
            await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, digest))

    await refused()
    with pytest.raises(NotNowError):
        await approve(service, digest)
    await check(service, digest)
    await refused()
    await approve(service, digest)
    assert await approve(service, digest) is BundleState.GATED
    await refused()
    assert await service.rows("select digest from bundles where state = 'active'") == [(SURVIVOR_LED,)]


async def test_a_bundle_that_fails_the_gate_goes_no_further(service: Service) -> None:
    """A failing report keeps a draft a draft, takes an approved one's turn away, and is kept to be read."""
    digest = await propose(service)
    report = gate_report("tip-sharing")
    failing = replace(report, steps=(replace(report.steps[0], ok=False), *report.steps[1:]))
    for _ in range(2):
        kept = await service.database.write(
            lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, failing)
        )
        assert (kept.row.state, kept.row.report is not None and kept.row.report["passed"]) == (BundleState.DRAFT, False)
    other = replace(report, digest=SURVIVOR_LED)
    kept = await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, other))
    assert kept.row.state is BundleState.DRAFT, "a report about another bundle is none about this one"


async def test_what_newly_leaves_must_be_accepted_by_each(service: Service) -> None:
    """An approval that does not accept the newly disclosed is refused where there is any."""
    digest = await propose(service)
    await check(service, digest)
    with pytest.raises(UnacceptedError):
        await approve(service, digest, accepted=False)
    assert await approve(service, digest, newly_discloses=False, accepted=False) is BundleState.GATED


async def test_approvals_lapse_when_another_bundle_became_active(service: Service) -> None:
    """Two approved against what was active then; against another bundle they approved nothing."""
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, TIP_SHARING))
    third = await service.database.write(
        lambda tx: governing.propose(tx, service.desk, COUNSEL, replace(bundle("tip-sharing"), digest="c" * 64))
    )
    with pytest.raises(NotNowError):
        await approve(service, third.row.digest)
    report = replace(gate_report("tip-sharing"), digest="c" * 64)
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, "c" * 64, report))
    with pytest.raises(LapsedError):
        await approve(service, "c" * 64)
    for actor in (COUNSEL, SECOND_COUNSEL):
        await approve(service, "c" * 64, actor, against=TIP_SHARING, newly_discloses=False)
    await service.database.write(lambda tx: governing.roll_back(tx, service.desk, OPERATOR))
    assert await service.rows(f"select state from bundles where digest = '{'c' * 64}'") == [("gated",)]  # noqa: S608
    with pytest.raises(NotNowError):
        await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, "c" * 64))


async def test_what_is_closed_stays_closed(service: Service) -> None:
    """A case the hotline closed is history: no new policy opens it. What a tip was withheld is left to the workers."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(), signaler=Signaler(Relationship.FAMILY_FRIEND)))
    await service.put_case(sister_case("C-2", CaseStatus.CLOSED), None)
    before = await outcomes(service)
    await approved(service, "tip-sharing")
    in_force = await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, TIP_SHARING))
    assert (in_force.decided, in_force.waiting) == (0, 0)
    assert await outcomes(service) == before == [("WITHHOLD", SURVIVOR_LED)] * 2
    assert await service.revisit() == 1
    assert sorted(await outcomes(service)) == [("DISCLOSE", TIP_SHARING), ("WITHHOLD", SURVIVOR_LED)]


async def test_more_than_one_transaction_can_hold_is_decided_by_the_workers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first records are decided with the activation, the others right after it; none is forgotten."""
    await service.enrol(agency(LE))
    for number in range(5):
        await service.put_case(sister_case(f"C-{number}"), None)
    await approved(service, "tip-sharing")
    monkeypatch.setattr(governing, "DECIDED_AT_ONCE", 2)
    in_force = await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, TIP_SHARING))
    assert (in_force.decided, in_force.waiting) == (2, 3)
    assert sorted(await outcomes(service)) == [("DISCLOSE", TIP_SHARING)] * 2 + [("WITHHOLD", SURVIVOR_LED)] * 3
    assert await service.revisit() == 3
    assert await outcomes(service) == [("DISCLOSE", TIP_SHARING)] * 5
    assert await service.revisit() == 0
    await service.check_house()


async def test_an_unknown_bundle_is_not_there(service: Service) -> None:
    """Checking, approving and activating what nobody proposed say the same."""
    with pytest.raises(NotFoundError):
        await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, "0" * 64))
    with pytest.raises(NotFoundError):
        await approve(service, "0" * 64)


async def test_a_decision_under_a_bundle_that_retired_is_explained_by_it(service: Service) -> None:
    """Every decision names its bundle; the texts stay, and a service that starts anew reads them from the database."""
    await service.enrol(agency(LE))
    await service.put_case(sister_case(), None)
    await approved(service, "tip-sharing")
    await service.database.write(lambda tx: governing.activate(tx, service.desk, OPERATOR, TIP_SHARING))
    anew = replace(service.desk, library=Library())
    for row in await service.rows("select id, bundle, outcome from decisions"):
        told = await service.database.write(partial(inquiry.decision, desk=anew, actor=AUDITOR, decision_id=row.id))
        assert told.decision.bundle == row.bundle
        layers = {note.id: note.layer for note in told.notes}
        disputed = "tenant.third-party-withheld" if row.bundle == SURVIVOR_LED else "tenant.third-party-forwarded"
        assert layers[disputed] is Layer.TENANT
        assert inquiry.counterfactuals(anew, told.decision) is not None


async def test_a_bundle_altered_in_the_database_is_refused(service: Service) -> None:
    """Whoever edits the texts of the bundle in force gets no decision out of them."""
    await service.enrol(agency(LE))
    anew = replace(service.desk, library=Library())
    text = "replace(files, 'PT15M', 'PT16M')"
    cast = f"cast({text} as json)" if "postgresql" in service.url else text
    files = "cast(files as text)" if "postgresql" in service.url else "files"
    await service.database.write(
        lambda tx: tx.exec_driver_sql(f"update bundles set files = {cast.replace('files,', files + ',')}")  # noqa: S608
    )
    with pytest.raises(AlteredBundleError):
        await service.database.write(lambda tx: intake.accept_tip(tx, anew, INTAKE, tip()))
