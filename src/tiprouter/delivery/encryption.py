"""Who can read a disclosure, apart from whoever carries it?

1. A recipient that has registered encryption keys gets a JWE (RFC 7516, compact), never plain JSON; with none of them
   valid now nothing is sent (`EncryptionError`), for a message in the clear would be the worse failure.
2. Two ways, by the key's kind: `ECDH-ES+A256KW` for P-256, P-384 and X25519, `RSA-OAEP-256` for RSA of 2,048 to 8,192
   bits; the content always under `A256GCM`. Nothing else, and no compression.
3. A key is a public JWK (RFC 7517): one that is private, weak, off its curve, of small order, for another use, or has
   a member twice is refused. Its id is its `kid`, or its thumbprint (RFC 7638).
4. The newest key that is valid at the moment is used; so a recipient rotates by registering the next one beside it.
5. The protected header binds the recipient (`aud`) and the webhook-id (`wid`), which the authentication covers; it
   tells that there is a message for somebody, not what kind of event it is.
6. `Encrypted` is made from `Redacted` alone, so that nothing that redaction did not make can be sent in disguise.
7. The ciphertext is what is signed: a forgery is thrown away before a private key touches it, a doorkeeper without
   that key can check it, and what was signed is what was carried. Who vouches for the text inside is told by the same
   signature, as `aud` and `wid` tie the two together.
8. Each attempt is encrypted anew: randomness that is stored could be used twice, and a stored ciphertext would outlive
   the record's own key. So bytes differ between attempts; `webhook-id` says that the message is the same.

Randomness comes from the cryptographic library and is no argument here: one that a caller chose could be chosen twice.
It does not promise to hide how long a message is, or that there is one.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.registry import HeaderParameter

from tiprouter.domain.redaction import Redacted
from tiprouter.errors import TiprouterError

CONTENT_TYPE: Final = "application/jose"
TYPE: Final = "vnd.tiprouter.message+jose"
CONTENT_ENCRYPTION: Final = "A256GCM"
KEY_AGREEMENT, KEY_TRANSPORT = "ECDH-ES+A256KW", "RSA-OAEP-256"
ALGORITHMS: Final = (KEY_AGREEMENT, KEY_TRANSPORT, CONTENT_ENCRYPTION)
RSA_BITS: Final = range(2_048, 8_193)
RSA_EXPONENT_MIN: Final = 65_537
JWK_CHARS_MAX: Final = 8_192

_CURVES: Final = {"EC": frozenset({"P-256", "P-384"}), "OKP": frozenset({"X25519"})}
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_OPERATIONS: Final = frozenset({"deriveKey", "deriveBits", "wrapKey", "encrypt"})
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_MINT: Final = object()
_REGISTRY: Final = jwe.JWERegistry(
    algorithms=ALGORITHMS,
    header_registry={
        "aud": HeaderParameter("Recipient", "str", required=True),
        "wid": HeaderParameter("webhook-id", "str", required=True),
    },
)
_PROBE: Final = X25519PrivateKey.from_private_bytes(b"\x40" * 32)

PublicKey: TypeAlias = ECKey | OKPKey | RSAKey


class EncryptionError(TiprouterError):
    """The message cannot be encrypted to this recipient."""


@dataclass(frozen=True, slots=True)
class RecipientKey:
    """A public key that a recipient registered: its id, its JWK in canonical form, and the time in which it is used."""

    id: str
    jwk: str = field(repr=False)
    not_before: datetime
    until: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Whether messages are encrypted to it then: from `not_before` on, and before `until`."""
        return self.not_before <= now and (self.until is None or now < self.until)


class Encrypted:
    """A `Redacted` for one recipient's eyes: `body` is the JWE, `content_digest` the SHA-256 of the text inside."""

    __slots__ = ("_body", "_content_digest", "_digest", "_key_id", "_recipient_id", "_webhook_id")

    def __init__(self, body: bytes, content_digest: str, names: tuple[str, str, str], mint: object) -> None:
        if mint is not _MINT:
            raise EncryptionError("Only encryption makes an encrypted message.")
        self._body, self._content_digest = body, content_digest
        self._digest = hashlib.sha256(body).hexdigest()
        self._key_id, self._recipient_id, self._webhook_id = names

    @property
    def body(self) -> bytes:
        """The bytes to sign and send."""
        return self._body

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes to send, in hex."""
        return self._digest

    @property
    def content_digest(self) -> str:
        """The SHA-256 of what redaction made, in hex; the same for every attempt."""
        return self._content_digest

    @property
    def key_id(self) -> str:
        """The recipient's key that opens it."""
        return self._key_id

    @property
    def recipient_id(self) -> str:
        """The recipient it is bound to."""
        return self._recipient_id

    @property
    def webhook_id(self) -> str:
        """The message it is bound to."""
        return self._webhook_id


def parse_key(text: str, not_before: datetime, until: datetime | None = None) -> RecipientKey:
    """Return the key of a public JWK, or raise `EncryptionError` (rule 3), which quotes nothing of it."""
    if until is not None and until <= not_before:
        raise EncryptionError("The key would end before it begins.")
    told = _members(text)
    kind = told.get("kty")
    if _PRIVATE & set(told):
        raise EncryptionError("This is a private key; send the public one, and replace the private one.")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        raise EncryptionError("A key is of kind EC, OKP or RSA.")
    if kind in _CURVES and str(told.get("crv")) not in _CURVES[kind]:
        raise EncryptionError("A curve is P-256, P-384 or X25519.")
    _check_use(told, KEY_TRANSPORT if kind == "RSA" else KEY_AGREEMENT)
    kept = {name: value for name in _MEMBERS[kind] if isinstance(value := told.get(name), str)}
    key = _import(kept)
    key_id = told.get("kid", key.thumbprint())
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
        raise EncryptionError("A key's id is made of letters, digits, full stops, _ and -.")
    return RecipientKey(key_id, json.dumps(kept, sort_keys=True, separators=(",", ":")), not_before, until)


def newest(keys: Sequence[RecipientKey], now: datetime) -> RecipientKey:
    """The key to use (rule 4), or `EncryptionError` when none is valid (rule 1). Of two of one age, the greater id."""
    valid = [key for key in keys if key.valid_at(now)]
    if not valid:
        raise EncryptionError("No key of this recipient is valid now.")
    return max(valid, key=lambda key: (key.not_before, key.id))


def encrypt(redacted: Redacted, key: RecipientKey, *, recipient_id: str, webhook_id: str) -> Encrypted:
    """Encrypt what redaction made to one key, for one recipient and one message (rules 2 and 5 to 8)."""
    if not isinstance(redacted, Redacted):
        raise EncryptionError("Only what redaction made is encrypted.")
    if not _ID.fullmatch(recipient_id) or not _ID.fullmatch(webhook_id):
        raise EncryptionError("An id is made of letters, digits, _ and -.")
    public = _import(json.loads(key.jwk))
    header = {
        "alg": KEY_TRANSPORT if isinstance(public, RSAKey) else KEY_AGREEMENT,
        "enc": CONTENT_ENCRYPTION,
        "kid": key.id,
        "typ": TYPE,
        "cty": "json",
        "aud": recipient_id,
        "wid": webhook_id,
    }
    try:
        body = jwe.encrypt_compact(header, redacted.body, public, registry=_REGISTRY)
    except (JoseError, ValueError):
        raise EncryptionError from None
    return Encrypted(body.encode("ascii"), redacted.digest, (key.id, recipient_id, webhook_id), _MINT)


def _members(text: str) -> dict[str, object]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        told = json.loads(text, object_pairs_hook=once) if len(text) <= JWK_CHARS_MAX else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise EncryptionError("A key is one JSON object (RFC 7517) of at most 8,192 characters, each member once.")
    return told


def _check_use(told: dict[str, object], algorithm: str) -> None:
    operations = told.get("key_ops", [])
    if told.get("use", "enc") != "enc" or told.get("alg", algorithm) != algorithm:
        raise EncryptionError("The key is for another use or algorithm.")
    if not isinstance(operations, list) or not all(each in _OPERATIONS for each in map(str, operations)):
        raise EncryptionError("The key is for other operations.")


def _import(members: dict[str, str]) -> PublicKey:
    try:
        if members["kty"] == "RSA":
            rsa = RSAKey.import_key(dict(members))
            if rsa.raw_value.key_size not in RSA_BITS or rsa.public_key.public_numbers().e < RSA_EXPONENT_MIN:
                raise EncryptionError("An RSA key has 2,048 to 8,192 bits and an exponent of 65,537 or more.")
            return rsa
        if members["kty"] == "OKP":
            okp = OKPKey.import_key(dict(members))
            # A point of small order yields the same secret with every key; the library refuses to agree on one.
            public = okp.public_key
            if isinstance(public, X25519PublicKey):
                _PROBE.exchange(public)
            return okp
        return ECKey.import_key(dict(members))
    except (JoseError, ValueError, TypeError, KeyError):
        raise EncryptionError("The key is not readable, or not on its curve.") from None
