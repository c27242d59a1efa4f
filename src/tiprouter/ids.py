"""What is this thing called?

1. An id is a short prefix and a ULID-shaped suffix: 48 bits of milliseconds, 80 random bits, Crockford base32.
2. Ids sort by creation time, so a list can be paged by id; they say when a thing was made and nothing else.
3. Time and randomness are arguments. Two ids of one millisecond are unordered among themselves.
"""

from base64 import b32encode
from datetime import datetime
from typing import Final

_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
RANDOM_BYTES: Final = 10


def mint(prefix: str, now: datetime, entropy: bytes) -> str:
    """A new id such as `tip_01JD...`; `entropy` is 10 random bytes."""
    if len(entropy) != RANDOM_BYTES:
        raise ValueError("an id takes 10 random bytes")
    # The last 26 of 32 digits: 128 bits, and two zero bits before them.
    digits = b32encode(bytes(4) + int(now.timestamp() * 1000).to_bytes(6, "big") + entropy)[6:]
    return f"{prefix}_{digits.translate(_CROCKFORD).decode()}"
