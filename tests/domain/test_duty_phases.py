"""States, rules 1, 2 and 7: the table is the whole truth about a duty's way to its evidence."""

import itertools
from typing import cast

import pytest

from tiprouter.domain.states import (
    DUTY_TRANSITIONS,
    OWING,
    DutyEvent,
    DutyPhase,
    IllegalTransitionError,
    duty_mermaid,
    next_duty_phase,
)

OPEN, OVERDUE, DISCHARGED, LIFTED = DutyPhase
ACKNOWLEDGE, CALL, DISCHARGE_ELSEWHERE, DEADLINE_PASSED, LIFT = DutyEvent

LEGAL = {
    (OPEN, ACKNOWLEDGE): DISCHARGED,
    (OPEN, CALL): DISCHARGED,
    (OPEN, DISCHARGE_ELSEWHERE): DISCHARGED,
    (OPEN, DEADLINE_PASSED): OVERDUE,
    (OPEN, LIFT): LIFTED,
    (OVERDUE, ACKNOWLEDGE): DISCHARGED,
    (OVERDUE, CALL): DISCHARGED,
    (OVERDUE, DISCHARGE_ELSEWHERE): DISCHARGED,
    (OVERDUE, LIFT): LIFTED,
}


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(DutyPhase, DutyEvent)))
def test_every_phase_meets_every_event(phase: DutyPhase, event: DutyEvent) -> None:
    """Rules 1 and 2: 20 pairs, 9 of them legal, the others raise and name what was tried."""
    if (phase, event) in LEGAL:
        assert next_duty_phase(phase, event) is LEGAL[phase, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{phase}.*{event}"):
            next_duty_phase(phase, event)


def test_only_evidence_discharges_and_no_time_does() -> None:
    """Rule 7: what is discharged was acknowledged, called, or closed elsewhere; a passed deadline closes nothing."""
    into = {event for (event, _), phase in DUTY_TRANSITIONS.items() if phase is DISCHARGED}
    assert into == {ACKNOWLEDGE, CALL, DISCHARGE_ELSEWHERE}
    assert frozenset({OPEN, OVERDUE}) == OWING


def test_the_diagram_and_the_vocabulary_come_from_the_table() -> None:
    """Rule 1: no dead word, every transition is one line, and the table cannot be changed while running."""
    lines = duty_mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> open"]
    assert sum(" : " in line for line in lines) == len(LEGAL) == len(DUTY_TRANSITIONS)
    assert {line.split()[0] for line in lines if line.endswith("--> [*]")} == {DISCHARGED, LIFTED}
    assert {event for event, _ in DUTY_TRANSITIONS} == set(DutyEvent)
    with pytest.raises(TypeError):
        cast("dict[tuple[DutyEvent, DutyPhase], DutyPhase]", DUTY_TRANSITIONS)[LIFT, DISCHARGED] = OPEN
