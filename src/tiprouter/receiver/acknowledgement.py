"""How does a recipient sign what it says of a disclosure?

1. A compact JWS (RFC 7515) over five things: the disclosure, the delivery, the SHA-256 of the body that was received,
   the status, and the time. Its key id is the thumbprint (RFC 7638) of the public key that the operator registered.
2. Ed25519 (`EdDSA`) and P-256 (`ES256`) keys of `cryptography`; nothing else is needed.
3. Only a message that `verify` accepted can be acknowledged: an announcement (`disclosure.available`) cannot, because
   its body is not the disclosure.

Send the result as `jws` beside `status`. Case number, reason and question are not part of it.
"""

import base64
import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from tiprouter.receiver.verification import Message

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TYPE = "tiprouter-acknowledgement+jws"
_COORDINATE_BYTES = 32


class SigningError(Exception):
    """This cannot be acknowledged with that key."""


def public_jwk(key: "Ed25519PublicKey | EllipticCurvePublicKey") -> dict[str, str]:
    """The public key as the operator registers it (rule 2). Raises `SigningError`."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 - not needed to verify HMAC

    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_bytes_raw())}
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        point = key.public_numbers()
        x, y = (_base64url(number.to_bytes(_COORDINATE_BYTES, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    raise SigningError("The key must be Ed25519 or P-256.")


def thumbprint(jwk: dict[str, str]) -> str:
    """The key's id (RFC 7638, SHA-256)."""
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y") if name in jwk}
    return _base64url(hashlib.sha256(_json(members)).digest())


def sign_acknowledgement(
    message: Message, status: str, key: "Ed25519PrivateKey | EllipticCurvePrivateKey", now: datetime
) -> str:
    """The JWS to send as `jws` (rules 1-3); `now` is an aware datetime. Raises `SigningError`."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - as above

    claims = {
        "disclosure_id": _disclosure_of(message),
        "delivery_id": message.webhook_id,
        "digest": hashlib.sha256(message.body).hexdigest(),
        "status": status,
        "iat": int(now.timestamp()),
    }
    jwk = public_jwk(key.public_key())
    header = {"alg": "EdDSA" if jwk["kty"] == "OKP" else "ES256", "kid": thumbprint(jwk), "typ": TYPE}
    signed = f"{_base64url(_json(header))}.{_base64url(_json(claims))}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
    else:
        signature = key.sign(signed.encode())
    return f"{signed}.{_base64url(signature)}"


def _disclosure_of(message: Message) -> str:
    try:
        told = json.loads(message.body)
        kind, disclosure_id = told["type"], told["data"]["disclosure_id"]
    except (ValueError, KeyError, TypeError):
        raise SigningError("The message is no disclosure.") from None
    if kind == "disclosure.available" or not isinstance(disclosure_id, str):
        raise SigningError("An announcement is no disclosure: pull it, and acknowledge what you pulled.")
    return disclosure_id


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
