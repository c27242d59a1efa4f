"""Is this compact JWS (RFC 7515) signed with that agency's own key?

1. The key is the registered one, and it names the algorithm. The message's header is compared, not asked: it is exactly
   `alg`, `kid` and `typ`, each as expected. So there is no `none`, no symmetric algorithm, no key from the header and
   no critical extension (RFC 8725 sections 3.1, 3.2 and 3.11).
2. Whatever is wrong, the only exception is `UnprovenError`, and its text quotes nothing.
3. What was signed has one name, whatever the bytes of its signature: a second signature over the same says the same.

It does not promise that the payload is true or recent: that is `domain/proof.py`'s.
"""

import base64
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey

from tiprouter.domain.proof import ALGORITHMS, TYPE, PublicKey, UnprovenError
from tiprouter.receiver.verification import of_small_order

BYTES_MAX: Final = 4_096


class Allowed(jws.JWSRegistry):
    """The algorithms of one key and no other. It does not warn of `EdDSA`, which is a name older than `Ed25519`."""

    def get_alg(self, name: str) -> Any:  # noqa: ANN401 - joserfc does not export its type
        """The algorithm, if it is allowed. Raises `UnsupportedAlgorithmError`."""
        if self.allowed is None or name not in self.allowed:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


def usable(key: PublicKey) -> bool:
    """Whether the key is a point of its curve, and one under which only its owner signs."""
    try:
        _key(key)
    except (JoseError, ValueError):
        return False
    owned = key.crv != "Ed25519" or not of_small_order(base64.urlsafe_b64decode(f"{key.x}="))
    return key.well_formed and owned


def opened(compact: str, key: PublicKey) -> bytes:
    """The signed payload (rules 1 and 2). Raises `UnprovenError`."""
    if len(compact) > BYTES_MAX:
        raise UnprovenError
    try:
        found = jws.extract_compact(compact.encode("ascii"))
        header = found.headers()
        algorithm = next((one for one in ALGORITHMS[key.crv] if one == header.get("alg")), None)
        if algorithm is None or header != {"alg": algorithm, "kid": key.thumbprint, "typ": TYPE}:
            raise UnprovenError
        if not jws.validate_compact(found, _key(key), registry=Allowed(algorithms=[algorithm])):
            raise UnprovenError
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UnprovenError from None
    return found.payload


def signed_part(compact: str) -> str:
    """Header and payload as they were signed (rule 3)."""
    return compact.rpartition(".")[0]


def _key(key: PublicKey) -> OKPKey | ECKey:
    members = key.members
    if key.crv == "Ed25519":
        return OKPKey.import_key({"kty": members["kty"], "crv": "Ed25519", "x": members["x"]})
    return ECKey.import_key({"kty": members["kty"], "crv": key.crv, "x": members["x"], "y": members["y"]})
