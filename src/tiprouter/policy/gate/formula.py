"""What is a condition over the facts, before anybody asks where it holds?

1. A formula is a fact with some of its values, all of several formulas, any of them, or not one. What is built alike is
   the same object, so a bundle is compiled once, and each back end reads each formula once (`Reading`).
2. Conditions on one fact are one formula: its values are joined and cut as sets, and negated as the values left.
3. Each category's consent is a fact of its own. The space knows one consent only (`space`, rule 1), so a formula is
   looked at there as `of_one_consent`, which refuses a statement about several.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Generic, TypeVar

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.errors import TiprouterError
from tiprouter.policy.gate.algebra import Algebra
from tiprouter.policy.questions import ANY_GRANTED, CONSENT

B = TypeVar("B")

CONSENTS: Final = {f"{CONSENT}.{category.value}": tuple(ConsentState) for category in Category}
"""Each category's consent as a fact of its own, with its values."""

FREE: Final[Mapping[str, tuple[Any, ...]]] = {**VOCABULARY, ANY_GRANTED: (True, False)}
"""Every fact but the consents, with all its values: those of the vocabulary, and what is told beside the consents."""

_WORDS: Final = {name: frozenset(words) for name, words in {**FREE, CONSENT: tuple(ConsentState), **CONSENTS}.items()}


class SeveralConsentsError(TiprouterError):
    """A statement is about the consents for several categories, so no point of the space speaks of it."""


class Kind(Enum):
    """How a formula is made."""

    FACT = auto()
    ALL = auto()
    ANY = auto()
    NOT = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A condition. `fact` and `values` when it is about one fact, `parts` otherwise (rule 1)."""

    kind: Kind
    parts: tuple["Formula", ...] = ()
    fact: str = ""
    values: frozenset[Any] = field(default=frozenset())


class Formulas(Algebra[Formula]):
    """Makes formulas, each once (rules 1, 2)."""

    def __init__(self) -> None:
        super().__init__(true=Formula(Kind.ALL), false=Formula(Kind.ANY))
        self._made: dict[tuple[object, ...], Formula] = {}
        self._one: dict[Formula, tuple[Formula, frozenset[str]]] = {}

    def fact(self, name: str, value: object) -> Formula:
        """Rule 2."""
        return self._about(name, frozenset({value}))

    def _about(self, fact: str, values: frozenset[Any]) -> Formula:
        if not values or values == _WORDS[fact]:
            return self.true if values else self.false
        key = (Kind.FACT, fact, values)
        if key not in self._made:
            self._made[key] = Formula(Kind.FACT, (), fact, values)
        return self._made[key]

    def _and(self, *terms: Formula) -> Formula:
        facts: dict[str, frozenset[Any]] = {}
        for term in terms:
            if term.kind is Kind.FACT:
                facts[term.fact] = facts.get(term.fact, term.values) & term.values
        return self._joined(Kind.ALL, facts, terms)

    def _or(self, *terms: Formula) -> Formula:
        facts: dict[str, frozenset[Any]] = {}
        for term in terms:
            if term.kind is Kind.FACT:
                facts[term.fact] = facts.get(term.fact, term.values) | term.values
        return self._joined(Kind.ANY, facts, terms)

    def _joined(self, kind: Kind, facts: dict[str, frozenset[Any]], terms: Iterable[Formula]) -> Formula:
        """Rule 2: one formula for each fact, then everything else."""
        ends, nothing = (self.false, self.true) if kind is Kind.ALL else (self.true, self.false)
        parts = dict.fromkeys(self._about(name, values) for name, values in facts.items())
        parts.update(dict.fromkeys(term for term in terms if term.kind is not Kind.FACT))
        if ends in parts:
            return ends
        parts.pop(nothing, None)
        if len(parts) == 1:
            return next(iter(parts))
        key = (kind, *parts)
        if key not in self._made:
            self._made[key] = Formula(kind, tuple(parts))
        return self._made[key]

    def _not(self, term: Formula) -> Formula:
        if term.kind is Kind.FACT:
            return self._about(term.fact, _WORDS[term.fact] - term.values)
        if term.kind is Kind.NOT:
            return term.parts[0]
        key = (Kind.NOT, term)
        if key not in self._made:
            self._made[key] = Formula(Kind.NOT, (term,))
        return self._made[key]

    def of_one_consent(self, formula: Formula) -> Formula:
        """The formula with its category's consent as `CONSENT`. Raises `SeveralConsentsError`."""
        return self._renamed(formula)[0]

    def _renamed(self, formula: Formula) -> tuple[Formula, frozenset[str]]:
        if formula not in self._one:
            self._one[formula] = self._made_one(formula)
        return self._one[formula]

    def _made_one(self, formula: Formula) -> tuple[Formula, frozenset[str]]:
        """The formula about one consent, and whose consents it was about."""
        if formula.kind is Kind.FACT:
            if formula.fact in CONSENTS:
                return self._about(CONSENT, formula.values), frozenset({formula.fact})
            return formula, frozenset()
        parts = [self._renamed(part) for part in formula.parts]
        names = frozenset[str]().union(*(one for _, one in parts))
        if len(names) > 1:
            raise SeveralConsentsError(f"one statement is about several consents: {', '.join(sorted(names))}")
        if not names:
            return formula, names
        made = self.both if formula.kind is Kind.ALL else self.either
        if formula.kind is Kind.NOT:
            return self.negated(parts[0][0]), names
        return made(*(part for part, _ in parts)), names


def uses(roots: Iterable[Formula]) -> Counter[Formula]:
    """How often each formula is used, when each root is read once: as a root and as a part."""
    found, stack = Counter[Formula](), list(roots)
    while stack:
        formula = stack.pop()
        found[formula] += 1
        if found[formula] == 1:
            stack.extend(formula.parts)
    return found


class Reading(Generic[B]):
    """Formulas as another algebra's conditions: each is read once, and forgotten after its last use.

    What is forgotten frees memory that the next can have: of arrays, fresh memory costs more than the work on it.
    """

    def __init__(self, algebra: Algebra[B], uses: Mapping[Formula, int]) -> None:
        self._algebra = algebra
        self._left = dict(uses)
        self._read: dict[Formula, B] = {}

    def of(self, formula: Formula) -> B:
        """The same condition in the other algebra. Raises `KeyError` when asked more often than `uses` counted."""
        left = self._left.pop(formula) - 1
        read = self._read.pop(formula, None)
        if read is None:
            read = self._made(formula)
        if left:
            self._left[formula], self._read[formula] = left, read
        return read

    def _made(self, formula: Formula) -> B:
        match formula.kind:
            case Kind.FACT:
                return self._algebra.is_one(formula.fact, *formula.values)
            case Kind.ALL:
                return self._algebra.both(*map(self.of, formula.parts))
            case Kind.ANY:
                return self._algebra.either(*map(self.of, formula.parts))
            case Kind.NOT:
                return self._algebra.negated(self.of(formula.parts[0]))


def true_at(formula: Formula, point: Mapping[str, Any]) -> bool:
    """Whether a formula holds at one point, which has a value for each fact it is about."""
    match formula.kind:
        case Kind.FACT:
            return point[formula.fact] in formula.values
        case Kind.ALL:
            return all(true_at(part, point) for part in formula.parts)
        case Kind.ANY:
            return any(true_at(part, point) for part in formula.parts)
        case Kind.NOT:
            return not true_at(formula.parts[0], point)
