"""For which consents does a review stay open? Properties of any facts, and the proofs that hold a bundle to them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cedarpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tiprouter.domain.explain import explain
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import narrowed, verdict_of
from tiprouter.domain.vocabulary import AgeBand, Category, ConsentState, Outcome, Role
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.gate import laws
from tiprouter.policy.gate.claims import claims_of
from tiprouter.policy.gate.proofs import Prover, stated, swept
from tiprouter.policy.gate.rules import ThirdParty, answer
from tiprouter.policy.questions import REVIEW, earlier, misfit, request_for
from tiprouter.policy.refusal import BundleError

from .facts_strategy import NOTHING_ASKED, any_facts, facts

GRANTED, REFUSED = ConsentState.GRANTED, ConsentState.REFUSED
ENOUGH = settings(max_examples=200, deadline=None)
_lost = st.sampled_from([state for state in ConsentState if state is not GRANTED])
_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_some = st.frozensets(st.sampled_from(Category))


def without(facts: Facts, categories: frozenset[Category], state: ConsentState) -> Facts:
    """The same facts once these consents, where they were granted, are in this state."""
    pairs = zip(Category, facts.consents, strict=True)
    return replace(facts, consents=tuple(state if one in categories and was is GRANTED else was for one, was in pairs))


def consented(**granted: ConsentState) -> tuple[ConsentState, ...]:
    """Everything refused but these."""
    return tuple(granted.get(category.value, REFUSED) for category in Category)


@ENOUGH
@given(any_facts(age=AgeBand.UNKNOWN), _some, _lost)
def test_a_hold_outlives_every_consent_but_the_last(
    engine: Engine, sharing_engine: Engine, facts: Facts, taken: frozenset[Category], state: ConsentState
) -> None:
    """Whoever may be a child and consents is held for a human until nothing is granted any more."""
    assume(facts.role is not Role.ALLEGED_TRAFFICKER and facts.any_granted)
    left = without(facts, taken, state)
    for each in (engine, sharing_engine):
        assert each.rule(facts).review
        assert each.rule(left).review or not left.any_granted


@ENOUGH
@given(any_facts(), _some, _lost)
def test_whatever_is_taken_back_at_once_nothing_more_leaves(
    engine: Engine, sharing_engine: Engine, facts: Facts, taken: frozenset[Category], state: ConsentState
) -> None:
    """Rule 11 of the decision, over reviews that begin and end: any set of consents, any state they turn into."""
    for each in (engine, sharing_engine):
        before, after = (
            verdict_of(Finding(one, None, None), each.rule(one), _NOW).categories
            for one in (facts, without(facts, taken, state))
        )
        assert after <= before


@ENOUGH
@given(any_facts())
def test_the_rules_say_of_any_facts_what_cedar_says_of_the_review(engine: Engine, facts: Facts) -> None:
    """The second text, without Cedar, on consents of every mixture."""
    assert engine.rule(facts).review is bool(answer(claims_of(facts), REVIEW, ThirdParty.WITHHELD).holds)


def test_what_would_change_the_outcome_is_told_consent_by_consent(engine: Engine) -> None:
    """The place is what keeps the review open: refused too, nothing is held; the incident makes no difference."""
    held = facts(age=AgeBand.UNKNOWN, consents=consented(location=GRANTED))
    told = {(change.fact, change.value): change.outcome for change in explain(held, engine.rule).changes}
    assert told["consent.location", "refused"] is Outcome.WITHHOLD
    assert told["age", "adult"] is Outcome.DISCLOSE
    assert not any(fact == "consent.incident" for fact, _ in told)


def test_a_review_of_violence_is_not_answered_by_a_grant_of_something_else(engine: Engine) -> None:
    """Only leave to tell what happened answers it, as before."""
    for consents, reviewed in ((consented(health=GRANTED), True), (consented(incident=GRANTED), False)):
        assert engine.rule(facts(immediate="yes", consents=consents)).review is reviewed
    assert engine.rule(facts(immediate="yes", consents=NOTHING_ASKED)).review


def _with(folder: Path, condition: str) -> Bundle:
    (folder / "more.cedar").write_text(
        '@id("tenant.more")\n@basis("More.")\n@cite("None")\n'
        f'permit (principal, action == Action::"review", resource)\nwhen {{ {condition} }};\n'
    )
    return load(folder)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('resource.age == AgeBand::"adult" && context.any_granted', "consent is gone"),
        (
            'resource.age == AgeBand::"adult" && context.any_granted && context.consent != Consent::"granted"',
            "it leaves once the last consent is gone",
        ),
        ('resource.age == AgeBand::"unknown" && context.any_granted', None),
        ('resource.age == AgeBand::"adult"', None),
        ('resource.age == AgeBand::"adult" && !context.any_granted', None),
    ],
)
def test_a_review_that_ends_with_the_last_consent_and_lets_go_is_refused(
    tip_sharing_folder: Path, condition: str, says: str | None
) -> None:
    """A tenant's review of adults who granted something: refuse that, and a third party's word leaves unlooked at."""
    victims = f'{condition} && resource.role == Role::"potential_victim"'
    found = stated(_with(tip_sharing_folder, victims), [laws.removing_consent])
    proof, look = Prover(found).refute(laws.removing_consent), swept(found).broken.get(laws.removing_consent)
    if says is None:
        assert (proof, look) == (None, None)
    else:
        assert says in str(proof)
        assert says in str(look)


def test_only_a_review_is_told_whether_anything_is_granted(folder: Path) -> None:
    """A permit of a category must not speak of the consent to another; Cedar's validator refuses it."""
    (folder / "more.cedar").write_text(
        '@id("tenant.more")\n@basis("More.")\n@cite("None")\n'
        'permit (principal, action == Action::"incident", resource) when { context.any_granted };\n'
    )
    with pytest.raises(BundleError, match="any_granted"):
        load(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("any_granted: Bool", "any_granted: Consent"),
        ("any_granted: Bool", "any_granted?: Bool"),
        (", any_granted: Bool", ", any_granted: Bool, more: Bool"),
        ("consent: Consent, any_granted", "any_granted"),
        (
            "context: { consent: Consent } };\n\n// A question",
            "context: { consent: Consent, any_granted: Bool } };\n\n// A",
        ),
    ],
)
def test_a_schema_that_asks_with_anything_else_does_not_fit(bundle: Bundle, before: str, after: str) -> None:
    """Rule 4 of the questions: no fact more, none less, of no other type and of no other question."""
    text = bundle.files["schema.cedarschema"]
    assert before in text
    schema = str(cedarpy.Schema.from_str(text.replace(before, after)))
    assert misfit(schema) == "its questions are not asked with the consents that they are about"
    assert not earlier(schema)


def test_a_review_is_asked_with_the_fact_and_nothing_else_is() -> None:
    """The requests, word for word; a bundle that does not know the fact is asked without it."""
    assert request_for(REVIEW, REFUSED, any_granted=True)["context"] == (
        '{"consent": {"__entity": {"type": "Consent", "id": "refused"}}, "any_granted": true}'
    )
    bare = '{"consent": {"__entity": {"type": "Consent", "id": "refused"}}}'
    assert request_for(REVIEW, REFUSED, any_granted=None)["context"] == bare
    assert request_for("incident", REFUSED, any_granted=True)["context"] == bare


def test_what_a_hold_keeps_is_what_the_policy_permits(engine: Engine) -> None:
    """Refused the incident, granted the place, of unknown age: nothing is permitted, so nothing can be released."""
    held = facts(age=AgeBand.UNKNOWN, consents=consented(location=GRANTED))
    assert narrowed(held, engine.rule(held)).permitted == frozenset()
