"""Machine callers over HTTP: API keys that are listed, rotated and narrowed, and clients that sign in with a key."""

from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import Key

from tests.api.calling import Api, tip, with_agency
from tests.api.calling import agency as wanted_agency
from tests.support.callers import ISSUER, ed25519, p256, public, rsa, system, use
from tests.support.fictional import agency
from tests.support.giving import another, give
from tests.support.questioning import entries
from tests.support.service import START
from tiprouter.api import access, scopes
from tiprouter.api.routes.oauth import TOKEN_PATH
from tiprouter.domain.redaction import stamp
from tiprouter.workflow import access_tokens
from tiprouter.workflow.chores import CHORES
from tiprouter.workflow.credentials import CallerRole

METADATA = "/.well-known/oauth-authorization-server"


async def test_what_one_operator_gives_another_confirms(api: Api) -> None:
    """With a second operator all of it is pending, shown so, and refused, until the other one's word."""
    api.tokens["second"] = (await give(api.service, CallerRole.OPERATOR, by=another("second")))[1]
    invited = {"role": "reviewer", "way": "local", "name": "Example Person", "email": "r@hotline.example"}
    for path, wanted in (
        ("/v1/credentials", {"role": "reviewer"}),
        ("/v1/clients", {"role": "reviewer", "keys": [public(ed25519())]}),
        ("/v1/people", invited),
    ):
        made = await api.send("operator", "POST", path, wanted)
        assert (made.status_code, made.json()["pending"]) == (201, True), made.text
        confirm = f"{path}/{made.json()['id']}/confirm"
        (shown,) = [one for one in (await api.send("second", "GET", path)).json()["items"] if one["pending"]]
        assert shown["id"] == made.json()["id"]
        own = await api.send("operator", "POST", confirm)
        assert (own.status_code, own.json()["type"]) == (409, "urn:tiprouter:problem:given-by-you")
        done = await api.send("second", "POST", confirm)
        assert (done.status_code, done.json()["pending"]) == (200, False), done.text
        again = await api.send("second", "POST", confirm)
        assert (again.status_code, again.json()["type"]) == (409, "urn:tiprouter:problem:nothing-waits")


async def test_what_waits_is_let_in_nowhere(api: Api) -> None:
    """A credential, a client and a new key: 401 as for a wrong secret, and a word in the log; confirmed, they are."""
    api.tokens["second"] = (await give(api.service, CallerRole.OPERATOR, by=another("second")))[1]
    made = (await api.send("operator", "POST", "/v1/credentials", {"role": "intake"})).json()
    waiting = await system(api)
    for confirmed in (False, True):
        assert (await use(api, made["token"])).status_code == (200 if confirmed else 401)
        assert (await waiting.ask()).status_code == (200 if confirmed else 401)
        if not confirmed:
            for path in (f"/v1/credentials/{made['id']}", f"/v1/clients/{waiting.client.id}"):
                assert (await api.send("second", "POST", f"{path}/confirm")).status_code == 200
    turned = (await api.send("operator", "POST", f"/v1/credentials/{made['id']}/rotate", {})).json()
    assert (turned["pending"], turned["old_end_at"]) == (True, None)
    assert [(await use(api, token)).status_code for token in (turned["token"], made["token"])] == [401, 200]
    await api.send("second", "POST", f"/v1/credentials/{made['id']}/confirm")
    assert (await use(api, turned["token"])).status_code == 200
    await api.office.porter.settle()
    refused = await entries(api.service, "sign-in.refused")
    assert {one["cause"] for one in refused} == {"waits"}


async def test_an_agency_that_one_operator_enrols_waits_for_another(api: Api) -> None:
    """It is suspended, its entry says which change is to be confirmed, and by that it is active."""
    api.tokens["second"] = (await give(api.service, CallerRole.OPERATOR, by=another("second")))[1]
    made = (await api.send("operator", "POST", "/v1/recipients", wanted_agency())).json()
    assert (made["pending"], made["status"]) == (True, "suspended")
    path = f"/v1/recipients/{made['id']}"
    alone = await api.send("operator", "PUT", path, wanted_agency(), {"If-Match": '"1"'})
    assert (alone.status_code, alone.json()["errors"][0]["pointer"]) == (422, "/status")
    confirm = f"/v1/endpoint-changes/{made['pending_change']}/confirm"
    own = await api.send("operator", "POST", confirm)
    assert (own.status_code, own.json()["type"]) == (409, "urn:tiprouter:problem:change-same-person")
    assert (await api.send("second", "POST", confirm)).json()["status"] == "active"


async def listed(api: Api, caller_id: str, path: str = "/v1/credentials") -> dict[str, Any]:
    """One of the list, which must be there once."""
    found = [one for one in (await api.send("operator", "GET", path)).json()["items"] if one["id"] == caller_id]
    assert len(found) == 1
    return dict(found[0])


async def test_a_credential_is_listed_with_its_public_part_and_the_day_of_its_last_use(either: Api) -> None:
    """Prefix, role, label, scopes, its end a year from now, the UTC day it was used on; no secret."""
    wanted = {"role": "intake", "label": "crm", "scopes": ["tips:write", "tips:read"]}
    made = (await either.send("operator", "POST", "/v1/credentials", wanted)).json()
    token, (key,) = made["token"], (await listed(either, made["id"]))["keys"]
    assert token.startswith(f"{key['prefix']}_")
    assert (key["expires_at"], key["last_used_on"]) == (stamp(START + timedelta(days=365)), None)
    assert (await use(either, token)).status_code == 200
    await either.office.porter.settle()
    shown = await listed(either, made["id"])
    assert (shown["label"], shown["scopes"]) == ("crm", ["tips:read", "tips:write"])
    assert shown["keys"][0]["last_used_on"] == START.date().isoformat()
    either.service.clock.forward(days=2)
    assert (await use(either, token)).status_code == 200
    await either.office.porter.settle()
    assert (await listed(either, made["id"]))["keys"][0]["last_used_on"] == "2026-03-04"
    page = await either.send("operator", "GET", "/v1/credentials?limit=2")
    assert len(page.json()["items"]) == 2
    assert 'rel="next"' in page.headers["link"]
    assert token[-43:] not in page.text


async def test_a_rotation_keeps_the_credential_and_lets_the_old_key_end_with_the_overlap(either: Api) -> None:
    """Both keys let the same caller in until the overlap ends; a replay of the answer has no token in it."""
    made = (await either.send("operator", "POST", "/v1/credentials", {"role": "intake"})).json()
    key = {"Idempotency-Key": "rotate-once"}
    path = f"/v1/credentials/{made['id']}/rotate"
    done = await either.send("operator", "POST", path, {"overlap_days": 2, "expires_days": 30}, key)
    again = await either.send("operator", "POST", path, {"overlap_days": 2, "expires_days": 30}, key)
    assert again.json() == done.json() | {"token": None}
    new = done.json()["token"]
    either.tokens |= {"old": made["token"], "new": new}
    accepted = await either.send("old", "POST", "/v1/tips", tip(), {"Idempotency-Key": "one"})
    same = await either.send("new", "POST", "/v1/tips", tip(), {"Idempotency-Key": "one"})
    assert same.headers["idempotent-replayed"] == "true"
    assert same.json() == accepted.json()
    either.service.clock.forward(days=2)
    assert (await use(either, made["token"])).status_code == 401
    assert (await use(either, new)).status_code == 200
    either.service.clock.forward(days=28)
    assert (await use(either, new)).status_code == 401
    absent = f"/v1/credentials/{made['id'][:-1]}X/rotate"
    assert (await either.send("operator", "POST", absent, {})).status_code == 404
    assert (await either.send("operator", "POST", path, {"overlap_days": 8})).status_code == 422


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": ["reviews:write"]}, "/scopes"),
        ({"scopes": []}, "/scopes"),
        ({"label": "Example Person"}, "/label"),
        ({"expires_days": 731}, "/expires_days"),
        ({"certificate": "short"}, "/certificate"),
    ],
)
async def test_a_credential_is_refused_whose_terms_mean_nothing(api: Api, change: Any, pointer: str) -> None:  # noqa: ANN401 - JSON
    """A scope that the role does not have, no scope at all, a person's name, too long a life."""
    answer = await api.send("operator", "POST", "/v1/credentials", {"role": "intake"} | change)
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


async def test_a_narrowed_key_finds_nothing_beside_its_scopes(api: Api) -> None:
    """It writes tips and reads none; what it may not use answers like what another role may not use."""
    made = await api.send("operator", "POST", "/v1/credentials", {"role": "intake", "scopes": ["tips:write"]})
    api.tokens["narrow"] = made.json()["token"]
    assert (await api.send("narrow", "POST", "/v1/tips", tip())).status_code == 201
    assert (await api.send("narrow", "GET", "/v1/tips")).status_code == 404
    assert (await api.send("narrow", "PUT", "/v1/cases/C-1", {})).status_code == 404


def test_every_route_that_asks_who_calls_is_of_one_scope_and_no_other_is() -> None:
    """Together the scopes of a role are exactly its rows of the access table."""
    for role in CallerRole:
        mine = {route for route, roles in access.TABLE.items() if role in roles}
        assert {scopes.scope_of(*route) for route in mine} == scopes.of_role(access.TABLE, role)
    assert "tips:write" in scopes.of_role(access.TABLE, "intake")
    assert "credentials:write" not in scopes.of_role(access.TABLE, "intake")


@pytest.mark.parametrize(
    ("key", "alg"),
    [(ed25519(), "EdDSA"), (ed25519(), "Ed25519"), (p256(), "ES256"), (rsa(), "PS256"), (rsa(), "RS256")],
    ids=["EdDSA", "Ed25519", "ES256", "PS256", "RS256"],
)
async def test_a_system_signs_in_with_a_key_of_its_own(api: Api, key: Key, alg: str) -> None:
    """The token of RFC 6749 section 5.1: ten minutes, not stored, good for what its client may do."""
    crm = await system(api, key=key)
    answer = await crm.ask(crm.assertion(header={"alg": alg, "kid": public(key).get("kid", key.thumbprint())}))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    said = answer.json()
    assert (said["token_type"], said["expires_in"], set(said)) == (
        "Bearer",
        600,
        {"access_token", "token_type", "expires_in"},
    )
    assert (await use(api, said["access_token"])).status_code == 200


async def test_a_client_is_registered_listed_given_keys_and_ended_by_an_operator(either: Api) -> None:
    """Over HTTP: public keys in, the same out with their ids; its agency's client sees what its agency may."""
    police = (await either.service.enrol(agency())).recipient.id
    await with_agency(either, "agency", police)
    first, second = ed25519(), rsa()
    wanted = {"role": "agency", "recipient_id": police, "label": "records", "keys": [dict(public(first))]}
    made = await either.send("operator", "POST", "/v1/clients", wanted)
    assert made.status_code == 201, made.text
    client_id = made.json()["id"]
    assert made.json()["keys"] == [dict(public(first)) | {"kid": first.thumbprint()}]
    given = {"keys": [dict(public(second, kid="rsa-1"))]}
    assert (await either.send("operator", "PUT", f"/v1/clients/{client_id}/keys", given)).status_code == 200
    shown = await listed(either, client_id, "/v1/clients")
    assert [key["kid"] for key in shown["keys"]] == ["rsa-1"]
    assert client_id not in (await either.send("operator", "GET", "/v1/credentials")).text
    rotate = f"/v1/credentials/cal{client_id[3:]}/rotate"
    assert (await either.send("operator", "POST", rotate, {})).status_code == 404
    assert (await either.send("operator", "DELETE", f"/v1/clients/{client_id}")).status_code == 204
    assert (await either.send("operator", "DELETE", f"/v1/clients/{client_id}")).status_code == 404


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [{"kty": "RSA", "n": "_" * 170, "e": "AQAB"}],
        [dict(ed25519().as_dict(private=True))],
        [{"kty": "oct", "k": "AAAA"}],
        [{"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}],
        [{"kty": "RSA", "n": "AQAB"}],
        [dict(public(p256(), alg="RS256"))],
        [dict(public(ed25519(), kid="one")), dict(public(ed25519(), kid="one"))],
    ],
    ids=["none", "short", "private", "secret", "off-curve", "incomplete", "alg", "kid-twice"],
)
async def test_keys_that_prove_nothing_are_not_registered(api: Api, keys: list[Any]) -> None:
    """Too short, private, symmetric, no point of its curve, incomplete, for another algorithm, or two of one name."""
    answer = await api.send("operator", "POST", "/v1/clients", {"role": "intake", "keys": keys})
    assert answer.status_code == 422
    assert (await api.send("operator", "GET", "/v1/clients")).json()["items"] == []


async def test_a_token_covers_what_was_asked_for_and_no_more_than_its_client_may(api: Api) -> None:
    """A narrower scope narrows; a wider one, or one nobody knows, is refused, and the assertion unused."""
    crm = await system(api, scopes=frozenset({"tips:read", "tips:write"}))
    for scope in ("cases:read", "tips:read nothing:read"):
        refused = await crm.ask(scope=scope)
        assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})
    assertion = crm.assertion()
    assert (await crm.ask(assertion, scope="cases:write")).status_code == 400
    answer = await crm.ask(assertion, scope="tips:read")
    assert answer.json()["scope"] == "tips:read"
    token = answer.json()["access_token"]
    assert (await use(api, token)).status_code == 200
    api.tokens["client"] = token
    assert (await api.send("client", "POST", "/v1/tips", tip())).status_code == 404
    assert (await api.send("client", "GET", "/v1/cases")).status_code == 404


@pytest.mark.parametrize(
    ("body", "error", "status"),
    [
        ("grant_type=password", "unsupported_grant_type", 400),
        ("scope=tips%3Aread", "invalid_request", 400),
        ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request", 400),
        ("grant_type=client_credentials", "invalid_client", 401),
        ("grant_type=client_credentials&client_id=x&client_secret=y", "invalid_client", 401),
        ("\u00e9", "invalid_request", 400),
        ("", "invalid_request", 400),
    ],
)
async def test_a_bad_request_for_a_token_is_answered_as_rfc_6749_says(
    api: Api, body: str, error: str, status: int
) -> None:
    """One word of section 5.2, nothing of what was sent, not stored; who shows nobody gets a challenge."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await api.client.post(TOKEN_PATH, content=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)
    json = await api.client.post(TOKEN_PATH, json={"grant_type": "client_credentials"})
    assert (json.status_code, json.json()) == (400, {"error": "invalid_request"})


async def test_the_server_says_how_a_client_signs_in(api: Api) -> None:
    """RFC 8414: issuer, token endpoint, method and algorithms; the assertion may be addressed to either name."""
    said = (await api.client.get(METADATA)).json()
    assert (said["issuer"], said["token_endpoint"]) == (ISSUER, ISSUER + TOKEN_PATH)
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert "none" not in said["token_endpoint_auth_signing_alg_values_supported"]
    assert {"tips:write", "disclosures:read"} <= set(said["scopes_supported"])
    crm = await system(api)
    for audience in (said["issuer"], said["token_endpoint"], [said["token_endpoint"]]):
        assert (await crm.ask(crm.assertion(crm.claims(aud=audience)))).status_code == 200
    assert (await crm.ask(client_id=crm.client.id)).status_code == 200
    assert (await crm.ask(client_id="clt_somebody")).status_code == 401


async def test_what_ended_is_swept_and_what_lives_is_not(either: Api) -> None:
    """Tokens and used assertions go when nothing can ask for them any more; a fresh pair stays."""
    crm = await system(either)
    await crm.token()
    either.service.clock.forward(minutes=10)
    fresh = await crm.token()
    assert access_tokens.sweep in CHORES
    desk = either.service.desk
    assert await either.service.database.write(lambda tx: access_tokens.sweep(tx, desk)) == 2
    assert await either.service.database.write(lambda tx: access_tokens.sweep(tx, desk)) == 0
    assert (await use(either, fresh)).status_code == 200
