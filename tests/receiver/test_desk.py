"""Desk, rules 1 to 5, and replays, rules 1 to 4: each message once, and one error for whatever is wrong."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tiprouter.delivery import signing
from tiprouter.delivery.encryption import encrypt, parse_key
from tiprouter.domain.redaction import reopen
from tiprouter.receiver import BoundedReplays, Claim, Desk, VerificationError, decrypt

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SECRET = signing.generate_hmac(bytes(32))
BODY = b'{"type":"disclosure.made"}'
ME, MESSAGE = "rcp_example1", "dlv_example1"
KEY = OKPKey.generate_key("X25519")
PRIVATE = json.dumps({**KEY.as_dict(private=True), "kid": "k1"})
PUBLIC = json.dumps({**KEY.as_dict(private=False), "kid": "k1"})


def headers(body: bytes = BODY, at: datetime = NOW, webhook_id: str = MESSAGE) -> dict[str, str]:
    """Sign as the router does."""
    return signing.headers(webhook_id, int(at.timestamp()), body, [SECRET])


def jose(body: bytes = BODY) -> bytes:
    """Encrypt as the router does."""
    redacted = reopen(body, hashlib.sha256(body).hexdigest())
    return encrypt(redacted, parse_key(PUBLIC, NOW), recipient_id=ME, webhook_id=MESSAGE).body


def desk(replays: BoundedReplays | None = None) -> Desk:
    """Return a desk for plain messages."""
    return Desk([SECRET.reveal()], replays=replays)


def private_desk() -> Desk:
    """Return a desk for encrypted messages."""
    return Desk([SECRET.reveal()], private_keys=[PRIVATE], recipient_id=ME)


def test_a_message_is_received_once_and_then_repeated() -> None:
    """Desk, rule 2: until `done` was said it is new at each attempt, so that a crash loses nothing."""
    at = desk()
    first = at.receive(headers(), BODY, NOW)
    assert (first.body, first.raw, first.repeated, first.webhook_id) == (BODY, BODY, False, MESSAGE)
    assert first.message.body == BODY
    again = at.receive(headers(at=NOW + 5 * SECOND), BODY, NOW + 5 * SECOND)
    assert not again.repeated
    at.done(again, NOW + 5 * SECOND)
    assert at.receive(headers(at=NOW + 10 * SECOND), BODY, NOW + 10 * SECOND).repeated
    later = NOW + timedelta(days=8)
    assert not at.receive(headers(at=later), BODY, later).repeated


def test_a_replay_is_refused() -> None:
    """Replays, rule 1: the same id and second, for as long as it would be tolerated, done or not."""
    at = desk()
    received = at.receive(headers(), BODY, NOW)
    for moment in (NOW, NOW + 300 * SECOND):
        with pytest.raises(VerificationError):
            at.receive(headers(), BODY, moment)
    at.done(received, NOW)
    with pytest.raises(VerificationError):
        at.receive(headers(), BODY, NOW)


def test_a_receiver_that_forgets_accepts_a_replay() -> None:
    """The test of the test: with a memory that knows nothing the replay comes through."""

    class Forgetful(BoundedReplays):
        def claim(self, webhook_id: str, sent_at: datetime, until: datetime, now: datetime) -> Claim:
            return Claim.NEW

    at = desk(Forgetful())
    assert at.receive(headers(), BODY, NOW) == at.receive(headers(), BODY, NOW)


def test_what_was_refused_is_not_remembered() -> None:
    """Desk, rule 1: a forger cannot use up the room, nor make the real message a replay."""
    at = desk(BoundedReplays(attempts_max=1))
    for _ in range(3):
        with pytest.raises(VerificationError):
            at.receive(headers(), BODY + b"x", NOW)
    assert at.receive(headers(), BODY, NOW)


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    """Replays, rules 3 and 4: what could still be replayed is kept; what could not makes room."""
    replays = BoundedReplays(attempts_max=2, done_max=2)
    until = NOW + 300 * SECOND
    assert [replays.claim(str(each), NOW, until, NOW) for each in range(3)] == [Claim.NEW, Claim.NEW, Claim.NO_ROOM]
    assert replays.claim("0", NOW, until, until) is Claim.REPLAYED
    assert replays.claim("2", NOW, until, until) is Claim.NO_ROOM
    assert replays.claim("2", NOW, until + SECOND, until + SECOND) is Claim.NEW
    full = desk(BoundedReplays(attempts_max=0))
    with pytest.raises(VerificationError):
        full.receive(headers(), BODY, NOW)
    for each in ("a", "b", "c"):
        replays.done(each, until)
    later = until + 2 * SECOND
    assert replays.claim("a", later, later, later) is Claim.NEW  # the oldest that was done is forgotten
    assert replays.claim("c", later, later, later + SECOND) is Claim.DONE


def test_one_of_many_threads_gets_a_message() -> None:
    """Replays, rule 1: a web server has threads, and a replay may come beside the message."""
    at, results = desk(), list[bool]()

    def receive() -> None:
        try:
            at.receive(headers(), BODY, NOW)
        except VerificationError:
            results.append(False)
        else:
            results.append(True)

    threads = [threading.Thread(target=receive) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 19 + [True]


def test_an_encrypted_message_is_opened_after_it_was_verified() -> None:
    """Desk, rules 1 and 3: what was signed is the ciphertext."""
    body = jose()
    received = private_desk().receive(headers(body), body, NOW)
    assert (received.body, received.raw) == (BODY, body)
    assert "disclosure" not in repr(received)
    assert "k1" not in repr(private_desk())
    # Without the key the message is what it is on the wire.
    assert desk().receive(headers(body), body, NOW).body == body


def test_a_desk_with_private_keys_takes_nothing_in_the_clear() -> None:
    """Desk, rule 3: rightly signed or not."""
    with pytest.raises(VerificationError):
        private_desk().receive(headers(), BODY, NOW)


def test_an_id_that_was_moved_to_another_message_is_refused() -> None:
    """Decryption, rule 3: rightly signed under another id, which only the router could do, it still does not open."""
    body = jose()
    with pytest.raises(VerificationError):
        private_desk().receive(headers(body, webhook_id="dlv_other"), body, NOW)


_REGISTRY = jwe.JWERegistry(
    strict_check_header=False, algorithms=[*jwe.JWERegistry.algorithms["alg"], "A256GCM", "A128GCM", "DEF"]
)
_TYPE = "vnd.tiprouter.message+jose"
_HEADER = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "k1", "typ": _TYPE, "aud": ME, "wid": MESSAGE}


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "ECDH-ES"},
        {"alg": "ECDH-ES+A128KW"},
        {"enc": "A128GCM"},
        {"zip": "DEF"},
        {"typ": "JOSE"},
        {"typ": None},
        {"aud": "rcp_other"},
        {"aud": None},
        {"wid": "dlv_other"},
        {"wid": None},
        {"kid": "k2"},
        {"kid": None},
        {"jku": "https://a.example/keys"},
    ],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_message_does_not_choose_how_it_is_read(change: dict[str, object]) -> None:
    """Decryption, rules 2 to 4: rightly encrypted to the right key, and still not as agreed."""
    header = {name: value for name, value in {**_HEADER, **change}.items() if value is not None}
    body = jwe.encrypt_compact(header, BODY, KEY, registry=_REGISTRY).encode()
    refused = "jku" not in change  # that one is passed over: nothing is ever fetched
    try:
        assert decrypt(body, [PRIVATE], recipient_id=ME, webhook_id=MESSAGE) == BODY
        assert not refused
    except VerificationError:
        assert refused


def test_as_agreed_it_is_read() -> None:
    """Decryption, rule 2: the same by another hand, so that the refusals above are for their reason."""
    body = jwe.encrypt_compact(dict(_HEADER), BODY, KEY, registry=_REGISTRY).encode()
    assert decrypt(body, [PRIVATE], recipient_id=ME, webhook_id=MESSAGE) == BODY


def test_a_large_message_is_read() -> None:
    """Decryption: a narrative is longer than the library's own 64 KiB."""
    body = json.dumps({"note": "x" * 1_000_000}).encode()
    assert decrypt(jose(body), [PRIVATE], recipient_id=ME, webhook_id=MESSAGE) == body


@pytest.mark.parametrize(
    "keys",
    [
        [],
        "",
        PRIVATE,
        [""],
        ["{}"],
        ["[]"],
        [PUBLIC],
        [json.dumps({"kty": "EC", "d": "AA"})],
        [json.dumps({"kty": [], "d": "AA"})],
        [json.dumps({**OctKey.generate_key(256).as_dict(private=True), "d": "AA"})],
        [None],
        [json.dumps({**ECKey.generate_key("P-256").as_dict(private=True), "kid": "k1"})],
    ],
)
def test_keys_that_cannot_open_are_refused_without_quoting_them(keys: list[str]) -> None:
    """Decryption, rule 5: nothing of a private key gets into a log."""
    with pytest.raises(VerificationError) as refused:
        decrypt(jose(), keys, recipient_id=ME, webhook_id=MESSAGE)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert str(KEY.as_dict(private=True)["d"]) not in str(refused.value)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_weak_private_key_is_refused() -> None:
    """Decryption, rule 2."""
    weak = json.dumps({**RSAKey.generate_key(1024).as_dict(private=True), "kid": "k1"})
    with pytest.raises(VerificationError):
        decrypt(jose(), [weak], recipient_id=ME, webhook_id=MESSAGE)


_ODD = st.text(max_size=20) | st.binary(max_size=20) | st.none() | st.integers() | st.floats()
_NAMES = st.sampled_from(["webhook-id", "Webhook-ID", "webhook-timestamp", "webhook-signature", "x"])
_SEGMENT = st.from_regex(r"[A-Za-z0-9_-]{0,12}", fullmatch=True)
_MEMBERS = st.sampled_from(["alg", "enc", "kid", "typ", "aud", "wid", "zip", "epk", "crit", "p2c"])
_KNOWN = st.sampled_from(["ECDH-ES+A256KW", "RSA-OAEP-256", "A256GCM", "k1", "DEF", "dir", _TYPE, ME, MESSAGE])
_HEAD = st.dictionaries(_MEMBERS, _KNOWN | st.none() | st.integers() | st.lists(st.text(max_size=3)))


@given(
    given_headers=st.dictionaries(_NAMES | st.text(max_size=5), _ODD),
    body=_ODD,
    keys=st.lists(_ODD, max_size=2) | _ODD,
)
def test_no_request_raises_anything_else(given_headers: dict[str, str], body: bytes, keys: list[str]) -> None:
    """Desk, rule 4: whatever comes, and whatever the keys are."""
    for of in (Desk(keys), desk(), private_desk()):
        with pytest.raises(VerificationError):
            of.receive(given_headers, body, NOW)


@given(body=st.binary(max_size=200) | st.lists(_SEGMENT, min_size=4, max_size=6).map(".".join).map(str.encode))
def test_no_signed_body_raises_anything_else(body: bytes) -> None:
    """Decryption, rule 5: even one that the router signed."""
    with pytest.raises(VerificationError):
        private_desk().receive(headers(body), body, NOW)


@given(head=_HEAD, rest=st.lists(_SEGMENT, min_size=4, max_size=4))
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_no_header_of_a_message_raises_anything_else(head: dict[str, object], rest: list[str]) -> None:
    """Decryption, rule 5: every member of the protected header is somebody's to choose."""
    encoded = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=")
    with pytest.raises(VerificationError):
        decrypt(b".".join([encoded, *map(str.encode, rest)]), [PRIVATE], recipient_id=ME, webhook_id=MESSAGE)


@pytest.mark.parametrize("tolerance", [float("inf"), float("nan"), 1e15, 3e11])
def test_a_tolerance_out_of_range_is_refused(tolerance: float) -> None:
    """Desk, rule 4: a recipient's own mistake is the same error."""
    with pytest.raises(VerificationError):
        Desk([SECRET.reveal()], tolerance_seconds=tolerance).receive(headers(), BODY, NOW)


def test_a_desk_for_plain_messages_needs_only_python() -> None:
    """The desk's HMAC path runs where no other package can be imported, and decryption says what it misses."""
    script = f"""
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("tiprouter"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
from datetime import datetime, UTC
from tiprouter.receiver import Desk, VerificationError
import tiprouter.receiver.misbehaving
now = datetime.fromtimestamp({int(NOW.timestamp())}, UTC)
assert Desk([{SECRET.reveal()!r}]).receive({headers()!r}, {BODY!r}, now).body == {BODY!r}
try:
    Desk([{SECRET.reveal()!r}], private_keys=["{{}}"]).receive({headers()!r}, {BODY!r}, now)
except VerificationError as error:
    assert "joserfc" in str(error)
else:
    raise SystemExit("decrypted without joserfc")
"""
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
