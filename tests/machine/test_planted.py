"""Does the machine find what it is there to find? Each planted fault, within a few histories of fixed seeds."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.machine import driver
from tests.machine.driver import fails
from tests.machine.history import NAMES
from tests.machine.house import House
from tests.machine.planting import FAULTS, planted

STEPS: Final = 50
SEEDS: Final = tuple(f"planted/{number}" for number in range(10))
TOWARD: Final = {
    "sent_after_withdrawal": "grant confirm withdraw claim",
    "recall_forgotten": "grant confirm withdraw claim",
    "not_fenced": "claim late time",
    "late_answer_over_cancellation": "grant claim withdraw finish",
    "consent_does_not_count_up": "grant refuse withdraw claim",
    "expired_consent_believed": "grant confirm brink claim",
    "accused_agency_served": "tip case grant",
    "suspension_ignored": "hasten change grant case",
    "agreement_forever": "brink hasten tip grant",
    "withheld_person_named": "case tip grant",
    "one_is_enough": "case tip grant",
    "unlabelled_is_incident": "case tip grant",
    "attempts_unlogged": "claim grant",
    "cancellations_unlogged": "grant withdraw claim",
    "another_webhook_id": "claim finish late",
    "lost_with_its_worker": "claim die",
    "delivered_is_discharged": "tip claim finish",
    "duty_lost_on_revision": "case chores",
    "dropped_entry": "sequence tip",
    "second_disclosure": "grant case",
    "notice_that_quotes": "tip case",
    "widening_counts_at_once": "grant tip",
    "fetched_is_not_an_attempt": "acknowledge tip grant",
    "superseded_still_waits": "case grant",
    "claim_believes": "hasten brink grant case",
    "cancel_forgets_retries": "grant claim finish withdraw",
    "exhausted_in_silence": "gone tip case claim",
    "exhausted_is_the_end": "gone tip case claim",
    "anothers_inbox_listed": "poll tip grant",
    "anothers_payload_fetched": "fetch tip grant",
    "permitted_for_good": "brink grant confirm case",
    "whoever_the_agency_is_now": "hasten grant case tip",
    "newcomer_never_considered": "comes_late case tip grant confirm",
    "withheld_for_good": "comes_late tip grant",
    "only_the_live_counted": "case grant confirm claim withdraw",
    "only_the_live_recalled": "case grant confirm claim withdraw",
    "answer_ungated": "answer grant claim refuse case",
    "answer_never_looked_at_again": "answer grant claim withdraw case",
    "retried_as_it_was": "retry claim finish grant",
    "one_person_replays": "replay claim finish grant tip",
    "one_person_moves_an_endpoint": "endpoint claim tip grant",
}
"""The steps among which a fault lies: a history that takes them above all finds it soonest."""

FOUND_BY: Final = {
    "not_fenced": 2,
    "late_answer_over_cancellation": 4,
    "consent_does_not_count_up": 2,
    "expired_consent_believed": 1,
    "accused_agency_served": 1,
    "suspension_ignored": 2,
    "agreement_forever": 9,
    "withheld_person_named": 1,
    "another_webhook_id": 2,
    "lost_with_its_worker": 2,
    "duty_lost_on_revision": 1,
    "cancel_forgets_retries": 6,
    "anothers_inbox_listed": 1,
    "anothers_payload_fetched": 3,
    "permitted_for_good": 2,
    "newcomer_never_considered": 9,
    "only_the_live_counted": 1,
    "only_the_live_recalled": 5,
    "answer_ungated": 1,
    "answer_never_looked_at_again": 6,
    "retried_as_it_was": 1,
    "one_person_replays": 7,
    "one_person_moves_an_endpoint": 1,
}
"""The first seed that finds it, where that is not the first of all."""


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A house for all histories of this file."""
    driver.quiet()
    found = House()
    yield found
    found.close()


def test_every_fault_has_its_steps() -> None:
    """Each planted fault says among which steps it lies, and those steps are there."""
    assert TOWARD.keys() == FAULTS.keys()
    assert {step for steps in TOWARD.values() for step in steps.split()} <= set(NAMES)


@pytest.mark.parametrize("fault", ["sent_after_withdrawal", "answer_ungated", "claim_believes", "exhausted_is_the_end"])
def test_without_a_fault_these_histories_keep_every_promise(house: House, fault: str) -> None:
    """What is found below is the fault's doing."""
    assert fails(house, SEEDS[FOUND_BY.get(fault, 0)], STEPS, TOWARD[fault].split()) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(house: House, fault: str) -> None:
    """One of a few histories breaks a promise; the one that is known to do so is tried first."""
    first, toward = SEEDS[FOUND_BY.get(fault, 0)], TOWARD[fault].split()
    with planted(fault):
        assert any(fails(house, seed, STEPS, toward) for seed in (first, *(one for one in SEEDS if one != first)))


def test_sent_after_withdrawal_is_told_as_what_it_is(house: House) -> None:
    """The one that must never be: the history says that what is sent or waits is not what may leave."""
    name = "sent_after_withdrawal"
    with planted(name):
        said = fails(house, SEEDS[FOUND_BY.get(name, 0)], STEPS, TOWARD[name].split())
    assert said is not None
    assert "what may leave" in said
