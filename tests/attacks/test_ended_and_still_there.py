"""Attack: whoever was suspended, dismissed or given less goes on with what they had made, begun, or kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.api.calling import Api, agency, grant, running, tip, with_agency
from tests.support.callers import ISSUER, system
from tests.support.service import OPERATOR, Service
from tests.support.staff import Member, member
from tiprouter.api.routes.oauth import TOKEN_PATH
from tiprouter.domain.accounts import AccountEvent, AccountRole
from tiprouter.workflow import access_tokens, credentials, people, separation
from tiprouter.workflow.access_tokens import Wish
from tiprouter.workflow.client_assertions import RefusedAssertionError
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor

DONE = (200, 201, 204)


@pytest.fixture
async def api(service: Service) -> AsyncIterator[Api]:
    """The edge on each of the two databases."""
    async with running(service) as found:
        yield found


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


async def slowly(api: Api, token: str, path: str, body: object, meanwhile: Callable[[], Awaitable[Any]]) -> int:
    """A request whose body comes in two parts, between which something happens; the answer's status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    data = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{api.port}\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: slow-{token[:6]}-{len(data)}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode() + data[:5])
    await writer.drain()
    await asyncio.sleep(0.5)
    await meanwhile()
    await asyncio.sleep(0.5)  # whoever was let in before this waited for longer than a body may take unasked
    writer.write(data[5:])
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return int(answer.split(b" ", 2)[1])


async def operator(api: Api) -> Member:
    """A person who operates."""
    return await member(api.service, "second.operator@hotline.example", AccountRole.OPERATOR)


async def test_a_dismissed_operator_whose_request_was_under_way_makes_no_credential(api: Api) -> None:
    """The account ends while the body is on its way: nothing is made."""
    person = await operator(api)
    opened = await person.sign_in()
    before = await api.service.rows("select count(*) from callers")

    async def dismiss() -> None:
        ended = await api.send("operator", "DELETE", f"/v1/people/{person.account.id}")
        assert ended.status_code in DONE

    assert await slowly(api, opened.token, "/v1/credentials", {"role": "reviewer"}, dismiss) == 401
    assert await api.service.rows("select count(*) from callers") == before


async def test_an_ended_key_whose_request_was_under_way_gives_no_consent(api: Api) -> None:
    """The same for an API key, and for whoever would speak for a person."""
    service = api.service
    made, token = await service.database.write(
        lambda tx: credentials.make(tx, service.desk, OPERATOR, CallerRole.INTAKE)
    )

    async def end() -> None:
        assert (await api.send("operator", "DELETE", f"/v1/credentials/{made.id}")).status_code in DONE

    assert await slowly(api, token, "/v1/consents", grant(), end) == 401
    assert await service.rows("select count(*) from consents") == [(0,)]


async def test_an_inbox_that_waits_tells_an_ended_credential_nothing(api: Api) -> None:
    """What comes in after the end is not listed to who was waiting for it."""
    recipient = (await api.send("operator", "POST", "/v1/recipients", agency())).json()["id"]
    await with_agency(api, "agency", recipient)
    listed = (await api.send("operator", "GET", "/v1/credentials")).json()["items"]
    (mine,) = [one["id"] for one in listed if one["role"] == "agency"]
    assert (await api.send("intake", "POST", "/v1/consents", grant())).status_code == 201
    waiting = asyncio.create_task(api.send("agency", "GET", "/v1/inbox?wait=20"))
    await asyncio.sleep(0.5)
    assert (await api.send("operator", "DELETE", f"/v1/credentials/{mine}")).status_code in DONE
    accepted = await api.send("intake", "POST", "/v1/tips", tip())
    assert "DISCLOSE" in [one["outcome"] for one in accepted.json()["outcomes"]], "else nothing could be listed"
    assert (await waiting).status_code == 401


async def test_a_credential_is_as_its_holder_is(api: Api) -> None:
    """While the person is suspended it opens nothing, and again when they are back; when they have left, never."""
    person = await member(api.service)
    made = await api.send("operator", "POST", "/v1/credentials", {"role": "reviewer", "holder_id": person.account.id})
    held = bearer(made.json()["token"])

    async def opens() -> bool:
        answer = await api.send(None, "GET", "/v1/reviews", headers=held)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    assert await opens()
    for word, after in (("suspend", False), ("restore", True), (None, False)):
        path = f"/v1/people/{person.account.id}" + ("" if word is None else f"/{word}")
        moved = await api.send("operator", "DELETE" if word is None else "POST", path, None if word is None else {})
        assert moved.status_code in DONE
        assert await opens() is after


async def test_a_client_is_as_its_holder_is(api: Api) -> None:
    """Neither a new access token nor one from before, once the person in whose hands its key is was suspended."""
    person = await member(api.service, role=AccountRole.REVIEWER)
    it = await system(api, CallerRole.REVIEWER, holder_id=person.account.id)
    token = await it.token()
    assert (await api.send(None, "GET", "/v1/reviews", headers=bearer(token))).status_code == 200
    assert (await api.send("operator", "POST", f"/v1/people/{person.account.id}/suspend", {})).status_code in DONE
    assert (await api.send(None, "GET", "/v1/reviews", headers=bearer(token))).status_code == 401
    assert (await it.ask()).status_code in (400, 401)


async def test_what_ones_own_key_makes_is_ones_own(api: Api) -> None:
    """A session makes a key, the key makes another: all three are one person, where two are asked."""
    service = api.service
    person = await operator(api)
    opened = await person.sign_in()
    first = (await api.send(None, "POST", "/v1/credentials", {"role": "operator"}, headers=bearer(opened.token))).json()
    second = (
        await api.send(None, "POST", "/v1/credentials", {"role": "operator"}, headers=bearer(first["token"]))
    ).json()
    names = (person.account.id, first["id"], second["id"])
    found = await service.database.read(lambda tx: {separation.person(tx, one) for one in names})
    assert len(found) == 1


async def test_part_of_an_operators_routes_does_not_invite_a_whole_operator(api: Api) -> None:
    """Who may only invite people cannot make themselves somebody who may do everything."""
    made = await api.send(
        "operator", "POST", "/v1/credentials", {"role": "operator", "scopes": ["people:read", "people:write"]}
    )
    narrowed = bearer(made.json()["token"])
    wanted = {"role": "operator", "way": "local", "name": "Example Person", "email": "whole@hotline.example"}
    refused = await api.send(None, "POST", "/v1/people", wanted, headers=narrowed)
    assert refused.status_code in (400, 422)
    reviewer = wanted | {"role": "reviewer"}
    assert (await api.send(None, "POST", "/v1/people", reviewer, headers=narrowed)).status_code == 201


async def test_ending_every_credential_makes_no_new_operator_while_one_can_sign_in(api: Api) -> None:
    """The first credential is for a house that nobody can enter, and is not made behind an operator's back."""
    service = api.service
    person = await operator(api)
    for one in (await api.send("operator", "GET", "/v1/credentials")).json()["items"]:
        await service.database.write(lambda tx, one=one: credentials.revoke(tx, service.desk, OPERATOR, one["id"]))  # type: ignore[misc] # a default is no argument

    def first() -> Awaitable[str | None]:
        return service.database.write(lambda tx: credentials.first(tx, service.desk, OPERATOR))

    assert await first() is None
    boss = Actor("cal_somebody_else", "operator")
    await service.database.write(lambda tx: people.move(tx, service.desk, boss, person.account.id, AccountEvent.END))
    assert await first() is not None


async def test_an_assertion_that_ended_on_its_way_makes_no_token(api: Api) -> None:
    """It was examined in time; until it is used its id may have been forgotten, and so it is looked at again."""
    service = api.service
    it = await system(api)
    wish = Wish(it.assertion(), frozenset((ISSUER + TOKEN_PATH,)))
    shown = await service.database.read(lambda tx: access_tokens.examine(tx, wish, service.clock()))
    service.clock.forward(hours=1)
    with pytest.raises(RefusedAssertionError):
        await service.database.write(lambda tx: access_tokens.issue(tx, service.desk, wish, shown, lambda _: ()))
    assert await service.rows("select count(*) from access_tokens") == [(0,)]
