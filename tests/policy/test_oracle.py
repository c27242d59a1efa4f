"""Do the shipped bundles decide as the design says, according to somebody who never read its Cedar text?"""

from dataclasses import replace

from tiprouter.domain.vocabulary import AgeBand, RecipientKind
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine

from . import oracle
from .facts_strategy import numbered

FACTS_TO_COMPARE = 3_000


def test_the_bundle_agrees_with_an_independent_reading_of_the_design(engine: Engine) -> None:
    """Over a long list of facts, what is permitted, reported and reviewed is the same, and nothing errs."""
    for number in range(FACTS_TO_COMPARE):
        facts = numbered(number)
        ruling = engine.rule(facts)
        made = (ruling.errors, ruling.permitted, ruling.report, ruling.review)
        expected = ((), oracle.permitted(facts), oracle.reports(facts), oracle.reviews(facts))
        assert made == expected, (number, facts)


def test_tip_sharing_agrees_with_it_too(tip_sharing: Bundle) -> None:
    """The same reading, with third-party tips forwarded and tips from nobody knows whom reviewed."""
    engine, forwarded = Engine(tip_sharing), 0
    for number in range(FACTS_TO_COMPARE // 3):
        facts = numbered(number)
        if number % 2:
            facts = replace(facts, recipient_kind=RecipientKind.LAW_ENFORCEMENT, age=AgeBand.ADULT)
        ruling = engine.rule(facts)
        permitted = oracle.permitted(facts, forwards=True)
        made = (ruling.errors, ruling.permitted, ruling.report, ruling.review)
        expected = ((), permitted, oracle.reports(facts), oracle.reviews(facts, forwards=True))
        assert made == expected, (number, facts)
        forwarded += permitted != oracle.permitted(facts)
    assert forwarded >= 20


def test_the_list_of_facts_reaches_every_policy(engine: Engine) -> None:
    """The comparison would be idle where no compared fact lets a permit decide."""
    reached = {policy for number in range(FACTS_TO_COMPARE) for policy in engine.rule(numbered(number)).policies}
    assert reached == set(engine.bundle.notes)
