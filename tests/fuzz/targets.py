"""What must each parser that faces outsiders do with any bytes at all?

1. It returns, or raises the one family of errors that its docstring names. Anything else is a finding.
2. What it accepts has one meaning: spelt again it is the same bytes or the same value, and where another parser of the
   same format is at hand, that one read the same (`json`, `urllib`, `ipaddress`).
3. What nobody signed is never taken for signed.

A target is a function of bytes that raises `Finding` or anything else when a rule is broken. `seeds` are good inputs to
begin with: a mutated good input reaches further than noise.
"""

import ipaddress
import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from tests.audit.conftest import LOG, ORIGIN, WITNESS, story
from tiprouter.api import strict_json
from tiprouter.api.schemas.consents import ConsentBody
from tiprouter.api.schemas.records import CaseBody, TipBody
from tiprouter.api.strict_json import StrictJsonError
from tiprouter.audit import entry as entries
from tiprouter.audit.checkpoint import Checkpoint, CheckpointError, cosign, open_checkpoint, sign_checkpoint
from tiprouter.audit.entry import EntryError
from tiprouter.audit.merkle import ProofError
from tiprouter.audit.note import NoteError, Verifier
from tiprouter.audit.proof import Proof
from tiprouter.audit.tiles import BundleError, Tile, TileError, decode_bundle, encode_bundle
from tiprouter.audit.trust import TrustError, TrustPolicy
from tiprouter.audit.witness import RequestError, Submission
from tiprouter.delivery import encryption, jws, signing
from tiprouter.delivery.addresses import ForbiddenAddressError, check_address, check_url
from tiprouter.delivery.schedule import parse_retry_after
from tiprouter.domain.proof import PublicKey, UnprovenError
from tiprouter.errors import TiprouterError
from tiprouter.receiver.verification import VerificationError, verify

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_NOTE: Final = sign_checkpoint(Checkpoint(ORIGIN, 8, b"\x01" * 32), LOG)
_COSIGNED: Final = cosign(_NOTE, WITNESS, 1_700_000_000)
_AGENCY: Final = PublicKey("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
_SIGNED: Final = b"1 tsk_1 1772366400 v1a," + b"A" * 86 + b"== body of a webhook that nobody signed"
_KEYS: Final = ("whsec_" + "A" * 43 + "=", "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
_TIP: Final = json.dumps(
    {
        "source": "hotline-example",
        "external_id": "call-1",
        "signaled_at": "2026-03-01T11:00:00Z",
        "received_at": "2026-03-01T11:00:00Z",
        "channel": "phone",
        "language": "en",
        "signaler": {"relationship": "self", "ref": "p1"},
        "exploitation": ["forced_labour"],
        "jurisdictions": [{"code": "US-TX", "reason": "found"}],
        "persons": [{"ref": "p1", "role": "potential_victim", "age": {"years": 29}}],
        "statements": [{"text": "an invented statement", "about": ["p1"], "category": "incident"}],
    }
).encode()
_CONSENT: Final = json.dumps(
    {
        "person_id": "per_01JNAAAAAAAAAAAAAAAAAAAAAA",
        "choice": "grant",
        "grantor": "self",
        "kinds": ["service_provider"],
        "purposes": ["services"],
        "categories": ["incident"],
        "method": "verbal",
        "informed": True,
        "given_at": "2026-03-01T11:00:00Z",
        "valid_from": "2026-03-01T11:00:00Z",
        "expires_at": "2026-06-01T11:00:00Z",
    }
).encode()


class Finding(AssertionError):  # noqa: N818 - what a fuzzer reports is a finding
    """A parser broke a rule."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser under test: what is done with any bytes, and good inputs to begin with."""

    parse: Callable[[bytes], object]
    seeds: Sequence[bytes]


def must(holds: bool, rule: str) -> None:  # noqa: FBT001 - the claim itself
    """Raise `Finding` where a claim does not hold."""
    if not holds:
        raise Finding(rule)


def _text(data: bytes) -> str:
    """Bytes as a header or a field arrives: one character each."""
    return data.decode("latin-1")


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    must(len(dict(members)) == len(members), "a name is there twice")
    return dict(members)


def _no_number(name: str) -> object:
    raise Finding(f"{name} is no number")


def strict(data: bytes) -> None:
    """Strict JSON is a part of JSON, with one spelling for one value."""
    try:
        value = strict_json.parse(data)
        spelt = strict_json.canonical(value)
    except StrictJsonError:
        return
    must(json.loads(data, object_pairs_hook=_once, parse_constant=_no_number) == value, "read as another value by json")
    must(strict_json.parse(spelt) == value, "spelt again it is another value")
    must(strict_json.canonical(strict_json.parse(spelt)) == spelt, "there are two spellings")


def _body(data: bytes, read: Callable[[object], object]) -> None:
    try:
        read(strict_json.parse(data))
    except (StrictJsonError, ValidationError, TiprouterError):
        return


def tip(data: bytes) -> None:
    """The body of `POST /v1/tips`."""
    _body(data, lambda value: TipBody.model_validate(value).to_domain())


def case(data: bytes) -> None:
    """The body of `PUT /v1/cases/{case_id}`."""
    _body(data, lambda value: CaseBody.model_validate(value).to_domain("case-1"))


def consent(data: bytes) -> None:
    """The body of `POST /v1/consents`."""
    _body(data, lambda value: ConsentBody.model_validate(value).to_domain())


def url(data: bytes) -> None:
    """An endpoint's URL: accepted ones mean the same to `urllib`, and are accepted again as they were spelt."""
    text = _text(data)
    for sandbox in (False, True):
        try:
            found = check_url(text, sandbox=sandbox)
        except ForbiddenAddressError:
            continue
        split = urlsplit(found.url)
        must(split.hostname == found.host, "urllib reads another host")
        must((split.port or {"http": 80, "https": 443}[split.scheme]) == found.port, "urllib reads another port")
        must(split.username is None and split.password is None, "it names a user")
        must(check_url(found.url, sandbox=sandbox) == found, "spelt again it is another endpoint")


def address(data: bytes) -> None:
    """A resolved address: what may be dialled is global to `ipaddress` too."""
    try:
        check_address(_text(data), sandbox=False)
    except ForbiddenAddressError:
        return
    found = ipaddress.ip_address(_text(data))
    must(found.is_global and not found.is_multicast, "it is not global")


def note(data: bytes) -> None:
    """A signed checkpoint: what opens was signed, and its text is one of the two that were."""
    try:
        opened = open_checkpoint(data, LOG.verifier, [WITNESS.verifier])
    except (NoteError, CheckpointError):
        return
    must(opened.checkpoint == Checkpoint(ORIGIN, 8, b"\x01" * 32), "nobody signed this checkpoint")


def vkey(data: bytes) -> None:
    """A verifier key has one spelling."""
    try:
        found = Verifier.from_vkey(_text(data))
    except NoteError:
        return
    must(found.vkey == _text(data), "the key has two spellings")


def proof(data: bytes) -> None:
    """A `.tlog-proof` file."""
    try:
        found = Proof.parse(data)
    except (ProofError, NoteError, CheckpointError):
        return
    must(Proof.parse(found.encode()) == found, "spelt again it is another proof")


def tile(data: bytes) -> None:
    """A tile's path has one spelling."""
    try:
        found = Tile.parse(_text(data))
    except TileError:
        return
    must(found.path == _text(data), "the path has two spellings")


def bundle(data: bytes) -> None:
    """An entry bundle, of the width that its first byte says."""
    try:
        found = decode_bundle(data[1:], data[0] + 1 if data else 1)
    except BundleError:
        return
    must(encode_bundle(found) == data[1:], "the bundle has two spellings")


def entry(data: bytes) -> None:
    """An entry has one spelling."""
    try:
        found = entries.parse(data)
    except EntryError:
        return
    must(entries.compose(found.kind, found.at, found.nonce, found.body) == data, "two spellings")


def policy(data: bytes) -> None:
    """A trust policy."""
    try:
        found = TrustPolicy.parse(data.decode("utf-8", "replace"))
    except TrustError:
        return
    must(found.quorum == "none" or not found.satisfied([]), "nobody's word is enough")


def submission(data: bytes) -> None:
    """A request to a witness."""
    try:
        found = Submission.parse(data)
    except RequestError:
        return
    must(found.encode() == data, "the request has two spellings")


def webhook(data: bytes) -> None:
    """A webhook at the receiver: id, time, signature and body, of which nobody signed any."""
    parts = _text(data).split(" ", 3)
    headers = dict(zip(("webhook-id", "webhook-timestamp", "webhook-signature"), parts, strict=False))
    body = parts[3].encode("latin-1") if len(parts) > len(headers) else b""
    try:
        verify(headers, body, _KEYS, NOW)
    except VerificationError:
        return
    must(holds=False, rule="nobody signed this webhook")


def webhook_key(data: bytes) -> None:
    """A key that a receiver configures, and one that an operator gives to sign with."""
    headers = {"webhook-id": "a", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": "v1,AAAA"}
    with suppress(VerificationError):
        verify(headers, b"", [_text(data)], NOW)
    with suppress(TiprouterError):
        signing.parse_secret(_text(data))


def acknowledgement(data: bytes) -> None:
    """An agency's JWS, which this agency never signed."""
    try:
        jws.opened(_text(data), _AGENCY)
    except UnprovenError:
        return
    must(holds=False, rule="nobody signed this acknowledgement")


def jwk(data: bytes) -> None:
    """A recipient's public key; what is kept of it is a key again."""
    try:
        found = encryption.parse_key(_text(data), NOW)
    except TiprouterError:
        return
    must(encryption.parse_key(found.jwk, NOW).jwk == found.jwk, "kept, it is another key")


def retry_after(data: bytes) -> None:
    """A receiver's Retry-After: nothing, or a wait that a clock can count."""
    found = parse_retry_after(_text(data), NOW)
    must(found is None or (math.isfinite(found) and found >= 0), "no clock can wait this long")


TARGETS: Final[dict[str, Target]] = {
    "strict-json": Target(
        strict, [_TIP, b'{"a":[1,-0.5e3,"\\u00e9",null,true,{}]}', b'"\\ud83d\\ude00"', b"9007199254740992"]
    ),
    "tip": Target(tip, [_TIP]),
    "case": Target(case, [_TIP.replace(b'"external_id": "call-1", ', b"").replace(b"{", b'{"status":"open",', 1)]),
    "consent": Target(consent, [_CONSENT]),
    "url": Target(
        url,
        [
            b"https://agency.example/hook?a=1",
            b"http://127.0.0.1:8080/",
            b"http://[::1]:1/",
            b"https://xn--e1afmkfd.example:8443",
        ],
    ),
    "address": Target(
        address,
        [
            b"93.184.216.34",
            b"2606:2800:220:1::1",
            b"64:ff9b::5db8:d822",
            b"::ffff:8.8.8.8",
            b"2002:a9fe:a9fe::",
            b"192.0.0.192",
        ],
    ),
    "checkpoint": Target(note, [_NOTE, _COSIGNED]),
    "vkey": Target(vkey, [LOG.vkey.encode(), WITNESS.vkey.encode()]),
    "proof": Target(proof, [Proof(3, (b"\x02" * 32,), _COSIGNED).encode(), Proof(0, (), _NOTE).encode()]),
    "tile": Target(tile, [b"tile/0/x001/x234/067", b"tile/entries/000.p/1", b"tile/63/255"]),
    "bundle": Target(bundle, [b"\x01\x00\x00\x00\x01a", b"\x00\x00\x02{}"]),
    "entry": Target(entry, story(6)),
    "trust-policy": Target(
        policy,
        [
            f"log {LOG.vkey}\nwitness w1 {WITNESS.vkey}\ngroup g any w1\nquorum g\n".encode(),
            f"log {LOG.vkey}\nquorum none\n".encode(),
        ],
    ),
    "witness-request": Target(
        submission, [Submission(3, (b"\x02" * 32,), _NOTE).encode(), Submission(0, (), _NOTE).encode()]
    ),
    "webhook": Target(webhook, [_SIGNED]),
    "webhook-key": Target(webhook_key, [key.encode() for key in _KEYS] + [b"whsk_" + b"A" * 43 + b"="]),
    "acknowledgement": Target(
        acknowledgement,
        [b"eyJhbGciOiJFZERTQSIsImtpZCI6ImEiLCJ0eXAiOiJ0aXByb3V0ZXItYWNrbm93bGVkZ2VtZW50K2p3cyJ9.e30." + b"A" * 86],
    ),
    "jwk": Target(
        jwk,
        [
            b'{"kty":"OKP","crv":"X25519","x":"' + b"A" * 43 + b'","kid":"k1"}',
            b'{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}',
        ],
    ),
    "retry-after": Target(retry_after, [b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"-1", b"1e9"]),
}
"""Every parser that reads what somebody outside wrote, by name."""
