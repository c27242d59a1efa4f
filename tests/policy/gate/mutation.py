"""Who notices a small change to a bundle's policies: the golden table, the rules' sweep, or the laws and promises.

A mutant that decides every question alike at every point, with the same obligations, is equivalent: no one could
notice. That is looked up over the whole space, not guessed.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from tests.policy.gate.mutants import Mutant, mutants
from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.vocabulary import Category, ConsentState
from tiprouter.policy.annotations import OBLIGATIONS, Effect, PolicyNote
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import ruling_of
from tiprouter.policy.gate import laws
from tiprouter.policy.gate.compile import Compiled, allowed
from tiprouter.policy.gate.formula import Formula, true_at
from tiprouter.policy.gate.oracle import Compared, compared, differing
from tiprouter.policy.gate.proofs import Stated, stated, swept
from tiprouter.policy.gate.view import View
from tiprouter.policy.golden import GoldenRow, mismatches
from tiprouter.policy.memory import Answer
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, QUESTIONS

LAWS = (laws.above_floor, laws.below_ceiling, *laws.BY_GUARDS, *laws.BY_BUNDLE)


class GoldenTable:
    """The golden table as the compiled text decides it; only what a mutant changed is looked at again."""

    def __init__(self, found: Stated) -> None:
        self._view = found.view
        bundle = found.view.bundle
        self._rows = [(row, _seen(row)) for row in bundle.golden]
        slices = {name: bundle.slices[name] for row in bundle.golden for name in row.facts.rows}
        self._notes = {**bundle.notes, **{policy.note.id: policy.note for policy in slices.values()}}
        self._satisfied = [{question: frozenset[str]() for question in QUESTIONS} for _ in self._rows]
        for question in QUESTIONS:
            for one in self._view.compiled(question):
                self._add(one, question, range(len(self._rows)))
            for name, policy in slices.items():
                named = [at for at, (row, _) in enumerate(self._rows) if name in row.facts.rows]
                (one,) = self._view.further([policy], question)
                self._add(one, question, named)
        assert not any(self._changes(at, self._satisfied[at], self._notes) for at in range(len(self._rows)))

    def notices(self, mutant: Mutant) -> bool:
        """Whether some row is decided otherwise than written."""
        notes = self._notes if mutant.policy is None else {**self._notes, mutant.id: mutant.policy.note}
        same = notes[mutant.id] == self._notes[mutant.id]
        values = self._changed(mutant)
        for at, (_, seen) in enumerate(self._rows):
            after = dict(self._satisfied[at])
            for question, value in values.items():
                mine = {mutant.id} if true_at(value, seen) else set[str]()
                after[question] = (after[question] - {mutant.id}) | mine
            if (not same or after != self._satisfied[at]) and self._changes(at, after, notes):
                return True
        return False

    def _changed(self, mutant: Mutant) -> dict[str, Formula]:
        """For each question that the mutant changed, where its policy is satisfied now."""
        found = {}
        for question in QUESTIONS:
            (before,) = (one.value for one in self._view.compiled(question) if one.id == mutant.id)
            policies = [] if mutant.policy is None else [mutant.policy]
            after = next((one.value for one in self._view.further(policies, question)), self._view.algebra.false)
            if after is not before:
                found[question] = after
        return found

    def _add(self, one: Compiled[Formula], question: str, places: Iterable[int]) -> None:
        for at in places:
            if true_at(one.value, self._rows[at][1]):
                self._satisfied[at][question] |= {one.id}

    def _changes(self, at: int, satisfied: dict[str, frozenset[str]], notes: dict[str, PolicyNote]) -> bool:
        answers = {}
        for question, names in satisfied.items():
            against = {name for name in names if notes[name].effect is Effect.FORBID}
            answers[question] = Answer(bool(names) and not against, tuple(sorted(against or names)))
        ruling = ruling_of(answers, notes)
        return any(mismatches([self._rows[at][0]], lambda _: ruling))


def _seen(row: GoldenRow) -> dict[str, Any]:
    """A row's facts and consents, by the names that formulas call them."""
    consents = {f"{CONSENT}.{category.value}": row.facts.consent(category) for category in Category}
    return {name: getattr(row.facts, name) for name in (*VOCABULARY, ANY_GRANTED)} | consents


class Changed(View[Formula]):
    """A bundle with one mutant: what was not changed is taken from the original, formula for formula."""

    def __init__(self, original: View[Formula], mutant: Mutant) -> None:
        super().__init__(mutant.of(original.bundle), original.algebra)
        self._original, self._mutant = original, mutant

    def compiled(
        self, question: str, given: ConsentState | None = None, *, besides: bool | None = None
    ) -> Sequence[Compiled[Formula]]:
        """Every deciding policy in its place, asked this question."""
        found = list[Compiled[Formula]]()
        for one in self._original.compiled(question, given, besides=besides):
            if one.id != self._mutant.id:
                found.append(one)
            elif self._mutant.policy is not None:
                found += self._original.further([self._mutant.policy], question)
        return found

    def allowed(self, question: str, given: ConsentState | None = None, *, besides: bool | None = None) -> Formula:
        """The changed bundle says yes."""
        return allowed(self.algebra, self.compiled(question, given, besides=besides))


class Everywhere:
    """A bundle at every point of the space, to see where a mutant decides otherwise, and whether the rules notice.

    Formulas that are built alike are one object, so what a mutant does not touch need not be looked at again.
    """

    def __init__(self, found: Stated) -> None:
        self._original = found
        self._third_party = found.view.bundle.third_party
        self._before = _decides(found.view, found.view)
        self._agreed = {(one.theirs, one.ours) for one in compared(found, self._third_party)}

    def is_equivalent(self, mutant: Mutant) -> bool:
        """Whether every question is decided alike at every point, with the same obligations."""
        changed = Changed(self._original.view, mutant)
        never, after = self._original.formulas.false, _decides(changed, self._original.view)
        pairs = [(self._before.get(key, never), after.get(key, never)) for key in self._before | after]
        apart = [Compared("", "", "", *pair) for pair in pairs if pair[0] is not pair[1]]
        return next(differing(self._original, apart), None) is None

    def rules_notice(self, mutant: Mutant) -> bool:
        """Whether the rules, swept over the whole space, say otherwise somewhere; what they agreed to is left out."""
        changed = Stated(self._original.formulas, Changed(self._original.view, mutant), {})
        pairs = compared(changed, self._third_party)
        fresh = [one for one in pairs if (one.theirs, one.ours) not in self._agreed]
        return next(differing(changed, fresh), None) is not None


def _decides(view: View[Formula], original: View[Formula]) -> dict[tuple[str, ...], Formula]:
    """Where each question is answered with yes, and with which obligation where the original answers so too."""
    algebra, notes, found = view.algebra, view.bundle.notes, dict[tuple[str, ...], Formula]()
    for question in QUESTIONS:
        found[(question,)] = view.allowed(question)
        owing: dict[tuple[str, str], list[Formula]] = {}
        permits = (one for one in view.compiled(question) if one.effect is Effect.PERMIT)
        for one, name in product(permits, OBLIGATIONS):
            value = getattr(notes[one.id], name)
            if value is not None:
                owing.setdefault((name, str(value)), []).append(one.value)
        for obligation, some in owing.items():
            found[(question, *obligation)] = algebra.both(original.allowed(question), algebra.either(*some))
    return found


def laws_notice(bundle: Bundle) -> bool:
    """Whether any law, the ceiling or the floor is broken somewhere."""
    return bool(swept(stated(bundle, LAWS)).broken)


@dataclass(frozen=True, slots=True)
class Score:
    """How many mutants there are by kind and by who noticed them first; those that the table missed, and that live."""

    kinds: Counter[str]
    noticed: Counter[str]
    untabled: tuple[Mutant, ...]
    alive: tuple[Mutant, ...]

    def __str__(self) -> str:
        able = self.kinds.total() - self.noticed["equivalent"]
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common())
        return (
            f"{able - len(self.alive)} of {able} mutants noticed ({self.noticed['golden']} by the golden table, "
            f"{self.noticed['rules']} more by the rules); {self.noticed['equivalent']} equivalent ({kinds})"
        )


def score(bundle: Bundle) -> Score:
    """Ask the golden table about every mutant, and the rules about what it does not notice."""
    found = stated(bundle, [])
    table, everywhere = GoldenTable(found), Everywhere(found)
    kinds, noticed = Counter[str](), Counter[str]()
    untabled, alive = list[Mutant](), list[Mutant]()
    for mutant in mutants(bundle):
        kinds[mutant.kind] += 1
        if table.notices(mutant):
            noticed["golden"] += 1
        elif everywhere.is_equivalent(mutant):
            noticed["equivalent"] += 1
        else:
            seen = everywhere.rules_notice(mutant)
            noticed["rules" if seen else "nobody"] += 1
            untabled.append(mutant)
            alive += [] if seen else [mutant]
    return Score(kinds, noticed, tuple(untabled), tuple(alive))
