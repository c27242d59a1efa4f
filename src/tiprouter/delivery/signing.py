"""Who vouches for these bytes, and in which headers does it say so?

1. Standard Webhooks 1.0: the signed content is `{webhook-id}.{webhook-timestamp}.{raw body}`.
2. `v1a` is ed25519 (preferred: the receiver holds nothing that can forge), `v1` is HMAC-SHA256.
3. Every live secret signs, so that a key is rotated by overlap: both signatures are in the space separated list.
4. An empty list of secrets is refused: an unsigned message must not exist.
5. A webhook-id holds no full stop: with one, `a.1` + `2` + body and `a` + `1` + `2.body` would sign alike.
6. No secret shows itself in `repr`, `str` or an error text; only `reveal` hands it out.
7. A new key signs beside the old ones for an overlap of at most seven days, after which the old ones are silent; none
   is ever made to live longer by a rotation. At most ten keys live at once. No overlap at all means that the old keys
   are lost to somebody else: they end at that moment.
8. A secret is read from its text once, while it is among the last `READ_MAX`: reading one takes longer than signing.

It does not promise freshness or secrecy: the receiver checks the timestamp, and encryption of the body comes before
signing.
"""

import base64
import binascii
import functools
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tiprouter.errors import TiprouterError

HMAC_PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
HMAC_BYTES_MIN = 24
HMAC_BYTES_MAX = 64
SEED_BYTES = 32
KEY_PAIR_BYTES = 64
READ_MAX = 2_048

OVERLAP_MAX = timedelta(days=7)
LIVE_KEYS_MAX = 10

_WEBHOOK_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP_MAX = 10**11  # the year 5138; the same moment in milliseconds is beyond it


class SigningError(TiprouterError):
    """The message cannot be signed with what was given."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HmacSecret:
    """A shared secret of 24 to 64 random bytes; signs `v1`."""

    key: bytes

    def __post_init__(self) -> None:
        if not HMAC_BYTES_MIN <= len(self.key) <= HMAC_BYTES_MAX:
            raise SigningError("An HMAC secret holds 24 to 64 bytes.")

    def __repr__(self) -> str:
        return "HmacSecret(hidden)"

    def sign(self, content: bytes) -> str:
        """Return `v1,<base64>` over `content`."""
        return "v1," + _encode(hmac.digest(self.key, content, "sha256"))

    def reveal(self) -> str:
        """Return the secret as `whsec_<base64>`: for sealed storage, and once for the recipient."""
        return HMAC_PREFIX + _encode(self.key)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ed25519Secret:
    """A private ed25519 key made of a 32-byte seed; signs `v1a`."""

    seed: bytes
    _key: Ed25519PrivateKey = field(init=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise SigningError("An ed25519 seed holds 32 bytes.")
        object.__setattr__(self, "_key", Ed25519PrivateKey.from_private_bytes(self.seed))

    def __repr__(self) -> str:
        return "Ed25519Secret(hidden)"

    def sign(self, content: bytes) -> str:
        """Return `v1a,<base64>` over `content`."""
        return "v1a," + _encode(self._key.sign(content))

    def reveal(self) -> str:
        """Return the secret as `whsk_<base64 of seed and public key>`: for sealed storage only."""
        return PRIVATE_PREFIX + _encode(self.seed + self._public_bytes())

    def public(self) -> str:
        """Return `whpk_<base64>`, which the recipient verifies with; it is no secret."""
        return PUBLIC_PREFIX + _encode(self._public_bytes())

    def _public_bytes(self) -> bytes:
        return self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


SigningSecret: TypeAlias = HmacSecret | Ed25519Secret


def generate_hmac(random: bytes) -> HmacSecret:
    """Make a shared secret of 24 to 64 bytes which the caller drew from the system's random source."""
    return HmacSecret(bytes(random))


def generate_ed25519(seed: bytes) -> Ed25519Secret:
    """Make a key pair from 32 bytes which the caller drew from the system's random source."""
    return Ed25519Secret(bytes(seed))


@functools.lru_cache(maxsize=READ_MAX)
def parse_secret(text: str) -> SigningSecret:
    """Read `whsec_...` or `whsk_...` (64 bytes: seed and public key, or the 32-byte seed alone).

    Raises `SigningError` for anything else; a public key that is not the seed's is refused, because one of the two is
    then not the key the recipient was given.
    """
    if text.startswith(HMAC_PREFIX):
        return HmacSecret(_decode(text.removeprefix(HMAC_PREFIX)))
    if not text.startswith(PRIVATE_PREFIX):
        raise SigningError("A signing secret begins with whsec_ or whsk_.")
    raw = _decode(text.removeprefix(PRIVATE_PREFIX))
    if len(raw) not in {SEED_BYTES, KEY_PAIR_BYTES}:
        raise SigningError("An ed25519 secret holds 32 or 64 bytes.")
    secret = Ed25519Secret(raw[:SEED_BYTES])
    if len(raw) == KEY_PAIR_BYTES and secret.reveal() != text:
        raise SigningError("The public half of the ed25519 secret is not the seed's.")
    return secret


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A secret and the time in which it signs: from `begins_at` on, and before `ends_at`."""

    secret: SigningSecret
    begins_at: datetime
    ends_at: datetime | None = None

    def signs_at(self, now: datetime) -> bool:
        """Whether it is one of those that sign then."""
        return self.begins_at <= now and (self.ends_at is None or now < self.ends_at)


def rotate(keys: Sequence[LiveKey], secret: SigningSecret, now: datetime, overlap: timedelta) -> tuple[LiveKey, ...]:
    """Return the keys from now on, the new one first (rule 7); those that have ended are left out.

    Raises `SigningError` for an overlap outside zero to seven days, and when more than ten keys would live.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise SigningError("The overlap of two keys is zero to seven days.")
    latest = now + overlap
    ending = (replace(key, ends_at=min(key.ends_at or latest, latest)) for key in keys)
    kept = (LiveKey(secret, now), *(key for key in ending if key.ends_at is not None and now < key.ends_at))
    if len(kept) > LIVE_KEYS_MAX:
        raise SigningError("There are at most ten live keys; wait until an old one has ended.")
    return kept


def signing_at(keys: Sequence[LiveKey], now: datetime) -> list[SigningSecret]:
    """The secrets that sign at `now`, the newest first (rule 3); `SigningError` when there is none (rule 4)."""
    live = sorted((key for key in keys if key.signs_at(now)), key=lambda key: key.begins_at, reverse=True)
    if not live:
        raise SigningError("No signing key is live.")
    return [key.secret for key in live]


def headers(webhook_id: str, timestamp: int, body: bytes, secrets: Sequence[SigningSecret]) -> dict[str, str]:
    """Return the three Standard Webhooks headers for one attempt.

    `webhook_id` stays the same over all attempts (the receiver's idempotency key), `timestamp` is the attempt's own, in
    unix seconds. Raises `SigningError` for an id outside `[A-Za-z0-9_-]{1,128}`, a timestamp below zero or beyond 11
    digits, and an empty list of secrets.
    """
    if not secrets:
        raise SigningError("At least one signing secret is needed.")
    if not _WEBHOOK_ID.fullmatch(webhook_id):
        raise SigningError("A webhook-id is made of letters, digits, _ and -.")
    if not 0 <= timestamp < _TIMESTAMP_MAX:
        raise SigningError("A webhook-timestamp is in unix seconds.")
    content = b"%s.%d.%s" % (webhook_id.encode("ascii"), timestamp, body)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(secret.sign(content) for secret in secrets),
    }


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raw = b""
    # The decoder forgives excess padding and stray bits at the end; two spellings of one secret would never compare.
    if not raw or _encode(raw) != text:
        raise SigningError("A signing secret is standard base64 with padding.")
    return raw
