"""Does a law hold of a bundle, and if not, where is it broken?

1. z3 is asked whether any breach can be; the same breaches are looked for at every point of the space, slab after slab.
   Both must say no. That they agree is checked, not assumed.
2. A counterexample is facts in words, with the question and what would happen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tiprouter.domain.explain import VOCABULARY
from tiprouter.policy.annotations import Effect
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.laws import Breach, Law
from tiprouter.policy.gate.solver import Solver
from tiprouter.policy.gate.space import SLABS, Space
from tiprouter.policy.gate.view import View
from tiprouter.policy.gate.words import point
from tiprouter.policy.questions import CONSENT, QUESTIONS, REPORT, REVIEW, asked_with


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


class Prover:
    """Asks z3 about one bundle."""

    def __init__(self, view: View[Any], solver: Solver) -> None:
        self._view = view
        self._solver = solver

    def refute(self, law: Law) -> Broken | None:
        """A counterexample; None when the law is proved. Raises `UndecidedError`."""
        breaches = [breach for breach in law(self._view) if breach.when is not self._solver.false]
        found = self._solver.example([breach.when for breach in breaches]) if breaches else None
        if found is None:
            return None
        at, values = found
        return _broken(breaches[at], values)


@dataclass(frozen=True, slots=True)
class Swept:
    """What was seen at every point: where each law is broken first, which policies match, which forbids silence."""

    broken: Mapping[Law, Broken]
    matching: frozenset[str]
    silencing: frozenset[str]


def swept(bundle: Bundle, laws: Sequence[Law]) -> Swept:
    """Look at every point of the space (rule 1). Raises `BundleError` for what the gate does not model."""
    broken: dict[Law, Broken] = {}
    matching: set[str] = set()
    silencing: set[str] = set()
    for fixed in SLABS:
        view = View(bundle, space := Space(fixed))
        for law, found in seen_in(view, space, laws):
            known = broken.setdefault(law, found)
            if known is not found and (known.question, known.says) == (found.question, found.says):
                broken[law] = replace(known, points=known.points + found.points)
        for question in QUESTIONS:
            able = {policy.id: policy for policy in view.compiled(question) if policy.value.any()}
            matching.update(able)
            if question in (REPORT, REVIEW):
                silencing.update(name for name, policy in able.items() if policy.effect is Effect.FORBID)
    return Swept(broken, frozenset(matching), frozenset(silencing))


def seen_in(view: View[Any], space: Space, laws: Iterable[Law]) -> Iterator[tuple[Law, Broken]]:
    """Every breach of the laws in one space, with its number of points there."""
    for law in laws:
        for breach in law(view):
            found = None if breach.when is space.false else space.first(breach.when)
            if found is not None:
                yield law, _broken(breach, dict(found), space.count(breach.when))


def _broken(breach: Breach[Any], values: dict[str, Any], points: int = 0) -> Broken:
    """The facts that matter to the breach: those of the person and the recipient, and its own consents."""
    own = f"{CONSENT}.{asked_with(breach.question).value}"
    facts = {name: values[name] for name in VOCABULARY}
    facts[own] = values.get(own, values.get(CONSENT))
    if breach.incident is not None:
        facts[f"{CONSENT}.incident"] = breach.incident
    return Broken(breach.question, breach.says, facts, points)
