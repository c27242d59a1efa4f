"""What does an agency's signature on an acknowledgement have to say, and with which key may it be made?

1. A key is a public JWK (RFC 7517) of two kinds alone: OKP with Ed25519 (RFC 8037), EC with P-256 (RFC 7518). Its id is
   its thumbprint (RFC 7638): whoever names a key names its bytes.
2. The key says the algorithm, never the message: `EdDSA` or its newer name `Ed25519` (RFC 9864), or `ES256`.
3. The signed payload has five members and no other: which disclosure, which delivery (the webhook-id), the SHA-256 of
   the payload that was received, the status, and when it was signed.
4. All five must be what they are here; the time at most `TOLERANCE` away from now, either way.
5. The agency's words (case number, reason, question) are not signed: who keeps the proof need not keep them.

The signature itself is `delivery/jws.py`'s.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tiprouter.domain.vocabulary import AcknowledgementStatus
from tiprouter.errors import TiprouterError

TYPE: Final = "tiprouter-acknowledgement+jws"
"""The header `typ` (RFC 8725 section 3.11): a signature made for anything else is none of these."""

TOLERANCE: Final = timedelta(minutes=5)
ALGORITHMS: Final = {"Ed25519": ("EdDSA", "Ed25519"), "P-256": ("ES256",)}
_MEMBERS: Final = {"disclosure_id", "delivery_id", "digest", "status", "iat"}
_COORDINATE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_LAST: Final = 253_402_300_799


class UnprovenError(TiprouterError):
    """This signature does not say what it would have to."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An agency's public key as a JWK: base64url coordinates of 32 bytes; `y` on P-256 alone (rule 1)."""

    crv: str
    x: str
    y: str | None = None

    @property
    def well_formed(self) -> bool:
        """Whether the members fit together; whether the point is on its curve is `delivery/jws.py`'s question."""
        parts = [self.x] if self.crv == "Ed25519" else [self.x, self.y or ""]
        return (
            self.crv in ALGORITHMS
            and (self.y is None) is (self.crv == "Ed25519")
            and all(_COORDINATE.fullmatch(part) for part in parts)
        )

    @property
    def members(self) -> dict[str, str]:
        """The required members, in the order of RFC 7638 section 3.3."""
        named = {"crv": self.crv, "kty": "OKP" if self.crv == "Ed25519" else "EC", "x": self.x}
        return named if self.y is None else named | {"y": self.y}

    @property
    def thumbprint(self) -> str:
        """The key's id: RFC 7638, SHA-256, base64url."""
        spelt = json.dumps(self.members, sort_keys=True, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(spelt).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Sworn:
    """What an acknowledgement must swear to: everything of rule 3 but the time."""

    disclosure_id: str
    delivery_id: str
    digest: str
    status: AcknowledgementStatus


def check(payload: bytes, expected: Sworn, now: datetime) -> None:
    """Refuse a signed payload that is not about exactly this, now (rules 3 and 4). Raises `UnprovenError`."""
    try:
        said = json.loads(payload.decode(), object_pairs_hook=_closed)
    except (ValueError, RecursionError):
        raise UnprovenError from None
    if not isinstance(said, dict):
        raise UnprovenError
    signed_at = said.pop("iat")
    wanted = {
        "disclosure_id": expected.disclosure_id,
        "delivery_id": expected.delivery_id,
        "digest": expected.digest,
        "status": expected.status.value,
    }
    if said != wanted or type(signed_at) is not int or not 0 <= signed_at <= _LAST:
        raise UnprovenError
    if abs(now - datetime.fromtimestamp(signed_at, UTC)) > TOLERANCE:
        raise UnprovenError


def _closed(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members) or found.keys() != _MEMBERS:
        raise ValueError
    return found
