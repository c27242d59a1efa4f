"""Is there any fact at all under which a condition holds? z3 answers, with the facts.

1. A fact of n values is n truths of which exactly one holds; a fact that is true or false is one truth.
2. Each category's consent is a fact of its own here, so that statements about several categories can be proved.
3. Anything but a clear "no" or a clear "yes with these facts" is an error, never a proof.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final, TypeAlias

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.errors import TiprouterError
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.gate.extras import extra
from tiprouter.policy.questions import CONSENT

Term: TypeAlias = Any  # z3.BoolRef: z3 may be missing when this is read

SECONDS: Final = 60
_FACTS: Final[Mapping[str, tuple[Any, ...]]] = {
    **VOCABULARY,
    **{f"{CONSENT}.{category.value}": tuple(ConsentState) for category in Category},
}


class UndecidedError(TiprouterError):
    """The solver gave up: nothing is proved."""


class Solver(Algebra[Term]):
    """Conditions as z3's terms, in a context of their own (rules 1, 2)."""

    def __init__(self) -> None:
        self._z3 = extra("z3")
        self._context = self._z3.Context()
        super().__init__(
            true=self._z3.BoolVal(val=True, ctx=self._context), false=self._z3.BoolVal(val=False, ctx=self._context)
        )
        self._facts: dict[tuple[str, object], Term] = {}
        self._solver = self._z3.SolverFor("QF_FD", ctx=self._context)
        self._solver.set("timeout", SECONDS * 1000)
        for name, values in _FACTS.items():
            terms = [self.fact(name, value) for value in values]
            self._solver.add(self._z3.Or(*terms))
            self._solver.add(*(self._z3.Or(self._not(one), self._not(other)) for one, other in combinations(terms, 2)))

    def fact(self, name: str, value: object) -> Term:
        """Rule 1."""
        key = (name, value)
        if key not in self._facts:
            yes = self._z3.Bool(name if isinstance(value, bool) else f"{name}={value}", self._context)
            self._facts[key] = self._not(yes) if value is False else yes
        return self._facts[key]

    def example(self, terms: Sequence[Term]) -> tuple[int, dict[str, Any]] | None:
        """Facts under which one of the terms holds, and which; None when there are none. Raises `UndecidedError`."""
        self._solver.push()
        try:
            self._solver.add(self.either(*terms))
            result = self._solver.check()
            if result == self._z3.unsat:
                return None
            if result != self._z3.sat:
                raise UndecidedError(f"the solver gave up after {SECONDS} seconds: nothing is proved")
            model = self._solver.model()
            holds = [self._z3.is_true(model.eval(term, model_completion=True)) for term in terms]
            return holds.index(True), self._values(model)
        finally:
            self._solver.pop()

    def _values(self, model: Any) -> dict[str, Any]:  # noqa: ANN401 - a z3 model; z3 may be missing
        return {
            name: next(
                value
                for value in values
                if self._z3.is_true(model.eval(self._facts[name, value], model_completion=True))
            )
            for name, values in _FACTS.items()
        }

    def _and(self, left: Term, right: Term) -> Term:
        return self._z3.And(left, right)

    def _or(self, left: Term, right: Term) -> Term:
        return self._z3.Or(left, right)

    def _not(self, term: Term) -> Term:
        return self._z3.Not(term)
