"""Is there any fact at all under which a condition holds? z3 answers, with the facts.

1. A fact of n values is n truths of which exactly one holds; a fact that is true or false is one truth.
2. Each category's consent is a fact of its own here, so that statements about several categories can be proved.
3. All conditions are written down once as SMT-LIB text, which z3 reads much faster than it is called.
4. Anything but a clear "no" or a clear "yes with these facts" is an error, never a proof.

Source: SMT-LIB 2.6 (smt-lib.org), sections 3 (syntax) and 4 (commands).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from tiprouter.errors import TiprouterError
from tiprouter.policy.gate.extras import extra
from tiprouter.policy.gate.formula import CONSENTS, FREE, Formula, Kind

SECONDS: Final = 60
_FACTS: Final[Mapping[str, tuple[Any, ...]]] = {**FREE, **CONSENTS}
_OPERATORS: Final = {Kind.ALL: "and", Kind.ANY: "or", Kind.NOT: "not"}


class UndecidedError(TiprouterError):
    """The solver gave up: nothing is proved."""


class Solver:
    """Asks z3 about lists of conditions, in a context of its own."""

    def __init__(self, claims: Sequence[Sequence[Formula]]) -> None:
        self._z3 = extra("z3")
        self._context = self._z3.Context()
        self._solver = self._z3.SolverFor("QF_FD", ctx=self._context)
        self._solver.set("timeout", SECONDS * 1000)
        self._solver.from_string("\n".join(_text(claims)))

    def example(self, claim: int) -> dict[str, Any] | None:
        """Facts under which a condition of one list holds; None when there are none. Raises `UndecidedError`."""
        result = self._solver.check(self._truth(_claim(claim)))
        if result == self._z3.unsat:
            return None
        if result != self._z3.sat:
            raise UndecidedError(f"the solver gave up after {SECONDS} seconds: nothing is proved")
        model = self._solver.model()
        return {
            name: next(
                value
                for value in values
                if self._z3.is_true(model.eval(self._truth(_name(name, value)), model_completion=True))
                is not (value is False)
            )
            for name, values in _FACTS.items()
        }

    def _truth(self, name: str) -> Any:  # noqa: ANN401 - a z3 term; z3 may be missing
        return self._z3.Bool(name, self._context)


def _text(claims: Sequence[Sequence[Formula]]) -> Iterator[str]:
    """Rules 1-3: the facts, a definition for each formula, and for each list a truth that needs one of its formulas."""
    for name, values in _FACTS.items():
        truths = [f"|{truth}|" for truth in dict.fromkeys(_name(name, value) for value in values)]
        yield from (f"(declare-const {truth} Bool)" for truth in truths)
        if len(truths) > 1:
            yield f"(assert (or {' '.join(truths)}))"
            yield from (f"(assert (or (not {one}) (not {other})))" for one, other in combinations(truths, 2))
    defined: dict[Formula, str] = {}
    for claim, formulas in enumerate(claims):
        for formula in formulas:
            yield from _definitions(formula, defined)
        said = " ".join(defined[formula] for formula in formulas)
        yield f"(declare-const {_claim(claim)} Bool)"
        yield f"(assert (=> {_claim(claim)} (or false {said})))"


def _definitions(formula: Formula, defined: dict[Formula, str]) -> Iterator[str]:
    """The definitions of a formula and of its parts that are not defined yet."""
    if formula in defined:
        return
    for part in formula.parts:
        yield from _definitions(part, defined)
    if formula.kind is Kind.FACT:
        stated = [_stated(formula.fact, value) for value in formula.values]
        said = f"(or false {' '.join(stated)})"
    else:
        said = f"({_OPERATORS[formula.kind]} {' '.join(defined[part] for part in formula.parts)})"
    defined[formula] = f"f{len(defined)}"
    yield f"(define-fun {defined[formula]} () Bool {said})"


def _stated(fact: str, value: object) -> str:
    return f"(not |{fact}|)" if value is False else f"|{_name(fact, value)}|"


def _name(fact: str, value: object) -> str:
    return fact if isinstance(value, bool) else f"{fact}={value}"


def _claim(number: int) -> str:
    return f"claim{number}"
