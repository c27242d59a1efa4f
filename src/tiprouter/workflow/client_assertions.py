"""Is this client assertion (RFC 7523) signed by one of that client's own keys, for us, now?

1. A client registers public keys alone: Ed25519, EC P-256, or RSA of 2,048 to 8,192 bits; at most eight, each with an
   id (`kid`; its RFC 7638 thumbprint when none is given).
2. The key says the algorithm, never the message (RFC 8725 section 3.1): `EdDSA` or its newer name `Ed25519`, `ES256`,
   and `PS256` or `RS256` unless the key's own `alg` names one. So there is no `none`, and no public key is a secret.
3. `typ` is absent, `JWT` or `client-authentication+jwt`: a signature made for anything else is none of these. No
   critical extension (`crit`) is understood, and no key is taken from a header.
4. `iss` and `sub` are the client's id; `aud` is one of the names it was given for us and nothing beside it; `exp` is at
   most five minutes away; `iat` and `nbf`, where they stand, are not ahead of us by more than a minute, nor is `iat`
   older than an assertion may be; `jti` has 1 to 255 characters that can be kept (UTF-8 has them, none is NUL). That it
   is used once is `access_tokens.issue`'s. Nobody is looked up by what is not spelt like a client's id.
5. Whatever is wrong, the text of the error quotes nothing.
"""

import base64
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tiprouter.delivery.jws import Allowed
from tiprouter.errors import InvalidError, TiprouterError
from tiprouter.workflow.presenting import Refusal

LIFE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=60)
KEYS_MAX, BYTES_MAX, ID_MAX = 8, 8_192, 255
RSA_BITS, RSA_BITS_MAX = 2_048, 8_192
ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "OKP": ("EdDSA", "Ed25519"),
    "EC": ("ES256",),
    "RSA": ("PS256", "RS256"),
}
TYPES: Final = frozenset({None, "jwt", "client-authentication+jwt"})
_CURVES: Final = {"OKP": "Ed25519", "EC": "P-256", "RSA": None}
_KINDS: Final[Mapping[str, type[OKPKey | ECKey | RSAKey]]] = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}
_PARTS: Final = {"OKP": ("kty", "crv", "x"), "EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
_CLIENT: Final = re.compile(r"clt_[0-9A-Z]{26}", re.ASCII)
_LAST: Final = 253_402_300_799
_BROKEN: Final = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)

Jwk = Mapping[str, str]


class RefusedAssertionError(TiprouterError):
    """This assertion shows nobody. `refusal` says why, for the log; `client_id` is whom it named, if anybody real."""

    def __init__(self, refusal: Refusal, client_id: str | None = None) -> None:
        super().__init__()
        self.refusal, self.client_id = refusal, client_id


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good assertion said: its id, its end, and the thumbprint of the key that signed it."""

    jti: str
    expires_at: datetime
    key: str


def registered(jwks: Sequence[Jwk]) -> tuple[Jwk, ...]:
    """The keys as they are kept: public members, `alg` if it was given, and `kid` (rule 1). Raises `InvalidError`."""
    if not 1 <= len(jwks) <= KEYS_MAX:
        raise InvalidError("A client has one to eight keys.", "/keys")
    kept = tuple(_registered(jwk, f"/keys/{index}") for index, jwk in enumerate(jwks))
    if len({key["kid"] for key in kept}) < len(kept) or len(thumbprints(kept)) < len(kept):
        raise InvalidError("No two keys of a client are the same or have the same kid.", "/keys")
    return kept


def thumbprints(jwks: Sequence[Jwk]) -> frozenset[str]:
    """The RFC 7638 thumbprints of registered keys."""
    return frozenset(_key(jwk).thumbprint() for jwk in jwks)


def client_named(compact: str) -> str | None:
    """Whom an assertion names, which proves nothing yet."""
    if len(compact) > BYTES_MAX:
        return None
    try:
        claims = _object(jws.extract_compact(compact.encode("ascii")).payload)
    except _BROKEN:
        return None
    named = claims.get("sub")
    return named if isinstance(named, str) and _CLIENT.fullmatch(named) else None


def checked(compact: str, client_id: str, jwks: Sequence[Jwk], audience: Collection[str], now: datetime) -> Claims:
    """What a client's assertion says (rules 2-4). Raises `RefusedAssertionError`."""
    try:
        payload, jwk = _opened(compact, jwks)
    except _BROKEN:
        raise RefusedAssertionError(Refusal.SIGNATURE, client_id) from None
    try:
        jti, expires_at = _said(_object(payload), client_id, audience, now)
    except (ValueError, RecursionError):
        raise RefusedAssertionError(Refusal.CLAIMS, client_id) from None
    return Claims(jti, expires_at, _key(jwk).thumbprint())


def _opened(compact: str, jwks: Sequence[Jwk]) -> tuple[bytes, Jwk]:
    found = jws.extract_compact(compact.encode("ascii"))
    header = found.headers()
    typ = header.get("typ")
    if {"crit", "b64"} & set(header) or (typ.lower() if isinstance(typ, str) else typ) not in TYPES:
        raise ValueError
    named = [jwk for jwk in jwks if jwk["kid"] == header.get("kid")] if "kid" in header else list(jwks)
    if len(named) != 1:
        raise ValueError
    jwk = named[0]
    algorithm = next((one for one in _algorithms(jwk) if one == header.get("alg")), None)
    if algorithm is None:
        raise ValueError
    if not jws.validate_compact(found, _key(jwk), registry=Allowed(algorithms=[algorithm])):
        raise ValueError
    return found.payload, jwk


def _algorithms(jwk: Jwk) -> tuple[str, ...]:
    """Rule 2; a list of its own, so that a header's `alg` can only be one of it."""
    known = ALGORITHMS[jwk["kty"]]
    return (jwk["alg"],) if jwk["kty"] == "RSA" and "alg" in jwk else known


def _said(claims: Mapping[str, Any], client_id: str, audience: Collection[str], now: datetime) -> tuple[str, datetime]:
    """Rule 4. Raises `ValueError`."""
    aud, jti, expires_at = claims.get("aud"), claims.get("jti"), _moment(claims.get("exp"))
    issued_at = _moment(claims.get("iat", now.timestamp()))
    sole = aud[0] if isinstance(aud, list) and len(aud) == 1 else aud
    sound = (
        claims.get("iss") == client_id
        and claims.get("sub") == client_id
        and isinstance(sole, str)
        and sole in audience
        and isinstance(jti, str)
        and 1 <= len(jti) <= ID_MAX
        and b"\0" not in jti.encode()  # of half a character there are no bytes: a `ValueError` by itself
        and now < expires_at <= now + LIFE
        and now - LIFE - SKEW <= issued_at <= now + SKEW
        and _moment(claims.get("nbf", 0)) <= now + SKEW
    )
    if not sound:
        raise ValueError
    return str(jti), expires_at


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever the claim holds
    """A NumericDate (RFC 7519 section 2). Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST:
        raise ValueError
    return datetime.fromtimestamp(value, UTC)


def _registered(jwk: Jwk, pointer: str) -> Jwk:
    kty = jwk.get("kty", "")
    sound = kty in _KINDS and jwk.get("crv") == _CURVES[kty] and all(jwk.get(part) for part in _PARTS[kty])
    if not sound or jwk.get("alg", ALGORITHMS[kty][0]) not in ALGORITHMS[kty] or jwk.get("use", "sig") != "sig":
        raise InvalidError("A key is Ed25519, EC P-256 or RSA, to verify signatures with.", pointer)
    kept = {part: jwk[part] for part in _PARTS[kty]}
    # Counted before the library reads it: of a short key it only warns.
    if kty == "RSA" and not RSA_BITS <= _bits(kept["n"]) <= RSA_BITS_MAX:
        raise InvalidError("An RSA key has 2,048 to 8,192 bits.", pointer)
    try:
        key = _key(kept)
        _ = key.public_key
    except _BROKEN:
        raise InvalidError("This is no public key of its kind.", pointer) from None
    named = {"alg": jwk["alg"]} if "alg" in jwk else {}
    return kept | named | {"kid": jwk.get("kid") or key.thumbprint()}


def _bits(number: str) -> int:
    """The length of a number that a JWK spells in base64url."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()


def _key(jwk: Jwk) -> OKPKey | ECKey | RSAKey:
    return _KINDS[jwk["kty"]].import_key({part: jwk[part] for part in _PARTS[jwk["kty"]]})


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object that names no member twice. Raises `ValueError`."""
    value = json.loads(text, object_pairs_hook=_once)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - its callers ask for one kind of error
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError
    return named
