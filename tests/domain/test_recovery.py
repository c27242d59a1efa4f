"""What another try would do, and where a replay can be (domain/recovery.py, domain/replay_states.py)."""

from itertools import product

import pytest

from tiprouter.domain.recovery import DEAD, HELPS, REPLAYABLE, Remedy, Situation, WaitsFor, remedy, waits_for
from tiprouter.domain.replay_states import (
    REPLAY_TRANSITIONS,
    UNFINISHED,
    ReplayEvent,
    ReplayState,
    next_replay_state,
    replay_mermaid,
)
from tiprouter.domain.states import TERMINAL, DeliveryState, IllegalTransitionError

S = DeliveryState


@pytest.mark.parametrize(
    ("situation", "what", "why"),
    [
        (Situation(S.QUEUED), Remedy.TRY_NOW, WaitsFor.WORKER),
        (Situation(S.RETRYING, due=False), Remedy.TRY_NOW, WaitsFor.NEXT_TRY),
        (Situation(S.RETRYING, parked=True), Remedy.TRY_NOW, WaitsFor.LINE),
        (Situation(S.QUEUED, pulled=True, parked=True), Remedy.AT_AGENCY, WaitsFor.AGENCY),
        (Situation(S.ANNOUNCED), Remedy.AT_AGENCY, WaitsFor.AGENCY),
        (Situation(S.QUEUED, behind=True), Remedy.TRY_NOW, WaitsFor.EARLIER),
        (Situation(S.QUEUED, behind=True, suspended=True), Remedy.TRY_NOW, WaitsFor.SUSPENDED_RECIPIENT),
        (Situation(S.CLAIMED, suspended=True), Remedy.IN_FLIGHT, WaitsFor.ANSWER),
        (Situation(S.DELIVERED), Remedy.SEND_ANEW, None),
        (Situation(S.EXHAUSTED), Remedy.SEND_ANEW, None),
        (Situation(S.REFUSED, pulled=True), Remedy.SEND_ANEW, None),
        (Situation(S.EXHAUSTED, replaced=True), Remedy.REPLACED, None),
        (Situation(S.DELIVERED, answers=True, replaced=True), Remedy.AN_ANSWER, None),
        (Situation(S.CANCELLED), Remedy.CANCELLED, None),
    ],
)
def test_what_another_try_would_do_and_why_it_waits(situation: Situation, what: Remedy, why: WaitsFor | None) -> None:
    """Rules 1 to 5, a situation each."""
    assert remedy(situation) is what
    assert waits_for(situation) is why


def test_nothing_that_ended_is_hurried_and_nothing_that_waits_is_made_twice() -> None:
    """Over every situation: a try now is for what waits, a new delivery for what ended, and neither for a cancelled."""
    for state, (replaced, answers, behind, pulled) in product(S, product((False, True), repeat=4)):
        one = Situation(state, replaced, answers, behind, pulled)
        what = remedy(one)
        assert (waits_for(one) is None) is (state in TERMINAL)
        if what is Remedy.TRY_NOW:
            assert state not in TERMINAL
        if what is Remedy.SEND_ANEW:
            assert state in TERMINAL - {S.CANCELLED}
        if state is S.CANCELLED:
            assert what not in HELPS
    assert DEAD < REPLAYABLE
    assert REPLAYABLE.isdisjoint({S.CANCELLED, S.CLAIMED, S.ANNOUNCED})


def test_a_replay_begins_by_confirmation_alone() -> None:
    """Rules 1 to 3: no other way to running, and no way out of an end."""
    assert [event for (event, _), after in REPLAY_TRANSITIONS.items() if after is ReplayState.RUNNING] == [
        ReplayEvent.CONFIRM
    ]
    for state in set(ReplayState) - UNFINISHED:
        for event in ReplayEvent:
            with pytest.raises(IllegalTransitionError):
                next_replay_state(state, event)
    assert {state for event, state in REPLAY_TRANSITIONS if event is ReplayEvent.STOP} == UNFINISHED


def test_the_diagram_names_every_end() -> None:
    """It is what the documentation shows."""
    drawn = replay_mermaid()
    assert all(f"{state} --> [*]" in drawn for state in ("done", "stopped", "lapsed"))
