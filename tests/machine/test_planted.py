"""Does the machine find what it is there to find? Each planted fault, within a few histories of fixed seeds."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.machine import driver
from tests.machine.driver import fails
from tests.machine.faults import FAULTS, planted
from tests.machine.house import House

STEPS: Final = 50
SEEDS: Final = tuple(f"planted/{number}" for number in (0, 1, 2, 5))
FOUND_BY: Final = {
    "sent_after_withdrawal": "planted/1",
    "recall_forgotten": "planted/1",
    "suspension_ignored": "planted/1",
    "accused_agency_served": "planted/2",
    "unlabelled_is_incident": "planted/5",
    "expired_consent_believed": "planted/5",
    "consent_does_not_count_up": "planted/1",
    "late_answer_over_cancellation": "planted/1",
    "agreement_forever": "planted/5",
    "fetched_is_not_an_attempt": "planted/1",
}


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A house for all histories of this file."""
    driver.quiet()
    found = House()
    yield found
    found.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_fault_these_histories_keep_every_promise(house: House, seed: str) -> None:
    """What is found below is the fault's doing."""
    assert fails(house, seed, STEPS) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(house: House, fault: str) -> None:
    """One of a few histories breaks a promise; the one that is known to do so is tried first."""
    first = FOUND_BY.get(fault, SEEDS[0])
    with planted(fault):
        assert any(fails(house, seed, STEPS) for seed in (first, *(one for one in SEEDS if one != first)))


def test_sent_after_withdrawal_is_told_as_what_it_is(house: House) -> None:
    """The one that must never be: the history says that what is sent or waits is not what may leave."""
    with planted("sent_after_withdrawal"):
        said = fails(house, FOUND_BY["sent_after_withdrawal"], STEPS)
    assert said is not None
    assert "what may leave" in said
