"""What is made is called by a name that sorts by time, spelt as it always was."""

from base64 import b32encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter import ids

CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ")
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(MOMENTS, st.binary(min_size=10, max_size=10))
def test_an_id_is_its_milliseconds_and_its_random_bits_in_base32(now: datetime, entropy: bytes) -> None:
    """26 digits, the last of the 32 that the standard library spells for the same 128 bits."""
    whole = bytes(4) + int(now.timestamp() * 1000).to_bytes(6, "big") + entropy
    assert ids.mint("dec", now, entropy) == f"dec_{b32encode(whole)[6:].translate(CROCKFORD).decode()}"


@given(MOMENTS, MOMENTS, st.binary(min_size=10, max_size=10))
def test_ids_sort_by_the_millisecond_they_were_made_in(one: datetime, other: datetime, entropy: bytes) -> None:
    """Whatever is random in them."""
    earlier, later = sorted((one, other))
    if int(earlier.timestamp() * 1000) < int(later.timestamp() * 1000):
        assert ids.mint("dec", earlier, b"\xff" * 10) < ids.mint("dec", later, entropy)


@pytest.mark.parametrize("count", [0, 9, 11, 16])
def test_an_id_takes_ten_random_bytes(count: int) -> None:
    """Fewer would be guessed, more would be lost."""
    with pytest.raises(ValueError, match="10 random bytes"):
        ids.mint("dec", datetime(2026, 1, 1, tzinfo=UTC), bytes(count))
