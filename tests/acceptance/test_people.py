"""The staff have accounts: invited by an operator, redeemed once, signed in for hours and fresh for minutes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fictional import agency
from tests.support.service import OPERATOR, Service
from tests.support.staff import (
    ABROAD,
    HOME,
    PASSWORD,
    Member,
    code_of,
    identified,
    invite,
    member,
    redeem,
)
from tiprouter.domain.accounts import FRESH_FOR, IDLE_FOR, SESSION_FOR, AccountEvent, AccountRole, AccountState
from tiprouter.errors import InvalidError
from tiprouter.storage.accounts import Account
from tiprouter.storage.database import Transaction
from tiprouter.workflow import credentials, endpoint_changes, local_sign_in, people, signing_in
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.endpoint_changes import OneCredentialError, Wish
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.local_sign_in import InvitationError
from tiprouter.workflow.people import AccountStateError, NameTakenError, OwnAccountError
from tiprouter.workflow.signing_in import Opened
from tiprouter.workflow.standing import StepUpNeededError
from tiprouter.workflow.trying import SignInRefusedError


async def move(service: Service, account_id: str, event: AccountEvent, by: Actor = OPERATOR) -> Account:
    """Suspend, restore or end an account."""
    return await service.database.write(lambda tx: people.move(tx, service.desk, by, account_id, event))


async def actor_of(who: Member, opened: Opened) -> Actor:
    """Whom a live session acts as."""
    actor = await who.actor(opened)
    assert actor is not None
    return actor


async def step_up(who: Member, opened: Opened, code: str, source: str = HOME) -> Opened | None:
    """Show again who one is."""
    service, actor = who.service, await actor_of(who, opened)
    tried = await service.database.write(lambda tx: signing_in.begin_step_up(tx, service.desk, actor, source))
    return await service.database.write(lambda tx: signing_in.step_up(tx, service.desk, actor, tried, code))


async def test_somebody_is_invited_redeems_it_and_signs_in(service: Service) -> None:
    """The session acts as the account, in its role, whichever session it is; nobody's words are in the log."""
    who = await member(service)
    first = await who.sign_in()
    service.clock.forward(minutes=1)
    second = await who.sign_in()
    assert first.token != second.token
    actors = [await actor_of(who, one) for one in (first, second)]
    assert {actor.id for actor in actors} == {who.account.id}
    assert {actor.role for actor in actors} == {"reviewer"}
    assert len({actor.session for actor in actors}) == 2
    await service.check_house()
    entries = b"".join(row[0] for row in await service.rows("SELECT entry FROM log_entries"))
    for kind in ("account.invited", "account.redeemed", "sign-in.done"):
        assert kind.encode() in entries
    for word in (who.email, "Example Person", PASSWORD, HOME, first.token, *who.recovery):
        assert word.encode() not in entries


async def test_what_is_kept_of_people_is_sealed_or_a_digest(service: Service) -> None:
    """No column of any table holds a name, an address, a password, a secret, a token or a code as it is."""
    who = await member(service)
    opened = await who.sign_in()
    kept = repr(
        [
            row
            for table in ("accounts", "sessions", "recovery_codes", "sign_in_lanes", "sign_in_sources")
            for row in await service.rows(f"SELECT * FROM {table}")  # noqa: S608 - our own names
        ]
    )
    for word in (who.email, "Example Person", PASSWORD, opened.token, *who.recovery):
        assert word not in kept
    assert repr(who.secret)[2:-1] not in kept
    assert "argon2id" not in kept


async def test_an_invitation_is_good_once_and_for_72_hours(service: Service) -> None:
    """A redeemed one, one of three days ago and one that nobody made are told the same."""
    account, invitation = await invite(service)
    secret = await redeem(service, invitation)
    service.clock.forward(hours=71, minutes=59)
    code = code_of(service, secret)
    await service.database.write(lambda tx: local_sign_in.confirm(tx, service.desk, invitation, code, HOME))
    _, late = await invite(service, "late@hotline.example")
    service.clock.forward(hours=72)
    for one in (invitation, late, "ti_nobody-made-this"):
        with pytest.raises(InvitationError):
            await redeem(service, one)
    assert account.state is AccountState.INVITED


async def test_an_account_is_active_only_after_a_code_confirmed_it(service: Service) -> None:
    """Before that nobody signs in, and a wrong code changes nothing; the invitation may be redeemed again."""
    account, invitation = await invite(service)
    secret = await redeem(service, invitation)
    who = Member(service, account, "reviewer@hotline.example", secret, ())
    with pytest.raises(SignInRefusedError):
        await who.sign_in()
    wrong = f"{(int(who.code()) + 1) % 1_000_000:06}"
    with pytest.raises(InvalidError):
        await service.database.write(lambda tx: local_sign_in.confirm(tx, service.desk, invitation, wrong, HOME))
    again = await redeem(service, invitation)
    assert again != secret
    code = code_of(service, again)
    await service.database.write(lambda tx: local_sign_in.confirm(tx, service.desk, invitation, code, HOME))


async def test_an_unfit_password_is_refused_at_its_field(service: Service) -> None:
    """The refusal names the field and quotes nothing."""
    _, invitation = await invite(service)
    with pytest.raises(InvalidError) as caught:
        await redeem(service, invitation, "Password123")
    assert caught.value.pointer == "/password"
    assert "Password123" not in str(caught.value)


async def test_a_recovery_code_stands_in_once(service: Service) -> None:
    """Typed in small letters and without its gaps it works; a second time it does not, and another one does."""
    who = await member(service)
    typed = who.recovery[0].lower().replace("-", " ")
    assert await who.actor(await who.sign_in(recovery=typed))
    with pytest.raises(SignInRefusedError):
        await who.sign_in(recovery=typed)
    assert await who.actor(await who.sign_in(recovery=who.recovery[9]))


async def test_a_session_ends_when_it_is_idle_and_after_twelve_hours(service: Service) -> None:
    """Used every twenty-nine minutes it lasts, but never beyond its last moment."""
    who = await member(service)
    idle, used = await who.sign_in(), await who.sign_in(recovery=who.recovery[0])
    began = service.clock()
    while service.clock() + timedelta(minutes=29) < began + SESSION_FOR:
        service.clock.forward(minutes=29)
        now = service.clock()
        assert (await who.actor(idle) is None) == (now >= began + IDLE_FOR)

        def see(tx: Transaction, now: Any = now) -> None:  # noqa: ANN401 - bound for this turn
            session = signing_in.unseen(tx, used.token, now)
            assert session is not None
            signing_in.see(tx, session, now)

        await service.database.write(see)
        assert await who.actor(used)
    service.clock.at = began + SESSION_FOR
    assert await who.actor(used) is None


async def test_whoever_is_suspended_or_ended_is_out_at_once_with_every_session(service: Service) -> None:
    """No session of before lives on after a restoration, and an ended account does not return."""
    who = await member(service)
    before = [await who.sign_in(), await who.sign_in(recovery=who.recovery[0])]
    await move(service, who.account.id, AccountEvent.SUSPEND)
    assert [await who.actor(one) for one in before] == [None, None]
    service.clock.forward(minutes=1)
    with pytest.raises(SignInRefusedError):
        await who.sign_in()
    await move(service, who.account.id, AccountEvent.RESTORE)
    assert [await who.actor(one) for one in before] == [None, None]
    after = await who.sign_in()
    assert await who.actor(after)
    await move(service, who.account.id, AccountEvent.END)
    assert await who.actor(after) is None
    with pytest.raises(AccountStateError):
        await move(service, who.account.id, AccountEvent.RESTORE)


async def test_one_name_is_one_account_until_it_ends(service: Service) -> None:
    """Another role is another account, and only after the old one has ended; whatever the spelling of the name."""
    account, _ = await invite(service)
    with pytest.raises(NameTakenError):
        await invite(service, "Reviewer@Hotline.Example", AccountRole.OPERATOR)
    await move(service, account.id, AccountEvent.END)
    again, _ = await invite(service, "reviewer@hotline.example", AccountRole.AUDITOR)
    assert again.id != account.id


async def test_nobody_changes_their_own_account_and_a_stale_operator_shows_again_who_they_are(
    service: Service,
) -> None:
    """Fresh, an operator does it to others and never to themselves; after fifteen minutes not even to others."""
    who = await member(service, "operator@hotline.example", AccountRole.OPERATOR)
    other = await member(service)
    actor = await actor_of(who, await who.sign_in())
    for event in (AccountEvent.SUSPEND, AccountEvent.END):
        with pytest.raises(OwnAccountError):
            await move(service, who.account.id, event, actor)
    await move(service, other.account.id, AccountEvent.SUSPEND, actor)
    service.clock.forward(minutes=15)
    with pytest.raises(StepUpNeededError):
        await move(service, other.account.id, AccountEvent.RESTORE, actor)
    with pytest.raises(StepUpNeededError):
        await invite(service, "second-self@hotline.example", by=actor)
    with pytest.raises(StepUpNeededError):
        await service.database.write(lambda tx: credentials.make(tx, service.desk, actor, CallerRole.OPERATOR))


async def test_one_person_in_two_sessions_is_one_person_and_confirms_only_when_fresh(service: Service) -> None:
    """What one session proposed another of the same account does not confirm; a second person does, once fresh."""
    one = await member(service, "one@hotline.example", AccountRole.OPERATOR)
    two = await member(service, "two@hotline.example", AccountRole.OPERATOR)
    enrolled = await service.enrol(agency())
    first = await actor_of(one, await one.sign_in())
    wish = Wish(enrolled.recipient.id, enrolled.recipient.revision, {"url": "https://elsewhere.example/hook"})
    change = await service.database.write(lambda tx: endpoint_changes.propose(tx, service.desk, first, wish))

    async def confirm(actor: Actor) -> None:
        await service.database.write(lambda tx: endpoint_changes.confirm(tx, service.desk, actor, change.id))

    with pytest.raises(OneCredentialError):
        await confirm(await actor_of(one, await one.sign_in(recovery=one.recovery[0])))
    opened = await two.sign_in()
    service.clock.forward(minutes=16)
    with pytest.raises(StepUpNeededError):
        await confirm(await actor_of(two, opened))
    fresh = await step_up(two, opened, two.code())
    assert fresh is not None
    await confirm(await actor_of(two, fresh))


async def test_a_step_up_gives_another_token_and_ends_the_old_one(service: Service) -> None:
    """The session goes on, fresh for fifteen minutes; a wrong code leaves all as it was."""
    who = await member(service)
    opened = await who.sign_in()
    service.clock.forward(minutes=16)
    assert await step_up(who, opened, "000000") is None or who.code() == "000000"
    before = await actor_of(who, opened)
    fresh = await step_up(who, opened, who.code())
    assert fresh is not None
    assert await identified(service, opened.token) is None
    after = await actor_of(who, fresh)
    assert (after.id, after.session) == (before.id, before.session)
    assert after.verified_at == service.clock()
    assert fresh.ends_at == opened.ends_at
    assert before.verified_at is not None
    assert service.clock() - before.verified_at > FRESH_FOR


@pytest.mark.parametrize("everywhere", [False, True])
async def test_who_signs_out_is_out(service: Service, *, everywhere: bool) -> None:
    """This session, or all of them."""
    who = await member(service)
    here, there = await who.sign_in(), await who.sign_in(recovery=who.recovery[0])
    actor = await actor_of(who, here)
    await service.database.write(lambda tx: signing_in.sign_out(tx, service.desk, actor, everywhere=everywhere))
    assert await who.actor(here) is None
    assert (await who.actor(there) is None) == everywhere


async def test_two_tries_at_once_with_one_code_open_one_session(service: Service) -> None:
    """A code is used once, also when both ask at the same moment."""
    who = await member(service)
    code = who.code()
    tried = await asyncio.gather(*(who.sign_in(code=code) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in tried) == ["Opened", "SignInRefusedError"]


async def test_names_are_told_to_operators_alone(service: Service) -> None:
    """An auditor sees who may do what, and not who they are."""
    who = await member(service, role=AccountRole.AUDITOR)
    auditor = await actor_of(who, await who.sign_in())

    def listed(actor: Actor) -> Callable[[Transaction], list[people.Person]]:
        return lambda tx: people.listed(tx, service.desk, actor, None, 10)

    (hidden,) = await service.database.read(listed(auditor))
    (shown,) = await service.database.read(listed(OPERATOR))
    assert hidden.holder is None
    assert shown.holder is not None
    assert shown.holder.email == who.email
    day = service.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    assert shown.account.seen_on == day


async def test_what_is_too_old_to_matter_is_forgotten(service: Service) -> None:
    """Tries after a day, sessions after thirty, sources after ninety; what is live stays."""
    who = await member(service)
    with pytest.raises(SignInRefusedError):
        await who.sign_in(password="not this one", source=ABROAD)
    await who.sign_in()

    async def left() -> dict[str, int]:
        await service.database.write(lambda tx: signing_in.forget_old(tx, service.desk))
        tables = ("sign_in_lanes", "sessions", "sign_in_sources")
        return {name: (await service.rows(f"SELECT count(*) FROM {name}"))[0][0] for name in tables}  # noqa: S608

    assert await left() == {"sign_in_lanes": 4, "sessions": 1, "sign_in_sources": 1}
    service.clock.forward(days=2)
    assert await left() == {"sign_in_lanes": 0, "sessions": 1, "sign_in_sources": 1}
    service.clock.forward(days=29)
    assert await left() == {"sign_in_lanes": 0, "sessions": 0, "sign_in_sources": 1}
    service.clock.forward(days=60)
    assert await left() == {"sign_in_lanes": 0, "sessions": 0, "sign_in_sources": 0}
