"""Is this the one-time code of this moment, and what does who lost it have instead?

1. Codes are RFC 6238 as authenticator apps speak it: SHA-1, six digits, thirty seconds; one step early or late counts.
2. A step is used once, and with it every earlier one: a code that was seen is worth nothing (section 5.2).
3. Ten recovery codes of 128 random bits stand in for it, each once. So many bits need no slow hash.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES: Final = 20
STEP_SECONDS: Final = 30
RECOVERY_CODES: Final = 10
_DIGITS: Final = 6
_SKEW: Final = 1
_RECOVERY_BYTES: Final = 16
_GROUP: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ISSUER: Final = "tiprouter"


def step_of(secret: bytes, code: str, now: datetime, after: int) -> int | None:
    """The step that this code is of, if it is near `now` and later than `after` (rules 1 and 2)."""
    here = int((now - _EPOCH).total_seconds()) // STEP_SECONDS
    said = "".join(code.split()).encode()
    found = None
    # All of them are compared, always: how long it takes says nothing.
    for step in range(here - _SKEW, here + _SKEW + 1):
        if hmac.compare_digest(code_at(secret, step), said) and step > after:
            found = step
    return found


def code_at(secret: bytes, step: int) -> bytes:
    """The code of a step, six ASCII digits."""
    return _totp(secret).generate(step * STEP_SECONDS)


def link(secret: bytes, email: str) -> str:
    """The `otpauth:` URI that authenticator apps read."""
    return _totp(secret).get_provisioning_uri(email, _ISSUER)


def spelt(secret: bytes) -> str:
    """Random bytes as people type them."""
    return base64.b32encode(secret).decode().rstrip("=")


def recovery_codes(entropy: Callable[[int], bytes]) -> tuple[str, ...]:
    """New recovery codes (rule 3)."""
    return tuple(_grouped(spelt(entropy(_RECOVERY_BYTES))) for _ in range(RECOVERY_CODES))


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code, whatever the case and the gaps it is typed with."""
    bare = "".join(one for one in code.upper() if one.isalnum())
    return hashlib.sha256(f"recovery:{bare}".encode()).hexdigest()


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, _DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - as HMAC, and the apps know no other


def _grouped(text: str) -> str:
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
