"""Did the router send exactly these bytes, and recently?

1. All three Standard Webhooks 1.0 headers are there, once each, whatever their case.
2. The timestamp is a canonical integer of unix seconds, at most `tolerance_seconds` away from `now`, either way.
3. The webhook-id holds no full stop, so that the signed content can be split in one way only.
4. One of the signatures is right under one of the keys: `v1` for `whsec_`, `v1a` for `whpk_`. Other versions are passed
   over, so that a later one can be added beside these.
5. Comparisons take constant time, and a signature has one spelling: other base64 of the same bytes is refused.
6. Whatever is wrong, the only exception is `VerificationError`, and its text quotes nothing that was received.

HMAC needs only the standard library; `cryptography` is imported when a `whpk_` key meets a `v1a` signature.
It does not promise that a message is new: keep the ids you have handled (a signed message can be replayed within the
tolerance). Source: Standard Webhooks 1.0, "Verifying webhook authenticity".
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

TOLERANCE_SECONDS = 300

_NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[!-\-/-~]{1,256}")  # visible ASCII without the full stop
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE = re.compile(r"(v[0-9]{1,3}[a-z]?),([A-Za-z0-9+/]{1,1024}={0,2})", re.ASCII)
_SIGNATURES_MAX = 32
_HMAC_BYTES = range(24, 65)
_PUBLIC_BYTES = 32
_SIGN = 0x80

SMALL_ORDER = frozenset(
    bytes.fromhex(encoded)
    for encoded in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Ed25519 public keys of order 8 or less, without the sign bit: under these, signatures that nobody made are right."""


class VerificationError(Exception):
    """The message must not be trusted."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose origin and freshness were checked; `webhook_id` is the idempotency key."""

    webhook_id: str
    timestamp: datetime
    body: bytes = field(repr=False)


def verify(
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[str],
    now: datetime,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Message:
    """Return the message, or raise `VerificationError`.

    `body` is the raw request body, before any decoding. `keys` are `whsec_...` or `whpk_...`; give the old and the new
    one while a key is being rotated. `now` is an aware datetime.
    """
    if not isinstance(body, bytes):
        raise VerificationError("The body must be the raw bytes of the request.")
    webhook_id, timestamp, signatures = _read_headers(headers)
    sent_at = _check_time(timestamp, now, tolerance_seconds)
    content = f"{webhook_id}.{timestamp}.".encode("ascii") + body
    if not _signed(content, _parse_signatures(signatures), _parse_keys(keys)):
        raise VerificationError("No signature is right under any of the keys.")
    return Message(webhook_id, sent_at, body)


def _read_headers(headers: Mapping[str, str]) -> tuple[str, str, str]:
    found: dict[str, str] = {}
    try:
        for name, value in headers.items():
            lowered = name.lower()
            if lowered not in _NAMES:
                continue
            if lowered in found or not isinstance(value, str):
                raise VerificationError("A webhook header is there twice or is no text.")
            found[lowered] = value
    except (AttributeError, TypeError, ValueError):
        raise VerificationError("The headers are no mapping of text to text.") from None
    if len(found) != len(_NAMES):
        raise VerificationError("A webhook header is missing.")
    webhook_id, timestamp, signatures = (found[name] for name in _NAMES)
    if not _ID.fullmatch(webhook_id):
        raise VerificationError("The webhook-id is malformed.")
    return webhook_id, timestamp, signatures


def _check_time(timestamp: str, now: datetime, tolerance_seconds: float) -> datetime:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise VerificationError("The webhook-timestamp is malformed.")
    if now.tzinfo is None:
        raise VerificationError("The time to compare with needs a time zone.")
    try:
        sent_at = datetime.fromtimestamp(int(timestamp), UTC)
        tolerance = timedelta(seconds=tolerance_seconds)
    except (OverflowError, OSError, ValueError, TypeError):
        raise VerificationError("The webhook-timestamp or the tolerance is out of range.") from None
    if abs(now - sent_at) > tolerance:
        raise VerificationError("The message is too old or comes from the future.")
    return sent_at


def _parse_signatures(text: str) -> list[tuple[str, str]]:
    parts = text.split(" ", _SIGNATURES_MAX)
    if len(parts) > _SIGNATURES_MAX:
        raise VerificationError("There are too many signatures.")
    matches = [_SIGNATURE.fullmatch(part) for part in parts]
    parsed = [(match[1], match[2]) for match in matches if match is not None]
    if len(parsed) != len(parts):
        raise VerificationError("The webhook-signature is malformed.")
    return parsed


def _parse_keys(keys: Sequence[str]) -> list[tuple[str, bytes]]:
    if isinstance(keys, str) or not keys:
        raise VerificationError("A list of at least one key is needed.")
    return [_parse_key(key) for key in keys]


def _parse_key(key: str) -> tuple[str, bytes]:
    try:
        prefix, _, encoded = key.partition("_")
        raw = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (AttributeError, TypeError, UnicodeEncodeError, binascii.Error):
        raise VerificationError("A key is malformed.") from None
    if base64.b64encode(raw).decode("ascii") != encoded:
        raise VerificationError("A key is malformed.")
    if prefix == "whsec" and len(raw) in _HMAC_BYTES:
        return "v1", raw
    if prefix == "whpk" and len(raw) == _PUBLIC_BYTES and not of_small_order(raw):
        return "v1a", raw
    raise VerificationError("A key must be whsec_ of 24 to 64 bytes or whpk_ of 32 bytes, and no point of small order.")


def of_small_order(public: bytes) -> bool:
    """Whether these 32 bytes are an Ed25519 key under which nobody need have signed (RFC 8032 does not refuse them)."""
    return public[:-1] + bytes([public[-1] & ~_SIGN]) in SMALL_ORDER


def _signed(content: bytes, signatures: Sequence[tuple[str, str]], keys: Sequence[tuple[str, bytes]]) -> bool:
    right = False
    for key_version, key in keys:
        for version, signature in signatures:
            if version == key_version:
                # No early return: which key matched should not show in the time taken.
                right |= (
                    _hmac_right(content, signature, key) if version == "v1" else _ed25519_right(content, signature, key)
                )
    return right


def _hmac_right(content: bytes, signature: str, key: bytes) -> bool:
    expected = base64.b64encode(hmac.digest(key, content, "sha256"))
    return hmac.compare_digest(expected, signature.encode("ascii"))


def _ed25519_right(content: bytes, signature: str, key: bytes) -> bool:
    try:
        raw = base64.b64decode(signature.encode("ascii"), validate=True)
    except binascii.Error:
        return False
    if base64.b64encode(raw).decode("ascii") != signature:
        return False
    # Imported here so that a recipient with HMAC keys needs nothing but Python.
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - optional for HMAC recipients
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - optional for HMAC recipients
            Ed25519PublicKey,
        )
    except ImportError:
        raise VerificationError("Install the package cryptography to verify v1a signatures.") from None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(raw, content)
    except (InvalidSignature, ValueError):
        return False
    return True
