"""People sign in by way of their organisation: an identity provider on a socket, from a browser and a terminal."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.api.calling import until
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.support.service import OPERATOR, START, Service
from tests.support.staff import HOME, identified, invite
from tiprouter.domain.accounts import AccountEvent, AccountRole, SignInWay
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.wiring.sign_in import front_of
from tiprouter.workflow import identity_provider, people, rounds
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.id_tokens import Expected, IdTokenError, identity
from tiprouter.workflow.identity_provider import Client, Provider, ProviderError
from tiprouter.workflow.local_sign_in import InvitationError
from tiprouter.workflow.rounds import Answer, Begun, Returned, RoundError
from tiprouter.workflow.signing_in import Opened
from tiprouter.workflow.trying import SignInRefusedError

CALLBACK = "https://router.hotline.example/v1/sign-in/oidc/callback"


class Door:
    """A service with a provider, and what browsers and terminals do there."""

    def __init__(self, service: Service, fake: FakeProvider, **changes: Any) -> None:  # noqa: ANN401 - a client's fields
        self.service, self.fake = service, fake
        values = {"secret": CLIENT_SECRET} | changes
        client = Client(fake.url, CLIENT_ID, CALLBACK, **values)
        self.provider = Provider(client, service.clock, service.desk.entropy, loopback=True)

    async def begin(self, *, browser: bool = True, invitation: str = "", actor: Actor | None = None) -> Begun:
        """Begin a round."""
        desk = self.service.desk
        return await self.service.database.write(
            lambda tx: rounds.begin(tx, desk, HOME, browser=browser, invitation=invitation, actor=actor)
        )

    async def go(self, begun: Begun) -> Answer:
        """Go to the provider and sign in there."""
        back = self.fake.visit(await self.provider.address(begun.asking))
        return Answer(back["state"], back["code"], back["iss"])

    async def back(self, answer: Answer, holder: str) -> Returned:
        """Come back from there."""
        service = self.service
        return await rounds.come_back(service.database, service.desk, self.provider, answer, holder, HOME)

    async def sign_in(self, **begin: Any) -> Opened:  # noqa: ANN401 - as `begin`
        """All of it, in one browser."""
        begun = await self.begin(**begin)
        opened = (await self.back(await self.go(begun), begun.holder)).opened
        assert opened is not None
        return opened

    async def invite(self, subject: str | None = None, email: str = "reviewer@hotline.example") -> str:
        """An invitation by way of the provider."""
        named = None if subject is None else (self.fake.url, subject)
        return (await invite(self.service, email, AccountRole.REVIEWER, SignInWay.OIDC, named))[1]


@pytest.fixture
async def door(service: Service) -> AsyncIterator[Door]:
    """The door of a service with an honest provider."""
    with serving(FakeProvider(service.clock)) as fake:
        yield Door(service, fake)


async def test_somebody_redeems_an_invitation_there_and_signs_in_again_without_one(door: Door) -> None:
    """The account is found by issuer and subject from then on; it is the same one, and fresh."""
    first = await door.sign_in(invitation=await door.invite())
    second = await door.sign_in()
    actors = [await identified(door.service, one.token) for one in (first, second)]
    assert len({actor and actor.id for actor in actors}) == 1
    assert [actor and actor.verified_at for actor in actors] == [door.service.clock()] * 2
    assert [path for path, _ in door.fake.asked].count("/jwks") == 1
    await door.service.check_house()


async def test_nobody_gets_in_whom_no_invitation_bound(door: Door) -> None:
    """Not by an address, and not with another invitation once an account is theirs: one person, one account."""
    door.fake.lie = {"email": "reviewer@hotline.example", "email_verified": True}
    await door.invite()
    with pytest.raises(SignInRefusedError):
        await door.sign_in()
    await door.sign_in(invitation=await door.invite(email="other@hotline.example"))
    with pytest.raises(SignInRefusedError):
        await door.sign_in(invitation=await door.invite(email="third@hotline.example"))


async def test_an_invitation_for_one_subject_is_for_nobody_else(door: Door) -> None:
    """Where the operator named whom it is for, another subject gets nothing, and it stays good for the right one."""
    invitation = await door.invite("subject-1")
    door.fake.subject = "subject-2"
    with pytest.raises(SignInRefusedError):
        await door.sign_in(invitation=invitation)
    door.fake.subject = "subject-1"
    assert await door.sign_in(invitation=invitation)
    with pytest.raises(InvitationError):
        await door.begin(invitation=invitation)


async def test_a_terminal_gets_its_session_for_the_ticket_and_the_code_together(door: Door) -> None:
    """The browser that comes back gets no session; a wrong code ends the round, the right one works once."""
    await door.sign_in(invitation=await door.invite())
    service = door.service

    async def finish(holder: str, code: str) -> Opened | None:
        return await service.database.write(lambda tx: rounds.finish(tx, service.desk, holder, code))

    begun = await door.begin(browser=False)
    assert await finish(begun.holder, "") is None
    returned = await door.back(await door.go(begun), "")
    assert returned.opened is None
    assert await finish("another-ticket", returned.handover) is None
    opened = await finish(begun.holder, returned.handover.lower())
    assert opened is not None
    assert await identified(service, opened.token)
    assert await finish(begun.holder, returned.handover) is None
    begun = await door.begin(browser=False)
    returned = await door.back(await door.go(begun), "")
    assert await finish(begun.holder, "AAAAAAAA") is None
    assert await finish(begun.holder, returned.handover) is None


async def test_a_round_ends_after_ten_minutes_and_comes_back_once(door: Door) -> None:
    """Late, or a second time, it is as if it had never begun."""
    invitation = await door.invite()
    begun = await door.begin(invitation=invitation)
    answer = await door.go(begun)
    await door.back(answer, begun.holder)
    with pytest.raises(RoundError):
        await door.back(answer, begun.holder)
    late = await door.begin()
    answer = await door.go(late)
    door.service.clock.forward(minutes=10)
    with pytest.raises(RoundError):
        await door.back(answer, late.holder)


async def test_to_step_up_the_same_person_signs_in_anew(door: Door) -> None:
    """A sign-in of before does not count, nor somebody else's; the session goes on under another token."""
    opened = await door.sign_in(invitation=await door.invite())
    before = door.service.clock()
    door.service.clock.forward(minutes=20)
    actor = await identified(door.service, opened.token)
    door.fake.signed_in_at = before
    with pytest.raises(SignInRefusedError):
        await door.sign_in(actor=actor)
    door.fake.signed_in_at, door.fake.subject = None, "subject-2"
    await door.sign_in(invitation=await door.invite(email="other@hotline.example"))
    with pytest.raises(SignInRefusedError):
        await door.sign_in(actor=actor)
    door.fake.subject = "subject-1"
    fresh = await door.sign_in(actor=actor)
    assert await identified(door.service, opened.token) is None
    after = await identified(door.service, fresh.token)
    assert after is not None
    assert actor is not None
    assert (after.session, after.verified_at) == (actor.session, door.service.clock())


async def test_a_sign_in_of_yesterday_at_the_provider_is_no_fresh_one(door: Door) -> None:
    """Whoever is signed in there since the morning is let in, and shows again who they are before they approve."""
    invitation = await door.invite()
    door.fake.signed_in_at = door.service.clock()
    door.service.clock.forward(hours=2)
    actor = await identified(door.service, (await door.sign_in(invitation=invitation)).token)
    assert actor is not None
    assert actor.verified_at == door.fake.signed_in_at
    door.fake.lie = {"auth_time": None}
    actor = await identified(door.service, (await door.sign_in()).token)
    assert actor is not None
    assert actor.verified_at is not None
    assert actor.verified_at < door.service.clock()


async def test_the_provider_may_change_its_key(door: Door) -> None:
    """A token of a key that nobody has seen has the keys read again, once a minute at most."""
    await door.sign_in(invitation=await door.invite())
    door.fake.key = RSAKey.generate_key(2048)
    door.service.clock.forward(minutes=2)
    await door.sign_in()
    door.fake.key = ECKey.generate_key("P-256")
    with pytest.raises(SignInRefusedError):
        await door.sign_in()
    door.service.clock.forward(minutes=1)
    await door.sign_in()


async def test_we_may_show_who_we_are_by_a_signature(service: Service) -> None:
    """private_key_jwt: the provider verifies the assertion with our public key."""
    own = ECKey.generate_key("P-256")
    fake = FakeProvider(service.clock, client_keys=own.as_dict(private=False))
    with serving(fake):
        door = Door(service, fake, secret="", private_key=own.as_pem(private=True).decode())
        assert await door.sign_in(invitation=await door.invite())
        form = next(form for path, form in fake.asked if path == "/token")
        assert form["client_assertion_type"].endswith("jwt-bearer")
        assert "client_secret" not in form


async def test_a_required_way_of_signing_in_is_demanded(service: Service) -> None:
    """With `acr` required, a token that says less, or nothing of it, lets nobody in."""
    with serving(FakeProvider(service.clock)) as fake:
        door = Door(service, fake, acr=frozenset({"phr"}))
        invitation = await door.invite()
        for said in (None, "pwd"):
            fake.lie = {"acr": said}
            with pytest.raises(SignInRefusedError):
                await door.sign_in(invitation=invitation)
        fake.lie = {"acr": "phr"}
        assert await door.sign_in(invitation=invitation)


LIES: dict[str, dict[str, Any]] = {
    "another client": {"aud": "somebody-else"},
    "another client too": {"aud": [CLIENT_ID, "somebody-else"]},
    "on behalf of another": {"azp": "somebody-else"},
    "another issuer": {"iss": "https://other.example"},
    "expired": {"exp": 1_000_000_000},
    "without an end": {"exp": None},
    "of the future": {"iat": 4_000_000_000},
    "of long ago": {"iat": 1_000_000_000},
    "no nonce": {"nonce": None},
    "another nonce": {"nonce": "0" * 64},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a time that is none": {"auth_time": "soon"},
    "signed in later": {"auth_time": 4_000_000_000},
    "a true end": {"exp": True},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_token_that_says_anything_else_lets_nobody_in(lie: dict[str, Any]) -> None:
    """Each claim is looked at; with all of them right the same token lets somebody in."""
    fake = FakeProvider(lambda: START, url="https://id.example")
    keys = [fake.key.as_dict(private=False, kid=fake.key.thumbprint())]
    now = int(START.timestamp())
    claims = {
        "iss": fake.url,
        "aud": CLIENT_ID,
        "sub": "subject-1",
        "iat": now,
        "exp": now + 60,
        "nonce": "n" * 64,
        "auth_time": now,
    }
    expected = Expected(fake.url, CLIENT_ID, "n" * 64)
    assert identity(fake.sign(claims), keys, expected, START).subject == "subject-1"
    wrong = {name: value for name, value in (claims | lie).items() if value is not None}
    with pytest.raises(IdTokenError):
        identity(fake.sign(wrong), keys, expected, START)


@pytest.mark.parametrize(
    "broken",
    [
        {"discovery": {"issuer": "https://other.example"}},
        {"discovery": {"token_endpoint": "http://token.example/token"}},
        {"discovery": {"jwks_uri": None}},
        {"answer": b"{" + b" " * 300_000 + b"}"},
        {"answer": b"[]"},
        {"answer": b"not json"},
        {"status": 302},
        {"status": 500},
    ],
    ids=["issuer", "plain http", "no keys", "endless", "array", "no JSON", "redirect", "error"],
)
async def test_a_provider_that_does_not_answer_as_it_should_lets_nobody_in(
    service: Service, broken: dict[str, Any]
) -> None:
    """It is asked once and bounded; the person is told to come back, and no redirect is followed."""
    with serving(FakeProvider(service.clock, **broken)) as fake:
        door = Door(service, fake)
        with pytest.raises(ProviderError):
            await door.provider.address((await door.begin()).asking)
        assert len(fake.asked) == 1


def test_an_issuer_is_https_outside_a_sandbox() -> None:
    """Plain http is for loopback in a sandbox alone."""
    for issuer, loopback in (
        ("http://127.0.0.1:9", False),
        ("http://id.example", True),
        ("https://u@id.example", True),
    ):
        with pytest.raises(ConfigurationError):
            Provider(Client(issuer, CLIENT_ID, CALLBACK), lambda: START, os.urandom, loopback=bool(loopback))


async def test_who_is_suspended_does_not_come_in_by_way_of_the_provider(door: Door) -> None:
    """The provider's word lets nobody past the operator's."""
    opened = await door.sign_in(invitation=await door.invite())
    service, account_id = door.service, opened.session.account_id
    await service.database.write(lambda tx: people.move(tx, service.desk, OPERATOR, account_id, AccountEvent.SUSPEND))
    assert await identified(service, opened.token) is None
    with pytest.raises(SignInRefusedError):
        await door.sign_in()


async def test_the_settings_name_one_provider_with_one_way_to_show_who_we_are(service: Service, tmp_path: Path) -> None:
    """A secret or a key, never both or neither, and the URL that people are sent back to."""
    secret, key = tmp_path / "secret", tmp_path / "key"
    secret.write_text(f"{CLIENT_SECRET}\n")
    key.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    for file in (secret, key):
        file.chmod(0o600)
    whole: dict[str, Any] = {
        "public_url": "https://router.hotline.example/",
        "oidc_issuer": "https://id.example",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret_file": str(secret),
        "oidc_acr": "phr, phrh",
    }
    for wrong in (
        {"public_url": ""},
        {"oidc_client_id": ""},
        {"oidc_client_secret_file": ""},
        {"oidc_client_key_file": str(key)},
        {"oidc_issuer": "http://id.example"},
    ):
        with pytest.raises(ConfigurationError):
            front_of(Settings(**whole | wrong), service.desk)
    provider = front_of(Settings(**whole), service.desk).provider
    assert provider is not None
    assert provider.client == Client(
        "https://id.example", CLIENT_ID, CALLBACK, CLIENT_SECRET, acr=frozenset({"phr", "phrh"})
    )
    keyed = whole | {"oidc_client_secret_file": "", "oidc_client_key_file": str(key)}
    assert front_of(Settings(**keyed), service.desk).provider is not None
    assert front_of(Settings(), service.desk).provider is None
    assert not front_of(Settings(sandbox=True), service.desk).secure


async def test_a_provider_that_hangs_holds_up_one_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 5: many begin at once and one request is waited for; it rests, one tries again, and what was read stays."""
    with serving(FakeProvider(service.clock)) as fake:
        mute, taken = asyncio.Event(), list[asyncio.StreamWriter]()

        async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken.append(writer)
            await mute.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr(identity_provider, "SECONDS", 1)
        client = Client(f"http://127.0.0.1:{port}", CLIENT_ID, "https://router.hotline.example/callback", CLIENT_SECRET)
        provider = Provider(client, service.clock, service.desk.entropy, loopback=True)
        asking = identity_provider.Asking("state", "nonce", "verifier")

        async def many(count: int) -> list[object]:
            return await asyncio.gather(*(provider.address(asking) for _ in range(count)), return_exceptions=True)

        for _ in range(2):
            assert {type(one) for one in await many(20)} == {ProviderError}
            await until(lambda: len(taken) == 1, 30)
        service.clock.forward(seconds=5)
        monkeypatch.setattr(identity_provider, "SECONDS", 30)
        probe = asyncio.create_task(provider.address(asking))
        await until(lambda: len(taken) == 2, 30)
        assert {type(one) for one in await many(20)} == {ProviderError}
        assert not probe.done()
        mute.set()
        with pytest.raises(ProviderError):
            await probe
        server.close()
        service.clock.forward(seconds=5)
        provider.client = Client(fake.url, CLIENT_ID, client.redirect_uri, CLIENT_SECRET)
        found = [*await many(1), *await many(20)]
        assert {str(one).startswith(fake.url) for one in found} == {True}
        assert len(fake.asked) == 1
