"""Lanes and paces: nobody takes what is kept for another, and no minute holds one too many."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.lanes import DANGER, KEPT, SLOW_FOR_EACH, Lane, Places, Room, lane_of
from tiprouter.domain.pace import MINUTE, Pace
from tiprouter.domain.vocabulary import Urgency

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def filled(places: Places, wishes: list[Lane]) -> Counter[Lane]:
    """What is held once these wished for a place one after another, and none was given back."""
    held: Counter[Lane] = Counter()
    for lane in wishes:
        if places.room(lane, held):
            held[lane] += 1
    return held


@pytest.mark.parametrize(
    ("urgency", "attempts", "lane"),
    [
        (Urgency.IMMINENT, 0, Lane.IMMINENT),
        (Urgency.IMMINENT, 1, Lane.AGAIN),
        (Urgency.STANDARD, 0, Lane.FIRST),
        (Urgency.STANDARD, 7, Lane.RETRY),
    ],
)
def test_a_delivery_is_in_one_lane(urgency: Urgency, attempts: int, lane: Lane) -> None:
    """Rule 1."""
    assert lane_of(urgency, attempts) is lane


@given(st.integers(1, 200), st.lists(st.sampled_from(Lane), max_size=400))
def test_no_lane_takes_a_place_kept_for_another(total: int, wishes: list[Lane]) -> None:
    """Rules 2 and 3: however the others crowd, what is kept for a lane is free for it, but for first danger's sake."""
    places = Places.share(total)
    held = filled(places, wishes)
    assert sum(held.values()) <= total
    urgent = held[Lane.IMMINENT]
    for lane in Lane:
        kept = places.kept[lane] - held[lane]
        beyond = max(urgent - places.kept[Lane.IMMINENT], 0) if lane is not Lane.IMMINENT else 0
        assert places.room(lane, held) >= min(kept, total - sum(held.values())) - beyond
    for lane in set(Lane) - {Lane.IMMINENT}:
        others = sum(kept for other, kept in places.kept.items() if other is not lane)
        assert held[lane] <= total - others


def test_a_flood_of_retries_leaves_room_for_every_first_attempt() -> None:
    """Rule 3, in numbers: of 64 places retries take 36, and 16 and 6 stay for what was never tried."""
    places = Places.share(64)
    held = filled(places, [Lane.RETRY] * 500)
    assert held[Lane.RETRY] == 64 - 6 - 6 - 16
    assert places.room(Lane.FIRST, held) == 16
    assert filled(places, [Lane.RETRY] * 500 + [Lane.FIRST] * 500)[Lane.FIRST] == 16
    assert places.room(Lane.IMMINENT, held) == 28
    assert filled(places, [Lane.IMMINENT] * 500)[Lane.IMMINENT] == 64


def test_one_place_is_anybodys() -> None:
    """Shares are rounded down: a worker with a single place still delivers."""
    assert {Places.share(1).room(lane, {}) for lane in Lane} == {1}
    assert sum(KEPT.values()) < 100


def test_to_one_recipient_danger_has_places_of_its_own_and_retries_half() -> None:
    """Rule 4."""
    room = Room(Places(64, {}), 4)

    def may(lane: Lane, **held: int) -> bool:
        return room.open_to("rcp", lane, {("rcp", Lane(name)): count for name, count in held.items()})

    assert may(Lane.IMMINENT, first=4)
    assert not may(Lane.FIRST, first=4)
    assert may(Lane.FIRST, retry=2, imminent=4)
    assert not may(Lane.RETRY, retry=2)
    assert not may(Lane.IMMINENT, again=1, imminent=3)
    assert not may(Lane.AGAIN, again=2)
    assert Room(Places(64, {}), 1).open_to("rcp", Lane.RETRY, {})
    assert {lane_of(Urgency.IMMINENT, tried) for tried in (0, 1)} == DANGER


def test_what_is_slow_gives_its_place_back_up_to_a_bound() -> None:
    """Rule 5: a full worker whose attempts are slow is free again; what is beyond the bound takes places as before."""
    held = {("rcp", Lane.FIRST): 4, ("other", Lane.RETRY): 2}
    assert sum(Room(Places(4, {}), 4, held).taken().values()) == 6
    aside = Room(Places(4, {}), 4, held, {Lane.FIRST: 4, Lane.RETRY: 2})
    assert (sum(aside.taken().values()), aside.open_to("rcp", Lane.FIRST, held)) == (0, False)
    many = {("rcp", Lane.FIRST): 4 * SLOW_FOR_EACH + 3}
    assert Room(Places(4, {}), 4, many, {Lane.FIRST: 4 * SLOW_FOR_EACH + 3}).taken()[Lane.FIRST] == 3


def test_a_stranger_gets_one_attempt_and_strangers_a_little_before_others_and_more_after() -> None:
    """Rule 6: of 64 places two in each lane, 48 at most; danger asks nobody; where no names are given all are known."""
    held = {("quiet", Lane.FIRST): 1, ("known", Lane.FIRST): 3}
    room = Room(Places.share(64), 8, held, known={"known"}, strange={Lane.FIRST: 1})
    assert not room.open_to("quiet", Lane.FIRST, held)
    assert not room.open_to("quiet", Lane.RETRY, held)
    assert room.open_to("quiet", Lane.IMMINENT, held)
    assert room.open_to("known", Lane.FIRST, held)
    assert room.open_to("other", Lane.FIRST, held)
    assert (room.before_others(Lane.FIRST), room.before_others(Lane.RETRY), room.after_others()) == (1, 2, 47)
    assert Room(Places.share(64), 8, held).open_to("quiet", Lane.FIRST, held)


def test_strangers_in_one_lane_leave_those_in_another_their_own_places() -> None:
    """Rule 6: however many are met for the first time, who is back and waits for its retry is found out."""
    room = Room(Places.share(64), 8, known=frozenset(), strange={Lane.FIRST: 48})
    assert (room.before_others(Lane.FIRST), room.before_others(Lane.RETRY), room.after_others()) == (0, 2, 0)


def test_strangers_that_never_answer_leave_half_of_what_may_be_slow() -> None:
    """Rule 6: however many have given their places back, so many and no more are waited for; one place is enough."""
    many = {(f"quiet{number}", Lane.FIRST): 1 for number in range(4 * SLOW_FOR_EACH // 2 - 1)}
    slow = {Lane.FIRST: len(many)}
    room = Room(Places(4, {}), 4, many, slow, frozenset(), {}, len(many))
    assert (room.before_others(Lane.FIRST), room.after_others()) == (1, 1)
    room = Room(Places(4, {}), 4, many | {("last", Lane.RETRY): 1}, slow, frozenset(), {Lane.RETRY: 1}, len(many))
    assert (room.before_others(Lane.FIRST), room.after_others()) == (0, 0)
    probes = Room(Places(4, {}), 4, many, slow, frozenset())
    assert probes.after_others() == 3
    single = Room(Places(1, {}), 4, known=frozenset())
    assert (single.before_others(Lane.RETRY), single.after_others()) == (1, 1)


@pytest.mark.parametrize("limit", [1, 5, 19, 20, 250])
def test_no_second_holds_more_than_an_agency_s_own_pace(limit: int) -> None:
    """Its own number in the house's place, whichever is the smaller; without one the house's."""
    pace, free_at, now, begun = Pace(30).own(limit), None, NOW, []
    for _ in range(3 * limit + 3):
        while not pace.admits(free_at, now):
            now += timedelta(milliseconds=1)
        free_at = pace.spend(free_at, now)
        begun.append(now)
    for first in begun:
        assert sum(first <= one < first + timedelta(seconds=1) for one in begun) <= limit
    assert begun[-1] - begun[0] < timedelta(seconds=8), "and it gets what it asked for"
    assert Pace(30).own(None) == Pace(30)


@given(st.integers(1, 500), st.lists(st.floats(0, 20), min_size=1, max_size=300))
def test_no_minute_holds_more_than_the_pace(per_minute: int, gaps: list[float]) -> None:
    """Pace, rules 1 and 2: in every minute, whenever attempts are asked for."""
    pace, free_at, now = Pace(per_minute), None, NOW
    begun: list[datetime] = []
    for gap in gaps:
        now += timedelta(seconds=gap)
        while pace.admits(free_at, now) and len(begun) < 3_000:
            begun.append(now)
            free_at = pace.spend(free_at, now)
    for position, first in enumerate(begun):
        assert sum(first <= one < first + MINUTE for one in begun[position : position + per_minute + 1]) <= per_minute


def test_a_pace_lets_through_nearly_what_it_says() -> None:
    """Pace, rule 2: it is a limit, not a brake; zero is none."""
    pace, free_at, now, begun = Pace(600), None, NOW, 0
    while now < NOW + 10 * MINUTE:
        while pace.admits(free_at, now):
            free_at, begun = pace.spend(free_at, now), begun + 1
        now += timedelta(milliseconds=20)
    assert 0.85 * 6_000 <= begun <= 6_000
    assert Pace(0).admits(None, NOW)
    assert Pace(0).spend(None, NOW) is None
