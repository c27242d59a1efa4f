"""One operator who wants to read what operators do not read, or to be both of the two who are asked.

Each story is told of a house with two operators. Then each defence is taken away, and a story notices.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.security.separated import Two, release_confirmed
from tests.support.callers import ed25519, public
from tests.support.fictional import agency, person, tip
from tests.support.giving import another, give
from tests.support.reviewing import LE
from tests.support.service import Service, open_service
from tests.support.staff import invite, joined, member, redeem
from tiprouter.domain.accounts import AccountEvent, AccountRole, SignInWay
from tiprouter.domain.recipient import RecipientStatus
from tiprouter.storage import accounts, callers
from tiprouter.storage.accounts import Account, Holder
from tiprouter.workflow import (
    clients,
    credentials,
    endpoint_changes,
    enrolment,
    key_rotation,
    people,
    presenting,
    separation,
)
from tiprouter.workflow.clients import NewClient
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.endpoint_changes import OneCredentialError
from tiprouter.workflow.enrolment import SecondPersonError
from tiprouter.workflow.happening import ROUTER, Actor
from tiprouter.workflow.local_sign_in import InvitationError
from tiprouter.workflow.people import Wanted
from tiprouter.workflow.presenting import Presented, Refusal
from tiprouter.workflow.separation import GivenBeforeError, GivenByYouError, NothingWaitsError, Word
from tiprouter.workflow.standing import StepUpNeededError

THIEF, OTHER = another("thief"), another("other")
GIVEN = [CallerRole.INTAKE, CallerRole.REVIEWER, CallerRole.AUDITOR, CallerRole.COUNSEL, CallerRole.CUSTODIAN]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with two operators."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        for by in (THIEF, OTHER):
            await give(service, CallerRole.OPERATOR, by=by)
        yield service


async def told(service: Service, story: Callable[..., Any], *args: object, by: Actor = THIEF) -> Any:  # noqa: ANN401
    """A story of the workflow, told by somebody."""
    return await service.database.write(lambda tx: story(tx, service.desk, by, *args))


async def opens(service: Service, token: str) -> bool:
    """Whether a token's row lets anybody in, its secret being right."""
    found = await service.database.read(lambda tx: credentials.identify(tx, Presented(token), service.clock()))
    assert found is not None
    assert found.refusal in {None, Refusal.WAITS}
    return found.refusal is None


async def a_credential_of_another_role(service: Service) -> None:
    """It opens nothing until another operator confirmed it, and no credential of the maker's does that."""
    mine, _ = await give(service, CallerRole.OPERATOR, by=THIEF)
    for role in GIVEN:
        made, token = await told(service, credentials.make, role)
        assert not await opens(service, token), role
        for one in (THIEF, Actor(mine.id, mine.role)):
            with pytest.raises(GivenByYouError):
                await told(service, credentials.confirm, made.id, by=one)
        await told(service, credentials.confirm, made.id, by=OTHER)
        assert await opens(service, token), role
        with pytest.raises(NothingWaitsError):
            await told(service, credentials.confirm, made.id, by=OTHER)


async def a_credential_that_nobody_confirms(service: Service) -> None:
    """After a week nobody can any more."""
    made, token = await told(service, credentials.make, CallerRole.REVIEWER)
    service.clock.forward(days=7)
    with pytest.raises(NothingWaitsError):
        await told(service, credentials.confirm, made.id, by=OTHER)
    assert not await opens(service, token)


async def a_reviewers_key_rotated(service: Service) -> None:
    """The new key opens nothing, and the reviewer's own goes on, until another operator's word; then it ends."""
    made, old = await give(service, CallerRole.REVIEWER, by=OTHER)
    rotated = await told(service, credentials.rotate, made.id, 0)
    assert (await opens(service, rotated.token), await opens(service, old)) == (False, True)
    assert rotated.old_end_at is None
    with pytest.raises(GivenBeforeError):
        await told(service, credentials.rotate, made.id, 0)
    with pytest.raises(GivenByYouError):
        await told(service, credentials.confirm, made.id)
    await told(service, credentials.confirm, made.id, by=OTHER)
    assert await opens(service, rotated.token)
    found = await service.database.read(lambda tx: credentials.identify(tx, Presented(old), service.clock()))
    assert found is not None
    assert found.refusal is Refusal.EXPIRED


async def a_client(service: Service) -> None:
    """A system's public keys wait as a credential does: the client as a whole, and other keys of one that is there."""
    new = NewClient(CallerRole.REVIEWER, (public(ed25519()),))
    client = await told(service, clients.register, new)
    assert client.waits
    with pytest.raises(GivenByYouError):
        await told(service, clients.confirm, client.id)
    assert not (await told(service, clients.confirm, client.id, by=OTHER)).waits
    changed = await told(service, clients.replace_keys, client.id, (public(ed25519()),))
    assert changed.jwks == client.jwks
    with pytest.raises(GivenByYouError):
        await told(service, clients.confirm, client.id)
    assert (await told(service, clients.confirm, client.id, by=OTHER)).jwks == changed.next_jwks


async def an_invitation(service: Service) -> None:
    """Nobody redeems it before another operator's word, for another operator's account neither."""
    for role in (AccountRole.REVIEWER, AccountRole.OPERATOR):
        wanted = Wanted(role, SignInWay.LOCAL, Holder("Example Person", f"{role}@hotline.example"))
        account, code = await told(service, people.invite, wanted)
        with pytest.raises(InvitationError):
            await redeem(service, code)
        with pytest.raises(GivenByYouError):
            await told(service, people.confirm, account.id)
        service.clock.forward(hours=71)
        await told(service, people.confirm, account.id, by=OTHER)
        service.clock.forward(hours=71)
        assert await redeem(service, code)


async def two_credentials_of_ones_making(service: Service) -> None:
    """Both were confirmed, and are one person: neither is the second of two, nor is it with its maker."""
    made = [await give(service, CallerRole.REVIEWER, by=THIEF) for _ in range(2)]
    first, second = (Actor(one.id, one.role) for one, _ in made)
    assert not await release_confirmed(service, Two(first, second, "", 1))
    theirs, _ = await give(service, CallerRole.REVIEWER, by=OTHER)
    assert await release_confirmed(service, Two(first, Actor(theirs.id, theirs.role), "", 2))


async def the_other_operator_is_ended(service: Service) -> None:
    """Whoever gets rid of the other is not alone by that: the machine's own command line is asked then."""
    other = await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    for one in await service.database.read(callers.everyone):
        if one.made_by != THIEF.id:
            await told(service, credentials.revoke, one.id)
    await told(service, people.move, other.account.id, AccountEvent.SUSPEND)
    _, token = await told(service, credentials.make, CallerRole.REVIEWER)
    assert not await opens(service, token)
    _, by_hand = await told(service, credentials.make, CallerRole.REVIEWER, by=Actor("command-line", "operator"))
    assert await opens(service, by_hand)


async def an_agency_of_ones_own(service: Service) -> None:
    """It is suspended, and nothing is decided toward it, until another operator confirms it; no change helps."""
    done = await told(service, enrolment.register, agency(LE))
    known = done.recipient
    assert known.status is RecipientStatus.SUSPENDED
    await service.accept(tip(person("child", years=9), external_id="A-1"))
    assert await service.rows("SELECT id FROM disclosures") == []
    with pytest.raises(SecondPersonError):
        await told(service, enrolment.change, replace(known, status=RecipientStatus.ACTIVE), 1)
    with pytest.raises(OneCredentialError):
        await told(service, endpoint_changes.confirm, done.waiting)
    confirmed = await told(service, endpoint_changes.confirm, done.waiting, by=OTHER)
    assert confirmed.status is RecipientStatus.ACTIVE
    await service.revisit()
    assert len(await service.rows("SELECT id FROM disclosures")) == 1


async def an_agency_whose_proposal_ended(service: Service) -> None:
    """It stays suspended; what is proposed next of it, be it nothing else, is its enrolment."""
    done = await told(service, enrolment.register, agency(LE))
    await told(service, endpoint_changes.withdraw, done.waiting)
    known = done.recipient
    with pytest.raises(SecondPersonError):
        await told(service, enrolment.change, replace(known, status=RecipientStatus.ACTIVE), 1)
    again = await told(service, endpoint_changes.propose, endpoint_changes.Wish(known.id, 1, {}))
    assert again.changes == ("status",)
    with pytest.raises(OneCredentialError):
        await told(service, endpoint_changes.confirm, again.id)
    assert (await told(service, endpoint_changes.confirm, again.id, by=OTHER)).status is RecipientStatus.ACTIVE


async def a_session_left_open(service: Service) -> None:
    """It enrols nobody, rotates no signing key, and confirms nothing."""
    account = await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    long_ago = service.clock() - timedelta(minutes=16)
    stale = Actor(account.account.id, "operator", None, "ses_1", long_ago)
    recipient = (await service.enrol(agency(LE))).recipient
    made, _ = await told(service, credentials.make, CallerRole.REVIEWER)
    for story, args in (
        (enrolment.register, (agency(LE),)),
        (key_rotation.rotate_key, (recipient.id, timedelta(days=1))),
        (credentials.confirm, (made.id,)),
    ):
        with pytest.raises(StepUpNeededError):
            await told(service, story, *args, by=stale)


async def the_first_token_that_somebody_kept(service: Service) -> None:
    """It ends with the first operator's account: nobody has it beside an account of their own."""
    first, token = await told(service, credentials.make, CallerRole.OPERATOR, by=ROUTER)
    assert (first.made_by, await opens(service, token)) == (ROUTER.id, True)
    await member(service, "reviewer@hotline.example", AccountRole.REVIEWER)
    assert await opens(service, token)
    await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    assert await service.database.read(lambda tx: callers.hold(tx, first.id)) is None


async def somebody_invited_earlier_comes_later(service: Service) -> None:
    """The house is whoever came first, and stays theirs: it cannot become another person beside them."""
    early = await invite(service, "invited.first@hotline.example", AccountRole.OPERATOR)
    service.clock.forward(seconds=1)
    first = (await member(service, "came.first@hotline.example", AccountRole.OPERATOR)).account
    house = partial(separation.person, actor_id=ROUTER.id)
    assert await service.database.read(house) == first.id
    await joined(service, "invited.first@hotline.example", *early)
    assert await service.database.read(house) == first.id


STORIES = [
    somebody_invited_earlier_comes_later,
    the_first_token_that_somebody_kept,
    a_credential_of_another_role,
    a_credential_that_nobody_confirms,
    a_reviewers_key_rotated,
    a_client,
    an_invitation,
    two_credentials_of_ones_making,
    the_other_operator_is_ended,
    an_agency_of_ones_own,
    an_agency_whose_proposal_ended,
    a_session_left_open,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_it_holds(house: Service, story: Callable[[Service], Awaitable[None]]) -> None:
    """Each of the stories above."""
    await story(house)
    await house.check_house()


async def test_who_is_alone_gives_alone_and_the_log_says_so(tmp_path: Path) -> None:
    """A house begins with one operator: what they give is usable at once, and so is told; with a second it waits."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await give(service, CallerRole.OPERATOR, by=THIEF)
        _, token = await told(service, credentials.make, CallerRole.REVIEWER)
        assert await opens(service, token)
        first = await told(service, enrolment.register, agency(LE))
        assert (first.waiting, first.recipient.status) == (None, RecipientStatus.ACTIVE)
        auditor = Wanted(AccountRole.AUDITOR, SignInWay.LOCAL, Holder("Example Person", "auditor@hotline.example"))
        assert not (await told(service, people.invite, auditor))[0].waits
        await member(service, "operator@hotline.example", AccountRole.OPERATOR)
        _, later = await told(service, credentials.make, CallerRole.REVIEWER)
        assert not await opens(service, later)
        await service.check_house()
        said = [entry.body for entry in await entries_of(service) if entry.kind in {"key.created", "account.invited"}]
        words = [(one.get("role"), one.get("alone"), one.get("waits")) for one in said if one.get("role")]
        assert words == [
            ("operator", None, None),
            ("reviewer", True, None),
            ("auditor", True, None),
            ("operator", None, True),
            ("reviewer", None, True),
        ]


def _nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (separation, people, enrolment):
        monkeypatch.setattr(place, "word", lambda *_: Word(waits=False, alone=False))


def _what_waits_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    standing = presenting.standing
    monkeypatch.setattr(presenting, "standing", lambda now, **given: standing(now, **given | {"waits": False}))


def _who_made_it_confirms_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (credentials, clients, people):
        monkeypatch.setattr(place, "require_another", lambda *_: None)


def _credentials_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "behind", lambda _, caller: caller.holder_id or caller.id)


def _who_is_left_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "operators", partial(separation.operators, live=True))


def _it_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "still_waits", lambda since, _: since is not None)


def _other_keys_are_put_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    put = callers.replace_keys
    monkeypatch.setattr(callers, "propose_keys", lambda tx, client_id, jwks, *_: put(tx, client_id, jwks))


def _an_invitation_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(tx: Any, invitation: str) -> Account | None:  # noqa: ANN401 - a transaction
        account = original(tx, invitation)
        return None if account is None else replace(account, waits=False)

    original = accounts.invited
    monkeypatch.setattr(accounts, "invited", found)


def _one_makes_it_active(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolment, "unconfirmed", lambda *_: False)


def _the_first_token_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "revoke", lambda *_: True)


def _who_was_invited_first_is_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    in_order = accounts.ever
    monkeypatch.setattr(accounts, "ever", lambda *asked: sorted(in_order(*asked)))


def _nobody_is_asked_to_be_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (credentials, enrolment, key_rotation):
        monkeypatch.setattr(place, "require_fresh", lambda *_: None)


FAULTS: list[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[Service], Awaitable[None]]]] = [
    (_nothing_waits, a_credential_of_another_role),
    (_nothing_waits, a_client),
    (_nothing_waits, an_invitation),
    (_nothing_waits, an_agency_of_ones_own),
    (_what_waits_opens, a_credential_of_another_role),
    (_what_waits_opens, a_reviewers_key_rotated),
    (_who_made_it_confirms_it, a_credential_of_another_role),
    (_who_made_it_confirms_it, a_client),
    (_who_made_it_confirms_it, an_invitation),
    (_credentials_are_compared, two_credentials_of_ones_making),
    (_who_is_left_is_alone, the_other_operator_is_ended),
    (_it_waits_for_ever, a_credential_that_nobody_confirms),
    (_other_keys_are_put_at_once, a_client),
    (_an_invitation_does_not_look, an_invitation),
    (_one_makes_it_active, an_agency_of_ones_own),
    (_one_makes_it_active, an_agency_whose_proposal_ended),
    (_the_first_token_stays, the_first_token_that_somebody_kept),
    (_who_was_invited_first_is_the_house, somebody_invited_earlier_comes_later),
    (_nobody_is_asked_to_be_fresh, a_session_left_open),
]


@pytest.mark.parametrize(("fault", "story"), FAULTS, ids=[f"{a.__name__}-{b.__name__}" for a, b in FAULTS])
async def test_a_fault_is_noticed(
    house: Service,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
    story: Callable[[Service], Awaitable[None]],
) -> None:
    """A service without that defence fails the story that is told of it."""
    fault(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, TypeError, AttributeError)):
        await story(house)


async def test_the_other_is_ended_before_a_first_request(service: Service) -> None:
    """Who redeemed an invitation was an operator, whether they ever asked for anything or not."""
    left = await member(service, "one.left@hotline.example", AccountRole.OPERATOR)
    other = await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    by = await left.actor(await left.sign_in())
    assert by is not None
    await told(service, people.move, other.account.id, AccountEvent.END, by=by)
    _, token = await told(service, credentials.make, CallerRole.REVIEWER, by=by)
    assert not await opens(service, token)
