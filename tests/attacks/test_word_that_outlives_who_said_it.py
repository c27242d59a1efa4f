"""Attack: a stolen credential says yes to something, is found out and revoked, and its yes is acted on all the same."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.support import granting
from tests.support.fictional import agency
from tests.support.giving import another, give
from tests.support.governing import COUNSEL, gate_report
from tests.support.service import CONFIRMER, Service, bundle
from tests.support.staff import member
from tiprouter.domain.accounts import AccountEvent, AccountRole
from tiprouter.domain.grant_states import GrantState
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.storage import bundles
from tiprouter.workflow import credentials, governing, key_rotation, people, second_words
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.governing import LapsedError, Wish
from tiprouter.workflow.granting import NotAnotherError
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.second_words import SecondWordNeededError

THIEF, VICTIM = another("thief"), another("victim")
TIP_SHARING = bundle("tip-sharing").digest


async def told(service: Service, story: Any, *args: object, by: Actor = THIEF) -> Any:  # noqa: ANN401 - a story's own
    """A story, told by somebody."""
    return await service.database.write(lambda tx: story(tx, service.desk, by, *args))


async def credential(service: Service, role: CallerRole, holder_id: str | None = None) -> Actor:
    """Somebody's credential, as a caller."""
    made, _ = await give(service, role, terms=Terms(holder_id=holder_id), by=VICTIM)
    return Actor(made.id, role.value)


async def test_a_key_is_not_replaced_on_the_word_of_a_revoked_credential(service: Service) -> None:
    """The word was said in time, by another person's credential; it was revoked before the key was replaced."""
    to = (await service.enrol(agency())).recipient.id
    stolen, kept = [await credential(service, CallerRole.OPERATOR) for _ in range(2)]
    asked = await told(service, second_words.ask, ByTwo.KEY, to)
    await told(service, second_words.say, asked.id, by=stolen)
    await told(service, credentials.revoke, stolen.id, by=CONFIRMER)
    with pytest.raises(SecondWordNeededError):
        await told(service, key_rotation.rotate_key, to, timedelta())
    again = await told(service, second_words.ask, ByTwo.KEY, to)
    await told(service, second_words.say, again.id, by=kept)
    await told(service, key_rotation.rotate_key, to, timedelta())


async def test_a_bundle_is_not_activated_on_the_approval_of_a_revoked_credential(service: Service) -> None:
    """Two approved it; one of them was no person of the house's. A third approves, and it comes into force."""
    stolen = await credential(service, CallerRole.COUNSEL)
    await approved_by(service, COUNSEL, stolen)
    await told(service, credentials.revoke, stolen.id, by=CONFIRMER)
    with pytest.raises(LapsedError):
        await told(service, governing.activate, TIP_SHARING, by=COUNSEL)
    await approved_by(service, await credential(service, CallerRole.COUNSEL))
    await told(service, governing.activate, TIP_SHARING, by=COUNSEL)
    assert await service.database.read(bundles.active) == TIP_SHARING


async def test_nor_on_the_approval_of_somebody_who_may_not_sign_in_any_more(service: Service) -> None:
    """A member of counsel approved by the credential in their hands, and was suspended."""
    her = (await member(service, role=AccountRole.COUNSEL)).account
    hers = await credential(service, CallerRole.COUNSEL, her.id)
    await approved_by(service, COUNSEL, hers)
    await told(service, people.move, her.id, AccountEvent.SUSPEND, by=CONFIRMER)
    with pytest.raises(LapsedError):
        await told(service, governing.activate, TIP_SHARING, by=COUNSEL)


async def test_a_matter_is_not_opened_on_the_word_of_a_revoked_credential(service: Service) -> None:
    """The first word of a grant's two was a thief's: the next one is the first, and a third opens it."""
    asked = await granting.ask(service, await granting.matter(service, await granting.police(service)))
    stolen, hers, third = [await credential(service, CallerRole.REVIEWER) for _ in range(2)] + [granting.REVIEWER]
    assert (await granting.approve(service, asked.id, stolen)).state is GrantState.APPROVED
    await told(service, credentials.revoke, stolen.id, by=CONFIRMER)
    second = await granting.approve(service, asked.id, hers)
    assert (second.state, second.approved_by, second.opened_by) == (GrantState.APPROVED, hers.id, None)
    with pytest.raises(NotAnotherError):
        await granting.approve(service, asked.id, hers)
    assert (await granting.approve(service, asked.id, third)).state is GrantState.OPEN
    said = [(one.kind, one.body.get("approver")) for one in await granting.logged(service, "grant.")]
    assert said == [
        ("grant.asked", None),
        ("grant.approved", None),
        ("grant.approved", None),
        ("grant.opened", hers.id),
    ]
    await service.check_house()


async def approved_by(service: Service, *everybody: Actor) -> None:
    """The shipped bundle that shares tips is proposed and checked once, and approved by these."""
    if await service.rows(f"select digest from bundles where digest = '{TIP_SHARING}'") == []:  # noqa: S608 - our own
        await told(service, governing.propose, bundle("tip-sharing"), by=COUNSEL)
        await told(service, governing.record_check, TIP_SHARING, gate_report("tip-sharing"), by=COUNSEL)
    wish = Wish(against=bundle("survivor-led").digest, newly_discloses=True, accepted=True)
    for one in everybody:
        await service.database.write(
            partial(governing.approve, desk=service.desk, actor=one, digest=TIP_SHARING, wish=wish)
        )
