"""Breakers, rules 1 to 5: five failures shut one, one probe at a time, and any success opens the way again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.breaker import (
    BREAKER_TRANSITIONS,
    PATIENCE,
    PAUSE,
    PAUSE_MAX,
    TRIP_AFTER,
    Breaker,
    BreakerEvent,
    BreakerState,
    Heard,
    hear,
    lose,
    next_breaker_state,
    pause,
    probe,
    renew,
)
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.errors import InvalidError

NOW = datetime(2030, 1, 2, tzinfo=UTC)
JITTERS = st.floats(0, 1, exclude_max=True)


def failed(times: int, lease: str = "lse_x") -> Breaker:
    """A breaker after so many failures."""
    breaker = Breaker()
    for _ in range(times):
        breaker = hear(breaker, Heard.FAILED, lease, NOW, 0.5)
    return breaker


@pytest.mark.parametrize("event", list(BreakerEvent))
@pytest.mark.parametrize("state", list(BreakerState))
def test_what_the_table_does_not_name_does_not_happen(state: BreakerState, event: BreakerEvent) -> None:
    """Rule 1."""
    if (event, state) in BREAKER_TRANSITIONS:
        assert next_breaker_state(state, event) is BREAKER_TRANSITIONS[event, state]
    else:
        with pytest.raises(IllegalTransitionError):
            next_breaker_state(state, event)


def test_it_opens_after_failures_in_a_row_and_a_success_starts_the_count_anew() -> None:
    """Rule 2."""
    almost = failed(TRIP_AFTER - 1)
    assert not almost.shut_out
    assert failed(TRIP_AFTER).state is BreakerState.OPEN
    again = hear(almost, Heard.ARRIVED, "lse_x", NOW, 0.5)
    assert not hear(again, Heard.FAILED, "lse_x", NOW, 0.5).shut_out


def test_pauses_double_up_to_their_bound_while_probes_fail() -> None:
    """Rule 3: and only the probe's own failure counts, one probe at a time."""
    breaker, now = failed(TRIP_AFTER), NOW
    waits = []
    for _ in range(9):
        assert breaker.probe_at is not None
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        assert breaker.probes(now)
        breaker = probe(breaker, "lse_probe", now)
        assert not breaker.probes(now)
        assert hear(breaker, Heard.FAILED, "lse_other", now, 0.5) == breaker
        breaker = hear(breaker, Heard.FAILED, "lse_probe", now, 0.5)
    assert waits[:4] == [PAUSE, 2 * PAUSE, 4 * PAUSE, 8 * PAUSE]
    assert waits[-1] == waits[-2] == PAUSE_MAX / 1.2
    assert breaker.since == NOW


def test_a_probe_that_nobody_finished_is_lost_after_a_while_or_when_its_worker_is_known_to_be_dead() -> None:
    """Rule 3: nothing stays half open."""
    probing = probe(failed(TRIP_AFTER), "lse_1", NOW)
    assert not probing.probes(NOW + PATIENCE - timedelta(microseconds=1))
    assert probing.probes(NOW + PATIENCE)
    assert probe(probing, "lse_2", NOW + PATIENCE).probe == "lse_2"
    assert lose(probing, NOW).probes(NOW)


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.PROBING])
def test_any_success_closes_it(state: BreakerState) -> None:
    """Rules 3 and 4: imminent danger that got through as well as the probe."""
    after = hear(Breaker(state, 9, 4, NOW, NOW, "lse_1"), Heard.ARRIVED, "lse_other", NOW, 0.5)
    assert (after.state, after.failures, after.pauses, after.probe) == (BreakerState.CLOSED, 0, 0, None)


@pytest.mark.parametrize("heard", list(Heard))
def test_gone_is_gone_until_the_entry_changes(heard: Heard) -> None:
    """Rule 5."""
    gone = hear(Breaker(), Heard.GONE, "lse_1", NOW, 0.5)
    assert gone.state is BreakerState.GONE
    assert hear(gone, heard, "lse_2", NOW, 0.5) == gone
    assert not gone.probes(NOW + timedelta(days=999))
    assert not renew(gone, NOW).shut_out


@given(st.integers(0, 10**6), JITTERS)
def test_a_pause_is_within_its_bounds(pauses: int, jitter: float) -> None:
    """Rule 3: jitter included."""
    assert PAUSE * 0.79 <= pause(pauses, jitter) <= PAUSE_MAX


@pytest.mark.parametrize(("pauses", "jitter"), [(-1, 0.5), (0, 1.0), (0, -0.1), (0, float("nan"))])
def test_a_count_or_a_jitter_out_of_range_is_refused(pauses: int, jitter: float) -> None:
    """A mistake of the caller shows at once."""
    with pytest.raises(InvalidError):
        pause(pauses, jitter)
