"""Whom does this ID token name, and may it be believed? (OpenID Connect Core 1.0 section 3.1.3.7)

Steps, each of which refuses with the one `IdTokenError`, which quotes nothing:
1. It is a compact JWS of bounded size whose header names an algorithm of the list, and no critical extension.
2. Its key is one of the provider's own set: the one of its `kid`, or the only one that fits where it has none. The
   key's kind, curve and own `alg` decide which algorithms it may be used with (RFC 8725 section 3.1): never `none`,
   never a symmetric one. A key is for signatures; an RSA key has 2,048 bits or more.
3. `iss` is the configured issuer, exactly. `aud` is this client alone, and `azp`, where there is one, is this client.
4. It is not expired and of the last ten minutes; a minute of other people's clocks is forgiven.
5. `nonce` is the one that this round was begun with.
6. `acr` is one of those required, where any is; `auth_time` is not before the round, where a new sign-in was asked for.
7. `sub` is 1 to 255 ASCII characters.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tiprouter.errors import TiprouterError

BYTES_MAX: Final = 16_384
SKEW: Final = timedelta(minutes=1)
AGE_MAX: Final = timedelta(minutes=10)
RSA_BITS_MIN: Final = 2_048
_SUBJECT_MAX: Final = 255
_EPOCH_MAX: Final = 253_402_300_799
ALGORITHMS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("RSA", ""): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
}
"""By a key's kind and curve (rule 2)."""


class IdTokenError(TiprouterError):
    """What the identity provider says cannot be believed."""


class UnknownKeyError(IdTokenError):
    """The identity provider signed with a key that is not in the set we have."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token of this round must say; `fresh_since` is when it was begun, where signing in anew was asked for."""

    issuer: str
    client_id: str
    nonce: str
    acr: frozenset[str] = frozenset()
    fresh_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token names, and when they last showed who they are, where it says so."""

    subject: str
    verified_at: datetime | None


class _Allowed(jws.JWSRegistry):
    """The algorithms of one key and no other. It does not warn of `EdDSA`, which is a name older than `Ed25519`."""

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - joserfc does not export its type
        """The algorithm, if it is allowed. Raises `UnsupportedAlgorithmError`."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def identity(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: datetime) -> Identity:
    """Whom the token names (steps 1-7). Raises `IdTokenError`; `UnknownKeyError` where another key set may help."""
    return _believed(_verified(token, keys), expected, now)


def _verified(token: str, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Steps 1 and 2: the claims as they were signed."""
    if len(token) > BYTES_MAX:
        raise IdTokenError
    try:
        found = jws.extract_compact(token.encode("ascii"))
        header = found.headers()
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or "crit" in header or "b64" in header:
            raise IdTokenError
        key = _key(_fitting(keys, header.get("kid"), algorithm))
        if not jws.validate_compact(found, key, registry=_Allowed(algorithms=[algorithm])):
            raise IdTokenError
        claims = json.loads(found.payload)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise IdTokenError from None
    if not isinstance(claims, dict):
        raise IdTokenError
    return claims


def _fitting(keys: Sequence[Mapping[str, Any]], kid: object, algorithm: str) -> Mapping[str, Any]:
    fit = [key for key in keys if algorithm in _algorithms(key) and (kid is None or key.get("kid") == kid)]
    if len(fit) == 1:
        return fit[0]
    if any(algorithm in listed for listed in ALGORITHMS.values()) and not fit:
        raise UnknownKeyError
    raise IdTokenError


def _algorithms(key: Mapping[str, Any]) -> tuple[str, ...]:
    if key.get("use", "sig") != "sig":
        return ()
    curve = "" if key.get("kty") == "RSA" else str(key.get("crv"))
    allowed = ALGORITHMS.get((str(key.get("kty")), curve), ())
    own = key.get("alg")
    return allowed if own is None else tuple(one for one in allowed if one == own)


def _key(members: Mapping[str, Any]) -> RSAKey | ECKey | OKPKey:
    def only(*names: str) -> dict[str, str | list[str]]:
        return {name: str(members[name]) for name in names}

    if members["kty"] == "RSA":
        key = RSAKey.import_key(only("kty", "n", "e"))
        if key.raw_value.key_size < RSA_BITS_MIN:
            raise IdTokenError
        return key
    if members["kty"] == "EC":
        return ECKey.import_key(only("kty", "crv", "x", "y"))
    return OKPKey.import_key(only("kty", "crv", "x"))


def _believed(claims: Mapping[str, Any], expected: Expected, now: datetime) -> Identity:
    """Steps 3 to 7."""
    audience = claims.get("aud")
    nonce, subject = claims.get("nonce"), claims.get("sub")
    expires, issued = _moment(claims.get("exp")), _moment(claims.get("iat"))
    signed_in = _moment(claims["auth_time"]) if "auth_time" in claims else None
    begun = expected.fresh_since
    if not (
        claims.get("iss") == expected.issuer
        and audience in (expected.client_id, [expected.client_id])
        and claims.get("azp", expected.client_id) == expected.client_id
        and now < expires + SKEW
        and now - AGE_MAX <= issued <= now + SKEW
        and isinstance(nonce, str)
        and hmac.compare_digest(nonce.encode(), expected.nonce.encode())
        and (not expected.acr or claims.get("acr") in expected.acr)
        and (signed_in is None or signed_in <= now + SKEW)
        and (begun is None or (signed_in is not None and signed_in >= begun - SKEW))
        and isinstance(subject, str)
        and 1 <= len(subject) <= _SUBJECT_MAX
        and subject.isascii()
    ):
        raise IdTokenError
    return Identity(subject, None if signed_in is None else min(signed_in, now))


def _moment(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _EPOCH_MAX:
        raise IdTokenError
    return datetime.fromtimestamp(value, UTC)
