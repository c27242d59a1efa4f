"""Three days of deliveries to receivers that misbehave: none lost, none late, no pace exceeded, nobody live waits."""

from typing import Any

import pytest

from tests.delivery import simulated
from tests.delivery.simulated import World, simulate
from tiprouter.domain.lanes import Room
from tiprouter.domain.pace import Pace

DELIVERIES = 1_500


def held(world: World) -> None:
    """Everything ended in one way, and every promise was kept."""
    world.run()
    assert sum(world.ended.values()) == DELIVERIES
    assert world.broken == []
    assert set(world.ended) == {"delivered", "exhausted", "refused"}
    assert max(world.first_waits) < 5


def test_nothing_is_lost_late_or_too_much() -> None:
    """The full one: `PYTHONPATH=src python -m tests.delivery.simulated --deliveries 100000`."""
    held(simulate(DELIVERIES, 24, 1))


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (Pace, "admits", lambda *_: True),
        (Room, "open_to", lambda *_: False),
        (simulated, "next_attempt_at", lambda *asked: asked[3] + (asked[3] - asked[2])),
    ],
    ids=["no pace", "no places", "beyond the deadline"],
)
def test_a_planted_fault_is_found(owner: Any, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - a class or a module
    """The test of the test; at a pace that a few deliveries exceed."""
    monkeypatch.setattr(owner, name, fault)
    world = simulate(DELIVERIES, 8, 1)
    monkeypatch.setattr(world, "pace", Pace(1))
    with pytest.raises(AssertionError):
        held(world)
