"""Does a bundle of before `any_granted` still decide as on its day, and what would taking its place change?"""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.support.earlier import earlier
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import AgeBand, Category, ConsentState
from tiprouter.policy.bundle import Bundle, engine_versions, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.files import shipped, shipped_names
from tiprouter.policy.gate.diff import difference
from tiprouter.policy.gate.differential import differential
from tiprouter.policy.golden import mismatches
from tiprouter.policy.library import Library, files_digest
from tiprouter.policy.released import RELEASED

from .facts_strategy import any_facts, facts

RELEASED_BEFORE = {
    "survivor-led": "6d18d0d5a07f98ef0701e6473e0205f89448e442fa5747b0ff5f734a8e50f897",
    "tip-sharing": "ae220fa4ce65bc20ab9f266d3058f50d51a725fda837cb7eed895e992a98dd12",
}
ONLY_THE_PLACE = tuple(
    ConsentState.GRANTED if category is Category.LOCATION else ConsentState.REFUSED for category in Category
)


@pytest.mark.parametrize("name", shipped_names())
def test_an_earlier_bundle_is_known_by_its_digest(name: str) -> None:
    """Stored texts are opened under the digest they were approved under; it is not the one that is shipped now."""
    bundle = earlier(name)
    assert bundle.digest == RELEASED_BEFORE[name] != RELEASED[name]
    opened = Library().open(bundle.digest, bundle.files, files_digest(bundle.files), engine_versions())
    assert (opened.bundle.digest, opened.bundle.parsed.earlier) == (bundle.digest, True)
    assert not load(shipped(name)).parsed.earlier


@pytest.mark.parametrize("name", shipped_names())
def test_an_earlier_bundle_decides_as_its_golden_table_says(name: str) -> None:
    """Every row as it was written then, by real Cedar and the second opinion."""
    bundle = earlier(name)
    assert list(mismatches(bundle.golden, Engine(bundle).rule)) == []


def test_cedar_and_the_compiled_text_of_an_earlier_bundle_agree() -> None:
    """A review is asked without the fact that its schema does not know."""
    found = differential(earlier("tip-sharing"), 900)
    assert (found.differing, found.told) == (0, ())


def test_an_earlier_bundle_ends_a_review_with_the_incident(bundle: Bundle) -> None:
    """As on the day it decided: a refusal of the incident ended what the shipped bundle keeps open."""
    asked = facts(age=AgeBand.UNKNOWN, consents=ONLY_THE_PLACE)
    assert not Engine(earlier("survivor-led")).rule(asked).review
    assert Engine(bundle).rule(asked).review


def test_what_takes_an_earlier_bundles_place_only_reviews_more() -> None:
    """Nothing newly leaves, nothing is newly withheld and no review ends; what is reviewed is told in words."""
    for name in shipped_names():
        found = difference(earlier(name), load(shipped(name)))
        (change,) = found.changes
        assert (change.kind, change.questions, found.discloses) == ("newly reviewed", ("review",), False)
        assert "age: unknown" in change.situations[0].words
        assert "another category granted" in change.situations[0].words


@settings(max_examples=150, deadline=None)
@given(any_facts())
def test_the_two_differ_only_where_another_category_is_granted(
    engine: Engine, sharing_engine: Engine, facts: Facts
) -> None:
    """With one word about every category, or with the incident granted, both rule alike, policy for policy."""
    same = replace(facts, consents=(facts.consents[0],) * len(Category))
    granted = replace(facts, consents=(ConsentState.GRANTED, *facts.consents[1:]))
    for now in (engine, sharing_engine):
        then = _engine_of(now.bundle.name)
        for each in (same, granted):
            assert then.rule(each) == now.rule(each)


_engines: dict[str, Engine] = {}


def _engine_of(name: str) -> Engine:
    if name not in _engines:
        _engines[name] = Engine(earlier(name))
    return _engines[name]
