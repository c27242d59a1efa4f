"""How much is one caller given, and who is let in when there is too much? (domain/limits.py)"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.limits import Bucket, Passage, lets_in, source_of, spend

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_budget_is_full_at_first_and_empty_after_as_many() -> None:
    """Rule 1: sixty a minute are sixty at once, and the next one is told to wait a second."""
    bucket = None
    for left in range(59, -1, -1):
        spent = spend(60, bucket, NOW)
        assert (spent.enough, spent.left) == (True, left)
        bucket = spent.bucket
    refused = spend(60, bucket, NOW)
    assert (refused.enough, refused.left, refused.enough_in, refused.full_in) == (False, 0, 1, 60)
    assert refused.bucket.left == 0
    assert spend(60, bucket, NOW + SECOND).enough
    assert not spend(60, bucket, NOW + SECOND / 2).enough


def test_a_budget_is_never_more_than_full() -> None:
    """Rule 1: who was away for an hour has one minute's worth."""
    assert spend(60, Bucket(0.0, NOW), NOW + timedelta(hours=1)).left == 59


def test_a_clock_that_went_back_gives_nothing_and_takes_nothing() -> None:
    """Rule 1: it is believed from then on."""
    spent = spend(60, Bucket(5.0, NOW), NOW - timedelta(hours=1))
    assert (spent.left, spent.bucket.at) == (4, NOW - timedelta(hours=1))
    assert spend(60, spent.bucket, NOW - timedelta(hours=1) + SECOND).left == 4


def test_no_limit_is_no_limit() -> None:
    """Rule 1: a size of 0 refuses nobody, ever."""
    bucket = None
    for _ in range(100):
        spent = spend(0, bucket, NOW)
        assert (spent.enough, spent.enough_in, spent.full_in) == (True, 0, 0)
        bucket = spent.bucket


def test_what_must_be_taken_goes_into_debt_of_at_most_a_minute() -> None:
    """Rule 2: and what is ordinary waits for as long."""
    bucket = None
    for _ in range(1_000):
        bucket = spend(60, bucket, NOW, owing=True).bucket
    assert bucket is not None
    assert bucket.left == -60
    assert not spend(60, bucket, NOW + timedelta(seconds=60)).enough
    assert spend(60, bucket, NOW + timedelta(seconds=61)).enough
    assert spend(60, bucket, NOW).enough_in == 61


@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=60), st.integers(1, 120))
def test_nobody_gets_more_than_one_burst_and_the_rate(steps: list[tuple[int, bool]], per_minute: int) -> None:
    """Whatever comes when: of what is ordinary no more is granted than a full bucket and what time refilled."""
    now, bucket, granted = NOW, None, 0
    for seconds, owing in steps:
        now += timedelta(seconds=seconds)
        spent = spend(per_minute, bucket, now, owing=owing)
        granted += spent.enough
        bucket = spent.bucket
        assert -per_minute <= bucket.left <= per_minute
        if not spent.enough:
            later = now + timedelta(seconds=spent.enough_in)
            assert owing or spend(per_minute, bucket, later).enough
    assert granted <= per_minute + per_minute * ((now - NOW) / timedelta(minutes=1)) + 1e-6


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("a name", "unknown"),
    ],
)
def test_a_source_is_an_address_or_a_network_of_one_owner(address: str, source: str) -> None:
    """Rule 3: going through the addresses of a /64 changes nothing."""
    assert source_of(address) == source


def test_the_last_places_are_the_intakes_and_some_need_none() -> None:
    """Rule 4, with ten places of which three are kept."""
    assert [busy for busy in range(12) if lets_in(Passage.ORDINARY, busy, 10, 3)] == list(range(7))
    assert [busy for busy in range(12) if lets_in(Passage.INTAKE, busy, 10, 3)] == list(range(10))
    assert all(lets_in(Passage.ALWAYS, busy, 10, 3) for busy in range(1_000))
    assert lets_in(Passage.ORDINARY, 1_000, 0, 0)
