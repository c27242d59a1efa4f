"""Does the whole service keep its promises in random histories? Hypothesis chooses the steps, the model what may be."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.machine import driver
from tests.machine.driver import Figures, breaks, run, shorten
from tests.machine.history import NAMES, WEIGHTS, Machine, begin
from tests.machine.house import House
from tests.machine.planting import planted

HISTORIES, STEPS = 5, 50
LIKELY = tuple(name for name, weight in WEIGHTS.items() for _ in range(weight))


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A house for all histories of this file."""
    driver.quiet()
    found = House()
    yield found
    found.close()


def machine_on(house: House) -> type[RuleBasedStateMachine]:
    """The state machine: a step is a name, as likely as it is weighted, and the number all else follows from."""

    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.machine: Machine | None = begin(house, "hypothesis")

        @precondition(lambda self: self.machine is not None)
        @rule(name=st.sampled_from(LIKELY), seed=st.integers(0, 2**32 - 1))
        def step(self, name: str, seed: int) -> None:
            """One step; what it changed is looked at before it ends."""
            if self.machine is not None:
                self.machine.step(name, seed)

        def teardown(self) -> None:
            """Everything settles, and an outsider verifies the log."""
            if self.machine is not None:
                self.machine.end()

    return Histories


def test_whatever_happens_the_promises_hold(house: House) -> None:
    """In histories that Hypothesis thinks up, nothing leaves without a permit and nothing allowed is missing."""
    run_state_machine_as_test(
        machine_on(house),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_history_is_the_same_whenever_it_is_told(house: House) -> None:
    """The same seed takes the same steps and finds the same: a violation can be shown again."""
    once, again = Figures(), Figures()
    run(house, "same", 25, once)
    run(house, "same", 25, again)
    assert once.done == again.done
    assert once.outcomes == again.outcomes


def test_a_history_exercises_what_it_names(house: House) -> None:
    """Every weighted step is one that a machine has."""
    machine = begin(house, "names")
    assert all(callable(getattr(machine, name)) for name in NAMES)


def test_a_violation_is_told_as_short_as_it_gets(house: House) -> None:
    """What is told of a violation still breaks, with fewer steps, and is readable."""
    with planted("another_webhook_id"):
        found = run(house, "short", STEPS, Figures())
        assert found is not None
        broken = shorten(house, found)
        assert len(broken.shortest) < len(broken.steps)
        assert breaks(house, broken.seed, broken.shortest) == "BrokenPromiseError"
    assert any("claim" in line or "fetch" in line or "end" in line for line in broken.told)
    assert breaks(house, broken.seed, broken.shortest) is None
