"""Encryption, rules 1 to 8: only the recipient reads it, and only what redaction made can be in it."""

import asyncio
import base64
import json
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tiprouter.delivery import encryption
from tiprouter.delivery.attempts import Envelope
from tiprouter.delivery.encryption import (
    CONTENT_TYPE,
    Encrypted,
    EncryptionError,
    PublicKey,
    RecipientKey,
    encrypt,
    newest,
    parse_key,
)
from tiprouter.delivery.sender import NotRedactedError
from tiprouter.domain.page import PageBody
from tiprouter.domain.redaction import Redacted
from tiprouter.receiver import VerificationError, verify
from tiprouter.receiver.decryption import decrypt
from tiprouter.receiver.misbehaving.acts import in_turn, reply
from tiprouter.receiver.misbehaving.listening import serve

from .sending import BODY, DEADLINE, ED25519, HMAC, NOW, SUCCESS, TIMESTAMP, redacted, sandbox, url

RECIPIENT, MESSAGE = "rcp_example1", "dlv_example1"
KEYS: dict[str, PublicKey] = {
    "P-256": ECKey.generate_key("P-256"),
    "P-384": ECKey.generate_key("P-384"),
    "X25519": OKPKey.generate_key("X25519"),
    "RSA-2048": RSAKey.generate_key(2048),
}
OTHER = OKPKey.generate_key("X25519")


def public(key: PublicKey, **more: object) -> str:
    """Return the public JWK as a recipient would send it."""
    return json.dumps({**key.as_dict(private=False), **more})


def private(key: PublicKey, kid: str) -> str:
    """Return the private JWK as a recipient would keep it."""
    return json.dumps({**key.as_dict(private=True), "kid": kid})


def sealed(key: PublicKey = KEYS["X25519"], body: bytes = BODY) -> Encrypted:
    """Encrypt a payload to a key."""
    return encrypt(redacted(body), parse_key(public(key, kid="k1"), NOW), recipient_id=RECIPIENT, webhook_id=MESSAGE)


def header(body: bytes) -> dict[str, object]:
    """Read the protected header, which everybody can."""
    head = body.split(b".")[0]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    return found


@pytest.mark.parametrize("name", KEYS)
def test_the_recipient_reads_what_redaction_made(name: str) -> None:
    """Rules 2 and 5: with any of the four kinds of key; the header tells neither event nor person."""
    made = sealed(KEYS[name])
    assert decrypt(made.body, [private(KEYS[name], "k1")], recipient_id=RECIPIENT, webhook_id=MESSAGE) == BODY
    told = header(made.body)
    assert told.pop("epk", None) is not None or name == "RSA-2048"
    assert told == {
        "alg": "RSA-OAEP-256" if name == "RSA-2048" else "ECDH-ES+A256KW",
        "enc": "A256GCM",
        "kid": "k1",
        "typ": "vnd.tiprouter.message+jose",
        "cty": "json",
        "aud": RECIPIENT,
        "wid": MESSAGE,
    }
    assert (made.key_id, made.recipient_id, made.webhook_id) == ("k1", RECIPIENT, MESSAGE)
    assert made.content_digest == redacted().digest != made.digest


def test_another_librarys_reading_is_the_same() -> None:
    """Rule 2: nothing of our own is needed to open it."""
    registry = jwe.JWERegistry(strict_check_header=False)
    opened = jwe.decrypt_compact(sealed().body, KEYS["X25519"], registry=registry)
    assert opened.plaintext == BODY


def test_each_attempt_is_encrypted_anew() -> None:
    """Rule 8: the bytes differ, what is inside and the id do not."""
    first, second = sealed(), sealed()
    assert first.body != second.body
    assert (first.content_digest, first.webhook_id) == (second.content_digest, second.webhook_id)
    assert first.digest != second.digest


@pytest.mark.parametrize("name", KEYS)
def test_nobody_else_reads_it(name: str) -> None:
    """Rule 2: another key under the same id opens nothing; the planted fault is to encrypt to the wrong one."""
    stranger = ECKey.generate_key("P-256") if name == "P-256" else OTHER
    with pytest.raises(VerificationError):
        decrypt(sealed(KEYS[name]).body, [private(stranger, "k1")], recipient_id=RECIPIENT, webhook_id=MESSAGE)


@given(at=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed(at: float, flip: int) -> None:
    """Rule 5: header, key, nonce, text and tag are all authenticated."""
    body = bytearray(_ONCE.body)
    body[int(at * len(body))] ^= flip
    with pytest.raises(VerificationError):
        decrypt(bytes(body), [private(KEYS["X25519"], "k1")], recipient_id=RECIPIENT, webhook_id=MESSAGE)


_ONCE = sealed()


@pytest.mark.parametrize(("recipient", "message"), [("rcp_other", MESSAGE), (RECIPIENT, "dlv_other")])
def test_it_is_bound_to_its_recipient_and_its_message(recipient: str, message: str) -> None:
    """Rule 5: nobody can hand it on as something else."""
    with pytest.raises(VerificationError):
        decrypt(sealed().body, [private(KEYS["X25519"], "k1")], recipient_id=recipient, webhook_id=message)


def test_only_encryption_makes_an_encrypted_message() -> None:
    """Rule 6: not bytes, not a page, not a look-alike, and not by hand."""
    with pytest.raises(EncryptionError):
        Encrypted(BODY, "", ("k1", RECIPIENT, MESSAGE), object())
    key = parse_key(public(KEYS["X25519"]), NOW)
    for body in (BODY, BODY.decode(), None, object.__new__(PageBody)):
        with pytest.raises(EncryptionError):
            encrypt(body, key, recipient_id=RECIPIENT, webhook_id=MESSAGE)  # type: ignore[arg-type]  # the point
    made = sealed()
    with pytest.raises(AttributeError):
        made.body = BODY  # type: ignore[misc]  # the point
    assert not issubclass(Encrypted, Redacted)
    assert "Example Person" not in repr(made)


async def test_it_is_sent_as_it_is_and_signed_as_it_is() -> None:
    """Rules 1, 7 and 8: the ciphertext is what both signatures cover; the type says what it is."""
    key = KEYS["P-256"]
    async with (
        serve(in_turn([reply(500, headers="Connection: close\r\n"), reply(200)])) as receiver,
        sandbox() as sender,
    ):
        for _ in range(2):
            envelope = Envelope(url(receiver), MESSAGE, TIMESTAMP, sealed(key), [ED25519, HMAC], DEADLINE)
            attempted = await sender.send(envelope)
    assert attempted.result is SUCCESS
    assert len({request.body for request in receiver.requests}) == 2
    for request in receiver.requests:
        assert request.headers["content-type"] == CONTENT_TYPE
        assert b"Example Person" not in request.body
        for public_key in (ED25519.public(), HMAC.reveal()):
            message = verify(request.headers, request.body, [public_key], NOW)
            opened = decrypt(message.body, [private(key, "k1")], recipient_id=RECIPIENT, webhook_id=message.webhook_id)
            assert opened == BODY


async def test_what_was_encrypted_for_one_message_is_not_sent_as_another() -> None:
    """Rule 5: the sender refuses before it dials."""
    async with serve(reply(200)) as receiver, sandbox() as sender:
        with pytest.raises(NotRedactedError):
            await sender.send(Envelope(url(receiver), "dlv_other", TIMESTAMP, sealed(), [HMAC], DEADLINE))
        await asyncio.sleep(0)
    assert receiver.connections == 0


def _point(**members: object) -> str:
    return json.dumps({"kty": "EC", "crv": "P-256", **KEYS["P-256"].as_dict(private=False), **members})


REFUSED = {
    "nothing": "",
    "no object": "[]",
    "nested without end": "[" * 8_000,
    "too long": json.dumps({"kty": "EC", "x": "A" * 9_000}),
    "a member twice": '{"kty":"EC",' + public(KEYS["P-256"])[1:],
    "private EC": private(KEYS["P-256"], "k"),
    "private OKP": private(KEYS["X25519"], "k"),
    "private RSA": private(KEYS["RSA-2048"], "k"),
    "symmetric": json.dumps(OctKey.generate_key(256).as_dict(private=True)),
    "no kind": json.dumps({"crv": "P-256"}),
    "kind of the wrong type": json.dumps({"kty": ["EC"]}),
    "curve of signatures": json.dumps(OKPKey.generate_key("Ed25519").as_dict(private=False)),
    "curve X448": json.dumps(OKPKey.generate_key("X448").as_dict(private=False)),
    "curve P-521": json.dumps(ECKey.generate_key("P-521").as_dict(private=False)),
    "curve secp256k1": json.dumps(ECKey.generate_key("secp256k1").as_dict(private=False)),
    "curve of the wrong type": _point(crv=[]),
    "off its curve": _point(x="A" * 43),
    "a coordinate missing": json.dumps({"kty": "EC", "crv": "P-256", "x": "A" * 43}),
    "no base64": _point(x="!" * 43),
    "a coordinate that is a number": _point(x=7),
    "small order, zero": json.dumps({"kty": "OKP", "crv": "X25519", "x": "A" * 43}),
    "small order, one": json.dumps({"kty": "OKP", "crv": "X25519", "x": "AQ" + "A" * 41}),
    "X25519 too short": json.dumps({"kty": "OKP", "crv": "X25519", "x": "AQ"}),
    "RSA of 1,024 bits": "1024",
    "RSA exponent 3": json.dumps({**KEYS["RSA-2048"].as_dict(private=False), "e": "Aw"}),
    "for signatures": _point(use="sig"),
    "for another algorithm": _point(alg="ECDH-ES"),
    "for RSA1_5": public(KEYS["RSA-2048"], alg="RSA1_5"),
    "for signing": _point(key_ops=["sign"]),
    "operations of the wrong type": _point(key_ops="deriveKey"),
    "id with a line break": _point(kid="a\nb"),
    "id too long": _point(kid="a" * 65),
    "id of the wrong type": _point(kid=7),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_key_that_cannot_be_trusted_is_refused(name: str) -> None:
    """Rule 3: and the error quotes nothing, least of all a private key."""
    text = REFUSED[name]
    if text == "1024":
        text = json.dumps(RSAKey.generate_key(1024).as_dict(private=False))
    with pytest.raises(EncryptionError) as refused:
        parse_key(text, NOW)
    assert refused.value.__cause__ is None
    assert not [part for part in text.split('"') if len(part) > 20 and part in str(refused.value)]


_MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use"])
_VALUES = st.sampled_from(["EC", "OKP", "RSA", "P-256", "X25519"]) | st.text(max_size=50) | st.none()


@given(st.text(max_size=60) | st.dictionaries(_MEMBERS, _VALUES).map(json.dumps))
def test_no_text_breaks_the_reader_of_keys(text: str) -> None:
    """Rule 3: a key or a refusal."""
    with suppress(EncryptionError):
        assert parse_key(text, NOW).id


def test_a_key_is_kept_without_what_is_not_needed() -> None:
    """Rule 3: of all members only those that make the key; its id is its own or its thumbprint."""
    key = KEYS["P-256"]
    told = parse_key(public(key, use="enc", alg="ECDH-ES+A256KW", key_ops=["deriveKey"], x5u="https://a.example/"), NOW)
    assert set(json.loads(told.jwk)) == {"crv", "kty", "x", "y"}
    assert told.id == key.thumbprint()
    assert parse_key(public(key, kid="desk-2"), NOW).id == "desk-2"
    assert "x" not in repr(told).partition("RecipientKey")[2].partition("jwk")[2]


def test_the_newest_valid_key_is_used() -> None:
    """Rule 4: from `not_before` on, until just before `until`; and rule 1: none is an error, not plain text."""
    day = timedelta(days=1)
    old = RecipientKey("old", "{}", NOW - 10 * day, NOW + day)
    new = RecipientKey("new", "{}", NOW)
    for keys in ([old, new], [new, old]):
        assert newest(keys, NOW - timedelta(microseconds=1)) is old
        assert newest(keys, NOW) is new
        assert newest(keys, NOW + 10 * day) is new
    assert newest([old], NOW + day - timedelta(microseconds=1)) is old
    for keys in ([], [new], [old]):
        moment = NOW - 11 * day if keys != [old] else NOW + day
        with pytest.raises(EncryptionError):
            newest(keys, moment)
    for ends in (NOW, NOW - day):
        with pytest.raises(EncryptionError):
            parse_key(public(OTHER), NOW, ends)


def test_the_recipient_opens_with_old_and_new_key_while_rotating() -> None:
    """Rule 4: by the key id; one private key each."""
    old, new = KEYS["X25519"], OTHER
    keys = [private(new, "k2"), private(old, "k1")]
    for key, kid in ((old, "k1"), (new, "k2")):
        registered = parse_key(public(key, kid=kid), NOW)
        made = encrypt(redacted(), registered, recipient_id=RECIPIENT, webhook_id=MESSAGE)
        assert decrypt(made.body, keys, recipient_id=RECIPIENT, webhook_id=MESSAGE) == BODY


@pytest.mark.parametrize(
    ("recipient", "message"), [("", MESSAGE), ("a b", MESSAGE), (RECIPIENT, "a.b"), ("é", MESSAGE)]
)
def test_ids_that_could_be_read_in_two_ways_are_refused(recipient: str, message: str) -> None:
    """Rule 5."""
    with pytest.raises(EncryptionError):
        encrypt(redacted(), parse_key(public(OTHER), NOW), recipient_id=recipient, webhook_id=message)


def test_encryption_to_the_wrong_key_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: were another key used, the recipient could not open it, and these stories fail."""
    monkeypatch.setattr(encryption, "_import", lambda _: OTHER)
    with pytest.raises(VerificationError):
        decrypt(sealed().body, [private(KEYS["X25519"], "k1")], recipient_id=RECIPIENT, webhook_id=MESSAGE)
