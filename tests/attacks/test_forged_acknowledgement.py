"""Can somebody sign in an agency's name, or make it say what it never said? (delivery/jws.py)

Whoever speaks to the service has the agency's credential here; what they have not is its private key.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.fictional import person, tip
from tests.support.questioning import ACCEPTED, ED25519, P256, REJECTED, Police, Private, entries, police, public, told
from tests.support.service import START, Service
from tiprouter.delivery import jws as signatures
from tiprouter.domain.proof import TYPE, PublicKey
from tiprouter.receiver import Message
from tiprouter.receiver.acknowledgement import SigningError, public_jwk, sign_acknowledgement, thumbprint
from tiprouter.workflow import acknowledging
from tiprouter.workflow.acknowledging import RepeatedError, UntrustedError

OTHER: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WORDS: Final = "The signature is not this agency's word about this disclosure; nothing was changed."
KEYS: Final = pytest.mark.parametrize("key", [ED25519, P256], ids=["Ed25519", "P-256"])
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def encoded(value: object) -> str:
    """Base64url of JSON."""
    return raw(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def raw(data: bytes) -> str:
    """Base64url of bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(compact: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, payload and signature."""
    header, payload, signature = (base64.urlsafe_b64decode(one + "==") for one in compact.split("."))
    return json.loads(header), json.loads(payload), signature


def signed(header: dict[str, Any], payload: object, key: Ed25519PrivateKey = ED25519) -> str:
    """Any header and payload, well signed with Ed25519."""
    content = f"{encoded(header)}.{encoded(payload)}"
    return f"{content}.{raw(key.sign(content.encode()))}"


def confused(good: str, key: Private) -> str:
    """HS256 under the public key's bytes: the textbook confusion."""
    public_bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header, payload, _ = parts(good)
    content = f"{encoded(header | {'alg': 'HS256'})}.{encoded(payload)}"
    return f"{content}.{raw(hmac.digest(public_bytes, content.encode(), hashlib.sha256))}"


def with_own_key(good: str) -> str:
    """A stranger's signature whose header brings the stranger's key along."""
    header, payload, _ = parts(good)
    jwk = public_jwk(OTHER.public_key())
    return signed(header | {"jwk": jwk, "kid": thumbprint(jwk)}, payload, OTHER)


def header_of(good: str, **changes: object) -> str:
    """The agency's own signature under another header."""
    header, payload, _ = parts(good)
    whole = {name: value for name, value in (header | changes).items() if value is not None}
    return signed(whole, payload)


def payload_of(good: str, **changes: object) -> str:
    """The agency's own signature over another payload."""
    header, payload, _ = parts(good)
    return signed(header, {name: value for name, value in (payload | changes).items() if value is not None})


def altered(good: str) -> str:
    """The payload changed after it was signed."""
    header, payload, signature = parts(good)
    return f"{encoded(header)}.{encoded(payload | {'status': 'closed'})}.{raw(signature)}"


FORGED: Final[dict[str, Callable[[str], str]]] = {
    "another key": lambda good: signed(*parts(good)[:2], OTHER),
    "another key that the header brings": with_own_key,
    "HS256 with the public key": lambda good: confused(good, ED25519),
    "none": lambda good: f"{encoded({'alg': 'none', 'kid': parts(good)[0]['kid'], 'typ': TYPE})}.{good.split('.')[1]}.",
    "no algorithm": lambda good: header_of(good, alg=None),
    "an algorithm of another key": lambda good: header_of(good, alg="ES256"),
    "no kid": lambda good: header_of(good, kid=None),
    "another kid": lambda good: header_of(good, kid=thumbprint(public_jwk(OTHER.public_key()))),
    "no type": lambda good: header_of(good, typ=None),
    "a type of something else": lambda good: header_of(good, typ="JWT"),
    "a critical extension": lambda good: header_of(good, crit=["b64"], b64=False),
    "an unknown header": lambda good: header_of(good, jku="https://keys.example/"),
    "an altered payload": altered,
    "another disclosure": lambda good: payload_of(good, disclosure_id="dis_01KJQH0CC0BX86ENBVMH4TY5PG"),
    "another delivery": lambda good: payload_of(good, delivery_id="msg_01KJQH0CC0BX86ENBVMH4TY5PG"),
    "another body": lambda good: payload_of(good, digest="0" * 64),
    "another status": lambda good: payload_of(good, status="closed"),
    "an old time": lambda good: payload_of(good, iat=parts(good)[1]["iat"] - 301),
    "a time to come": lambda good: payload_of(good, iat=parts(good)[1]["iat"] + 301),
    "a time that is true": lambda good: payload_of(good, iat=True),
    "a time beyond time": lambda good: payload_of(good, iat=10**30),
    "no time": lambda good: payload_of(good, iat=None),
    "one member more": lambda good: payload_of(good, case_number="EX-1"),
    "a list": lambda good: signed(parts(good)[0], [1]),
    "two parts": lambda good: good.rpartition(".")[0],
    "no signature": lambda good: good.rpartition(".")[0] + ".",
    "nothing": lambda _: "..",
    "not ASCII": lambda good: good + "é",
    "far too long": lambda good: good + "A" * 9_000,
}


async def test_a_forged_signature_is_refused_in_the_same_words_and_nothing_is_changed(service: Service) -> None:
    """Whatever is wrong with it: one text, no acknowledgement, and the clock for one goes on."""
    agency = await police(service, ED25519)
    await told(service)
    good = agency.sign()
    for name, forge in FORGED.items():
        with pytest.raises(UntrustedError) as caught:
            await agency.say(ACCEPTED, jws=forge(good))
        assert str(caught.value) == WORDS, name
    assert await service.rows("select id from acknowledgements") == []
    assert (await service.rows("select acknowledge_by from deliveries"))[0].acknowledge_by is not None
    assert await entries(service, "acknowledgement") == []
    assert (await agency.say(ACCEPTED, jws=good)).key == public(ED25519).thumbprint


@KEYS
async def test_the_agencys_own_signature_is_kept(service: Service, key: Private) -> None:
    """Both kinds of key: it is stored sealed, named by its key's thumbprint in the log, and read back as it came."""
    agency = await police(service, key)
    await told(service)
    compact = agency.sign()
    made = await agency.say(ACCEPTED, jws=compact, case_number="EX-1")
    (logged,) = await entries(service, "acknowledgement")
    assert logged["key"] == made.key == public(key).thumbprint
    read = await service.database.write(lambda tx: acknowledging.signature(tx, service.desk, agency.actor, made.id))
    assert read == compact
    (row,) = await service.rows("select sealed from acknowledgements")
    assert compact.encode() not in bytes(row.sealed)
    await service.check_house()


@KEYS
async def test_what_was_signed_counts_once(service: Service, key: Private) -> None:
    """The same JWS again is refused, and so is a second signature over the same that ECDSA lets anybody make."""
    agency = await police(service, key)
    await told(service)
    compact = agency.sign()
    await agency.say(ACCEPTED, jws=compact)
    again = [compact]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        content, _, signature = compact.rpartition(".")
        r, s = (base64.urlsafe_b64decode(signature + "==")[half : half + 32] for half in (0, 32))
        turned = P256_ORDER - int.from_bytes(s, "big")
        again += [f"{content}.{raw(r + turned.to_bytes(32, 'big'))}"]
    for one in again:
        with pytest.raises(RepeatedError):
            await agency.say(ACCEPTED, jws=one)
    assert len(await service.rows("select id from acknowledgements")) == 1


async def test_a_signature_about_another_disclosure_of_the_same_agency_is_refused(service: Service) -> None:
    """Two disclosures came: what was said of one is nothing about the other."""
    agency = await police(service, ED25519)
    await told(service)
    await told(service, tip(person("q1"), external_id="T-2"))
    of_the_first = agency.sign(number=0)
    with pytest.raises(UntrustedError):
        await agency.say(ACCEPTED, jws=of_the_first)


async def test_an_agency_without_a_key_cannot_sign(service: Service) -> None:
    """And one agency's key signs for that agency alone."""
    agency = await police(service)
    other = await police(service, ED25519)
    await told(service)
    for signer in (ED25519, OTHER):
        with pytest.raises(UntrustedError):
            await agency.say(REJECTED, reason="Example", jws=agency.sign(REJECTED, key=signer))
    compact = other.sign()
    with pytest.raises(UntrustedError):
        await agency.say(ACCEPTED, jws=compact)


def test_only_points_of_the_two_curves_are_keys() -> None:
    """What the registry accepts can be verified with."""
    for key in (ED25519, P256):
        assert signatures.usable(public(key))
    x, y = public(P256).x, public(P256).y
    assert y is not None
    off = "A" * 43
    for wrong in (
        PublicKey("P-256", x, off),
        PublicKey("P-256", x),
        PublicKey("Ed25519", x, y),
        PublicKey("P-384", x, y),
    ):
        assert not wrong.well_formed or not signatures.usable(wrong)


def test_the_thumbprint_is_the_one_of_the_specification() -> None:
    """RFC 8037 appendix A.3, and the receiver's own reckoning gives the same."""
    key = PublicKey("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert thumbprint(key.members) == key.thumbprint


async def forged_with(service: Service, compact: Callable[[Police, str], str]) -> None:
    """An acknowledgement that must be refused."""
    agency = await police(service, ED25519)
    await told(service)
    with pytest.raises(UntrustedError):
        await agency.say(ACCEPTED, jws=compact(agency, agency.sign()))


async def test_the_tests_notice_a_key_from_the_header(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the registered key not asked for, a stranger's signature would pass."""
    monkeypatch.setattr(
        acknowledging, "opened", lambda compact, _: base64.urlsafe_b64decode(compact.split(".")[1] + "==")
    )
    with pytest.raises(pytest.fail.Exception):
        await forged_with(service, lambda _, good: FORGED["another key"](good))


async def test_the_tests_notice_an_unbound_payload(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was signed not compared, the agency's word about one thing would count for another."""
    monkeypatch.setattr(acknowledging, "check", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        await forged_with(service, lambda _, good: FORGED["another disclosure"](good))


async def test_the_tests_notice_a_replay(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the index over the signature instead of what it signs, a second signature would count."""
    monkeypatch.setattr(acknowledging, "signed_part", lambda compact: compact)
    with pytest.raises(pytest.fail.Exception):
        await test_what_was_signed_counts_once(service, P256)


def test_a_receiver_signs_what_it_was_sent_and_no_announcement() -> None:
    """The receiver's library refuses a body that is no disclosure."""
    for body in (b"{}", b"[]", b"no json", b'{"type":"disclosure.available","data":{"disclosure_id":"dis_1"}}'):
        with pytest.raises(SigningError):
            sign_acknowledgement(Message("msg_1", START, body), "accepted", ED25519, START)
