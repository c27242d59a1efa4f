"""Do the shipped bundles decide as the rules say, at every point of the space, and would anybody notice if not?"""

import ast
import copy
import inspect
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings

from tests.policy.facts_strategy import any_facts
from tests.policy.gate.mutants import mutants
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import Category
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate import claims, rules
from tiprouter.policy.gate.claims import Claims, claims_of
from tiprouter.policy.gate.formula import FREE, Formula
from tiprouter.policy.gate.oracle import Compared, Disagreement, compared, differing, disagreements
from tiprouter.policy.gate.proofs import Stated, stated
from tiprouter.policy.gate.rules import ThirdParty
from tiprouter.policy.gate.space import SIZE, SLABS, Space, Words
from tiprouter.policy.questions import CONSENT, QUESTIONS, asked_with

SHIPPED = ("bundle", "tip_sharing")


def swept(bundle: Bundle, third_party: str) -> tuple[Disagreement, ...]:
    """Every disagreement of a bundle with the rules over the whole space."""
    return disagreements(stated(bundle, []), third_party)


def changed(bundle: Bundle, policy: str, kind: str, what: str = "") -> Bundle:
    """The bundle with one of its mutants."""
    found = [one for one in mutants(bundle) if (one.id, one.kind) == (policy, kind) and one.what.startswith(what)]
    assert len(found) == 1, [str(one) for one in found]
    return found[0].of(bundle)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_bundle_and_the_rules_agree_everywhere(name: str, request: pytest.FixtureRequest) -> None:
    """Nine questions at 97,977,600 points each, their deadlines and notices, and the guards alone: no disagreement."""
    shipped: Bundle = request.getfixturevalue(name)
    found = stated(shipped, [])
    assert list(map(str, disagreements(found, shipped.third_party))) == []
    everything = Compared("review", "everything", "the bundle", found.formulas.true, found.formulas.false)
    assert sum(points for *_, points in differing(found, [everything])) == SIZE == 97_977_600
    assert {one.question for one in compared(found, shipped.third_party) if one.what == "the answer"} == set(QUESTIONS)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_platform_and_the_rules_agree_whatever_the_tenant_chose(name: str, request: pytest.FixtureRequest) -> None:
    """Guards and core without the tenant's layer are as the rules say of every bundle."""
    assert list(map(str, swept(request.getfixturevalue(name), ThirdParty.OWN))) == []


def test_the_two_choices_are_told_apart(bundle: Bundle, tip_sharing: Bundle) -> None:
    """A bundle held to the other's word disagrees, about the minimum and the review and nothing else."""
    for shipped, other in ((bundle, ThirdParty.FORWARDED), (tip_sharing, ThirdParty.WITHHELD)):
        answers = {one.question for one in swept(shipped, other) if one.what == "the answer"}
        assert answers == {"incident", "location", "review"}


def test_a_disagreement_is_told_in_words(bundle: Bundle) -> None:
    """The question, who says what and why, how many points, and one of them."""
    found = swept(changed(bundle, "guard.implicated", "dropped"), bundle.third_party)
    told = next(str(one) for one in found if (one.question, one.who) == ("health", "the bundle"))
    assert told == (
        "health, the answer: the bundle yes (core.consent), the rules no (9: the recipient is implicated); "
        "798,336 points, as when person: potential victim; age: adult; recipient: law enforcement; usable; with an "
        "agreement; accused by the record; serves the place: yes; duty toward it: required; signaled by: self; "
        "immediate violence: yes; escalating violence: yes; perceived: first hand; fresh; the record's basis: consent; "
        "consent to health: granted"
    )


def test_what_is_missing_is_told_with_the_rules_reason(bundle: Bundle) -> None:
    """The other way round: the rules say yes, and the bundle no longer does."""
    told = list(map(str, swept(changed(bundle, "core.danger-report", "dropped"), bundle.third_party)))
    assert told[0].startswith("report, the answer: the bundle no (by default), the rules yes (6: imminent danger); ")
    assert told[1].startswith(
        "report, deadline 0:15:00: the bundle no (core.child-report), the rules yes (5: a child's"
    )
    assert len(told) == 2


def test_a_deadline_and_a_notice_are_compared_too(bundle: Bundle) -> None:
    """A danger report due in half an hour instead of a quarter, or without its notice, is not as the rules say."""
    late = swept(changed(bundle, "core.danger-report", "obligation", "deadline 0:30"), bundle.third_party)
    assert {(one.what, one.yes) for one in late} == {("deadline 0:15:00", False), ("deadline 0:30:00", True)}
    silent = swept(changed(bundle, "core.danger-report", "obligation", "notice None"), bundle.third_party)
    assert [(one.what, one.yes) for one in silent] == [("notify_subject when_safe", False)]


def test_a_tenant_of_its_own_mind_may_permit_and_forbid(tip_sharing: Bundle) -> None:
    """Held to its own word alone, a bundle may forward or not; what it permits is above the platform's part."""
    for mutant in mutants(tip_sharing):
        if mutant.id == "tenant.accused-forwarded" and mutant.kind in ("dropped", "turned"):
            assert list(map(str, swept(mutant.of(tip_sharing), ThirdParty.OWN))) == []


def test_a_tenant_of_its_own_mind_may_silence_no_report(tip_sharing: Bundle) -> None:
    """A tenant's forbid that reaches a report or a review is told, though the platform's part is untouched."""
    turned = changed(tip_sharing, "tenant.unknown-reporter-review", "turned")
    assert {(one.question, one.who, one.yes) for one in swept(turned, ThirdParty.OWN)} == {
        ("review", "the bundle", False)
    }


def test_a_guard_that_only_a_tenant_would_miss_is_missed(tip_sharing: Bundle) -> None:
    """No core policy needs this guard, so only what the guards let through tells that it is gone."""
    loose = changed(tip_sharing, "guard.minor-authority", "dropped")
    found = swept(loose, ThirdParty.OWN)
    assert {one.who for one in found} == {"the guards"}
    assert all(one.yes for one in found)


def test_a_choice_nobody_knows_is_refused(bundle: Bundle) -> None:
    """A third word for third-party tips is an error and never an agreement."""
    with pytest.raises(ValueError, match="perhaps"):
        swept(bundle, "perhaps")


@cache
def everywhere(choice: ThirdParty) -> dict[str, tuple[Space, dict[str, Words]]]:
    """For each part of the space, by its kind of recipient: where the rules say yes to each question."""
    found = {}
    for fixed in SLABS:
        space = Space(fixed)
        answers = {question: rules.answer(Claims(space), question, choice).holds for question in QUESTIONS}
        found[fixed["recipient_kind"]] = (space, answers)
    return found


@settings(max_examples=150, deadline=None)
@given(any_facts())
def test_one_situation_and_the_whole_space_are_read_alike(facts: Facts) -> None:
    """Read of one person's facts, the rules say what they say of the point that these facts are, for each choice."""
    known, alone = {name: getattr(facts, name) for name in FREE}, claims_of(facts)
    for choice in ThirdParty:
        space, answers = everywhere(choice)[facts.recipient_kind]
        for question in QUESTIONS:
            point = known | {CONSENT: facts.consent(asked_with(question))}
            said = rules.answer(alone, question, choice).holds
            assert said is space.holds(answers[question], point), (choice, question, facts)


def test_the_rules_read_no_bundle_and_no_compiler() -> None:
    """They import facts, vocabularies and the algebra alone; otherwise they would agree with themselves."""
    allowed = {"tiprouter.domain", "tiprouter.policy.questions", "tiprouter.policy.gate.algebra"}
    for module in (rules, claims):
        tree = ast.parse(inspect.getsource(module))
        names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {name for name in names if name.startswith("tiprouter") and name != claims.__name__}
        assert {name for name in ours if not name.startswith(tuple(allowed))} == set()
        assert not {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}


class Slip(ast.NodeTransformer):
    """Makes the one slip of the pen in a text that has this number: a lost reason, an `&` for an `|`, a lost `~`."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.made = ""

    def _now(self, node: ast.AST) -> bool:
        self._left -= 1
        if self._left == -1:
            self.made = f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}"
        return self._left == -1

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A reason, or all reasons of a kind, are forgotten."""
        if isinstance(node.value, ast.Yield | ast.YieldFrom) and self._now(node):
            return ast.copy_location(ast.parse("yield from ()").body[0], node)
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """And instead of or, or the other way round."""
        if self._now(node):
            return ast.BinOp(node.left, ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd(), node.right)
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        """Not is forgotten."""
        return node.operand if self._now(node) else self.generic_visit(node)


def slips() -> Iterator[tuple[str, str, ast.Module]]:
    """Every function of the rules with one slip of the pen after the other: what was slipped, its name and its text."""
    for function in ast.parse(inspect.getsource(rules)).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for number in count():
            slip = Slip(number)
            text = slip.visit(copy.deepcopy(function))
            if not slip.made:
                break
            yield slip.made, function.name, ast.fix_missing_locations(ast.Module([text], []))


Pair = tuple[Formula, Formula]


def apart(found: Stated, known: AbstractSet[Pair]) -> tuple[bool, set[Pair]]:
    """Whether the bundle and the rules differ, or its guards let through less than the rules speak of; and all pairs.

    Pairs that are known to agree are not looked at again: formulas that are built alike are one object.
    """
    pairs = list(compared(found, found.view.bundle.third_party))
    for category in Category:
        utmost = rules.utmost(Claims(found.formulas), category).holds
        pairs.append(Compared(category.value, "the answer", "the guards", found.view.unguarded(category.value), utmost))
    fresh = [one for one in pairs if (one.theirs, one.ours) not in known]
    return next(differing(found, fresh), None) is not None, {(one.theirs, one.ours) for one in pairs}


def test_a_slip_of_the_pen_in_the_rules_is_found(bundle: Bundle, tip_sharing: Bundle) -> None:
    """Each reason forgotten, each and for or, each not forgotten: one of the two bundles disagrees somewhere."""
    made, unfound = 0, []
    both = [(found, *apart(found, frozenset())) for found in (stated(bundle, []), stated(tip_sharing, []))]
    assert not any(differs for _, differs, _ in both)
    for what, name, text in slips():
        with pytest.MonkeyPatch.context() as patched:
            slipped: dict[str, Any] = {}
            exec(compile(text, rules.__name__, "exec"), vars(rules), slipped)  # noqa: S102 - the rules' own text
            patched.setattr(rules, name, slipped[name])
            unfound += [] if any(apart(found, known)[0] for found, _, known in both) else [what]
        made += 1
    assert unfound == []
    assert made >= 100
