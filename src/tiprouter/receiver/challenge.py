"""How does an endpoint show the router that it is yours and reads its messages?

    answer = answer_challenge(message, ["whpk_..."])
    if answer is not None:
        return 200, answer  # as the body, application/json

1. An `endpoint.challenge` holds a random token. The answer is 2xx with `{"proof": "<hex>"}`: the HMAC-SHA-256 of
   `endpoint.challenge.<webhook-id>.<token>` under the verification key as it is spelt (`whpk_...` or `whsec_...`).
2. Repeating the token would be no proof: whatever echoes requests does that. The proof needs a message that was read
   (and decrypted, where messages are encrypted), and the key that was handed over at registration.
3. Only a message that `verify` or a `Desk` accepted is answered; any other kind of message gives None.

It does not prove that a person reads what arrives.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Protocol

KIND = "endpoint.challenge"


class Readable(Protocol):
    """A verified message: a `Message`, or a `Received` of a `Desk`."""

    @property
    def webhook_id(self) -> str:
        """Its id."""

    @property
    def body(self) -> bytes:
        """What it says, as JSON."""


def prove(key: str, webhook_id: str, token: str) -> str:
    """The proof in hex (rule 1)."""
    return hmac.digest(key.encode(), f"{KIND}.{webhook_id}.{token}".encode(), hashlib.sha256).hex()


def answer_challenge(message: Readable, keys: Sequence[str]) -> bytes | None:
    """The body to answer a challenge with, under the first of your keys; None for every other message (rule 3)."""
    try:
        told = json.loads(message.body)
        kind, token = told["type"], told["data"]["token"] if told["type"] == KIND else None
    except (ValueError, KeyError, TypeError):
        return None
    if kind != KIND or not isinstance(token, str) or not keys:
        return None
    return json.dumps({"proof": prove(keys[0], message.webhook_id, token)}).encode()
