"""What is done about one person and one recipient, given what the policy answered?"""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from tiprouter.domain.facts import Finding, findings_for
from tiprouter.domain.outcome import (
    DEFAULT_WITHIN,
    Ruling,
    blocked_without_recipient,
    unrouted,
    verdict_of,
)
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import AgeBand, Category, Outcome, Role, Urgency

from .examples import HOUR, NOW, agency, person, record, situation

SOME = frozenset({Category.INCIDENT})
FACTS = findings_for(situation(record()), agency())["a"].facts
FINDING = Finding(FACTS, NOW + HOUR, None)
NOTHING = Ruling(permitted=frozenset(), report=False, review=False, policies=())


def _outcome(ruling: Ruling) -> Outcome:
    return verdict_of(FINDING, ruling, NOW).outcome


@pytest.mark.parametrize(
    ("permitted", "report", "review"), list(product([frozenset(), SOME], [False, True], [False, True]))
)
def test_any_error_holds(permitted: frozenset[Category], report: bool, review: bool) -> None:  # noqa: FBT001 - a table
    """Rule 1: whatever else was answered, nothing leaves."""
    verdict = verdict_of(FINDING, Ruling(permitted, report, review, ("x.y",), errors=("no-decision",)), NOW)
    assert verdict.outcome is Outcome.HOLD_ERROR
    assert not verdict.leaves
    assert verdict.categories == frozenset()
    assert verdict.errors == ("no-decision",)


@pytest.mark.parametrize(
    ("permitted", "report", "review", "outcome"),
    [
        (SOME, True, False, Outcome.REPORT),
        (SOME, True, True, Outcome.REPORT),
        (frozenset(), True, False, Outcome.DUTY_BLOCKED),
        (frozenset(), True, True, Outcome.DUTY_BLOCKED),
        (SOME, False, True, Outcome.HOLD_REVIEW),
        (frozenset(), False, True, Outcome.HOLD_REVIEW),
        (SOME, False, False, Outcome.DISCLOSE),
        (frozenset(), False, False, Outcome.WITHHOLD),
    ],
)
def test_the_outcome_follows_the_answers(
    permitted: frozenset[Category],
    report: bool,  # noqa: FBT001 - a table
    review: bool,  # noqa: FBT001 - a table
    outcome: Outcome,
) -> None:
    """Rules 2 and 3: a duty is never delayed by review, and only a report or a disclosure lets anything leave."""
    verdict = verdict_of(FINDING, Ruling(permitted, report, review, ("x.y",)), NOW)
    assert verdict.outcome is outcome
    assert verdict.leaves == (outcome in {Outcome.REPORT, Outcome.DISCLOSE})
    assert verdict.categories == (permitted if verdict.leaves else frozenset())
    assert verdict.review is review


def test_the_default_is_deny_and_says_so() -> None:
    """Rule 3."""
    assert verdict_of(FINDING, NOTHING, NOW).policies == ("default-deny",)
    assert verdict_of(FINDING, NOTHING, NOW).deadline is None


@pytest.mark.parametrize(
    ("within", "by_table", "duty_hours", "expected"),
    [
        ((), False, None, DEFAULT_WITHIN),
        ((24 * HOUR,), False, None, 24 * HOUR),
        ((24 * HOUR, HOUR), False, None, HOUR),
        ((24 * HOUR,), True, 12, 12 * HOUR),
        ((HOUR,), True, 12, HOUR),
        ((24 * HOUR,), False, 12, 24 * HOUR),
    ],
)
def test_the_earliest_deadline_counts(
    within: tuple[timedelta, ...],
    by_table: bool,  # noqa: FBT001 - a table
    duty_hours: int | None,
    expected: timedelta,
) -> None:
    """Rule 4: of the policies and, when one of them says so, the duty table; counted from receipt."""
    finding = replace(FINDING, duty_within=None if duty_hours is None else duty_hours * HOUR)
    ruling = Ruling(SOME, report=False, review=False, policies=("x.y",), within=within, by_duty_table=by_table)
    assert verdict_of(finding, ruling, NOW).deadline == NOW + expected


def test_a_review_runs_on_the_dutys_clock() -> None:
    """Rule 4: a person who may be a child is reviewed before the duty breaks."""
    finding = replace(FINDING, duty_within=HOUR)
    assert verdict_of(finding, replace(NOTHING, review=True), NOW).deadline == NOW + HOUR


@pytest.mark.parametrize(
    ("minutes", "urgency"), [(15, Urgency.IMMINENT), (30, Urgency.IMMINENT), (31, Urgency.STANDARD)]
)
def test_a_close_deadline_takes_the_lane_that_waits_for_nobody(minutes: int, urgency: Urgency) -> None:
    """Rule 4."""
    ruling = replace(NOTHING, report=True, permitted=SOME, within=(timedelta(minutes=minutes),))
    assert verdict_of(FINDING, ruling, NOW).urgency is urgency


def test_a_child_nobody_can_take_is_named() -> None:
    """Rule 5: children and perhaps children of the victims' side whom no verdict reports, holds or flags."""
    roles = {"a": Role.POTENTIAL_VICTIM, "b": Role.DEPENDANT, "c": Role.WITNESS, "d": Role.POTENTIAL_VICTIM}
    about = record(*(person(ref, role=role) for ref, role in roles.items()))
    bands = {"a": AgeBand.MINOR, "b": AgeBand.UNKNOWN, "c": AgeBand.MINOR, "d": AgeBand.ADULT}
    withheld, held = verdict_of(FINDING, NOTHING, NOW), verdict_of(FINDING, replace(NOTHING, review=True), NOW)
    assert unrouted(about, [], bands) == ("a", "b")
    assert unrouted(about, [("a", withheld), ("b", held)], bands) == ("a",)


def test_a_disclosure_to_a_provider_discharges_no_duty() -> None:
    """Rule 5: telling a provider by consent is no report of a child."""
    about = record(person("a", age=Age(years=9)))
    disclosed = verdict_of(FINDING, replace(NOTHING, permitted=SOME), NOW)
    assert disclosed.outcome is Outcome.DISCLOSE
    assert unrouted(about, [("a", disclosed)], {"a": AgeBand.MINOR}) == ("a",)


def test_a_blocked_duty_without_a_recipient_is_urgent_and_empty() -> None:
    """Rule 5: it must not end in silence."""
    verdict = blocked_without_recipient(NOW + HOUR)
    assert (verdict.outcome, verdict.urgency, verdict.deadline) == (Outcome.DUTY_BLOCKED, Urgency.IMMINENT, NOW + HOUR)
    assert verdict.review
    assert not verdict.leaves
