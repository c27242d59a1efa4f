"""Somebody knows a password, found a session open, or kept one: what they have after its holder changes the password.

Each story is told to broken code too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.questioning import entries
from tests.support.service import Service, open_service
from tests.support.staff import ABROAD, CHEAP, HOME, PASSWORD, Member, identified, member
from tiprouter.domain.accounts import SESSIONS_MAX, AccountRole
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import sessions
from tiprouter.workflow import local_sign_in, own_account, trying
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.own_account import Change
from tiprouter.workflow.passwords import Hasher
from tiprouter.workflow.signing_in import NoSessionError, Opened
from tiprouter.workflow.standing import StepUpNeededError
from tiprouter.workflow.trying import SignInRefusedError, ThrottledError

Story = Callable[[Service], Awaitable[None]]
OTHER = "silver doors above dry land"


async def entered(who: Member) -> tuple[Opened, Actor]:
    """A session of somebody, and who it says that they are; the next code is another."""
    opened = await who.sign_in()
    actor = await who.actor(opened)
    assert actor is not None
    who.service.clock.forward(seconds=30)
    return opened, actor


async def change(who: Member, actor: Actor, current: str = PASSWORD, new: str = OTHER) -> Opened:
    """Choose another password."""
    service, wanted = who.service, Change(current, new)
    return await own_account.change_password(service.database, service.desk, who.hasher, actor, wanted, HOME)


async def refused(trying_: Awaitable[object]) -> type[Exception] | None:
    """What somebody was refused with, if they were."""
    try:
        await trying_
    except (SignInRefusedError, ThrottledError, StepUpNeededError, NotFoundError, InvalidError) as error:
        return type(error)
    return None


async def whoever_knew_the_old_one(service: Service) -> None:
    """The old password opens nothing any more; other sessions, and the old token of this one, are out."""
    who = await member(service)
    thief, _ = await entered(who)
    here, actor = await entered(who)
    kept = await change(who, actor)
    assert [await identified(service, one.token) is None for one in (thief, here, kept)] == [True, True, False]
    assert await refused(who.sign_in()) is SignInRefusedError
    service.clock.forward(seconds=30)
    assert await refused(who.sign_in(password=OTHER)) is None
    (details,) = await entries(service, "account.password-changed")
    assert (details["actor"], details["account"], details["sessions"]) == (who.account.id, who.account.id, 1)


async def whoever_found_a_session_open(service: Service) -> None:
    """Without the password they change nothing, however often they guess; an old session changes nothing at all."""
    who = await member(service)
    _, actor = await entered(who)
    told = [await refused(change(who, actor, f"guess number {turn}")) for turn in range(8)]
    assert set(told) == {SignInRefusedError, ThrottledError}
    service.clock.forward(minutes=16)
    assert await refused(change(who, actor)) is StepUpNeededError
    assert await refused(who.sign_in()) is None


async def a_password_too_easy(service: Service) -> None:
    """What cannot be chosen with an invitation cannot be chosen later."""
    who = await member(service)
    _, actor = await entered(who)
    for easy in ("short", "password123", "my hotline password"):
        assert await refused(change(who, actor, new=easy)) is InvalidError
    assert await refused(who.sign_in()) is None


async def a_sign_in_under_way(service: Service) -> None:
    """Who began to sign in with the old password, and is a moment behind its change, gets no session."""
    who = await member(service)
    _, actor = await entered(who)

    class Slow(Hasher):
        async def matches(self, password: str, kept: str | None, salt: bytes) -> bool:
            right = await super().matches(password, kept, salt)
            await change(who, actor)
            return right

    said = local_sign_in.Said(who.email, PASSWORD, who.code())
    late = local_sign_in.sign_in(service.database, service.desk, Slow(CHEAP), said, ABROAD)
    assert await refused(late) is SignInRefusedError


async def anothers_session(service: Service) -> None:
    """Nobody ends a session that is not theirs, nor sees it; one's own end at once, if one was asked again lately."""
    who = await member(service)
    other = await member(service, "auditor@hotline.example", AccountRole.AUDITOR)
    theirs, _ = await entered(other)
    lost, _ = await entered(who)
    _, actor = await entered(who)

    async def end(session_id: str) -> type[Exception] | None:
        return await refused(
            service.database.write(lambda tx: own_account.end_session(tx, service.desk, actor, session_id))
        )

    live = await service.database.read(lambda tx: own_account.live_sessions(tx, service.desk, actor))
    assert [one.id for one in live] == [actor.session, lost.session.id]
    assert await end(theirs.session.id) is NotFoundError
    assert await identified(service, theirs.token) is not None
    assert await end(lost.session.id) is None
    assert await identified(service, lost.token) is None
    assert await end(lost.session.id) is NotFoundError
    service.clock.forward(minutes=16)
    assert await end(str(actor.session)) is StepUpNeededError


async def sessions_without_end(service: Service) -> None:
    """Somebody who opens one after the other has ten; the first ones end, and the log says so."""
    who = await member(service)
    opened = [(await entered(who))[0] for _ in range(SESSIONS_MAX + 1)]
    alive = [await identified(service, one.token) is not None for one in opened]
    assert alive == [False] + [True] * SESSIONS_MAX
    said = await entries(service, "sign-in.ended")
    assert [(one["sessions"], one["cause"]) for one in said] == [(1, "too-many")]


STORIES: list[Story] = [
    whoever_knew_the_old_one,
    whoever_found_a_session_open,
    a_password_too_easy,
    a_sign_in_under_way,
    anothers_session,
    sessions_without_end,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_change_of_password_keeps_others_out(service: Service, story: Story) -> None:
    """Every story, on both databases."""
    await story(service)


async def test_whoever_has_no_session_has_no_sessions(service: Service) -> None:
    """A credential of a machine is told that nobody is signed in."""
    machine = Actor("cal_example", "reviewer")
    with pytest.raises(NoSessionError):
        await service.database.read(lambda tx: own_account.live_sessions(tx, service.desk, machine))


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database, to be broken."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


def _others_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sessions, "end_all", lambda *_, **__: 1)


def _the_old_token_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sessions, "renew", lambda *_: None)


def _any_password(patch: pytest.MonkeyPatch) -> None:
    async def matches(*_: object) -> bool:
        return True

    patch.setattr(Hasher, "matches", matches)


def _nobody_is_asked_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(own_account, "require_fresh", lambda *_: None)


def _tries_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trying, "seconds_left", lambda *_: 0)


def _whatever_is_chosen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(own_account, "choosable", lambda *_: None)


def _not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(local_sign_in, "_stands", lambda *_: True)


def _no_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tiprouter.workflow.signing_in.SESSIONS_MAX", 1_000)


@pytest.mark.parametrize(
    ("story", "plant"),
    [
        (whoever_knew_the_old_one, _others_stay),
        (whoever_knew_the_old_one, _the_old_token_stays),
        (whoever_found_a_session_open, _any_password),
        (whoever_found_a_session_open, _nobody_is_asked_again),
        (whoever_found_a_session_open, _tries_without_end),
        (a_password_too_easy, _whatever_is_chosen),
        (a_sign_in_under_way, _not_looked_at_again),
        (anothers_session, _nobody_is_asked_again),
        (sessions_without_end, _no_bound),
    ],
    ids=lambda value: value.__name__,
)
async def test_a_planted_fault_is_noticed(
    small: Service, monkeypatch: pytest.MonkeyPatch, story: Story, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The code is broken in one place, and the story that is about it does not end well."""
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        await story(small)
