"""What does somebody at the edge present, and what is known of it before its secret is proved?

A token's form says who is asked about it: `tr_` is an API key, `ta_` an access token of a client, `ts_` a person's
session.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Final

from tiprouter.workflow.happening import Actor

TOKEN_BYTES: Final = 32
KEY, ACCESS, SESSION = "tr_", "ta_", "ts_"
_KEY: Final = re.compile(r"tr_([0-9a-z]{8})_([A-Za-z0-9_-]{43})", re.ASCII)


@unique
class Refusal(StrEnum):
    """Why somebody who named a real key, client or token is not let in. It is logged, and never told to them."""

    SECRET = "secret"  # noqa: S105 - a word of the log
    EXPIRED = "expired"
    REVOKED = "revoked"
    CERTIFICATE = "certificate"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    REPLAYED = "replayed"
    SCOPE = "scope"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Presented:
    """A bearer token, and the thumbprint (x5t#S256) of the client certificate that a trusted proxy vouches for."""

    token: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Recognised:
    """Whom a token names: they are let in if there is no `refusal`, and the secret matches `verifier` if there is one.

    `used_as` is the prefix of the API key, where the day of its last use has still to be remembered.
    """

    actor: Actor
    refusal: Refusal | None = None
    verifier: str | None = None
    used_as: str | None = None


def key_parts(token: str) -> tuple[str, str] | None:
    """The prefix and the secret of a token that is spelt like an API key."""
    found = _KEY.fullmatch(token)
    return None if found is None else (found[1], found[2])


def spelt(secret: bytes) -> str:
    """Random bytes as a token spells them."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def digest(token: str) -> str:
    """What is kept of a token that lives for minutes: SHA-256, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def standing(
    now: datetime, *, expires_at: datetime, revoked: bool, waits: bool, bound_to: str | None, shown: str | None
) -> Refusal | None:
    """What speaks against a key or token, but for its secret.

    Its end, its caller's end, a second person's word that it waits for, another certificate.
    """
    if revoked:
        return Refusal.REVOKED
    if waits:
        return Refusal.WAITS
    if expires_at <= now:
        return Refusal.EXPIRED
    return Refusal.CERTIFICATE if bound_to is not None and bound_to != shown else None
