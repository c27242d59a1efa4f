"""What would change if one bundle took another's place?

1. Both are asked every question at every point of the space; what differs is counted exactly and told in words.
2. What may newly leave and what may no longer leave are told apart: newly disclosed needs somebody's explicit approval.
   So are reports and reviews that begin or end, because a review that ends lets go of what it held; and releases that a
   bundle's `@second_person` asks two people for. What the house asks for itself is in no bundle, and in no difference.
3. Points are grouped into situations (facts that make no difference are left out); questions that change alike are told
   together. At most `SITUATIONS` are told of each change, and how many points are left.

Not promised: how often a situation occurs; that is for history to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from tiprouter.domain.vocabulary import Category
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.formula import Formula, Formulas, Reading, uses
from tiprouter.policy.gate.space import Space, Words
from tiprouter.policy.gate.view import View
from tiprouter.policy.gate.words import situation
from tiprouter.policy.questions import CONSENT, QUESTIONS, REPORT, REVIEW

SITUATIONS: Final = 12

_KINDS: Final = {
    REPORT: ("newly reported", "no longer reported"),
    REVIEW: ("newly reviewed", "no longer reviewed"),
    **{category.value: ("newly disclosed", "newly withheld") for category in Category},
}


_BY_TWO: Final = ("newly asked of a second person", "no longer asked of a second person")


@dataclass(frozen=True, slots=True)
class Situation:
    """Facts in words, and how many points they are."""

    words: str
    points: int


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of some questions at `points` points each, told as situations; `untold` points are beyond them."""

    kind: str
    questions: tuple[str, ...]
    points: int
    situations: tuple[Situation, ...]
    untold: int


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes from one bundle to another; none when both decide alike everywhere."""

    before: str
    after: str
    changes: tuple[Change, ...]

    @property
    def discloses(self) -> bool:
        """Whether anything may newly leave, a review that may hold it back ends, or one person releases it alone."""
        loosened = ("newly disclosed", "no longer reviewed", _BY_TWO[1])
        return any(change.kind in loosened for change in self.changes)


def difference(before: Bundle, after: Bundle) -> Difference:
    """Compare two bundles (rules 1-3). Raises `GateUnavailableError`, and `BundleError` for what is not modelled."""
    formulas = Formulas()
    old, new = View(before, formulas), View(after, formulas)
    differing: dict[tuple[str, Formula], list[str]] = {}
    for question in QUESTIONS:
        was, becomes = old.allowed(question), new.allowed(question)
        for kind, points in zip(
            _KINDS[question], (formulas.without(becomes, was), formulas.without(was, becomes)), strict=True
        ):
            differing.setdefault((kind, formulas.of_one_consent(points)), []).append(question)
    for category, question in product(Category, (*Category, REVIEW)):
        was, becomes = _by_two(old, category, question), _by_two(new, category, question)
        for kind, points in zip(_BY_TWO, (formulas.without(becomes, was), formulas.without(was, becomes)), strict=True):
            differing.setdefault((kind, formulas.of_one_consent(points)), []).append(category.value)
    space = Space()
    reading = Reading(space, uses([points for _, points in differing]))
    found: list[tuple[str, list[str], Words]] = []
    for (kind, formula), questions in differing.items():
        points = reading.of(formula)
        if points.any():
            alike = next((entry for entry in found if entry[0] == kind and space.same(entry[2], points)), None)
            if alike is None:
                found.append((kind, questions, points))
            else:
                alike[1].extend(questions)
    changes = tuple(_change(space, kind, questions, points) for kind, questions, points in found)
    return Difference(before.digest, after.digest, changes)


def _by_two(view: View[Formula], category: Category, question: str) -> Formula:
    """Where the answer to a question rests on a policy that asks for a second person before this is released."""
    asking = {name for name, note in view.bundle.notes.items() if category in note.second_person}
    if not asking:
        return view.algebra.false
    having = (policy.value for policy in view.compiled(question) if policy.id in asking)
    return view.algebra.both(view.allowed(question), view.algebra.either(*having))


def _change(space: Space, kind: str, questions: Sequence[str], points: Words) -> Change:
    told = tuple(_situations(space, points))
    total = space.count(points)
    return Change(kind, tuple(dict.fromkeys(questions)), total, told, total - sum(one.points for one in told))


def _situations(space: Space, points: Words) -> Iterator[Situation]:
    for values, count in space.boxes(points, SITUATIONS):
        named = {("consent to it" if name == CONSENT else name): some for name, some in values.items()}
        yield Situation(situation(named), count)
