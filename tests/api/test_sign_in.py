"""People sign in over HTTP: a program with a token, a browser with a cookie and forms, by themselves or a provider."""

import base64
import html
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.api.calling import Api
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, FakeProvider, serving
from tests.support.staff import CHEAP, PASSWORD, code_of
from tiprouter.api import sessions, sign_in_html
from tiprouter.workflow.identity_provider import Client, Provider
from tiprouter.workflow.passwords import Cost, Hasher

HERE = {"Sec-Fetch-Site": "same-origin"}
EMAIL = "reviewer@hotline.example"


@pytest.fixture
async def door(api: Api) -> Api:
    """The edge over http, where a guess is cheap."""
    api.office.front.secure = False
    api.office.front.hasher = Hasher(CHEAP)
    return api


async def invited(api: Api, way: str = "local", role: str = "reviewer", email: str = EMAIL) -> str:
    """An invitation."""
    body = {"role": role, "way": way, "name": "Example Person", "email": email}
    answer = await api.send("operator", "POST", "/v1/people", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["invitation"])


async def redeemed(api: Api, role: str = "reviewer", email: str = EMAIL) -> tuple[bytes, list[str]]:
    """Somebody who may sign in: their one-time secret and recovery codes."""
    invitation = await invited(api, role=role, email=email)
    body = {"invitation": invitation, "password": PASSWORD}
    offered = (await api.send(None, "POST", "/v1/invitations/redeem", body)).json()
    secret = base64.b32decode(offered["secret"])
    assert offered["link"].startswith("otpauth://totp/")
    confirmed = {"invitation": invitation, "code": code_of(api.service, secret)}
    done = await api.send(None, "POST", "/v1/invitations/confirm", confirmed)
    assert done.status_code == 200, done.text
    api.service.clock.forward(seconds=30)
    return secret, done.json()["recovery_codes"]


async def form(api: Api, path: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
    """A form of our own page, sent by a browser."""
    return await api.client.post(path, data=fields, headers=HERE | headers)


def held(answer: httpx2.Response, name: str) -> str:
    """A cookie that an answer sets, as it is spelt."""
    return next(one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{name}="))


async def test_a_program_signs_in_uses_its_session_and_signs_out(door: Api) -> None:
    """The token opens what the role may use and nothing else, until it is signed out."""
    secret, _ = await redeemed(door)
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    made = await door.send(None, "POST", "/v1/sign-in/local", said)
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    door.tokens["person"] = made.json()["token"]
    assert (await door.send("person", "GET", "/v1/tips")).status_code == 200
    assert (await door.send("person", "GET", "/v1/people")).status_code == 404
    session = (await door.send("person", "GET", "/v1/session")).json()
    assert (session["role"], session["way"], session["csrf"]) == ("reviewer", "local", None)
    assert (await door.send("person", "POST", "/v1/sign-out", {"everywhere": True})).status_code == 204
    assert (await door.send("person", "GET", "/v1/tips")).status_code == 401


async def test_whatever_is_wrong_the_answer_is_one(door: Api) -> None:
    """Name, password, code or an invitation not yet redeemed: byte for byte the same refusal."""
    secret, _ = await redeemed(door)
    await invited(door, email="invited@hotline.example")
    right = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    seen = set()
    for wrong in (
        {"name": "nobody@hotline.example"},
        {"name": "invited@hotline.example"},
        {"password": "another password"},
        {"code": "no code"},
        {"code": None, "recovery_code": "AAAA-BBBB"},
    ):
        answer = await door.send(None, "POST", "/v1/sign-in/local", right | wrong)
        seen.add((answer.status_code, answer.json()["type"], answer.json()["detail"], len(answer.content)))
    assert len(seen) == 1
    assert next(iter(seen))[0] == 401


async def test_too_many_tries_are_told_when_to_come_back(door: Api) -> None:
    """429 with the seconds of the wait; after them the right words are heard again."""
    secret, _ = await redeemed(door)
    wrong = {"name": EMAIL, "password": "another password", "code": "123456"}
    answers = [await door.send(None, "POST", "/v1/sign-in/local", wrong) for _ in range(7)]
    assert [one.status_code for one in answers] == [401] * 6 + [429]
    assert answers[-1].headers["retry-after"] == "2"
    door.service.clock.forward(seconds=30)
    right = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    assert (await door.send(None, "POST", "/v1/sign-in/local", right)).status_code == 200


async def test_an_invitation_is_in_the_first_answer_alone(door: Api) -> None:
    """The same request again gets the same account, and null in the invitation's place; operators alone see names."""
    body = {"role": "auditor", "way": "local", "name": "Example Person", "email": EMAIL}
    answers = [await door.send("operator", "POST", "/v1/people", body, {"Idempotency-Key": "one"}) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() | {"invitation": None} == answers[1].json()
    assert answers[0].json()["invitation"].startswith("ti_")
    told = {role: (await door.send(role, "GET", "/v1/people")).json()["items"][0] for role in ("operator", "auditor")}
    assert told["operator"]["email"] == EMAIL
    assert (told["auditor"]["email"], told["auditor"]["name"]) == (None, None)
    assert (await door.send("operator", "POST", "/v1/people", body)).status_code == 409
    for role in ("intake", "agency"):
        wrong = await door.send("operator", "POST", "/v1/people", body | {"role": role, "email": "x@hotline.example"})
        assert wrong.status_code == 422


async def test_a_stale_session_is_told_to_show_again_who_it_is(door: Api) -> None:
    """The refusal says so in RFC 9470's words; the new token may, and the old one is nothing."""
    secret, _ = await redeemed(door, role="operator")
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    old = (await door.send(None, "POST", "/v1/sign-in/local", said)).json()["token"]
    door.tokens["person"] = old
    door.service.clock.forward(minutes=16)
    body = {"role": "auditor", "way": "local", "name": "Example Person", "email": "other@hotline.example"}
    stale = await door.send("person", "POST", "/v1/people", body)
    assert stale.status_code == 401
    assert stale.headers["www-authenticate"] == 'Bearer error="insufficient_user_authentication", max_age="900"'
    fresh = await door.send("person", "POST", "/v1/session/step-up", {"code": code_of(door.service, secret)})
    door.tokens["person"] = fresh.json()["token"]
    assert (await door.send("person", "POST", "/v1/people", body)).status_code == 201
    door.tokens["person"] = old
    assert (await door.send("person", "GET", "/v1/session")).status_code == 401
    assert (await door.send("operator", "GET", "/v1/session")).status_code == 409


async def test_a_browser_redeems_an_invitation_signs_in_and_out_without_a_script(door: Api) -> None:
    """Forms alone: the cookie is not to be read by scripts, sent by others, or kept; the page says who is signed in."""
    invitation = await invited(door)
    shown = await form(door, "/sign-in/invitation", {"invitation": invitation, "password": PASSWORD})
    secret = base64.b32decode(re.findall(r"<code>([A-Z2-7]{32})</code>", shown.text)[0])
    fields = {"invitation": invitation, "code": code_of(door.service, secret)}
    codes = await form(door, "/sign-in/invitation/confirm", fields)
    assert len(re.findall(r"<li><code>", codes.text)) == 10
    door.service.clock.forward(seconds=30)
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    wrong = await form(door, "/sign-in", said | {"password": "another password"})
    assert (wrong.status_code, wrong.headers["location"]) == (303, "/sign-in?said=refused")
    door.service.clock.forward(seconds=30)
    entered = await form(door, "/sign-in", said | {"code": code_of(door.service, secret)})
    assert (entered.status_code, entered.headers["location"]) == (303, "/sign-in")
    assert held(entered, "tiprouter").split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    page = await door.client.get("/sign-in", headers={"Sec-Fetch-Site": "none"})
    assert "You are signed in as reviewer." in page.text
    word = re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0]
    session = (await door.client.get("/v1/session", headers=HERE)).json()
    assert session["csrf"] == word
    assert (await door.client.get("/v1/tips", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 401
    door.service.clock.forward(seconds=30)
    before = door.client.cookies["tiprouter"]
    fresh = await form(door, "/sign-in/step-up", {"csrf": word, "code": code_of(door.service, secret)})
    assert fresh.headers["location"] == "/sign-in?said=fresh"
    assert door.client.cookies["tiprouter"] != before
    word = sessions.csrf_of(door.client.cookies["tiprouter"])
    assert (await form(door, "/sign-out", {"csrf": "0" * 64})).headers["location"] == "/sign-in?said=again"
    out = await form(door, "/sign-out", {"csrf": word})
    assert out.headers["location"] == "/sign-in?said=out"
    assert '"cookies"' in out.headers["clear-site-data"]
    assert (await door.client.get("/v1/session", headers=HERE)).status_code == 401


async def test_over_https_the_cookie_is_bound_to_this_host(api: Api) -> None:
    """Outside a sandbox the name has the prefix and the cookie the attribute that browsers demand for it."""
    api.office.front.hasher = Hasher(CHEAP)
    secret, _ = await redeemed(api)
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(api.service, secret)}
    entered = await form(api, "/sign-in", said)
    assert held(entered, "__Host-tiprouter").split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict", "Secure"]


async def test_the_page_loads_nothing_runs_nothing_and_echoes_nothing(door: Api) -> None:
    """No script, nothing from elsewhere; what went wrong is our own sentence or none."""
    for said, shown in (("refused", True), ("<script>alert(1)</script>", False)):
        page = await door.client.get("/sign-in", params={"said": said})
        assert not re.search(r"<script|<link|<img|src=|@import|url\(|https?://", page.text)
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert (html.escape(sign_in_html.SAID["refused"]) in page.text) == shown
    assert (await door.client.post("/sign-in", content=b"%ff=1", headers=HERE)).headers["location"].endswith("again")


@pytest.fixture
async def provided(door: Api) -> AsyncIterator[tuple[Api, FakeProvider]]:
    """The edge with a provider."""
    with serving(FakeProvider(door.service.clock)) as fake:
        back = f"http://127.0.0.1:{door.port}/v1/sign-in/oidc/callback"
        client = Client(fake.url, CLIENT_ID, back, CLIENT_SECRET)
        door.office.front.provider = Provider(client, door.service.clock, door.service.desk.entropy, loopback=True)
        yield door, fake


async def test_a_browser_signs_in_by_way_of_the_provider(provided: tuple[Api, FakeProvider]) -> None:
    """A link leads there; who comes back with the round's cookie is signed in, who comes without it is not."""
    api, fake = provided
    begun = await form(api, "/sign-in/oidc", {"invitation": await invited(api, "oidc")})
    assert held(begun, "tiprouter-round").split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"]
    url = html.unescape(re.findall(r'href="([^"]*authorize[^"]*)"', begun.text)[0])
    back = fake.visit(url)
    async with httpx2.AsyncClient(base_url=api.client.base_url, trust_env=False) as stranger:
        other = await stranger.get("/v1/sign-in/oidc/callback", params=back)
    assert other.headers["location"] == "/sign-in?said=again"
    done = await api.client.get("/v1/sign-in/oidc/callback", params=back)
    assert done.status_code == 200
    assert (await api.client.get("/v1/session", headers=HERE)).json()["way"] == "oidc"
    refused = await api.client.get("/v1/sign-in/oidc/callback", params={"error": "access_denied", "state": "x"})
    assert refused.headers["location"] == "/sign-in?said=again"


async def test_a_terminal_signs_in_by_way_of_the_provider(provided: tuple[Api, FakeProvider]) -> None:
    """The URL is opened anywhere; its last page shows a code, which with the ticket is a session."""
    api, fake = provided
    body = {"invitation": await invited(api, "oidc")}
    begun = (await api.send(None, "POST", "/v1/sign-in/oidc/begin", body)).json()
    page = await api.client.get("/v1/sign-in/oidc/callback", params=fake.visit(begun["url"]))
    assert "set-cookie" not in page.headers
    code = re.findall(r"<code>([A-Z2-7]{8})</code>", page.text)[0]
    made = await api.send(None, "POST", "/v1/sign-in/oidc/finish", {"ticket": begun["ticket"], "code": code})
    api.tokens["person"] = made.json()["token"]
    assert (await api.send("person", "GET", "/v1/session")).json()["way"] == "oidc"
    again = (await api.send("person", "POST", "/v1/session/step-up/oidc")).json()
    page = await api.client.get("/v1/sign-in/oidc/callback", params=fake.visit(again["url"]))
    code = re.findall(r"<code>([A-Z2-7]{8})</code>", page.text)[0]
    fresh = await api.send(None, "POST", "/v1/sign-in/oidc/finish", {"ticket": again["ticket"], "code": code})
    assert fresh.status_code == 200
    assert (await api.send("person", "GET", "/v1/session")).status_code == 401


async def test_a_password_is_kept_as_rfc_9106_says() -> None:
    """Argon2id, 64 MiB, three passes, four lanes; the right password fits and another does not."""
    cost, hasher = Cost(), Hasher()
    assert (cost.memory_kib, cost.passes, cost.lanes) == (65_536, 3, 4)
    kept = await hasher.hashed(PASSWORD, b"0123456789abcdef")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await hasher.matches(PASSWORD, kept, b"0" * 16)
    assert not await hasher.matches(f"{PASSWORD}.", kept, b"0" * 16)
    assert not await hasher.matches(PASSWORD, None, b"0" * 16)
