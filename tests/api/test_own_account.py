"""Somebody who is signed in changes their password and looks after their sessions, by program and by page."""

import re

import httpx2
import pytest

from tests.api.calling import Api
from tests.api.test_sign_in import EMAIL, HERE, form, redeemed
from tests.support.staff import CHEAP, PASSWORD, code_of
from tiprouter.api import sessions
from tiprouter.workflow.passwords import Hasher

OTHER = "silver doors above dry land"
CHANGE = {"current_password": PASSWORD, "new_password": OTHER}


@pytest.fixture
async def door(either: Api) -> Api:
    """The edge over http, on each of the two databases, where a guess is cheap."""
    either.office.front.secure = False
    either.office.front.hasher = Hasher(CHEAP)
    return either


async def entered(api: Api, secret: bytes, name: str = "person", password: str = PASSWORD) -> httpx2.Response:
    """Somebody signs in from a program; their token goes by `name`."""
    said = {"name": EMAIL, "password": password, "code": code_of(api.service, secret)}
    answer = await api.send(None, "POST", "/v1/sign-in/local", said)
    if answer.status_code == 200:
        api.tokens[name] = answer.json()["token"]
    api.service.clock.forward(seconds=30)
    return answer


async def test_a_program_changes_the_password_and_goes_on_under_another_token(door: Api) -> None:
    """The old token and every other session are out; the old password is refused, the new one let in."""
    secret, _ = await redeemed(door)
    await entered(door, secret, "elsewhere")
    await entered(door, secret)
    for wrong, status in (({"new_password": "short"}, 422), ({"current_password": "a guess of mine"}, 401)):
        assert (await door.send("person", "POST", "/v1/session/password", CHANGE | wrong)).status_code == status
    changed = await door.send("person", "POST", "/v1/session/password", CHANGE)
    assert changed.status_code == 200, changed.text
    door.tokens["changed"] = changed.json()["token"]
    told = {one: (await door.send(one, "GET", "/v1/session")).status_code for one in ("elsewhere", "person", "changed")}
    assert told == {"elsewhere": 401, "person": 401, "changed": 200}
    assert (await entered(door, secret)).status_code == 401
    assert (await entered(door, secret, password=OTHER)).status_code == 200
    assert (await door.send("operator", "POST", "/v1/session/password", CHANGE)).status_code == 409


async def test_a_pointer_names_the_password_that_cannot_be_chosen(door: Api) -> None:
    """The refusal names the field, and repeats nothing of it."""
    secret, _ = await redeemed(door)
    await entered(door, secret)
    answer = await door.send("person", "POST", "/v1/session/password", CHANGE | {"new_password": "My Hotline 7 words"})
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/new_password"]
    assert "My Hotline" not in answer.text


async def test_somebody_sees_their_sessions_and_ends_one(door: Api) -> None:
    """Times, and browser or program; nothing of an address. The one that is ended is out, another's is not there."""
    secret, _ = await redeemed(door)
    await entered(door, secret, "elsewhere")
    await entered(door, secret)
    other, _ = await redeemed(door, "auditor", "auditor@hotline.example")
    said = {"name": "auditor@hotline.example", "password": PASSWORD, "code": code_of(door.service, other)}
    door.tokens["other"] = (await door.send(None, "POST", "/v1/sign-in/local", said)).json()["token"]
    listed = (await door.send("person", "GET", "/v1/sessions")).json()["items"]
    assert [(one["carrier"], one["here"]) for one in listed] == [("program", True), ("program", False)]
    assert set(listed[0]) == {"id", "started_at", "seen_at", "ends_at", "carrier", "here"}
    path = f"/v1/sessions/{listed[1]['id']}"
    assert (await door.send("other", "DELETE", path)).status_code == 404
    assert (await door.send("person", "DELETE", path)).status_code == 204
    assert (await door.send("elsewhere", "GET", "/v1/session")).status_code == 401
    assert (await door.send("person", "DELETE", path)).status_code == 404
    assert (await door.send("operator", "GET", "/v1/sessions")).status_code == 409


async def test_a_browser_changes_the_password_and_ends_a_session_by_form(door: Api) -> None:
    """Our own forms alone, and with the word of the session; without it nothing happens."""
    secret, _ = await redeemed(door)
    await entered(door, secret, "elsewhere")
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    await form(door, "/sign-in", said)
    page = await door.client.get("/sign-in", headers=HERE)
    assert ("by a browser: this one." in page.text, "by a program." in page.text) == (True, True)
    word = re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0]
    (session_id,) = re.findall(r'name="session" value="(ses_\w{26})"', page.text)
    ending = {"csrf": "0" * 64, "session": session_id}
    assert (await form(door, "/sign-in/session/end", ending)).headers["location"] == "/sign-in?said=again"
    assert (await door.send("elsewhere", "GET", "/v1/session")).status_code == 200
    assert (await form(door, "/sign-in/session/end", ending | {"csrf": word})).headers["location"].endswith("=ended")
    assert (await door.send("elsewhere", "GET", "/v1/session")).status_code == 401
    change = {"password": PASSWORD, "new_password": OTHER}
    before = door.client.cookies["tiprouter"]
    assert (await form(door, "/sign-in/password", change | {"csrf": "0" * 64})).headers["location"].endswith("again")
    easy = await form(door, "/sign-in/password", change | {"csrf": word, "new_password": "short"})
    assert easy.headers["location"] == "/sign-in?said=password"
    done = await form(door, "/sign-in/password", change | {"csrf": word})
    assert done.headers["location"] == "/sign-in?said=changed"
    assert door.client.cookies["tiprouter"] != before
    assert (await door.client.get("/v1/session", headers=HERE)).status_code == 200
    door.service.clock.forward(minutes=16)
    word = sessions.csrf_of(door.client.cookies["tiprouter"])
    stale = await form(door, "/sign-in/password", change | {"csrf": word})
    assert stale.headers["location"] == "/sign-in?said=stale"


async def test_who_signs_in_may_hide_what_they_type(door: Api) -> None:
    """Every field for a password is one that browsers mask and password managers know; none forbids to paste."""
    secret, _ = await redeemed(door)
    pages = [(await door.client.get("/sign-in")).text]
    said = {"name": EMAIL, "password": PASSWORD, "code": code_of(door.service, secret)}
    await form(door, "/sign-in", said)
    pages.append((await door.client.get("/sign-in", headers=HERE)).text)
    fields = [one for page in pages for one in re.findall(r"<input[^>]*>", page) if "password" in one]
    assert len(fields) == 4
    for one in fields:
        assert 'type="password"' in one, one
        assert re.search(r'autocomplete="(current|new)-password"', one), one
        assert "onpaste" not in one
