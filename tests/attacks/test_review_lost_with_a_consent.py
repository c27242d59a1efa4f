"""Somebody makes a person refuse one thing, so that a review ends that held another, and nobody looks any more.

Or the other way round: a hold that nothing is left of is kept, or a release tells what the person refused.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acceptance import test_review_categories as stories
from tests.policy.facts_strategy import any_facts
from tests.support.service import Service
from tiprouter.domain import outcome
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Ruling, verdict_of
from tiprouter.domain.review import TAKEN_BACK, Review, releasable
from tiprouter.domain.vocabulary import Category, ConsentState, Outcome, ReviewAnswer, Role
from tiprouter.errors import ConflictError
from tiprouter.policy.bundle import Parsed
from tiprouter.policy.library import Library
from tiprouter.workflow import review_queue, reviewing

NOW = datetime(2030, 1, 1, tzinfo=UTC)
_some = st.frozensets(st.sampled_from(Category))


@given(any_facts(), _some, _some)
def test_a_release_never_tells_what_the_person_refused(
    facts: Facts, permitted: frozenset[Category], wanted: frozenset[Category]
) -> None:
    """Whatever a bundle permits and whatever is asked for; only an accused person has no say in it."""
    ruling = Ruling(permitted, report=False, review=True, policies=("x.review",))
    told = verdict_of(Finding(facts, None, None), ruling, NOW, Review(ReviewAnswer.RELEASE, wanted))
    assert told.categories <= permitted & wanted
    if facts.role is not Role.ALLEGED_TRAFFICKER:
        assert not any(facts.consent(category) in TAKEN_BACK for category in told.categories)
    assert told.outcome in (Outcome.DISCLOSE, Outcome.HOLD_REVIEW)


@given(any_facts(role=Role.ALLEGED_TRAFFICKER), _some)
def test_the_accused_cannot_refuse_what_a_reviewer_releases(facts: Facts, permitted: frozenset[Category]) -> None:
    """Their own consent is nobody's reason, so their refusal is none either."""
    assert releasable(facts, permitted) == permitted


Story = Callable[[Service], Awaitable[None]]


def _incident_alone(facts: Facts) -> bool:
    return facts.consents[0] is ConsentState.GRANTED


FAULTS: list[tuple[str, object, str, object, Story]] = [
    (
        "a-review-hangs-on-the-incident-alone",
        Facts,
        "any_granted",
        property(_incident_alone),
        stories.test_a_refusal_of_the_incident_leaves_the_review_open_for_the_place,
    ),
    (
        "a-review-never-ends",
        Facts,
        "any_granted",
        property(lambda _: True),
        stories.test_a_refusal_of_everything_ends_the_review,
    ),
    (
        "time-does-not-end-a-review",
        Facts,
        "any_granted",
        property(lambda facts: TAKEN_BACK.isdisjoint(facts.consents)),
        stories.test_the_last_consents_own_end_ends_the_review,
    ),
    (
        "a-review-never-comes-back",
        Facts,
        "any_granted",
        property(lambda facts: TAKEN_BACK.isdisjoint(facts.consents)),
        stories.test_a_later_widening_opens_a_review_again,
    ),
    (
        "every-bundle-is-asked-as-an-earlier-one",
        Parsed,
        "earlier",
        property(lambda _: True),
        stories.test_a_refusal_of_the_incident_leaves_the_review_open_for_the_place,
    ),
    (
        "an-earlier-bundle-is-asked-as-todays",
        Parsed,
        "earlier",
        property(lambda _: False),
        stories.test_what_was_decided_before_is_replayed_under_its_bundle_and_looked_at_again_under_todays,
    ),
    (
        "a-refused-category-may-be-released",
        reviewing,
        "_refuse_release",
        lambda *_: None,
        stories.test_a_reviewer_releases_only_what_is_held,
    ),
    (
        "the-queue-keeps-what-is-over",
        review_queue,
        "end",
        lambda *_: None,
        stories.test_a_refusal_of_everything_ends_the_review,
    ),
]


@pytest.mark.parametrize(
    ("place", "name", "fault", "story"), [one[1:] for one in FAULTS], ids=[one[0] for one in FAULTS]
)
async def test_a_planted_fault_is_found_out(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    fault: object,
    story: Story,
) -> None:
    """The tests of the tests: with each promise broken, a story notices. Its engines are of its own."""
    service.desk = replace(service.desk, library=Library())
    monkeypatch.setattr(place, name, fault)
    with pytest.raises((AssertionError, pytest.fail.Exception, ConflictError, ValueError)):
        await story(service)


def test_a_release_that_asks_nobody_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property above turns red where a release looks at what is permitted alone."""
    monkeypatch.setattr(outcome, "releasable", lambda _, permitted: permitted)
    with pytest.raises(AssertionError):
        test_a_release_never_tells_what_the_person_refused()
