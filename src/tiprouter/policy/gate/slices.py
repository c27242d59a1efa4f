"""Do state slices only say why and by when?

1. A slice adds words and deadlines to what the bundle permits without it. It must not permit one question at one point
   that the bundle alone would not: every such point is counted, and one of them told.
2. A slice only permits (a forbid would withhold), can match somewhere (otherwise its law is never cited), and can never
   err (an erring policy is skipped).
3. Slices are asked one by one beside the bundle: permits do not help each other, so what none of them adds alone they
   do not add together.
4. Slices that say the same but for their annotations are looked at once: a table of many laws has few conditions.

Not promised: that a slice's words and deadline are its statute's; the duty table's own checks and its readers say that.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tiprouter.domain.explain import VOCABULARY
from tiprouter.policy.annotations import Effect
from tiprouter.policy.gate.compile import Compiled
from tiprouter.policy.gate.formula import Formula
from tiprouter.policy.gate.proofs import Stated, slabs
from tiprouter.policy.gate.space import Point
from tiprouter.policy.gate.words import point
from tiprouter.policy.layers import Policy
from tiprouter.policy.questions import CONSENT, QUESTIONS


@dataclass(frozen=True, slots=True)
class Beyond:
    """A question that a slice permits at `points` points where the bundle does not, and one of them in words."""

    policy: str
    question: str
    points: int
    words: str

    def __str__(self) -> str:
        return f"{self.policy} permits {self.question} beyond the bundle ({self.points:,} points) when {self.words}"


@dataclass(frozen=True, slots=True)
class Added:
    """What slices add: beyond the bundle, by forbidding, by erring, and which of them can never match, by policy id."""

    beyond: tuple[Beyond, ...]
    forbidding: tuple[str, ...]
    erring: tuple[str, ...]
    idle: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong, in words; none when slices only add words and deadlines."""
        return (
            *map(str, self.beyond),
            *(f"{name} forbids" for name in self.forbidding),
            *(f"{name} can err and would be skipped" for name in self.erring),
            *(f"{name} can never match" for name in self.idle),
        )


@dataclass(slots=True)
class _Seen:
    """What was seen of one condition: how many points it has, and the first of them."""

    points: int = 0
    first: Point = field(default_factory=dict)


def beyond_core(found: Stated, slices: Iterable[Policy]) -> Added:
    """What slices would add to a bundle (rules 1-4). Raises `BundleError` for what the gate does not model."""
    alike: dict[str, list[Policy]] = {}
    for policy in slices:
        alike.setdefault(_says(policy), []).append(policy)
    names = {some[0].note.id: sorted(policy.note.id for policy in some) for some in alike.values()}
    first = [some[0] for some in alike.values()]
    asked = [(question, one) for question in QUESTIONS for one in found.view.further(first, question)]
    permits = [(question, one) for question, one in asked if one.effect is Effect.PERMIT]
    added = [(question, one.id, _added(found, question, one)) for question, one in permits]
    matches = [(one.id, found.formulas.of_one_consent(one.value)) for _, one in permits]
    errors = [(one.id, found.formulas.of_one_consent(one.error)) for _, one in asked]
    seen = _seen([*(when for *_, when in added), *(when for _, when in (*matches, *errors))])
    matching = {name for name, when in matches if seen[when].points}
    forbidding = {one.id for _, one in asked if one.effect is Effect.FORBID}
    return Added(
        beyond=tuple(
            Beyond(policy, question, seen[when].points, _words(seen[when].first, question))
            for question, name, when in added
            if seen[when].points
            for policy in names[name]
        ),
        forbidding=_every(names, forbidding),
        erring=_every(names, {name for name, when in errors if seen[when].points}),
        idle=_every(names, names.keys() - matching - forbidding),
    )


def _says(policy: Policy) -> str:
    """What a policy says but for its annotations (rule 4)."""
    return json.dumps({name: part for name, part in policy.tree.items() if name != "annotations"}, sort_keys=True)


def _every(names: Mapping[str, Sequence[str]], some: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(policy for name in some for policy in names[name]))


def _added(found: Stated, question: str, one: Compiled[Formula]) -> Formula:
    """Where a permit allows a question that nothing forbids and the bundle does not allow (rule 1)."""
    view, formulas = found.view, found.formulas
    able = formulas.without(view.unforbidden(question), view.allowed(question))
    return formulas.of_one_consent(formulas.both(one.value, able))


def _seen(conditions: Sequence[Formula]) -> Mapping[Formula, _Seen]:
    """Every condition at every point of the space."""
    seen = {condition: _Seen() for condition in conditions}
    for space, reading in slabs(list(seen)):
        for condition, so_far in seen.items():
            points = reading.of(condition)
            first = None if points is space.false else space.first(points)
            if first is not None:
                so_far.first = so_far.first or first
                so_far.points += space.count(points)
    return seen


def _words(first: Point, question: str) -> str:
    return point({**{name: first[name] for name in VOCABULARY}, f"{CONSENT}.{question}": first[CONSENT]})
