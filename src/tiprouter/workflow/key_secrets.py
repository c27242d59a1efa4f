"""How is the secret of an API key kept, and how is one compared with it?

1. Kept is an Argon2id verifier (RFC 9106) as a PHC string, which names its own cost: a later, higher cost leaves older
   keys good.
2. The cost is OWASP's least for Argon2id: 19 MiB, two passes, one lane. The secret has 256 random bits and needs no
   slow hash to be safe; it is there so that a copy of the table stays worthless should a generator ever fail. More
   than the least would only make the edge easier to exhaust. RFC 9106's own second choice (64 MiB, three passes,
   four lanes) is meant for passwords.

Not promised here: how many are computed at once. That is `workflow/porter.py`'s.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SALT_BYTES: Final = 16
_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """What one verifier costs: memory in KiB, passes over it, lanes (rule 2)."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


def verifier_of(secret: str, salt: bytes, cost: Cost) -> str:
    """The verifier of a secret; `salt` is 16 random bytes."""
    argon = Argon2id(salt=salt, length=_LENGTH, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib)
    return argon.derive_phc_encoded(secret.encode())


def nobodys_verifier(entropy: Callable[[int], bytes], cost: Cost) -> str:
    """A verifier that no secret has, and that takes as long to say so as any other of this cost."""
    salt, tag = (base64.b64encode(entropy(count)).rstrip(b"=").decode() for count in (SALT_BYTES, _LENGTH))
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${tag}"


def matches(secret: str, verifier: str) -> bool:
    """Whether a secret is the verifier's, in time that does not depend on how much of it is right."""
    try:
        Argon2id.verify_phc_encoded(secret.encode(), verifier)
    except InvalidKey:
        return False
    return True
