"""What does the engine do when the second opinion differs, or has none?"""

from dataclasses import replace

from tests.policy.facts_strategy import ALL_GRANTED, facts, numbered
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import SECOND_OPINION, Engine
from tiprouter.policy.gate.opinion import SecondOpinion

CONSENTED = facts(consents=ALL_GRANTED)


def test_both_agree_and_the_answer_is_the_same(bundle: Bundle) -> None:
    """With and without a second opinion every ruling is the same."""
    doubting, trusting = Engine(bundle), Engine(bundle, second_opinion=False)
    for number in range(200):
        assert doubting.rule(numbered(number)) == trusting.rule(numbered(number))


def test_a_disagreement_means_that_nothing_leaves(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Cedar reads one bundle and the second opinion another: where they differ, the ruling is an error."""
    torn = replace(bundle, policies=tip_sharing.policies)
    engine = Engine(torn)
    family = facts(reporter="family_friend")
    assert engine.rule(family).errors == (SECOND_OPINION,)
    assert not engine.rule(family).permitted
    assert engine.rule(CONSENTED).errors == ()
    assert Engine(torn, second_opinion=False).rule(family).errors == ()


def test_another_reason_for_the_same_answer_is_a_disagreement(bundle: Bundle) -> None:
    """The determining policies are compared too: an audit entry must not cite the wrong guard."""
    without = tuple(policy for policy in bundle.policies if policy.note.id != "guard.immigration")
    assert Engine(replace(bundle, policies=without)).rule(facts()).errors == (SECOND_OPINION,)


def test_a_disagreement_is_not_remembered(bundle: Bundle, tip_sharing: Bundle) -> None:
    """It is asked again each time, like every failure."""
    engine = Engine(replace(bundle, policies=tip_sharing.policies))
    family = facts(reporter="family_friend")
    engine.rule(family)
    engine.rule(family)
    assert (engine.stats().misses, engine.stats().size) == (2, 0)


def test_an_opinion_beside_further_policies_is_the_opinion_of_them_all(bundle: Bundle) -> None:
    """Slices are joined to what is compiled already; order and place make no difference."""
    half = len(bundle.policies) // 2
    whole = SecondOpinion(bundle.policies)
    joined = SecondOpinion(bundle.policies[half:]).beside(bundle.policies[:half])
    for number in range(300):
        assert joined.answers(numbered(number)) == whole.answers(numbered(number))
    assert SecondOpinion(bundle.policies[half:]).answers(CONSENTED) != whole.answers(CONSENTED)
