"""Attack: somebody holds what was meant to let a system in: its key, its prefix, its token, its assertion.

Each attack is a function that fails where the harm is done; the last tests break the service and see them fail.
"""

import asyncio
import base64
import hmac
import json
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwk import RSAKey

from tests.api.calling import Api, running, until
from tests.api.test_access import seen
from tests.support.callers import System, client_cert, ed25519, p256, public, rsa, system, thumbprint, use
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.api import certificates
from tiprouter.domain.proof import TYPE
from tiprouter.errors import ConfigurationError
from tiprouter.storage import access_tokens
from tiprouter.workflow import client_assertions, clients, credentials, key_secrets, porter
from tiprouter.workflow.client_assertions import Jwk
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.porter import AT_ONCE, WAITING_MAX, Porter
from tiprouter.workflow.presenting import Presented

PROXY = IPv4Network("127.0.0.1/32")
SECRET = "A" * 43
Attack = Callable[[Api], Awaitable[None]]


@pytest.fixture
async def proxied(service: Service) -> AsyncIterator[Api]:
    """The edge behind a proxy on loopback that it trusts, on each of the two databases."""
    async with running(service, proxies=(PROXY,)) as found:
        yield found


@pytest.fixture
async def either(service: Service) -> AsyncIterator[Api]:
    """The edge on each of the two databases."""
    async with running(service) as found:
        yield found


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The edge on the embedded database, with a trusted proxy, for what is broken on purpose."""
    async with (
        open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service,
        running(service, proxies=(PROXY,)) as found,
    ):
        yield found


async def made(api: Api, role: CallerRole = CallerRole.INTAKE, **terms: Any) -> tuple[str, str]:  # noqa: ANN401 - a credential's
    """A credential's id and token."""
    caller, token = await api.service.database.write(
        lambda tx: credentials.make(tx, api.service.desk, OPERATOR, role, None, Terms(**terms))
    )
    return caller.id, token


async def revoke(api: Api, caller_id: str) -> None:
    """End a credential or client."""
    await api.service.database.write(lambda tx: credentials.revoke(tx, api.service.desk, OPERATOR, caller_id))


async def entries(api: Api, kind: str) -> list[dict[str, Any]]:
    """The bodies of all entries of a kind, once what is written beside answers is written."""
    await api.office.porter.settle()
    await api.service.sequencer.drain()
    rows = await api.service.rows(f"SELECT entry FROM log_entries WHERE kind = '{kind}' ORDER BY 1")  # noqa: S608 - our words
    return [json.loads(bytes(row[0]))["body"] for row in rows]


async def ended_keys_are_used(api: Api) -> None:
    """A key goes on working after it was revoked, expired, or replaced, because somebody remembers it."""
    caller_id, token = await made(api)
    assert (await use(api, token)).status_code == 200
    await revoke(api, caller_id)
    assert (await use(api, token)).status_code == 401
    _, short = await made(api, days=1)
    assert (await use(api, short)).status_code == 200
    api.service.clock.forward(days=1)
    assert (await use(api, short)).status_code == 401
    other, old = await made(api)
    assert (await use(api, old)).status_code == 200
    done = await api.service.database.write(
        lambda tx: credentials.rotate(tx, api.service.desk, OPERATOR, other, overlap_days=0)
    )
    assert (await use(api, old)).status_code == 401
    assert (await use(api, done.token)).status_code == 200


async def assertion_is_replayed(api: Api) -> None:
    """Whoever saw an assertion gets a token of their own with it, now or at the same moment."""
    crm = await system(api)
    assertion = crm.assertion()
    answers = await asyncio.gather(*(crm.ask(assertion) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (await crm.ask(assertion)).json() == {"error": "invalid_client"}


async def algorithm_is_chosen_by_the_message(api: Api) -> None:
    """A public key is taken for a shared secret, or no signature for one."""
    crm = await system(api, key=rsa())
    pem, modulus = _pem(public(crm.key)), public(crm.key)["n"].encode()
    forged = [crm.signed_by_hand({"alg": alg}, _mac(key)) for alg in ("HS256", "HS512") for key in (pem, modulus)]
    forged += [crm.signed_by_hand({"alg": alg}, lambda _: b"") for alg in ("none", "None", "RS256", "EdDSA", "")]
    for assertion in forged:
        assert (await crm.ask(assertion)).status_code == 401


def _pem(jwk: Jwk) -> bytes:
    return RSAKey.import_key(dict(jwk)).as_pem(private=False)


def _mac(key: bytes) -> Callable[[bytes], bytes]:
    return lambda said: hmac.digest(key, said, "sha256")


async def assertion_for_somebody_else_is_taken(api: Api) -> None:
    """What a client signed for another service, or for another purpose, or long ago, gets a token here."""
    crm = await system(api, key=ed25519())
    now = int(api.service.clock().timestamp())
    wrong: list[dict[str, Any]] = [
        {"aud": "https://other.example/token"},
        {"aud": ["http://127.0.0.1:8080", "https://other.example"]},
        {"aud": None},
        {"iss": "somebody"},
        {"exp": now},
        {"exp": now + 301},
        {"exp": None},
        {"exp": True},
        {"exp": 1e400},
        {"iat": now + 61},
        {"iat": now - 361},
        {"nbf": now + 61},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
    ]
    for change in wrong:
        assert (await crm.ask(crm.assertion(crm.claims(**change)))).status_code == 401, change
    own = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(str(crm.key.as_dict(private=True)["d"]) + "="))
    for header in ({"typ": TYPE}, {"crit": ["iat"], "iat": 1}, {"b64": False}, {"kid": "somebody"}, {"typ": 1}):
        assertion = crm.signed_by_hand({"alg": "EdDSA"} | header, own.sign)
        assert (await crm.ask(assertion)).status_code == 401, header
    for header in ({}, {"typ": "JWT"}, {"typ": "client-authentication+jwt", "jku": "https://other.example"}):
        assertion = crm.signed_by_hand({"alg": "EdDSA"} | header, own.sign)
        assert (await crm.ask(assertion)).status_code == 200, header


async def assertion_names_what_cannot_be_looked_up(api: Api) -> None:
    """Half a character or a NUL, where an id is asked for, breaks the answer for whoever sends it."""
    crm = await system(api)
    for odd in ("\ud800", "\0", f"{crm.client.id}\0", "clt_" + 26 * "\ud800"):
        assert (await crm.ask(crm.assertion(crm.claims(sub=odd, iss=odd)))).status_code == 401, ascii(odd)
        assert (await crm.ask(crm.assertion(crm.claims(jti=odd)))).status_code == 401, ascii(odd)
    assert (await crm.ask(crm.assertion(crm.claims(jti="\u00e9\U0001f511")))).status_code == 200


async def another_clients_key_is_taken(api: Api) -> None:
    """A client, or nobody's key, speaks for another client."""
    crm, thief = await system(api), await system(api)
    forged = crm.assertion(key=thief.key)
    assert (await crm.ask(forged)).status_code == 401
    assert (
        await crm.ask(crm.assertion(header={"kid": public(thief.key).get("kid", "")}, key=thief.key))
    ).status_code == 401
    assert (await crm.ask(crm.assertion(key=ed25519()))).status_code == 401


async def unproven_certificate_is_believed(api: Api) -> None:
    """Whoever stole a token that is bound to a certificate just says that they showed it."""
    crm = await system(api, certificate_bound=True)
    bare = [api.office.trusted_proxies]
    assert bare == [()], "this attack is made on an edge that trusts no proxy"
    claimed = client_cert() | {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    assert (await crm.ask(headers=claimed)).status_code == 401
    _, bound = await made(api, certificate=thumbprint())
    assert (await use(api, bound, headers=claimed)).status_code == 401


async def narrow_operator_makes_a_wide_one(api: Api) -> None:
    """Who may only make credentials makes, rotates or registers one that may do everything."""
    narrow = frozenset({"credentials:write", "clients:write", "credentials:read"})
    _, token = await made(api, CallerRole.OPERATOR, scopes=narrow)
    wide, _ = await made(api, CallerRole.OPERATOR)
    wide_client = await system(api, CallerRole.OPERATOR)
    api.tokens["narrow"] = token
    client = {"role": "operator", "keys": [dict(public(ed25519()))]}
    for path, method, body in (
        ("/v1/credentials", "POST", {"role": "operator"}),
        ("/v1/credentials", "POST", {"role": "operator", "scopes": ["credentials:write", "recipients:write"]}),
        (f"/v1/credentials/{wide}/rotate", "POST", {}),
        ("/v1/clients", "POST", client),
        (f"/v1/clients/{wide_client.client.id}/keys", "PUT", {"keys": client["keys"]}),
    ):
        assert (await api.send("narrow", method, path, body)).status_code == 422, path
    given = await api.send("narrow", "POST", "/v1/credentials", {"role": "operator", "scopes": ["credentials:read"]})
    assert given.status_code == 201
    assert (await api.send("narrow", "GET", "/v1/recipients")).status_code == 404


@pytest.mark.parametrize(
    "attack",
    [
        ended_keys_are_used,
        assertion_is_replayed,
        algorithm_is_chosen_by_the_message,
        assertion_for_somebody_else_is_taken,
        assertion_names_what_cannot_be_looked_up,
        another_clients_key_is_taken,
        unproven_certificate_is_believed,
        narrow_operator_makes_a_wide_one,
    ],
)
async def test_the_attack_fails(either: Api, attack: Attack) -> None:
    """Each of the attacks above, on both databases, over a socket."""
    await attack(either)


async def test_a_stolen_token_or_key_is_worth_nothing_without_its_certificate(proxied: Api) -> None:
    """Bound to a certificate, a token and an API key want it with every request: another one, or none, is 401."""
    crm = await system(proxied, certificate_bound=True)
    mine, other = client_cert(), client_cert(b"another certificate")
    assert (await crm.ask()).status_code == 401
    token = await crm.token(headers=mine)
    _, key = await made(proxied, certificate=thumbprint())
    refused = None
    for shown in (token, key):
        assert (await use(proxied, shown, headers=mine)).status_code == 200
        for headers in ({}, other, {"Client-Cert": "not a byte sequence"}):
            answer = await use(proxied, shown, headers=headers)
            assert answer.status_code == 401
            refused = refused or seen(answer)
            assert seen(answer) == refused


async def test_nobody_becomes_the_proxy_by_saying_so(service: Service) -> None:
    """The peer is who is connected: `X-Forwarded-For` with the proxy's own address makes nobody the proxy."""
    async with running(service, proxies=(IPv4Network("192.0.2.7/32"),)) as api:
        _, key = await made(api, certificate=thumbprint())
        claimed = client_cert() | {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7"}
        assert (await use(api, key, headers=claimed)).status_code == 401


async def test_two_certificates_are_none(proxied: Api) -> None:
    """A proxy that passes a caller's own header on beside its own is not believed."""
    _, key = await made(proxied, certificate=thumbprint())
    twice = [("Authorization", f"Bearer {key}"), *client_cert().items(), *client_cert(b"another").items()]
    assert (await proxied.client.get("/v1/tips", headers=twice)).status_code == 401
    assert (await proxied.client.get("/v1/tips", headers=twice[:2])).status_code == 200


@pytest.mark.parametrize("listed", ["*", "10.0.0.0/8, proxy.example", "10.0.0.1/8"])
def test_a_proxy_is_named_by_address_or_not_at_all(listed: str) -> None:
    """Everybody, a host name, and a block with bits beside it stop the start."""
    with pytest.raises(ConfigurationError):
        certificates.networks(listed)
    assert certificates.networks("") == ()
    assert certificates.networks("10.0.0.0/8, 192.0.2.7") == (IPv4Network("10.0.0.0/8"), IPv4Network("192.0.2.7/32"))


async def test_a_prefix_says_nothing_and_opens_nothing(either: Api) -> None:
    """Unknown, of a real key, of an ended one, of a narrowed one's token cut short: one answer, byte for byte."""
    caller_id, token = await made(either)
    ended, gone = await made(either)
    await revoke(either, ended)
    kept = [str(row[0]) for row in await either.service.rows("SELECT verifier FROM api_keys")]
    guesses = [f"tr_zzzzzzzz_{SECRET}", token[:12] + SECRET, gone, token[:-1], f"ta_{SECRET}", "tr_", caller_id, *kept]
    said = {repr(seen(await use(either, guess))) for guess in guesses}
    assert len(said) == 1
    assert "401" in said.pop()
    assert (await use(either, token)).status_code == 200


async def test_an_ended_client_and_a_replaced_key_take_their_tokens_along(either: Api) -> None:
    """A token lives as long as its client and as the key that signed for it, however many minutes it had left."""
    crm, ehr = await system(either), await system(either)
    token, other, expiring = await crm.token(), await ehr.token(), await crm.token()
    assert (await use(either, token)).status_code == (await use(either, other)).status_code == 200
    await revoke(either, ehr.client.id)
    assert (await use(either, other)).status_code == 401
    assert (await ehr.ask()).status_code == 401
    fresh = ed25519()
    both = (public(crm.key), public(fresh))
    desk = either.service.desk
    await either.service.database.write(lambda tx: clients.replace_keys(tx, desk, OPERATOR, crm.client.id, both))
    assert (await use(either, token)).status_code == 200
    await either.service.database.write(
        lambda tx: clients.replace_keys(tx, desk, OPERATOR, crm.client.id, [public(fresh)])
    )
    assert (await use(either, token)).status_code == (await use(either, expiring)).status_code == 401
    assert (await crm.ask()).status_code == 401
    again = await System(either, crm.client, fresh).token()
    either.service.clock.forward(minutes=10)
    assert (await use(either, again)).status_code == 401


async def test_a_flood_of_wrong_secrets_keeps_nobody_out_who_is_remembered(
    either: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One secret is proved at a time and some wait; more are told to come back, and who was let in before is let in."""
    _, honest = await made(either)
    assert (await use(either, honest)).status_code == 200
    go, running_now, most = threading.Event(), 0, 0

    def slow(secret: str, verifier: str) -> bool:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        go.wait(30)
        running_now -= 1
        return key_secrets.matches(secret, verifier)

    monkeypatch.setattr(porter, "matches", slow)
    wrong = [f"{honest[:12]}{number:043}" for number in range(AT_ONCE + WAITING_MAX)]
    flood = [asyncio.create_task(use(either, guess)) for guess in wrong]
    try:
        await until(lambda: len(either.office.porter._known.proving) == len(flood))  # noqa: SLF001 - the line is full
        refused = await use(either, f"{honest[:12]}{SECRET}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await use(either, honest)).status_code == 200
    finally:
        go.set()
    assert {answer.status_code for answer in await asyncio.gather(*flood)} == {401}
    assert most == AT_ONCE


async def test_a_flood_of_keys_that_nobody_has_keeps_nobody_out(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who is asked about for the first time nor who was let in all along; the source's tries are counted."""
    _, honest = await made(either)
    ended_id, ended = await made(either)
    _, new = await made(either)
    assert (await use(either, honest)).status_code == 200
    await revoke(either, ended_id)
    go, proved = threading.Event(), list[str]()

    def slow(secret: str, verifier: str) -> bool:
        proved.append(secret)
        if secret not in new:
            go.wait(30)
        return key_secrets.matches(secret, verifier)

    monkeypatch.setattr(porter, "matches", slow)
    guesses = [f"tr_{number:08}_{SECRET[:35]}{number:08}" for number in range(AT_ONCE + WAITING_MAX - 1)]
    flood = [asyncio.create_task(use(either, guess)) for guess in (ended, *guesses)]
    try:
        await until(lambda: len(either.office.porter._strangers.proving) == len(flood))  # noqa: SLF001 - as above
        refused = await use(either, f"tr_zzzzzzzz_{SECRET}")
        assert (refused.status_code, refused.headers["ratelimit"].split(";")[0]) == (503, '"attempt"')
        assert (await use(either, new)).status_code == 200
        for _ in range(3):
            either.service.clock.forward(minutes=9)
            assert (await use(either, honest)).status_code == 200
    finally:
        go.set()
    assert {answer.status_code for answer in await asyncio.gather(*flood)} == {401}
    assert honest[-43:] not in proved


async def test_a_secret_is_proved_once_for_all_who_present_it_together(
    either: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as many requests at once as may wait, all of one honest caller: one computation, none turned away."""
    _, honest = await made(either)
    proved: list[str] = []

    def counting(secret: str, verifier: str) -> bool:
        proved.append(verifier)
        return key_secrets.matches(secret, verifier)

    monkeypatch.setattr(porter, "matches", counting)
    answers = await asyncio.gather(*(use(either, honest) for _ in range(2 * WAITING_MAX)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(proved) == 1


async def test_who_tries_a_real_key_or_client_is_in_the_log_and_cannot_fill_it(either: Api) -> None:
    """One entry an hour for each and each reason, with how often; whoever names nobody real leaves none."""
    caller_id, token = await made(either)
    crm, thief = await system(either), ed25519()
    for _ in range(3):
        await use(either, token[:12] + SECRET)
        await crm.ask(crm.assertion(key=thief))
    await use(either, f"tr_zzzzzzzz_{SECRET}")
    said = {(one["client"], one["way"], one["cause"], one["count"]) for one in await entries(either, "sign-in.refused")}
    assert said == {(caller_id, "tr", "secret", 1), (crm.client.id, "client", "signature", 1)}
    either.service.clock.forward(hours=1)
    await use(either, token[:12] + SECRET)
    assert [one["count"] for one in await entries(either, "sign-in.refused") if one["way"] == "tr"] == [1, 3]
    await crm.token()
    issued = await entries(either, "token.issued")
    assert [(one["client"], one["actor"]) for one in issued] == [(crm.client.id, crm.client.id)]


async def test_neither_secret_nor_token_is_kept_anywhere(api: Api, tmp_path: Path) -> None:
    """Whoever takes the data folder finds nothing in it that can be presented."""
    caller_id, key = await made(api)
    token = await (await system(api)).token()
    rotated = await api.send("operator", "POST", f"/v1/credentials/{caller_id}/rotate", {})
    for shown in (key, token, rotated.json()["token"]):
        assert (await use(api, shown)).status_code == 200
    await entries(api, "token.issued")
    kept = _bytes_in(tmp_path)
    assert key[3:11].encode() in kept
    for shown in (key, token, rotated.json()["token"]):
        assert shown[-43:].encode() not in kept


def _bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def _remembers_whom_it_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Actor] = {}
    admit = Porter.admit

    async def hasty(self: Porter, database: Any, desk: Any, presented: Presented) -> Actor | None:  # noqa: ANN401 - as it is
        if presented.token not in known:
            found = await admit(self, database, desk, presented)
            if found is None:
                return None
            known[presented.token] = found
        return known[presented.token]

    monkeypatch.setattr(Porter, "admit", hasty)


def _takes_an_assertion_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_tokens, "use_once", lambda *_: True)


def _asks_the_message_for_its_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = client_assertions._opened  # noqa: SLF001 - what is broken on purpose

    def confused(compact: str, jwks: Any) -> Any:  # noqa: ANN401 - as it is
        said, _, signature = compact.rpartition(".")
        if signature == base64.urlsafe_b64encode(_mac(_pem(jwks[0]))(said.encode())).rstrip(b"=").decode():
            return jws.extract_compact(compact.encode()).payload, jwks[0]
        return opened(compact, jwks)

    monkeypatch.setattr(client_assertions, "_opened", confused)


def _does_not_ask_whom_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said = client_assertions._said  # noqa: SLF001 - as above

    def deaf(claims: Any, client_id: str, audience: Any, now: Any) -> Any:  # noqa: ANN401 - as it is
        return said(claims | {"aud": next(iter(audience))}, client_id, audience, now)

    monkeypatch.setattr(client_assertions, "_said", deaf)


def _takes_any_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jws, "validate_compact", lambda *_, **__: True)


def _believes_any_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "is_trusted", lambda *_: True)


def _passes_on_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "within", lambda *_: None)


def _lets_assertions_live_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_assertions, "LIFE", timedelta(days=365))


def _looks_anything_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_assertions, "_CLIENT", re.compile(".*", re.DOTALL))


@pytest.mark.parametrize(
    ("fault", "attack"),
    [
        (_looks_anything_up, assertion_names_what_cannot_be_looked_up),
        (_remembers_whom_it_let_in, ended_keys_are_used),
        (_takes_an_assertion_again, assertion_is_replayed),
        (_asks_the_message_for_its_algorithm, algorithm_is_chosen_by_the_message),
        (_does_not_ask_whom_it_is_for, assertion_for_somebody_else_is_taken),
        (_lets_assertions_live_for_ever, assertion_for_somebody_else_is_taken),
        (_takes_any_signature, another_clients_key_is_taken),
        (_believes_any_peer, unproven_certificate_is_believed),
        (_passes_on_anything, narrow_operator_makes_a_wide_one),
    ],
)
async def test_a_service_that_is_broken_so_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None], attack: Attack
) -> None:
    """The attack succeeds against the broken service, so it is an attack."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as found:
        fault(monkeypatch)
        with pytest.raises(AssertionError):
            await attack(found)


def test_the_kinds_of_keys_are_those_that_are_attacked() -> None:
    """Each kind of key has its algorithms, and none of them is symmetric."""
    named = {one for some in client_assertions.ALGORITHMS.values() for one in some}
    assert set(client_assertions.ALGORITHMS) == {str(key.key_type) for key in (ed25519(), p256(), rsa())}
    assert not [one for one in named if one.startswith("HS") or one == "none"]
