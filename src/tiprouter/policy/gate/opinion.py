"""What do the policies say in plain Python, without Cedar?

1. Every fact with every value is one bit; facts are the whole number that has the bits of their values.
2. A policy's formula becomes few functions of that number: conditions on facts that must all hold are one mask of the
   values they exclude, and those of which one is enough are one mask of the values they accept.
3. The determining policies are told as Cedar tells them: all satisfied forbids when there are any, otherwise all
   satisfied permits.

Not promised: the derivation of facts, and the annotations; the second opinion is about the decision alone.
"""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Final, NamedTuple, TypeAlias

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.policy.annotations import Effect
from tiprouter.policy.gate.compile import Asked, Compiler
from tiprouter.policy.gate.formula import Formula, Formulas, Kind
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, QUESTIONS, asked_with

Test: TypeAlias = Callable[[int], bool]

_PLACES = count()
BITS: Final = {
    name: {value: 1 << next(_PLACES) for value in values}
    for name, values in {**VOCABULARY, ANY_GRANTED: (True, False), CONSENT: tuple(ConsentState)}.items()
}
"""Rule 1: fact -> value -> its bit."""

_COMMON: Final = tuple((name, BITS[name]) for name in (*VOCABULARY, ANY_GRANTED))
_CONSENTS: Final = BITS[CONSENT]


class Opinion(NamedTuple):
    """The answer to one question, its determining policies, and the policies that erred."""

    allowed: bool
    policies: frozenset[str]
    errors: frozenset[str]


class _Question(NamedTuple):
    """What one question is answered from: the place of its consent, and each policy that can be satisfied or err."""

    place: int
    permits: list[tuple[str, Test]]
    forbids: list[tuple[str, Test]]
    errors: list[tuple[str, Test]]


class SecondOpinion:
    """Answers the nine questions from the policies' text. Raises `BundleError` for what is not modelled."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        compiler, policies = Compiler(Formulas()), tuple(policies)
        self._questions = [_question(compiler, question, policies) for question in QUESTIONS]

    def beside(self, policies: Iterable[Policy]) -> "SecondOpinion":
        """The opinion of these policies too; only they are compiled. Raises `BundleError`."""
        more, both = SecondOpinion(policies), SecondOpinion(())
        both._questions = [
            _Question(
                ours.place, ours.permits + theirs.permits, ours.forbids + theirs.forbids, ours.errors + theirs.errors
            )
            for ours, theirs in zip(self._questions, more._questions, strict=True)
        ]
        return both

    def answers(self, facts: Facts) -> list[Opinion]:
        """The opinion on each of `QUESTIONS`, in their order (rule 3)."""
        common = sum([bits[getattr(facts, name)] for name, bits in _COMMON])
        consents = [common | _CONSENTS[state] for state in facts.consents]
        found = []
        for place, permits, forbids, errors in self._questions:
            seen = consents[place]
            against = [name for name, holds in forbids if holds(seen)]
            reasons = against or [name for name, holds in permits if holds(seen)]
            erring = [name for name, holds in errors if holds(seen)] if errors else ()
            found.append(Opinion(bool(reasons) and not against, frozenset(reasons), frozenset(erring)))
        return found


def function_of(formula: Formula, *, holds: bool) -> Test:
    """The function that says whether a formula holds, or without `holds` whether it does not (rules 1, 2)."""
    if formula.kind is Kind.NOT:
        return function_of(formula.parts[0], holds=not holds)
    every = (formula.kind is not Kind.ANY) is holds
    mask, tests = 0, list[Test]()
    for part in (formula,) if formula.kind is Kind.FACT else formula.parts:
        if part.kind is Kind.FACT:
            mask |= sum(bit for value, bit in BITS[part.fact].items() if (value in part.values) is not (holds is every))
        else:
            tests.append(function_of(part, holds=holds))
    return _every(mask, tests) if every else _some(mask, tests)


def _every(excluded: int, tests: list[Test]) -> Test:
    """No excluded value is there and every test holds."""
    if not tests:
        return lambda seen: not seen & excluded

    def holds(seen: int) -> bool:
        if seen & excluded:
            return False
        for test in tests:  # noqa: SIM110 - a loop costs half of what `all` of a generator does
            if not test(seen):
                return False
        return True

    return holds


def _some(accepted: int, tests: list[Test]) -> Test:
    """Some accepted value is there, or some test holds."""
    if not tests:
        return lambda seen: bool(seen & accepted)

    def holds(seen: int) -> bool:
        if seen & accepted:
            return True
        for test in tests:  # noqa: SIM110 - as above
            if test(seen):
                return True
        return False

    return holds


def _question(compiler: Compiler[Formula], question: str, policies: Iterable[Policy]) -> _Question:
    compiled = compiler.question(policies, Asked(question))
    never = compiler.algebra.false
    able = [policy for policy in compiled if policy.value is not never]
    return _Question(
        tuple(Category).index(asked_with(question)),
        [(policy.id, function_of(policy.value, holds=True)) for policy in able if policy.effect is Effect.PERMIT],
        [(policy.id, function_of(policy.value, holds=True)) for policy in able if policy.effect is Effect.FORBID],
        [(policy.id, function_of(policy.error, holds=True)) for policy in compiled if policy.error is not never],
    )
