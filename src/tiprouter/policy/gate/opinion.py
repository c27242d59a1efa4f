"""What do the policies say in plain Python, without Cedar?

1. Every policy is compiled once into functions over one tuple of facts; a decision calls them.
2. Conditions on one fact are kept as the set of its values and combined as sets, so that few calls remain.
3. The determining policies are told as Cedar tells them: all satisfied forbids when there are any, otherwise all
   satisfied permits.

Not promised: the derivation of facts, and the annotations; the second opinion is about the decision alone.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.policy.annotations import Effect
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.compile import Asked, Compiled, Compiler
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import CONSENT, QUESTIONS, asked_with

Seen: TypeAlias = tuple[Any, ...]

_NAMES: Final = (*VOCABULARY, CONSENT)
_WORDS: Final = {**{name: frozenset(words) for name, words in VOCABULARY.items()}, CONSENT: frozenset(ConsentState)}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as a function; `fact` and `values` when it is about one fact alone."""

    holds: Callable[[Seen], bool]
    fact: str = ""
    values: frozenset[Any] = frozenset()


@dataclass(frozen=True, slots=True)
class Opinion:
    """The answer to one question, its determining policies, and the policies that erred."""

    allowed: bool
    policies: frozenset[str]
    errors: frozenset[str]


class Functions(Algebra[Condition]):
    """Conditions as Python functions (rule 2)."""

    def __init__(self) -> None:
        super().__init__(true=Condition(lambda _: True), false=Condition(lambda _: False))

    def fact(self, name: str, value: object) -> Condition:
        """Rule 2."""
        return self._about(name, frozenset({value}))

    def _about(self, fact: str, values: frozenset[Any]) -> Condition:
        if not values or values == _WORDS[fact]:
            return self.true if values else self.false
        at = _NAMES.index(fact)
        if len(values) == 1:
            (only,) = values
            return Condition(lambda seen: bool(seen[at] == only), fact, values)
        return Condition(lambda seen: seen[at] in values, fact, values)

    def _and(self, left: Condition, right: Condition) -> Condition:
        if left.fact and left.fact == right.fact:
            return self._about(left.fact, left.values & right.values)
        one, other = left.holds, right.holds
        return Condition(lambda seen: one(seen) and other(seen))

    def _or(self, left: Condition, right: Condition) -> Condition:
        if left.fact and left.fact == right.fact:
            return self._about(left.fact, left.values | right.values)
        one, other = left.holds, right.holds
        return Condition(lambda seen: one(seen) or other(seen))

    def _not(self, term: Condition) -> Condition:
        if term.fact:
            return self._about(term.fact, _WORDS[term.fact] - term.values)
        one = term.holds
        return Condition(lambda seen: not one(seen))


class SecondOpinion:
    """Answers the nine questions from the policies' text. Raises `BundleError` for what is not modelled."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        compiler, policies = Compiler(Functions()), tuple(policies)
        never = compiler.algebra.false
        self._questions = []
        for question in QUESTIONS:
            compiled = compiler.question(policies, Asked(question))
            permits = _able(compiled, Effect.PERMIT, never)
            forbids = _able(compiled, Effect.FORBID, never)
            errors = [(policy.id, policy.error.holds) for policy in compiled if policy.error is not never]
            place = tuple(Category).index(asked_with(question))
            self._questions.append((place, permits, forbids, errors))

    def answers(self, facts: Facts) -> list[Opinion]:
        """The opinion on each of `QUESTIONS`, in their order (rule 3)."""
        common = tuple(getattr(facts, name) for name in VOCABULARY)
        found = []
        for place, permits, forbids, errors in self._questions:
            seen = (*common, facts.consents[place])
            against = [name for name, holds in forbids if holds(seen)]
            reasons = against or [name for name, holds in permits if holds(seen)]
            erring = [name for name, holds in errors if holds(seen)] if errors else ()
            found.append(Opinion(bool(reasons) and not against, frozenset(reasons), frozenset(erring)))
        return found


def _able(
    compiled: Iterable[Compiled[Condition]], effect: Effect, never: Condition
) -> list[tuple[str, Callable[[Seen], bool]]]:
    """The policies of one effect that can be satisfied at all."""
    return [
        (policy.id, policy.value.holds) for policy in compiled if policy.effect is effect and policy.value is not never
    ]
