"""Verification, rules 1 to 6: a recipient trusts what the router signed and nothing else."""

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tiprouter.delivery import signing
from tiprouter.receiver import Message, VerificationError, verify

WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1_614_265_330
NOW = datetime.fromtimestamp(TIMESTAMP, UTC)
BODY = b'{"test": 2432232314}'
HMAC_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
HMAC_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
ED25519_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
OTHER_KEY = "whsec_" + base64.b64encode(bytes(32)).decode()
VECTORS = [(HMAC_KEY, HMAC_SIGNATURE), (PUBLIC_KEY, ED25519_SIGNATURE)]


def _headers(signature: str, webhook_id: str = WEBHOOK_ID, timestamp: str = str(TIMESTAMP)) -> dict[str, str]:
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


@pytest.mark.parametrize(("key", "signature"), VECTORS)
def test_the_standards_own_vectors_are_accepted(key: str, signature: str) -> None:
    """Rule 4: both schemes, and the message says what was proved."""
    assert verify(_headers(signature), BODY, [key], NOW) == Message(WEBHOOK_ID, NOW, BODY)


def test_headers_are_found_in_any_case() -> None:
    """Rule 1: HTTP header names have no case."""
    shouted = {name.upper(): value for name, value in _headers(HMAC_SIGNATURE).items()}
    assert verify(shouted, BODY, [HMAC_KEY], NOW).body == BODY


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_or_doubled_header_is_refused(missing: str) -> None:
    """Rule 1: of two headers nobody knows which one the next program reads."""
    complete = _headers(HMAC_SIGNATURE)
    with pytest.raises(VerificationError):
        verify({name: value for name, value in complete.items() if name != missing}, BODY, [HMAC_KEY], NOW)
    with pytest.raises(VerificationError):
        verify({**complete, missing.title(): complete[missing]}, BODY, [HMAC_KEY], NOW)


@pytest.mark.parametrize("offset", [-300, -299.5, 0, 299.5, 300])
def test_a_clock_within_the_tolerance_is_forgiven(offset: float) -> None:
    """Rule 2: five minutes, either way."""
    assert verify(_headers(HMAC_SIGNATURE), BODY, [HMAC_KEY], NOW + timedelta(seconds=offset))


@pytest.mark.parametrize("offset", [-301, -300.001, 300.001, 301, 10**8])
def test_an_old_or_future_message_is_refused(offset: float) -> None:
    """Rule 2: a message kept back and replayed, or dated ahead to live longer."""
    with pytest.raises(VerificationError):
        verify(_headers(HMAC_SIGNATURE), BODY, [HMAC_KEY], NOW + timedelta(seconds=offset))


def test_the_tolerance_can_be_chosen() -> None:
    """Rule 2: a recipient with a queue of its own may need more."""
    later = NOW + timedelta(seconds=900)
    assert verify(_headers(HMAC_SIGNATURE), BODY, [HMAC_KEY], later, tolerance_seconds=900)
    with pytest.raises(VerificationError):
        verify(_headers(HMAC_SIGNATURE), BODY, [HMAC_KEY], later, tolerance_seconds=float("nan"))


def test_a_time_without_a_zone_is_refused() -> None:
    """Rule 2: a naive time would shift the tolerance by hours."""
    with pytest.raises(VerificationError):
        verify(_headers(HMAC_SIGNATURE), BODY, [HMAC_KEY], NOW.replace(tzinfo=None))


def test_old_and_new_key_both_verify_while_rotating() -> None:
    """Rule 4: neither side has to switch first."""
    both = f"{ED25519_SIGNATURE} {HMAC_SIGNATURE}"
    for keys in ([HMAC_KEY], [PUBLIC_KEY], [OTHER_KEY, HMAC_KEY], [PUBLIC_KEY, OTHER_KEY]):
        assert verify(_headers(both), BODY, keys, NOW)
    assert verify(_headers(f"v2,AAAA {HMAC_SIGNATURE}"), BODY, [HMAC_KEY], NOW)


def test_a_signature_of_the_other_scheme_does_not_count() -> None:
    """Rule 4: a public key must never be usable as an HMAC secret (algorithm confusion)."""
    confused = signing.headers(
        WEBHOOK_ID, TIMESTAMP, BODY, [signing.generate_hmac(base64.b64decode(PUBLIC_KEY.removeprefix("whpk_")))]
    )
    with pytest.raises(VerificationError):
        verify(confused, BODY, [PUBLIC_KEY], NOW)
    relabelled = confused["webhook-signature"].replace("v1,", "v1a,")
    with pytest.raises(VerificationError):
        verify({**confused, "webhook-signature": relabelled}, BODY, [PUBLIC_KEY], NOW)


def test_the_full_stop_cannot_be_moved() -> None:
    """Rule 3: `a.1614265330` + `2` + body and `a` + `1614265330` + `2.body` are the same signed bytes."""
    secret = signing.generate_hmac(bytes(32))
    moved = secret.sign(b"a.%d.2.{}" % TIMESTAMP)
    assert verify(_headers(moved, webhook_id="a"), b"2.{}", [OTHER_KEY], NOW)
    shifted = secret.sign(b"a.1.%d.{}" % TIMESTAMP)
    with pytest.raises(VerificationError):
        verify(_headers(shifted, webhook_id="a.1"), b"{}", [OTHER_KEY], NOW)


@pytest.mark.parametrize(
    "keys",
    [
        [],
        "",
        HMAC_KEY,
        [""],
        ["whsec_"],
        ["whsec_AAAA"],
        ["whpk_AAAA"],
        ["whsk_" + "A" * 43 + "="],
        [HMAC_KEY + "!"],
        [HMAC_KEY + "="],
        ["whsec_é"],
        [HMAC_KEY, "nonsense"],
    ],
)
def test_malformed_keys_are_refused(keys: list[str]) -> None:
    """Rule 6: above all an empty list, under which nothing is trusted, not everything."""
    with pytest.raises(VerificationError):
        verify(_headers(HMAC_SIGNATURE), BODY, keys, NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _headers(""),
        _headers("v1"),
        _headers("v1,"),
        _headers(" " + HMAC_SIGNATURE),
        _headers(HMAC_SIGNATURE + " "),
        _headers(HMAC_SIGNATURE + " rubbish"),
        _headers(HMAC_SIGNATURE.replace(",", ";")),
        _headers(HMAC_SIGNATURE.replace("v1", "V1")),
        _headers(" ".join([HMAC_SIGNATURE] * 33)),
        _headers("v1," + "A" * 5000),
        _headers(HMAC_SIGNATURE, timestamp=""),
        _headers(HMAC_SIGNATURE, timestamp="0" + str(TIMESTAMP)),
        _headers(HMAC_SIGNATURE, timestamp="+" + str(TIMESTAMP)),
        _headers(HMAC_SIGNATURE, timestamp=f" {TIMESTAMP}"),
        _headers(HMAC_SIGNATURE, timestamp=f"{TIMESTAMP}.0"),
        _headers(HMAC_SIGNATURE, timestamp="١٦١٤٢٦٥٣٣٠"),
        _headers(HMAC_SIGNATURE, timestamp="999999999999"),
        _headers(HMAC_SIGNATURE, timestamp="9" * 400),
        _headers(HMAC_SIGNATURE, webhook_id=""),
        _headers(HMAC_SIGNATURE, webhook_id="é"),
        _headers(HMAC_SIGNATURE, webhook_id="x" * 257),
    ],
)
def test_malformed_headers_are_refused_without_quoting_them(headers: dict[str, str]) -> None:
    """Rule 6: nothing but `VerificationError`, with a text that is safe in any log."""
    with pytest.raises(VerificationError) as refused:
        verify(headers, BODY, [HMAC_KEY], NOW)
    assert not any(value in str(refused.value) for value in headers.values() if value.strip())


class _Hostile:
    """Headers and keys of types that no honest framework gives."""

    def __init__(self, *values: object) -> None:
        self.values = values

    def items(self) -> list[object]:
        """Return whatever was given."""
        return list(self.values)


@pytest.mark.parametrize("headers", [None, [], _Hostile(1), _Hostile((1, 2)), _Hostile(("webhook-id", b"x")), "text"])
def test_headers_of_a_strange_type_are_refused(headers: Mapping[str, str]) -> None:
    """Rule 6: even then."""
    with pytest.raises(VerificationError):
        verify(headers, BODY, [HMAC_KEY], NOW)


@pytest.mark.parametrize("body", ["text", None, 1, bytearray(BODY)])
def test_a_decoded_body_is_refused(body: bytes) -> None:
    """Rule 6: only the raw bytes can be verified."""
    with pytest.raises(VerificationError):
        verify(_headers(HMAC_SIGNATURE), body, [HMAC_KEY], NOW)


@given(position=st.integers(0, len(BODY) - 1), flip=st.integers(1, 255), vector=st.sampled_from(VECTORS))
def test_a_body_with_one_byte_changed_is_refused(position: int, flip: int, vector: tuple[str, str]) -> None:
    """Rule 4: the signature covers every byte."""
    changed = bytearray(BODY)
    changed[position] ^= flip
    with pytest.raises(VerificationError):
        verify(_headers(vector[1]), bytes(changed), [vector[0]], NOW)


@given(body=st.binary(max_size=64), vector=st.sampled_from(VECTORS))
def test_another_body_is_refused(body: bytes, vector: tuple[str, str]) -> None:
    """Rule 4: whatever it is."""
    assume(body != BODY)
    with pytest.raises(VerificationError):
        verify(_headers(vector[1]), body, [vector[0]], NOW)


@given(
    vector=st.sampled_from(VECTORS),
    field=st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
    at=st.floats(0, 1, exclude_max=True),
    character=st.characters(codec="ascii"),
    insert=st.booleans(),
)
def test_a_header_with_one_character_changed_is_refused(
    *, vector: tuple[str, str], field: str, at: float, character: str, insert: bool
) -> None:
    """Rules 2, 3 and 5: also another spelling of the same signature bytes or of the same number."""
    key, signature = vector
    headers = _headers(signature)
    value = headers[field]
    index = int(at * len(value))
    headers[field] = value[:index] + character + value[index if insert else index + 1 :]
    assume(headers[field] != value)
    with pytest.raises(VerificationError):
        verify(headers, BODY, [key], NOW)


@pytest.mark.parametrize(("key", "signature"), VECTORS)
def test_another_spelling_of_the_same_signature_is_refused(key: str, signature: str) -> None:
    """Rule 5: base64 leaves bits at the end that decoders ignore."""
    digit = signature.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    sibling = alphabet[alphabet.index(digit) ^ 1]
    stem = signature.rstrip("=")[:-1]
    padding = signature[len(signature.rstrip("=")) :]
    respelt = stem + sibling + padding
    assert base64.b64decode(respelt.split(",")[1]) == base64.b64decode(signature.split(",")[1])
    with pytest.raises(VerificationError):
        verify(_headers(respelt), BODY, [key], NOW)


@given(
    body=st.binary(max_size=200),
    webhook_id=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    seed=st.binary(min_size=32, max_size=32),
)
def test_whatever_the_router_signs_the_recipient_accepts(body: bytes, webhook_id: str, seed: bytes) -> None:
    """Rule 4: signer and verifier agree for all messages and keys."""
    asymmetric, shared = signing.generate_ed25519(seed), signing.generate_hmac(seed)
    headers = signing.headers(webhook_id, TIMESTAMP, body, [asymmetric, shared])
    for key in (asymmetric.public(), shared.reveal()):
        assert verify(headers, body, [key], NOW) == Message(webhook_id, NOW, body)


def test_a_recipient_with_hmac_needs_only_python() -> None:
    """The HMAC path runs where neither cryptography nor any other package can be imported."""
    script = f"""
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("tiprouter"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
from datetime import datetime, UTC
from tiprouter.receiver import verify, VerificationError
now = datetime.fromtimestamp({TIMESTAMP}, UTC)
verify({_headers(HMAC_SIGNATURE)!r}, {BODY!r}, [{HMAC_KEY!r}], now)
try:
    verify({_headers(ED25519_SIGNATURE)!r}, {BODY!r}, [{PUBLIC_KEY!r}], now)
except VerificationError as error:
    assert "cryptography" in str(error)
else:
    raise SystemExit("verified without cryptography")
loaded = [name for name in sys.modules if name.startswith("tiprouter.")]
assert all(name.startswith("tiprouter.receiver") for name in loaded), loaded
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
