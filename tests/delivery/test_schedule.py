"""Schedule, rules 1 to 5: always ahead, never too late, and it ends."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.delivery.schedule import Urgency, next_attempt_at, parse_retry_after
from tiprouter.errors import InvalidError

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
FAR = NOW + timedelta(days=30)
IMMINENT, STANDARD = Urgency.IMMINENT, Urgency.STANDARD
CAP = {IMMINENT: 60.0, STANDARD: 3_600.0}
LONGEST = {IMMINENT: 30.0, STANDARD: 7_200.0}

urgencies = st.sampled_from(Urgency)
attempts = st.integers(1, 10**6)
jitters = st.floats(0, 1, exclude_max=True)
floors = st.none() | st.floats(allow_nan=True, allow_infinity=True)


def _wait(urgency: Urgency, attempt: int, retry_after: float | None = None, jitter: float = 0.5) -> float:
    due = next_attempt_at(urgency, attempt, NOW, FAR, retry_after, jitter)
    assert due is not None
    return (due - NOW).total_seconds()


@pytest.mark.parametrize(
    ("urgency", "waits"),
    [
        (IMMINENT, [1, 2, 4, 8, 16, 25, 25]),
        (STANDARD, [5, 30, 120, 600, 1_800, 3_600, 6_000, 6_000]),
    ],
)
def test_the_waits_grow_to_their_bound(urgency: Urgency, waits: list[float]) -> None:
    """Rule 1: without jitter (the middle of its range)."""
    assert [_wait(urgency, attempt) for attempt in range(1, len(waits) + 1)] == waits


@given(urgencies, attempts, jitters)
def test_jitter_spreads_by_a_fifth_either_way_and_never_beyond_the_bound(
    urgency: Urgency, attempt: int, jitter: float
) -> None:
    """Rule 2: 30 s and 2 h hold with the jitter in them."""
    middle = _wait(urgency, attempt)
    wait = _wait(urgency, attempt, None, jitter)
    assert middle * 0.8 - 1e-5 <= wait <= middle * 1.2 + 1e-5
    assert wait <= LONGEST[urgency]
    assert _wait(urgency, attempt, None, 0.0) == pytest.approx(middle * 0.8)


@given(urgencies, attempts, st.floats(0, 86_400), jitters)
def test_a_retry_after_is_a_floor_with_a_cap(urgency: Urgency, attempt: int, floor: float, jitter: float) -> None:
    """Rule 3: jitter goes upward only, and the agency cannot put us off for longer than the cap."""
    wait = _wait(urgency, attempt, floor, jitter)
    assert wait >= min(floor, CAP[urgency]) - 1e-5
    assert wait >= _wait(urgency, attempt) - 1e-5
    assert wait <= max(CAP[urgency], _wait(urgency, attempt)) * 1.2 + 1e-5


@pytest.mark.parametrize("absurd", [-1.0, -1e-9, 86_401.0, 1e9, float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("urgency", list(Urgency))
def test_an_absurd_retry_after_is_not_believed(urgency: Urgency, absurd: float) -> None:
    """Rule 3: it changes nothing, not even the direction of the jitter."""
    assert _wait(urgency, 1, absurd, 0.0) == _wait(urgency, 1, None, 0.0)


@given(urgencies, attempts, st.integers(-(10**4), 10**6), floors, jitters)
def test_the_next_attempt_is_ahead_and_never_after_the_deadline(
    urgency: Urgency, attempt: int, left: int, retry_after: float | None, jitter: float
) -> None:
    """Rules 4 and 5: whatever the receiver asked for."""
    deliver_by = NOW + timedelta(seconds=left)
    due = next_attempt_at(urgency, attempt, NOW, deliver_by, retry_after, jitter)
    assert due is None or NOW < due <= deliver_by
    if left > 5:
        assert due is not None
    if left <= 0:
        assert due is None


@pytest.mark.parametrize(("urgency", "margin"), [(IMMINENT, 1), (STANDARD, 5)])
def test_one_last_attempt_lands_just_before_the_deadline(urgency: Urgency, margin: int) -> None:
    """Rule 4: also when the receiver asked for more patience than the deadline has."""
    deliver_by = NOW + timedelta(seconds=20)
    last_call = deliver_by - timedelta(seconds=margin)
    assert next_attempt_at(urgency, 7, NOW, deliver_by, None, 0.5) == last_call
    assert next_attempt_at(urgency, 1, NOW, deliver_by, 60.0, 0.5) == last_call
    assert next_attempt_at(urgency, 8, last_call, deliver_by, None, 0.5) is None


@given(urgencies, st.integers(0, 3 * 86_400), jitters, floors, st.floats(0, 30))
def test_every_schedule_ends(
    urgency: Urgency, seconds: int, jitter: float, retry_after: float | None, took_seconds: float
) -> None:
    """Rule 5: a receiver that never answers well is given up at its deadline, after a bounded number of attempts."""
    finished_at, deliver_by = NOW, NOW + timedelta(seconds=seconds)
    for attempt in itertools.count(1):
        due = next_attempt_at(urgency, attempt, finished_at, deliver_by, retry_after, jitter)
        if due is None:
            break
        finished_at = due + timedelta(seconds=took_seconds)
        assert attempt < 20 + seconds / 19
    assert finished_at >= deliver_by - timedelta(seconds=5)


@pytest.mark.parametrize(("attempt", "jitter"), [(0, 0.5), (-1, 0.5), (1, 1.0), (1, -0.1), (1, float("nan"))])
def test_a_count_from_zero_or_a_jitter_out_of_range_is_refused(attempt: int, jitter: float) -> None:
    """A mistake of the caller shows at once and not as a strange schedule."""
    with pytest.raises(InvalidError):
        next_attempt_at(STANDARD, attempt, NOW, FAR, None, jitter)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("86400", 86_400.0),
        ("Wed, 02 Jan 2030 03:05:05 GMT", 60.0),
        ("Wed, 02 Jan 2030 03:05:05 -0000", 60.0),
        ("Wed, 02 Jan 2030 04:05:05 +0100", 60.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("86401", None),
        ("1000000000", None),
        ("9" * 5000, None),
        ("١٢", None),
        ("soon", None),
        ("Wed, 02 Jan 2030 03:03:05 GMT", None),
        ("Wed, 02 Jan 2031 03:05:05 GMT", None),
        ("Wed, 99 Jan 2030 03:05:05 GMT", None),
        ("Wed, 02 Jan 99999 03:05:05 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_or_not_at_all(value: str | None, seconds: float | None) -> None:
    """Rule 3, and RFC 9110 section 10.2.3."""
    assert parse_retry_after(value, NOW) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,6} [A-Z][a-z]{2} \d{1,9} \d\d:\d\d:\d\d [A-Z+\-0-9]{1,6}")
)
def test_no_header_breaks_the_schedule(value: str) -> None:
    """Rule 3: the receiver writes this text; it may be anything."""
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400
