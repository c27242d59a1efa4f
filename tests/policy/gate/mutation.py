"""Every small change to a bundle's policies, and who notices it: the golden table, or the gate.

A mutant drops a policy, drops or negates one of its conditions, drops or negates one side of an `&&` or `||`, or widens
its action to every question. One that decides every question alike at every point is equivalent: no one could notice.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from operator import or_
from typing import Any

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Finding
from tiprouter.domain.outcome import verdict_of
from tiprouter.domain.vocabulary import Category
from tiprouter.policy.annotations import Effect
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Answer, ruling_of
from tiprouter.policy.gate import laws
from tiprouter.policy.gate.compile import Asked, Compiled, Compiler
from tiprouter.policy.gate.opinion import Condition, Functions
from tiprouter.policy.gate.proofs import seen_in
from tiprouter.policy.gate.space import SLABS, Space, Words
from tiprouter.policy.gate.view import View
from tiprouter.policy.golden import GoldenRow
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import QUESTIONS, asked_with

LAWS = (laws.above_floor, laws.below_ceiling, *laws.BY_GUARDS, *laws.BY_BUNDLE)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change; `policy` is None when the policy is dropped."""

    name: str
    id: str
    policy: Policy | None

    def of(self, bundle: Bundle) -> Bundle:
        """The bundle with this change."""
        kept = tuple(policy for policy in bundle.policies if policy.note.id != self.id)
        return replace(bundle, policies=kept if self.policy is None else (*kept, self.policy))


def mutants(bundle: Bundle) -> Iterator[Mutant]:
    """Every mutant of every deciding policy."""
    for policy in bundle.policies:
        yield Mutant("dropped", policy.note.id, None)
        for name, tree in _changed(dict(policy.tree)):
            yield Mutant(name, policy.note.id, replace(policy, tree=tree))


def _changed(tree: Tree) -> Iterator[tuple[str, Tree]]:
    if tree["action"]["op"] != "All":
        yield "any action", tree | {"action": {"op": "All"}}
    for at, condition in enumerate(tree["conditions"]):
        others = tree["conditions"][:at], tree["conditions"][at + 1 :]
        kind = "unless" if condition["kind"] == "when" else "when"
        yield f"condition {at} dropped", tree | {"conditions": [*others[0], *others[1]]}
        yield f"condition {at} negated", tree | {"conditions": [*others[0], condition | {"kind": kind}, *others[1]]}
    for path in _junctions(tree["conditions"], ()):
        for side in ("left", "right"):
            other = "right" if side == "left" else "left"
            node = _at(tree["conditions"], path)
            ((operator, body),) = node.items()
            yield f"{path} {side} dropped", _with(tree, path, body[other])
            yield f"{path} {side} negated", _with(tree, path, {operator: body | {side: {"!": {"arg": body[side]}}}})


def _junctions(node: object, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict):
        if "&&" in node or "||" in node:
            yield path
        for key, child in node.items():
            yield from _junctions(child, (*path, key))
    elif isinstance(node, list):
        for key, child in enumerate(node):
            yield from _junctions(child, (*path, key))


def _at(node: Any, path: tuple[Any, ...]) -> Any:  # noqa: ANN401 - JSON of any shape
    for key in path:
        node = node[key]
    return node


def _with(tree: Tree, path: tuple[Any, ...], node: Tree) -> Tree:
    changed = copy.deepcopy(tree)
    _at(changed["conditions"], path[:-1])[path[-1]] = node
    return changed


class GoldenTable:
    """The golden table as the compiled text decides it; a mutant's one policy is compiled alone."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._notes = bundle.notes
        self._effects = {name: note.effect for name, note in bundle.notes.items()}
        self._satisfied = {row.name: {question: frozenset[str]() for question in QUESTIONS} for row in bundle.golden}
        for policy in bundle.policies:
            for question, holds in self._compiled(policy):
                for row in filter(holds, bundle.golden):
                    self._satisfied[row.name][question] |= {policy.note.id}
        assert not any(self._changes(row, self._satisfied[row.name]) for row in bundle.golden)

    def notices(self, mutant: Mutant) -> bool:
        """Whether some row is decided otherwise than written."""
        compiled = None if mutant.policy is None else self._compiled(mutant.policy)
        for row in self._bundle.golden:
            before = self._satisfied[row.name]
            hit = set() if compiled is None else {name for name, holds in compiled if holds(row)}
            after = {
                question: (names - {mutant.id}) | ({mutant.id} if question in hit else set())
                for question, names in before.items()
            }
            if after != before and self._changes(row, after):
                return True
        return False

    @staticmethod
    def _compiled(policy: Policy) -> list[tuple[str, Callable[[GoldenRow], bool]]]:
        """For each question, whether the policy is satisfied by a row."""
        compiler = Compiler(Functions())
        found: list[tuple[str, Callable[[GoldenRow], bool]]] = []
        for question in QUESTIONS:
            (compiled,) = compiler.question([policy], Asked(question))
            found.append((question, partial(_satisfied, compiled, tuple(Category).index(asked_with(question)))))
        return found

    def _changes(self, row: GoldenRow, satisfied: dict[str, frozenset[str]]) -> bool:
        answers = {}
        for question, names in satisfied.items():
            against = {name for name in names if self._effects[name] is Effect.FORBID}
            answers[question] = Answer(bool(names) and not against, tuple(sorted(against or names)))
        verdict = verdict_of(Finding(row.facts, None, None), ruling_of(answers, self._notes), NOW)
        return (verdict.outcome, verdict.categories, verdict.policies) != (row.outcome, row.categories, row.policies)


def gate_notices(bundle: Bundle) -> bool:
    """Whether any law, the ceiling or the floor is broken somewhere; told as soon as one is."""
    for fixed in SLABS:
        view = View(bundle, space := Space(fixed))
        if next(seen_in(view, space, LAWS), None) is not None:
            return True
    return False


def _satisfied(compiled: Compiled[Condition], place: int, row: GoldenRow) -> bool:
    seen = (*(getattr(row.facts, name) for name in VOCABULARY), row.facts.consents[place])
    return compiled.value.holds(seen)


class Everywhere:
    """A bundle's policies at every point, to see where a mutant would decide otherwise."""

    def __init__(self, bundle: Bundle) -> None:
        self._slabs = []
        for fixed in SLABS:
            compiler = Compiler(Space(fixed))
            asked = {question: compiler.question(bundle.policies, Asked(question)) for question in QUESTIONS}
            self._slabs.append((compiler, asked))

    def is_equivalent(self, mutant: Mutant) -> bool:
        """Whether every question is decided alike at every point."""
        return not any(
            self._differs(compiler, compiled, question, mutant)
            for compiler, asked in self._slabs
            for question, compiled in asked.items()
        )

    @staticmethod
    def _differs(compiler: Compiler[Words], compiled: list[Compiled[Words]], question: str, mutant: Mutant) -> bool:
        """Where the policy matches otherwise, nothing else may decide. Plain operators: nothing is remembered."""
        changed = [] if mutant.policy is None else [mutant.policy]
        (before,) = (policy for policy in compiled if policy.id == mutant.id)
        (after,) = compiler.question(changed, Asked(question)) or [replace(before, value=compiler.algebra.false)]
        points = before.value ^ after.value
        if not points.any():
            return False
        others = [policy for policy in compiled if policy.id != mutant.id]
        permits = reduce(or_, (one.value for one in others if one.effect is Effect.PERMIT), compiler.algebra.false)
        forbids = reduce(or_, (one.value for one in others if one.effect is Effect.FORBID), compiler.algebra.false)
        decided = permits if before.effect is Effect.PERMIT else ~permits
        return bool((points & ~forbids & ~decided).any())


def score(bundle: Bundle, *, gate_sees_all: bool = False) -> tuple[Counter[str], list[Mutant]]:
    """How many mutants the golden table notices, the gate, are equivalent, or live; and those that live.

    The gate is asked only about what the table does not notice, unless `gate_sees_all`.
    """
    table, everywhere, counts, alive = GoldenTable(bundle), Everywhere(bundle), Counter[str](), list[Mutant]()
    for mutant in mutants(bundle):
        counts["mutants"] += 1
        golden = table.notices(mutant)
        if not golden and everywhere.is_equivalent(mutant):
            counts["equivalent"] += 1
            continue
        gate = gate_notices(mutant.of(bundle)) if gate_sees_all or not golden else False
        counts["golden"] += golden
        counts["gate"] += gate
        counts["both"] += golden and gate
        if not golden and not gate:
            alive.append(mutant)
    return counts, alive
