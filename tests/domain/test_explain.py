"""What single fact would change an outcome, and which unknown fact decides it?"""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.explain import FIXED, VOCABULARY, Change, explain, facts_from
from tiprouter.domain.facts import Facts, findings_for
from tiprouter.domain.outcome import Ruling
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, ConsentState, Outcome, RecipientKind, Role

from .examples import agency, record, scenes, situation

FACTS = findings_for(situation(record()), agency())["a"].facts
SOME = frozenset({Category.INCIDENT})
CLOSED = Ruling(frozenset(), report=False, review=False, policies=())


def _opened(facts: Facts, **needed: object) -> Ruling:
    """A policy that tells the incident when every needed fact is so."""
    told = all(getattr(facts, name) == value for name, value in needed.items())
    return replace(CLOSED, permitted=SOME) if told else CLOSED


def test_the_fact_that_would_change_it_is_told() -> None:
    """Rules 1 and 2: each other value that opens, and no value that changes nothing."""
    found = explain(replace(FACTS, age=AgeBand.ADULT), lambda facts: _opened(facts, age=AgeBand.MINOR)).changes
    assert found == (Change("age", "minor", Outcome.DISCLOSE, SOME),)


def test_two_facts_at_once_are_no_counterfactual() -> None:
    """Rule 1: exactly one fact is changed."""
    facts = replace(FACTS, age=AgeBand.ADULT, immediate=Answer.NO)
    assert explain(facts, lambda each: _opened(each, age=AgeBand.MINOR, immediate=Answer.YES)).changes == ()


def test_other_categories_are_another_result() -> None:
    """Rule 2: the outcome stays, and less is told."""

    def rule(facts: Facts) -> Ruling:
        return replace(CLOSED, permitted=SOME if facts.usable else frozenset(Category))

    (change,) = (each for each in explain(FACTS, rule).changes if each.fact == "usable")
    assert (change.value, change.outcome, change.categories) == ("false", Outcome.DISCLOSE, frozenset(Category))


def test_consents_are_changed_one_category_at_a_time() -> None:
    """Rule 1: each category has states of its own."""

    def rule(facts: Facts) -> Ruling:
        told = frozenset(each for each in Category if facts.consent(each) is ConsentState.GRANTED)
        return replace(CLOSED, permitted=told)

    found = explain(FACTS, rule).changes
    assert {(each.fact, each.value) for each in found} == {(f"consent.{each}", "granted") for each in Category}
    assert all(each.categories == {Category(each.fact.removeprefix("consent."))} for each in found)


@pytest.mark.parametrize("fact", sorted(FIXED))
def test_what_the_question_is_about_is_not_changed(fact: str) -> None:
    """Rule 1: another recipient's kind or another role would be another question."""
    values = {"recipient_kind": RecipientKind.SERVICE_PROVIDER, "role": Role.WITNESS}
    assert explain(FACTS, lambda facts: _opened(facts, **{fact: values[fact]})).changes == ()


def test_a_change_that_only_names_an_unnamed_signaler_is_none() -> None:
    """Rule 2: the result is what would be done, so what redaction would hold back changes nothing."""
    facts = replace(FACTS, role=Role.SIGNALER, immediate=Answer.NO)
    assert explain(facts, lambda each: _opened(each, immediate=Answer.YES)).changes == ()


@pytest.mark.parametrize(
    ("value", "deciding"), [(Answer.YES, ("escalating",)), (Answer.NO, ("escalating",)), ("whoever", ())]
)
def test_an_unknown_fact_decides_when_its_values_differ(value: object, deciding: tuple[str, ...]) -> None:
    """Rule 3: when every completion agrees, nobody need ask, though the unknown itself leads elsewhere."""
    facts = replace(FACTS, escalating=Answer.UNKNOWN, immediate=Answer.UNKNOWN)

    def rule(each: Facts) -> Ruling:
        held = each.escalating is Answer.UNKNOWN
        return replace(_opened(each, escalating=value), review=held)

    assert explain(facts, rule).deciding_unknowns == deciding


def test_a_known_fact_decides_nothing_unknown() -> None:
    """Rule 3."""
    facts = replace(FACTS, age=AgeBand.ADULT, escalating=Answer.NO)
    assert explain(facts, lambda each: _opened(each, escalating=Answer.YES)).deciding_unknowns == ()


def test_the_vocabulary_is_every_fact_but_the_consents_and_the_rows() -> None:
    """Rule 1: a fact that is not in it would never be told. A row is no fact of the situation: it follows the duty."""
    assert set(VOCABULARY) == {field.name for field in fields(Facts)} - {"consents", "rows"}


@given(scenes, st.sampled_from("abc"))
def test_facts_are_read_back_as_they_were_stored(scene: tuple[Any, Any], ref: str) -> None:
    """What is stored and committed to is what an explanation or a replay is about."""
    facts = findings_for(*scene)[ref].facts
    assert facts_from(json.loads(json.dumps(facts.plain()))) == facts


def test_facts_stored_before_there_were_rows_are_read() -> None:
    """An old decision can still be explained: it was made without slices."""
    plain = {name: value for name, value in FACTS.plain().items() if name != "rows"}
    assert facts_from(plain) == FACTS


@pytest.mark.parametrize("gone", ["age", "consents"])
def test_what_is_no_facts_is_not_read(gone: str) -> None:
    """A fact that is missing is not guessed."""
    with pytest.raises(KeyError):
        facts_from({name: value for name, value in FACTS.plain().items() if name != gone})
