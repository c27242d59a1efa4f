"""docs/vectors/webhooks.json: what another language's receiver is held to, ours is held to as well."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tiprouter.delivery.signing import headers
from tiprouter.receiver import Desk, VerificationError
from tiprouter.receiver import verification as receiver_verification

from .making_vectors import BODY, ED25519, FILE, HMAC, ID, NEXT_HMAC, SENT_AT, signed

WHOLE: dict[str, Any] = json.loads(FILE.read_text())
VECTORS: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in WHOLE["vectors"]}


def received(vector: dict[str, Any]) -> bytes:
    """Receive what a vector holds, as a receiver in any language would."""
    desk = Desk(
        vector["keys"],
        private_keys=[json.dumps(key) for key in vector.get("private_keys", [])],
        recipient_id=vector.get("recipient_id", ""),
        tolerance_seconds=WHOLE["tolerance_seconds"],
    )
    body = base64.b64decode(vector["body_base64"])
    return desk.receive(vector["headers"], body, datetime.fromtimestamp(vector["now"], UTC)).body


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_what_it_says(name: str) -> None:
    """Accepted ones give their content, the others `VerificationError`."""
    vector = VECTORS[name]
    assert base64.b64decode(vector["body_base64"]).decode() == vector["body"]
    if vector["expect"] == "accepted":
        assert received(vector).decode() == vector.get("content", vector["body"])
    else:
        with pytest.raises(VerificationError):
            received(vector)


def test_the_file_is_the_one_that_was_made() -> None:
    """What needs no randomness is made again and is the same; and of every kind there is one."""
    made = [vector.as_json() for vector in signed()]
    assert WHOLE["vectors"][: len(made)] == made
    rest = [vector["name"] for vector in WHOLE["vectors"][len(made) :]]
    assert len(rest) == 9
    assert all("JWE" in name for name in rest)
    assert len(VECTORS) == len(WHOLE["vectors"])


def test_the_signatures_are_those_of_the_signer() -> None:
    """The router signs today what the file says it signed."""
    both = headers(ID, SENT_AT, BODY, [NEXT_HMAC, HMAC])
    assert VECTORS["rotated, the receiver has the old key"]["headers"] == both
    assert VECTORS["v1a"]["headers"] == headers(ID, SENT_AT, BODY, [ED25519])


@pytest.mark.parametrize(
    ("fault", "noticed_by"),
    [
        ("_check_time", "expired: five minutes and a second late"),
        ("_signed", "tampered body"),
    ],
)
def test_a_careless_receiver_does_not_pass(monkeypatch: pytest.MonkeyPatch, fault: str, noticed_by: str) -> None:
    """The test of the test: one that forgets a check accepts what the file says to refuse."""
    sent_at = datetime.fromtimestamp(SENT_AT, UTC)
    monkeypatch.setattr(receiver_verification, fault, lambda *_: sent_at)
    assert received(VECTORS[noticed_by])
