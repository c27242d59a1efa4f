"""Does a bundle decide as the rules say, at every point and for every question?

1. The rules are a second text (`rules`), compared with the compiled bundle over the whole space: the nine answers, and
   where both say yes, the deadlines and notices that come with it.
2. Whatever the bundle, its guards alone let nothing through that no rule speaks of (`rules.utmost`).
3. Where the tenant's choice is its own, what it permits and forbids is not known. So the guards and the core are
   compared without the tenant's layer, exactly; and with it, each of their reports and reviews must still be made.
   What a tenant's own permits let out is bounded by rule 2 and the ceiling; what its forbids keep in, by the floor.
4. A disagreement says what each side says and why, at one point in words, and at how many points.

Not promised: that the rules are right. Two texts agree, written the one way round and the other. How soon a child's
duty is due is the duty table's to say: state slices are not compared here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category, ReportChannel
from tiprouter.policy.annotations import OBLIGATIONS, Effect, Layer, PolicyNote
from tiprouter.policy.gate import rules
from tiprouter.policy.gate.claims import Claims, Truths
from tiprouter.policy.gate.compile import Compiled
from tiprouter.policy.gate.formula import Formula, true_at
from tiprouter.policy.gate.proofs import Stated, slabs
from tiprouter.policy.gate.rules import Obligation, ThirdParty
from tiprouter.policy.gate.space import Point
from tiprouter.policy.gate.words import point
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, QUESTIONS, REPORT, REVIEW, asked_with

TITLE: Final = "The bundle decides as the decision rules say, which were written down a second time without Cedar"

BUNDLE: Final = "the bundle"
PLATFORM: Final = "guards and core"
GUARDS: Final = "the guards"
ANSWER: Final = "the answer"

_LAYERS: Final = {BUNDLE: tuple(Layer), PLATFORM: (Layer.GUARDS, Layer.CORE), GUARDS: (Layer.GUARDS,)}
_NOTHING: Final = (None, Notice.NOT_REQUIRED, ReportChannel.ANY)


@dataclass(frozen=True, slots=True)
class Compared:
    """Where `who`, the bundle or a part of it, says yes to `what` about a question, and where the rules do."""

    question: str
    what: str
    who: str
    theirs: Formula
    ours: Formula


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Rule 4. `who` says yes where the rules say no, or the other way round.

    `policies` and `reasons` are each side's at `facts`, which is one of the `points` points.
    """

    question: str
    what: str
    who: str
    yes: bool
    policies: tuple[str, ...]
    reasons: tuple[str, ...]
    facts: Mapping[str, Any]
    points: int

    def __str__(self) -> str:
        theirs = f"{self.who} {_word(self.yes)} ({', '.join(self.policies) or 'by default'})"
        ours = f"the rules {_word(not self.yes)} ({'; '.join(self.reasons) or 'no reason'})"
        facts = {name: value for name, value in self.facts.items() if name != ANY_GRANTED or self.question == REVIEW}
        where = f"{self.points:,} points, as when {point(facts)}"
        return f"{self.question}, {self.what}: {theirs}, {ours}; {where}"


def disagreements(found: Stated, third_party: str) -> tuple[Disagreement, ...]:
    """Compare a bundle with the rules over the whole space (rules 1-4); `third_party` is a word of `ThirdParty`.

    Raises `ValueError` for another word, and `BundleError` for what the gate does not model.
    """
    comparison = _Comparison(found, ThirdParty(third_party))
    known: dict[tuple[Compared, bool], tuple[Point, int]] = {}
    for one, yes, first, points in differing(found, comparison.all()):
        before = known.get((one, yes), (first, 0))
        known[one, yes] = before[0], before[1] + points
    return tuple(comparison.told(one, yes, *seen) for (one, yes), seen in known.items())


def compared(found: Stated, third_party: str) -> Sequence[Compared]:
    """All that is compared (rules 1-3)."""
    return tuple(_Comparison(found, ThirdParty(third_party)).all())


def differing(found: Stated, several: Iterable[Compared]) -> Iterator[tuple[Compared, bool, Point, int]]:
    """Which of them differ, who says yes, the first such point, and how many there are; part by part of the space."""
    one_consent = found.formulas.of_one_consent
    pairs: dict[tuple[Formula, Formula], list[Compared]] = {}
    for one in several:
        pairs.setdefault((one_consent(one.theirs), one_consent(one.ours)), []).append(one)
    for space, reading in slabs([side for pair in pairs for side in pair]):
        for pair, alike in pairs.items():
            theirs, ours = (reading.of(side) for side in pair)
            if space.same(theirs, ours):
                continue
            for yes, points in ((True, space.without(theirs, ours)), (False, space.without(ours, theirs))):
                first = space.first(points)
                if first is not None:
                    yield from ((one, yes, first, space.count(points)) for one in alike)


class _Comparison:
    """One bundle and the rules, as formulas."""

    def __init__(self, found: Stated, choice: ThirdParty) -> None:
        self._view = found.view
        self._algebra = found.formulas
        self._choice = choice
        self._claims = Claims(found.formulas)
        self._who = PLATFORM if choice is ThirdParty.OWN else BUNDLE
        self._layers = {name: note.layer for name, note in found.view.bundle.notes.items()}
        self._obliging = {name: _obligations(note) for name, note in found.view.bundle.notes.items()}

    def all(self) -> Iterator[Compared]:
        """Everything that is compared, question after question."""
        both = self._algebra.both
        for question in QUESTIONS:
            theirs, ours = self._allowed(question), rules.answer(self._claims, question, self._choice).holds
            yield Compared(question, ANSWER, self._who, theirs, ours)
            yield from self._obliged(question, both(theirs, ours))
            if question not in (REPORT, REVIEW):
                through, utmost = self._view.unguarded(question), rules.utmost(self._claims, Category(question)).holds
                yield Compared(question, ANSWER, GUARDS, through, both(through, utmost))
            elif self._choice is ThirdParty.OWN:
                yield Compared(question, ANSWER, BUNDLE, both(ours, self._view.allowed(question)), ours)

    def told(self, one: Compared, yes: bool, first: Point, points: int) -> Disagreement:  # noqa: FBT001 - an answer
        """A disagreement with both sides' words (rule 4)."""
        facts = _told(one.question, first)
        satisfied = [policy for policy in self._compared(one.question, one.who) if true_at(policy.value, facts)]
        against = [policy.id for policy in satisfied if policy.effect is Effect.FORBID]
        claims = Claims(Truths(facts))
        hindrances = [reason.says for reason in rules.hindrances(claims, one.question) if reason.when.holds]
        reasons = [reason.says for reason in rules.reasons(claims, one.question, self._choice) if reason.when.holds]
        return Disagreement(
            question=one.question,
            what=one.what,
            who=one.who,
            yes=yes,
            policies=tuple(against or [policy.id for policy in satisfied]),
            reasons=tuple(hindrances or reasons),
            facts=facts,
            points=points,
        )

    def _allowed(self, question: str) -> Formula:
        """What is compared says yes (rules 1, 3)."""
        if self._who == BUNDLE:
            return self._view.allowed(question)
        permits, forbids = (self._satisfied(question, effect) for effect in (Effect.PERMIT, Effect.FORBID))
        return self._algebra.without(permits, forbids)

    def _satisfied(self, question: str, effect: Effect, obligation: Obligation | None = None) -> Formula:
        """Some policy of what is compared is satisfied; of those with an obligation when one is given."""
        return self._algebra.either(
            *(
                policy.value
                for policy in self._compared(question, self._who)
                if policy.effect is effect and (obligation is None or obligation in self._obliging[policy.id])
            )
        )

    def _obliged(self, question: str, agreed: Formula) -> Iterator[Compared]:
        """The obligations that come with a yes (rule 1)."""
        given = list(rules.reasons(self._claims, question, self._choice))
        known = {one for policy in self._compared(question, self._who) for one in self._obliging[policy.id]}
        for obligation in sorted(known.union(*(reason.obliges for reason in given)), key=str):
            theirs = self._satisfied(question, Effect.PERMIT, obligation)
            ours = rules.some(self._claims, (reason for reason in given if obligation in reason.obliges)).holds
            both, what = self._algebra.both, " ".join(map(str, obligation))
            yield Compared(question, what, self._who, both(agreed, theirs), both(agreed, ours))

    def _compared(self, question: str, who: str) -> Iterator[Compiled[Formula]]:
        return (one for one in self._view.compiled(question) if self._layers[one.id] in _LAYERS[who])


def _told(question: str, at: Point) -> dict[str, Any]:
    """A point, with its consent as that of the category which the question is asked with."""
    facts = {name: value for name, value in at.items() if name != CONSENT}
    return facts | {f"{CONSENT}.{asked_with(question).value}": at[CONSENT]}


def _obligations(note: PolicyNote) -> frozenset[Obligation]:
    found = ((name, getattr(note, name)) for name in OBLIGATIONS)
    return frozenset((name, value) for name, value in found if value not in _NOTHING)


def _word(yes: bool) -> str:  # noqa: FBT001 - an answer, not an option
    return "yes" if yes else "no"
