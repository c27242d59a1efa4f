"""Attack: one person brings a policy back into force with approvals that were given for an earlier activation."""

from dataclasses import replace
from functools import partial

import pytest

from tests.attacks.agreement import entries_of
from tests.support.governing import COUNSEL, SECOND_COUNSEL, approved, gate_report
from tests.support.service import Service, bundle
from tiprouter.domain.states import BundleState
from tiprouter.storage import bundles
from tiprouter.workflow import governing
from tiprouter.workflow.governing import LapsedError, NotNowError, Wish
from tiprouter.workflow.happening import Actor

SURVIVOR_LED, TIP_SHARING, THIRD = bundle("survivor-led").digest, bundle("tip-sharing").digest, "c" * 64


async def activate(service: Service, name: str) -> None:
    """Two approve a shipped bundle, and it comes into force."""
    await approved(service, name)
    digest = bundle(name).digest
    await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, digest))


async def approve(service: Service, digest: str, actor: Actor, against: str = SURVIVOR_LED) -> BundleState:
    """One person approves; where the bundle stands then."""
    wish = Wish(against=against, newly_discloses=True, accepted=True)
    now = await service.database.write(
        partial(governing.approve, desk=service.desk, actor=actor, digest=digest, wish=wish)
    )
    return now.row.state


async def check(service: Service, digest: str, *, passed: bool = True) -> None:
    """The gate looks at a bundle."""
    report = replace(gate_report("tip-sharing"), digest=digest if passed else "0" * 64)
    await service.database.write(lambda tx: governing.record_check(tx, service.desk, COUNSEL, digest, report))


async def test_what_was_in_force_before_needs_two_people_again(service: Service) -> None:
    """Two approved it once; it went; one alone proposes it again, and the other's word of that day counts no more."""
    await activate(service, "tip-sharing")
    await activate(service, "survivor-led")
    await service.database.write(lambda tx: governing.propose(tx, service.desk, COUNSEL, bundle("tip-sharing")))
    await check(service, TIP_SHARING)
    assert await approve(service, TIP_SHARING, COUNSEL) is BundleState.GATED
    with pytest.raises(NotNowError):
        await service.database.write(lambda tx: governing.activate(tx, service.desk, COUNSEL, TIP_SHARING))
    assert await service.database.read(bundles.active) == SURVIVOR_LED


async def test_an_approval_that_lapsed_does_not_return_with_the_bundle_it_was_against(service: Service) -> None:
    """One approved a third bundle against the active one, which left and came back: that approval lapsed."""
    third = replace(bundle("tip-sharing"), digest=THIRD)
    await service.database.write(lambda tx: governing.propose(tx, service.desk, COUNSEL, third))
    await check(service, THIRD)
    assert await approve(service, THIRD, SECOND_COUNSEL) is BundleState.GATED
    await activate(service, "tip-sharing")
    with pytest.raises(LapsedError):
        await approve(service, THIRD, COUNSEL)
    await service.database.write(lambda tx: governing.roll_back(tx, service.desk, COUNSEL))
    assert await approve(service, THIRD, COUNSEL) is BundleState.GATED
    assert await approve(service, THIRD, SECOND_COUNSEL) is BundleState.APPROVED


async def test_what_failed_the_gate_after_it_was_approved_is_approved_again(service: Service) -> None:
    """One approved it, the gate then refused it and later passed it: nobody has approved what passed."""
    await service.database.write(lambda tx: governing.propose(tx, service.desk, COUNSEL, bundle("tip-sharing")))
    await check(service, TIP_SHARING)
    assert await approve(service, TIP_SHARING, SECOND_COUNSEL) is BundleState.GATED
    await check(service, TIP_SHARING, passed=False)
    await check(service, TIP_SHARING)
    assert await approve(service, TIP_SHARING, COUNSEL) is BundleState.GATED


async def test_a_return_to_the_bundle_before_names_no_approver(service: Service) -> None:
    """One person rolls back; whoever approved that bundle on an earlier day did not approve this."""
    await activate(service, "tip-sharing")
    await activate(service, "survivor-led")
    await activate(service, "tip-sharing")
    await service.database.write(lambda tx: governing.roll_back(tx, service.desk, COUNSEL))
    await service.check_house()
    told = [one.body["approvers"] for one in await entries_of(service) if one.kind == "bundle.activated"]
    both = [COUNSEL.id, SECOND_COUNSEL.id]
    assert told == [[], both, both, both, []]
