"""Does Cedar itself, asked about one situation after the other, decide as the rules say?

The sweep compares the compiled text with the rules everywhere (tests/policy/gate/test_oracle_sweep.py); here Cedar is
asked, so that no compiler stands between.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from tiprouter.domain.facts import Facts
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import AgeBand, Category, RecipientKind
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine
from tiprouter.policy.gate import rules
from tiprouter.policy.gate.claims import claims_of
from tiprouter.policy.gate.rules import ThirdParty
from tiprouter.policy.questions import QUESTIONS, REPORT, REVIEW

from .facts_strategy import numbered

FACTS_TO_COMPARE = 500


def said(facts: Facts, choice: ThirdParty) -> tuple[frozenset[Category], bool, bool, tuple[timedelta, ...], Notice]:
    """What the rules permit, report, review and oblige to, in the words of a ruling."""
    claims = claims_of(facts)
    yes = {question for question in QUESTIONS if rules.answer(claims, question, choice).holds}
    given = [one for question in yes for one in rules.reasons(claims, question, choice) if one.when.holds]
    obliged = {obligation for one in given for obligation in one.obliges}
    deadlines = {value for _, value in obliged if isinstance(value, timedelta)}
    notices = [value for _, value in obliged if isinstance(value, Notice)]
    permitted = frozenset(category for category in Category if category.value in yes)
    notice = max(notices, key=list(Notice).index, default=Notice.NOT_REQUIRED)
    return permitted, REPORT in yes, REVIEW in yes, tuple(sorted(deadlines)), notice


def compared() -> Iterator[Facts]:
    """Facts as good as random, half of them about an adult and the police, whom the two bundles dispute."""
    for number in range(FACTS_TO_COMPARE):
        facts = numbered(number)
        yield facts
        if number % 2:
            yield replace(facts, recipient_kind=RecipientKind.LAW_ENFORCEMENT, age=AgeBand.ADULT)


def made(engine: Engine, facts: Facts) -> tuple[frozenset[Category], bool, bool, tuple[timedelta, ...], Notice]:
    """Cedar's ruling, which must not err."""
    ruling = engine.rule(facts)
    assert ruling.errors == (), facts
    return ruling.permitted, ruling.report, ruling.review, ruling.within, ruling.notice


def test_cedar_decides_as_the_rules_say(engine: Engine) -> None:
    """What is permitted, reported and reviewed, by when and with which notice: the same, whatever the facts."""
    for facts in compared():
        assert made(engine, facts) == said(facts, ThirdParty.WITHHELD), facts


def test_cedar_decides_as_the_rules_say_of_tip_sharing(tip_sharing: Bundle) -> None:
    """With third-party tips forwarded, and tips from nobody knows whom reviewed; some tips really are forwarded."""
    engine, forwarded = Engine(tip_sharing), 0
    for facts in compared():
        expected = said(facts, ThirdParty.FORWARDED)
        assert made(engine, facts) == expected, facts
        forwarded += expected[0] != said(facts, ThirdParty.WITHHELD)[0]
    assert forwarded >= 10


def test_the_compared_facts_reach_every_policy(engine: Engine, tip_sharing: Bundle) -> None:
    """The comparison would be idle where no compared fact lets a policy decide."""
    for asked in (engine, Engine(tip_sharing)):
        reached = {policy for facts in compared() for policy in asked.suppose(facts).policies}
        assert reached == set(asked.bundle.notes)
