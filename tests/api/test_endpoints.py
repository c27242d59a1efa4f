"""An endpoint's life over HTTP: rotation, changes by two credentials, tests, health."""

import asyncio
import json

from tests.acceptance.test_endpoints import PRIVATE
from tests.api.calling import Api, agency
from tests.api.governed import problem
from tests.support.endpoints import hear, said_to_endpoints
from tests.support.giving import another, give
from tests.support.second_words import agree
from tests.support.service import OPERATOR
from tiprouter.api.schemas.webhooks import EndpointChallenge, EndpointChanging, EndpointTest
from tiprouter.domain import redaction
from tiprouter.workflow.credentials import CallerRole

IF_FIRST = {"If-Match": '"1"'}
NEW_URL = "https://new.agency.example/hook"
JWK = PRIVATE.as_dict(private=False)


async def registered(api: Api, **more: object) -> str:
    """The path of a new agency."""
    answer = await api.send("operator", "POST", "/v1/recipients", agency() | more)
    assert answer.status_code == 201, answer.text
    return f"/v1/recipients/{answer.json()['id']}"


async def test_a_change_of_address_is_proposed_and_confirmed_by_another_credential(api: Api) -> None:
    """PUT refuses it, the proposer cannot confirm it, whichever credential of theirs they use, a second person can."""
    path = await registered(api)
    for name, by in (("second", another("second")), ("own", OPERATOR)):
        api.tokens[name] = (await give(api.service, CallerRole.OPERATOR, by=by))[1]
    alone = await api.send("operator", "PUT", path, agency(url=NEW_URL), IF_FIRST)
    assert (alone.status_code, alone.json()["type"]) == (422, "urn:tiprouter:problem:second-person")
    asked = await api.send("operator", "POST", f"{path}/changes", {"url": NEW_URL, "encryption_keys": [JWK]}, IF_FIRST)
    change = asked.json()
    assert (asked.status_code, change["changes"]) == (201, ["url", "encryption_keys"])
    confirm = f"/v1/endpoint-changes/{change['id']}/confirm"
    for role in ("operator", "own"):
        own = await api.send(role, "POST", confirm)
        assert (own.status_code, own.json()["type"]) == (409, "urn:tiprouter:problem:change-same-person")
    done = await api.send("second", "POST", confirm)
    assert (done.status_code, done.json()["url"], done.json()["revision"]) == (200, NEW_URL, 2)
    shown = (await api.send("operator", "GET", path)).json()
    assert (shown["encryption_key_ids"], shown["endpoint"]) == (["agency-1"], "verified")
    listed = (await api.send("auditor", "GET", f"{path}/changes")).json()["items"]
    assert [one["state"] for one in listed] == ["confirmed"]


async def test_a_private_or_weak_key_is_refused_and_nothing_is_stored(api: Api) -> None:
    """The public half alone is taken; certificates come with their key."""
    private = PRIVATE.as_dict(private=True)
    for wrong in (
        {"encryption_keys": [private]},
        {"encryption_keys": [JWK | {"x": "AAAA"}]},
        {"certificate": "-----BEGIN CERTIFICATE-----"},
        {"authorities": "no PEM"},
    ):
        answer = await api.send("operator", "POST", "/v1/recipients", agency() | wrong)
        assert answer.status_code == 422, wrong
        assert str(private["d"]) not in answer.text
    assert await api.service.rows("select id from recipients") == []


async def test_a_signing_key_is_rotated(api: Api) -> None:
    """The new public key is told and shown; a shared secret is told once."""
    path = await registered(api)
    refused = await api.send("operator", "POST", f"{path}/signing-keys", {"overlap_days": 7})
    assert problem(refused) == (409, "second-word-needed")
    await agree(api, "operator", "custodian", "key", path.split("/")[-1])
    done = await api.send("operator", "POST", f"{path}/signing-keys", {"overlap_days": 7})
    assert done.status_code == 201
    assert (await api.send("operator", "GET", path)).json()["verification_key"] == done.json()["verification_key"]
    assert (await api.send("operator", "POST", f"{path}/signing-keys", {"overlap_days": 8})).status_code == 422


async def test_a_test_is_answered_with_what_came_of_it(api: Api) -> None:
    """The caller waits while a worker sends it."""
    path = await registered(api)
    waiting = asyncio.create_task(api.send("operator", "POST", f"{path}/test"))
    found = await said_to_endpoints(api.service)
    while not found:
        await asyncio.sleep(0.02)
        found = await said_to_endpoints(api.service)
    await hear(api.service, found[0], 200)
    answer = (await waiting).json()
    assert (answer["result"], answer["status"], answer["duration_ms"]) == ("success", 200, 7)
    health = (await api.send("auditor", "GET", f"{path}/health?days=3")).json()
    assert (health["days"], health["state"], health["breaker"]) == ([], "verified", "closed")


async def test_an_agency_says_itself_what_it_can_take(api: Api) -> None:
    """At its registration and by a change of one person, since it sends nothing anywhere else; its health shows it."""
    path = await registered(api, max_per_second=5)
    shown = (await api.send("operator", "GET", path)).json()
    assert (shown["max_per_second"], shown["max_at_once"]) == (5, None)
    changed = await api.send("operator", "PUT", path, agency() | {"max_at_once": 2}, IF_FIRST)
    assert changed.status_code == 200, changed.text
    health = (await api.send("auditor", "GET", f"{path}/health?days=1")).json()
    assert (health["max_per_second"], health["max_at_once"]) == (None, 2)
    assert [tuple(row) for row in await api.service.rows("select max_per_second, max_at_once from recipients")] == [
        (None, 2)
    ]
    for wrong in ({"max_per_second": 0}, {"max_at_once": 1_001}, {"max_at_once": -1}):
        answer = await api.send("operator", "PUT", path, agency() | wrong, {"If-Match": '"2"'})
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == [f"/{next(iter(wrong))}"]


async def test_what_is_said_to_endpoints_is_what_is_documented(api: Api) -> None:
    """Three messages, exactly the documented fields."""
    now = api.service.clock.at
    for made, kind in (
        (redaction.challenge("rcp_x", "00", now), EndpointChallenge),
        (redaction.trial("rcp_x", now), EndpointTest),
        (redaction.changing("rcp_x", "chg_x", ("url",), now, now), EndpointChanging),
    ):
        told = json.loads(made.body)
        assert kind.model_validate(told).model_dump(mode="json") == told
