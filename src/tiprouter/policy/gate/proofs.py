"""Does a law hold of a bundle, and if not, where is it broken?

1. z3 is asked whether any breach can be; the same breaches are looked for at every point of the space, slab after slab.
   Both must say no. That they agree is checked, not assumed.
2. A bundle is compiled and its laws are told once; z3 and the sweep read the same formulas, each in its own way. What
   several breaches have in common is read once.
3. A counterexample is facts in words, with the question and what would happen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tiprouter.domain.explain import VOCABULARY
from tiprouter.policy.annotations import Effect
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.formula import Formula, Formulas, Reading, true_at, uses
from tiprouter.policy.gate.laws import Breach, Law
from tiprouter.policy.gate.solver import Solver
from tiprouter.policy.gate.space import SLABS, Space, Words
from tiprouter.policy.gate.view import View
from tiprouter.policy.gate.words import point
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, QUESTIONS, REPORT, REVIEW, asked_with

Told: TypeAlias = Mapping[Formula, Sequence[tuple[Law, Breach[Formula]]]]


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a law is broken: the facts, the question, what happens; `points` of the whole space when counted."""

    question: str
    says: str
    facts: dict[str, Any]
    points: int = 0

    def __str__(self) -> str:
        counted = f" ({self.points:,} points)" if self.points else ""
        return f"{self.question}: {self.says}{counted} when {point(self.facts)}"


@dataclass(frozen=True, slots=True)
class Stated:
    """A bundle's answers and the breaches of its laws, as formulas (rule 2)."""

    formulas: Formulas
    view: View[Formula]
    breaches: Mapping[Law, Sequence[Breach[Formula]]]


def stated(bundle: Bundle, laws: Sequence[Law]) -> Stated:
    """Every breach that is not impossible on its face. Raises `BundleError` for what the gate does not model."""
    formulas = Formulas()
    view = View(bundle, formulas)
    breaches = {law: [breach for breach in law(view) if breach.when is not formulas.false] for law in laws}
    return Stated(formulas, view, breaches)


class Prover:
    """Asks z3 about the stated laws."""

    def __init__(self, found: Stated) -> None:
        self._breaches = found.breaches
        self._claims = {law: number for number, law in enumerate(self._breaches)}
        self._solver = Solver([[breach.when for breach in breaches] for breaches in self._breaches.values()])

    def refute(self, law: Law) -> Broken | None:
        """A counterexample; None when the law is proved. Raises `UndecidedError`."""
        values = self._solver.example(self._claims[law])
        if values is None:
            return None
        return _broken(next(breach for breach in self._breaches[law] if true_at(breach.when, values)), values)


@dataclass(frozen=True, slots=True)
class Swept:
    """What was seen at every point: where each law is broken first, which policies match, which forbids silence."""

    broken: Mapping[Law, Broken]
    matching: frozenset[str]
    silencing: frozenset[str]


def swept(found: Stated) -> Swept:
    """Look at every point of the space (rule 1)."""
    told, matches = told_by(found), _matches(found)
    broken: dict[Law, Broken] = {}
    matching: set[tuple[str, bool]] = set()
    for space, reading in slabs([*told, *matches]):
        for law, seen in seen_in(told, space, reading):
            known = broken.setdefault(law, seen)
            if known is not seen and (known.question, known.says) == (seen.question, seen.says):
                broken[law] = replace(known, points=known.points + seen.points)
        for value, policies in matches.items():
            if reading.of(value).any():
                matching.update(policies)
    silencing = frozenset(name for name, silences in matching if silences)
    return Swept(broken, frozenset(name for name, _ in matching), silencing)


def told_by(found: Stated) -> Told:
    """The breaches by their conditions: those of several categories are often one."""
    told: dict[Formula, list[tuple[Law, Breach[Formula]]]] = {}
    for law, breaches in found.breaches.items():
        for breach in breaches:
            told.setdefault(found.formulas.of_one_consent(breach.when), []).append((law, breach))
    return told


def _matches(found: Stated) -> Mapping[Formula, Sequence[tuple[str, bool]]]:
    """Which policies are satisfied under a condition, and whether one that is forbids a report or a review."""
    matches: dict[Formula, list[tuple[str, bool]]] = {}
    for question in QUESTIONS:
        for policy in found.view.compiled(question):
            silences = policy.effect is Effect.FORBID and question in (REPORT, REVIEW)
            matches.setdefault(found.formulas.of_one_consent(policy.value), []).append((policy.id, silences))
    return matches


def slabs(roots: Sequence[Formula]) -> Iterator[tuple[Space, Reading[Words]]]:
    """The whole space, part by part, to read each root once in each."""
    used = uses(roots)
    for fixed in SLABS:
        space = Space(fixed)
        yield space, Reading(space, used)


def seen_in(found: Told, space: Space, reading: Reading[Words]) -> Iterator[tuple[Law, Broken]]:
    """Every breach of the laws in one space, with its number of points there."""
    for when, told in found.items():
        points = reading.of(when)
        first = None if points is space.false else space.first(points)
        if first is not None:
            for law, breach in told:
                yield law, _broken(breach, dict(first), space.count(points))


def _broken(breach: Breach[Any], values: dict[str, Any], points: int = 0) -> Broken:
    """The facts that matter to the breach: those of the person and the recipient, and its own consents."""
    own = f"{CONSENT}.{asked_with(breach.question).value}"
    facts = {name: values[name] for name in VOCABULARY}
    facts[own] = values.get(own, values.get(CONSENT))
    if breach.question == REVIEW:
        facts[ANY_GRANTED] = values[ANY_GRANTED]
    if breach.incident is not None:
        facts[f"{CONSENT}.incident"] = breach.incident
    return Broken(breach.question, breach.says, facts, points)
