"""Reviews, rules 1 to 7: what a human may decide, and when it no longer stands."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.examples import NOW
from tests.policy.facts_strategy import BASE, facts
from tiprouter.domain.facts import Finding
from tiprouter.domain.outcome import Ruling, verdict_of
from tiprouter.domain.review import (
    RELEASED,
    TWICE,
    WITHHELD,
    Review,
    about,
    answered_in,
    lane,
    second_person,
    wanted,
)
from tiprouter.domain.vocabulary import Answer, Category, Outcome, RecipientKind, ReviewAnswer, Role, Urgency

FINDING = Finding(BASE, None, timedelta(hours=1))
SOME = frozenset({Category.INCIDENT, Category.LOCATION})
HELD = Ruling(SOME, report=False, review=True, policies=("x.review",), within=(timedelta(hours=5),))
RELEASE_ALL = Review(ReviewAnswer.RELEASE, frozenset(Category))
NO = Review(ReviewAnswer.WITHHOLD)

_rulings = st.builds(
    Ruling,
    permitted=st.frozensets(st.sampled_from(Category)),
    report=st.booleans(),
    review=st.booleans(),
    policies=st.just(("x.y",)),
    errors=st.sampled_from([(), ("no-decision",)]),
)
_reviews = st.builds(Review, st.sampled_from(ReviewAnswer), st.frozensets(st.sampled_from(Category)))
_findings = st.builds(lambda role: Finding(facts(role=role), None, None), st.sampled_from(Role))


@given(_findings, _rulings, st.none() | _reviews)
def test_nothing_leaves_on_a_review_that_the_policy_does_not_permit(
    finding: Finding, ruling: Ruling, review: Review | None
) -> None:
    """Rule 2: whatever was answered to whatever was ruled, what leaves is permitted, and was named if it was held."""
    before, after = verdict_of(finding, ruling, NOW), verdict_of(finding, ruling, NOW, review)
    assert after.categories <= ruling.permitted
    if before.outcome is not Outcome.HOLD_REVIEW:
        assert replace(after, considered=False) == replace(before, considered=False)
    elif after.leaves:
        assert review is not None
        assert (review.answer, after.categories <= review.categories) == (ReviewAnswer.RELEASE, True)
    if finding.facts.role is Role.SIGNALER and after.leaves:
        assert Category.SIGNALER_IDENTITY in after.categories


def test_a_hold_that_is_released_keeps_its_deadline_and_says_so() -> None:
    """Rule 2: the categories are those named and permitted; the clock is the hold's. It does not deny a duty."""
    held, told = verdict_of(FINDING, HELD, NOW), verdict_of(FINDING, HELD, NOW, RELEASE_ALL)
    assert (held.outcome, told.outcome) == (Outcome.HOLD_REVIEW, Outcome.DISCLOSE)
    assert (told.categories, told.deadline) == (SOME, held.deadline)
    assert told.policies == ("x.review", RELEASED)
    assert (held.considered, told.considered) == (False, False)


def test_a_hold_that_is_withheld_is_over() -> None:
    """Rule 1: nothing leaves and no clock runs."""
    verdict = verdict_of(FINDING, HELD, NOW, NO)
    assert (verdict.outcome, verdict.categories, verdict.deadline) == (Outcome.WITHHOLD, frozenset(), None)
    assert verdict.policies == ("x.review", WITHHELD)


@pytest.mark.parametrize("review", [RELEASE_ALL, NO])
def test_neither_an_error_nor_a_report_is_touched(review: Review) -> None:
    """Rules 3 and 4."""
    for ruling in (replace(HELD, errors=("no-decision",)), replace(HELD, report=True)):
        assert verdict_of(FINDING, ruling, NOW, review) == verdict_of(FINDING, ruling, NOW)


def test_a_release_of_nothing_permitted_leaves_the_hold() -> None:
    """Rule 2: it answers nothing, so the hold stands."""
    review = Review(ReviewAnswer.RELEASE, frozenset({Category.HEALTH}))
    assert verdict_of(FINDING, HELD, NOW, review).outcome is Outcome.HOLD_REVIEW


def test_an_answer_is_about_facts_revision_and_bundle() -> None:
    """Rule 5: any of the three changed makes it another question."""
    plain = BASE.plain()
    other = replace(BASE, fresh=True).plain()
    same = about(1, plain, "b")
    assert same == about(1, dict(reversed(plain.items())), "b")
    assert len({same, about(2, plain, "b"), about(1, other, "b"), about(1, plain, "c"), about(1, None, "b")}) == 5


def test_a_decision_says_which_review_it_rested_on() -> None:
    """Replay reads it there."""
    assert answered_in(("x", RELEASED), ["incident"]) == Review(ReviewAnswer.RELEASE, frozenset({Category.INCIDENT}))
    assert answered_in(("x", WITHHELD), []) == NO
    assert answered_in(("x",), ["incident"]) is None


@pytest.mark.parametrize("kind", RecipientKind)
@pytest.mark.parametrize("category", Category)
def test_two_people_break_the_glass(kind: RecipientKind, category: Category) -> None:
    """Rule 6: identity, contact and health, to police, by release; nothing else."""
    twice = kind is RecipientKind.LAW_ENFORCEMENT and category in TWICE
    assert second_person(kind, Review(ReviewAnswer.RELEASE, frozenset({category, Category.INCIDENT}))) is twice
    assert not second_person(kind, Review(ReviewAnswer.WITHHOLD, frozenset({category})))


def test_who_is_looked_at() -> None:
    """Rule 1: every hold, every error, and a report whose policy asks for a review."""
    always = {Outcome.HOLD_REVIEW, Outcome.HOLD_ERROR}
    assert {one for one in Outcome if wanted(one, review=False)} == always
    assert {one for one in Outcome if wanted(one, review=True)} == always | {Outcome.REPORT}


def test_stated_immediate_violence_goes_first() -> None:
    """Rule 7: whatever the deadline's lane."""
    danger = facts(immediate=Answer.YES).plain()
    assert lane(Urgency.STANDARD, danger) is Urgency.IMMINENT
    assert lane(Urgency.STANDARD, BASE.plain()) is Urgency.STANDARD
    assert lane(Urgency.IMMINENT, None) is Urgency.IMMINENT
