"""What is this thing called?

1. An id is a short prefix and a ULID-shaped suffix: 48 bits of milliseconds, 80 random bits, Crockford base32.
2. Ids sort by creation time, so a list can be paged by id; they say when a thing was made and nothing else.
3. Time and randomness are arguments. Two ids of one millisecond are unordered among themselves.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [first + second for first in _CROCKFORD for second in _CROCKFORD]
"""Two digits at once: a happening may name thousands of things."""

RANDOM_BYTES: Final = 10


def mint(prefix: str, now: datetime, entropy: bytes) -> str:
    """A new id such as `tip_01JD...`; `entropy` is 10 random bytes."""
    if len(entropy) != RANDOM_BYTES:
        raise ValueError("an id takes 10 random bytes")
    random = int.from_bytes(entropy, "big")
    return f"{prefix}_{_moment(now)}{''.join([_PAIRS[random >> shift & 1023] for shift in range(70, -10, -10)])}"


@lru_cache(maxsize=16)
def _moment(now: datetime) -> str:
    """Ten digits: 48 bits of milliseconds, and two zero bits before them. What happens together shares them."""
    milliseconds = int(now.timestamp() * 1000)
    return "".join([_PAIRS[milliseconds >> shift & 1023] for shift in range(40, -10, -10)])
