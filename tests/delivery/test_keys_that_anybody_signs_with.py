"""Is a public key refused under which somebody without the private one may be right?"""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tiprouter.delivery import jws
from tiprouter.domain.proof import PublicKey
from tiprouter.receiver.verification import SMALL_ORDER, VerificationError, verify

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDENTITY_AND_ZERO = b"\x01" + b"\x00" * 63
"""A signature without a signer: the identity for R, zero for S."""

WEAK = sorted(SMALL_ORDER | {key[:-1] + bytes([key[-1] | 0x80]) for key in SMALL_ORDER})


def forged(key: bytes) -> bool:
    """Whether the signature without a signer is right for one of the first 200 messages."""
    public = Ed25519PublicKey.from_public_bytes(key)
    for number in range(200):
        try:
            public.verify(IDENTITY_AND_ZERO, str(number).encode())
        except InvalidSignature:
            continue
        return True
    return False


def test_most_of_them_verify_what_nobody_signed() -> None:
    """Why they are refused: the library itself takes a signature that nobody made."""
    assert sum(forged(key) for key in WEAK) >= len(SMALL_ORDER)


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_no_agency_may_register_one(key: bytes) -> None:
    """Else an agency could say later that anybody might have signed its acknowledgements."""
    coordinate = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    assert not jws.usable(PublicKey("Ed25519", coordinate))


@pytest.mark.parametrize("key", WEAK, ids=bytes.hex)
def test_no_receiver_verifies_with_one(key: bytes) -> None:
    """A receiver that was given one is told of its key, not of a signature."""
    sent = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1a,{base64.b64encode(IDENTITY_AND_ZERO).decode()}",
    }
    with pytest.raises(VerificationError, match="small order"):
        verify(sent, b"{}", [f"whpk_{base64.b64encode(key).decode()}"], NOW)


def test_an_honest_key_is_taken() -> None:
    """That the refusal is of these keys alone."""
    public = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32).public_key().public_bytes_raw()
    assert jws.usable(PublicKey("Ed25519", base64.urlsafe_b64encode(public).rstrip(b"=").decode()))
