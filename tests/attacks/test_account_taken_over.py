"""Somebody wants to act as one of the staff, or to keep one of them out. Each story is told to broken code too."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.calling import Api, running
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.support.service import OPERATOR, Service, open_service
from tests.support.staff import ABROAD, CHEAP, HOME, Member, identified, invite, member
from tiprouter.api import sessions as cookies
from tiprouter.domain.accounts import AccountEvent, AccountRole, SignInWay
from tiprouter.storage import sessions, sign_ins
from tiprouter.storage.accounts_table import accounts
from tiprouter.storage.accounts_table import sessions as sessions_table
from tiprouter.storage.vault import Vault
from tiprouter.workflow import id_tokens, local_sign_in, one_time, people, rounds, signing_in, trying
from tiprouter.workflow.identity_provider import Client, Provider
from tiprouter.workflow.passwords import Hasher
from tiprouter.workflow.rounds import Answer, RoundError
from tiprouter.workflow.trying import SignInRefusedError, ThrottledError

Story = Callable[[Service], Awaitable[None]]
UNAUTHORIZED = 401


class CountingHasher(Hasher):
    """Compares as ever, and counts the work."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.worked = 0

    def _derived(self, password: str, salt: bytes) -> str:
        self.worked += 1
        return super()._derived(password, salt)


async def refused(trying: Awaitable[object]) -> type[Exception] | None:
    """What a try was refused with, if it was."""
    try:
        await trying
    except (SignInRefusedError, ThrottledError, RoundError) as error:
        return type(error)
    return None


async def a_code_that_was_seen(service: Service) -> None:
    """Whoever reads a code over a shoulder, and knows the password, is refused; so is one of a step before."""
    who = await member(service)
    earlier, code = who.code(-1), who.code()
    await who.sign_in(code=code)
    assert await refused(who.sign_in(code=code)) is SignInRefusedError
    assert await refused(who.sign_in(code=earlier)) is SignInRefusedError
    service.clock.forward(seconds=30)
    assert await refused(who.sign_in()) is None


async def a_session_that_was_planted(service: Service) -> None:
    """Who knows a session's token before its holder shows again who they are has nothing afterwards."""
    who = await member(service)
    opened = await who.sign_in()
    actor = await who.actor(opened)
    assert actor is not None
    service.clock.forward(minutes=1)
    tried = await service.database.write(lambda tx: signing_in.begin_step_up(tx, service.desk, actor, HOME))
    fresh = await service.database.write(lambda tx: signing_in.step_up(tx, service.desk, actor, tried, who.code()))
    assert fresh is not None
    assert await who.actor(fresh) is not None
    assert await identified(service, opened.token) is None


async def a_session_of_somebody_suspended(service: Service) -> None:
    """A session that was open is out with the next request, whoever holds its token."""
    who = await member(service)
    opened = await who.sign_in()
    await service.database.write(
        lambda tx: people.move(tx, service.desk, OPERATOR, who.account.id, AccountEvent.SUSPEND)
    )
    assert await who.actor(opened) is None


async def a_name_that_is_asked_for(service: Service) -> None:
    """Who tries names gets one answer, after the same work and the same waits, whether somebody has the name or not."""
    who = await member(service)
    seen = []
    for email in (who.email, "nobody@hotline.example"):
        hasher = CountingHasher()
        told = []
        for turn in range(8):
            source = f"{ABROAD}-{email}-{turn}"
            said = local_sign_in.Said(email, "not the password", "123456")
            trying = local_sign_in.sign_in(service.database, service.desk, hasher, said, source)
            told.append(await refused(trying))
        verified = hasher.worked if email != who.email else told.count(SignInRefusedError)
        seen.append((told, verified))
    assert seen[0] == seen[1]
    assert {SignInRefusedError, ThrottledError} == set(seen[0][0])


async def what_is_looked_up_for_a_name(service: Service) -> None:
    """The same is asked of the database, and as much unwrapped (by a key service far away), for a name nobody has."""
    whose = [await member(service, f"{name}@hotline.example") for name in ("one", "two", "three")]
    seen, unwrap = [], Vault.unwrap
    for email in (*(who.email for who in whose), "nobody@hotline.example", "other@hotline.example"):
        asked, unwrapped = list[str](), list[str]()

        def listen(*told: Any, asked: list[str] = asked) -> None:  # noqa: ANN401 - what SQLAlchemy tells
            asked.append(told[2])

        def counted(vault: Vault, owner: str, *rest: Any, unwrapped: list[str] = unwrapped) -> Any:  # noqa: ANN401
            unwrapped.append(owner)
            return unwrap(vault, owner, *rest)

        sa.event.listen(sa.Engine, "before_cursor_execute", listen)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Vault, "unwrap", counted)
                said = local_sign_in.Said(email, "not the password", "", "a recovery code that nobody has")
                trying = local_sign_in.sign_in(service.database, service.desk, Hasher(CHEAP), said, f"{ABROAD}-{email}")
                assert await refused(trying) is SignInRefusedError
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", listen)
        seen.append((asked, len(unwrapped)))
    assert seen[0][1] > 0
    assert [one for one in seen if one != seen[0]] == []


async def a_reviewer_kept_out(service: Service) -> None:
    """A stranger fails in a reviewer's name for as long as they like, from wherever they like; she gets in."""
    who = await member(service)
    for turn in range(110):
        await refused(who.sign_in(password="guessed", source=f"{ABROAD}-{turn % 3}"))
        service.clock.forward(minutes=61)
    assert await refused(who.sign_in(source=ABROAD)) is ThrottledError
    assert await refused(who.sign_in(source=HOME)) is None
    service.clock.forward(seconds=30)
    assert await refused(who.sign_in(recovery=who.recovery[0], source="source-new")) is None


async def a_recovery_code_that_guesses(service: Service) -> None:
    """Who stole one recovery code tries password after password with it; she gets in meanwhile, and with hers later."""
    who = await member(service)
    stolen, hers = who.recovery[:2]
    told = [
        await refused(who.sign_in(password=f"guess number {turn}", recovery=stolen, source=f"{ABROAD}-{turn}"))
        for turn in range(20)
    ]
    assert told == [SignInRefusedError] * 6 + [ThrottledError] * 14
    assert await refused(who.sign_in(recovery=stolen, source=ABROAD)) is ThrottledError
    assert await refused(who.sign_in(source=HOME)) is None
    service.clock.forward(minutes=5)
    assert await refused(who.sign_in(recovery=hers, source="source-new")) is None


class Door:
    """A service whose people sign in by way of a provider; one of them has an account."""

    def __init__(self, service: Service, fake: FakeProvider) -> None:
        self.service, self.fake = service, fake
        client = Client(fake.url, CLIENT_ID, "https://router.hotline.example/callback", CLIENT_SECRET)
        self.provider = Provider(client, service.clock, service.desk.entropy, loopback=True)

    async def begin(self, invitation: str = "") -> rounds.Begun:
        """Begin a round in a browser."""
        desk = self.service.desk
        return await self.service.database.write(
            lambda tx: rounds.begin(tx, desk, HOME, browser=True, invitation=invitation)
        )

    async def go(self, begun: rounds.Begun) -> Answer:
        """Sign in at the provider."""
        back = self.fake.visit(await self.provider.address(begun.asking))
        return Answer(back["state"], back["code"], back["iss"])

    async def back(self, answer: Answer, holder: str) -> rounds.Returned:
        """Come back with an answer, in the browser that holds this secret."""
        service = self.service
        return await rounds.come_back(service.database, service.desk, self.provider, answer, holder, HOME)

    async def enter(self) -> None:
        """Somebody is invited and comes in."""
        _, invitation = await invite(self.service, "reviewer@hotline.example", AccountRole.REVIEWER, SignInWay.OIDC)
        begun = await self.begin(invitation)
        await self.back(await self.go(begun), begun.holder)


async def at_the_door(service: Service, story: Callable[[Door], Awaitable[None]]) -> None:
    """Tell a story with a provider on a socket."""
    with serving(FakeProvider(service.clock)) as fake:
        door = Door(service, fake)
        await door.enter()
        await story(door)


async def a_state_of_somebody_else(service: Service) -> None:
    """Who makes another's browser bring back a state and code of their own gives it no session, nor themselves hers."""

    async def story(door: Door) -> None:
        theirs, mine = await door.begin(), await door.begin()
        answer = await door.go(theirs)
        assert await refused(door.back(answer, mine.holder)) is RoundError
        assert await refused(door.back(answer, "")) is RoundError
        stolen = Answer(mine.asking.state, answer.code, answer.issuer)
        assert await refused(door.back(stolen, mine.holder)) is not None

    await at_the_door(service, story)


async def a_token_for_another_client(service: Service) -> None:
    """What the provider told another service about her is nothing here; nor is another issuer's word, mixed up."""

    async def story(door: Door) -> None:
        for lie in ({"aud": "another-client"}, {"iss": "https://other.example"}, {"nonce": "of another round"}):
            door.fake.lie = lie
            begun = await door.begin()
            assert await refused(door.back(await door.go(begun), begun.holder)) is SignInRefusedError
        door.fake.lie = {}
        for issuer in (None, "https://other.example"):
            begun = await door.begin()
            answer = await door.go(begun)
            mixed = Answer(answer.state, answer.code, issuer)
            assert await refused(door.back(mixed, begun.holder)) is SignInRefusedError

    await at_the_door(service, story)


async def a_token_that_nobody_signed(service: Service) -> None:
    """`none`, the public key as a shared secret, somebody else's key: none of them is the provider's signature."""

    async def story(door: Door) -> None:
        for forged in (door.fake.unsigned, door.fake.by_public_key, door.fake.by_stranger):
            door.fake.signed = forged
            begun = await door.begin()
            assert await refused(door.back(await door.go(begun), begun.holder)) is SignInRefusedError
        door.fake.signed = None
        begun = await door.begin()
        assert await refused(door.back(await door.go(begun), begun.holder)) is None

    await at_the_door(service, story)


async def a_write_from_another_site(service: Service) -> None:
    """A page elsewhere makes her browser write: without our word, or from another origin, the cookie is nothing."""
    async with running(service) as api:
        api.office.front.secure = False
        wrong = await _written_from_another_site(api, await member(service, role=AccountRole.OPERATOR))
    assert wrong == []


async def _written_from_another_site(api: Api, who: Member) -> list[object]:
    """What was let through that must not be, or refused that is ours."""
    opened, wrong = await who.sign_in(), list[object]()
    word, own = cookies.csrf_of(opened.token), {"Cookie": f"tiprouter={opened.token}"}
    body = {"role": "operator", "way": "local", "name": "Example Mallory", "email": "mallory@hotline.example"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "X-CSRF-Token": word},
        {"Sec-Fetch-Site": "same-site", "X-CSRF-Token": word},
        {"Sec-Fetch-Site": "none", "X-CSRF-Token": word},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": cookies.csrf_of("ts_another")},
        {"Origin": "https://evil.example", "X-CSRF-Token": word},
        {"Origin": "null", "X-CSRF-Token": word},
        {"Origin": "http://[", "X-CSRF-Token": word},
        {"X-CSRF-Token": word},
    ):
        if (await api.send(None, "POST", "/v1/people", body, own | headers)).status_code != UNAUTHORIZED:
            wrong.append(headers)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"}
    sent = await api.client.post("/sign-out", content=f"csrf={word}", headers=own | form)
    if sent.headers["location"] != "/sign-in?said=again" or await who.actor(opened) is None:
        wrong.append(form)
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://127.0.0.1:{api.port}"}):
        done = await api.send(None, "POST", "/v1/people", body, own | headers | {"X-CSRF-Token": word})
        if done.status_code not in {201, 409}:
            wrong.append((headers, done.status_code))
    return wrong


STORIES: list[Story] = [
    a_code_that_was_seen,
    a_session_that_was_planted,
    a_session_of_somebody_suspended,
    a_name_that_is_asked_for,
    what_is_looked_up_for_a_name,
    a_reviewer_kept_out,
    a_recovery_code_that_guesses,
    a_state_of_somebody_else,
    a_token_for_another_client,
    a_token_that_nobody_signed,
    a_write_from_another_site,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_nobody_takes_an_account_over(service: Service, story: Story) -> None:
    """Every story, on both databases."""
    await story(service)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database, to be broken."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


def _codes_for_ever(patch: pytest.MonkeyPatch) -> None:
    honest = one_time.step_of
    patch.setattr(one_time, "step_of", lambda secret, code, now, after: honest(secret, code, now, min(after, 0)))


def _tokens_that_stay(patch: pytest.MonkeyPatch) -> None:
    def verify(tx: Any, session_id: str, token_digest: str, now: Any) -> None:  # noqa: ANN401 - as it is
        mine = sessions_table.c.id == session_id
        tx.execute(sessions_table.update().where(mine).values(verified_at=now))

    patch.setattr(sessions, "verify", verify)


def _sessions_that_outlive(patch: pytest.MonkeyPatch) -> None:
    everything = sa.select(
        *(sessions_table.c[name] for name in ("id", "account_id", "started_at", "seen_at", "verified_at", "carrier")),
        accounts.c.role,
    ).join(accounts, accounts.c.id == sessions_table.c.account_id)
    patch.setattr(sessions, "_ROWS", everything)


def _no_work_for_nobody(patch: pytest.MonkeyPatch) -> None:
    honest = Hasher.matches

    async def matches(self: Hasher, password: str, kept: str | None, salt: bytes) -> bool:
        return kept is not None and await honest(self, password, kept, salt)

    patch.setattr(Hasher, "matches", matches)


def _nobody_is_looked_up_beside(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tiprouter.storage.accounts.beside", lambda *_: None)


def _nobody_is_known(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sign_ins, "knows", lambda *_: False)


def _no_waits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trying, "seconds_left", lambda *_: 0)


def _any_browser(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tiprouter.workflow.rounds.hmac.compare_digest", lambda *_: True)


def _any_audience(patch: pytest.MonkeyPatch) -> None:
    honest = id_tokens._believed  # noqa: SLF001 - as above
    patch.setattr(
        id_tokens,
        "_believed",
        lambda claims, expected, now: honest({**claims, "aud": expected.client_id}, expected, now),
    )


def _any_signature(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tiprouter.workflow.id_tokens.jws.validate_compact", lambda *_, **__: True)


def _any_site(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cookies, "same_origin", lambda _: True)


def _no_word(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cookies, "is_csrf", lambda *_: True)


@pytest.mark.parametrize(
    ("story", "plant"),
    [
        (a_code_that_was_seen, _codes_for_ever),
        (a_session_that_was_planted, _tokens_that_stay),
        (a_session_of_somebody_suspended, _sessions_that_outlive),
        (a_name_that_is_asked_for, _no_work_for_nobody),
        (what_is_looked_up_for_a_name, _nobody_is_looked_up_beside),
        (a_reviewer_kept_out, _nobody_is_known),
        (a_recovery_code_that_guesses, _no_waits),
        (a_state_of_somebody_else, _any_browser),
        (a_token_for_another_client, _any_audience),
        (a_token_that_nobody_signed, _any_signature),
        (a_write_from_another_site, _any_site),
        (a_write_from_another_site, _no_word),
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
