"""What would another bundle have decided on the same history?

1. Every decision of a period that stood at its end (the latest about each record, person and recipient; or every one)
   is made again by another bundle, from the facts it was made from, and nothing is written.
2. Told are the outcomes before and after, and what newly leaves or no longer does, is newly reported or no longer, and
   newly waits for a person (a review, a blocked duty, an error) or no longer: how many, toward which kinds of
   recipient, and the newest examples of different situations.
3. Facts were derived with the tables and numbers of the bundle of their day. Where the other bundle's differ, it might
   derive other facts: which parts differ is told, and how many decisions rest on them, rather too many than too few.
   Where the facts say a duty (an adult's may), a child or an unknown age, they rest on the tables; heard or observed
   violence rests on its freshness. Duty rows that the other bundle does not have are left out and counted.
4. What has no facts cannot be made again; it is counted.

Not promised: deadlines, which are the tables'; nor what people would have done under the other bundle.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tiprouter.domain.duty import Protocol
from tiprouter.domain.facts import Facts, Finding
from tiprouter.domain.outcome import Verdict, verdict_of
from tiprouter.domain.review import Review, answered_in
from tiprouter.domain.vocabulary import AgeBand, Basis, Category, DutyState, Outcome, Perceived
from tiprouter.policy.engine import Engine
from tiprouter.storage.database import Database
from tiprouter.storage.decisions import Decision
from tiprouter.storage.past import Past
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.history import NO_RECEIPT, PAGE, Engines, decisions, facts_of, in_words

EXAMPLES: Final = 5

HELD: Final = (Outcome.HOLD_REVIEW, Outcome.DUTY_BLOCKED, Outcome.HOLD_ERROR)
"""What waits for a person."""

_FRESHNESS: Final = "violence_fresh"
_PARTS: Final = {
    "rows": "the duty rows",
    "territories": "the jurisdictions",
    "bound_as": "whom the rows bind",
    "immediately": "how soon immediately is",
    "stale_after": "how long a row is relied on",
    "default_threshold": "the age where no row states one",
    "default_zone": "the time zone where no row states one",
    _FRESHNESS: "how long violence is fresh",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One decision that another bundle would make otherwise: its facts in words, and the categories it would change."""

    decision: str
    situation: str
    before: Outcome
    after: Outcome
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """One kind of change: how many decisions, by kind of recipient, and the newest different situations."""

    kind: str
    decisions: int
    recipients: Mapping[str, int]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What of the history was derived with other tables (rule 3): the parts that differ, in words, and how much.

    `decisions` rest on them; `unknown` were made under bundles that are not stored; `rows_left_out` named duty rows
    that the other bundle does not have.
    """

    parts: tuple[str, ...]
    decisions: int
    unknown: int
    rows_left_out: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it: `outcomes` counts decisions by outcome before and after; shifts that happened, in order."""

    bundle: str
    simulated: int
    without_facts: int
    outcomes: Mapping[tuple[Outcome, Outcome], int]
    shifts: tuple[Shift, ...]
    elsewhere: Elsewhere

    @property
    def discloses(self) -> bool:
        """Whether anything would newly leave."""
        return any(shift.kind == NEWLY_DISCLOSED for shift in self.shifts)


@dataclass(frozen=True, slots=True)
class _Made:
    """A stored decision and what the other bundle makes of it."""

    decision: Decision
    facts: Facts
    verdict: Verdict

    @property
    def gained(self) -> tuple[str, ...]:
        known = self.decision.categories
        return tuple(one.value for one in Category if one in self.verdict.categories and one.value not in known)

    @property
    def lost(self) -> tuple[str, ...]:
        kept = {category.value for category in self.verdict.categories}
        return tuple(name for name in self.decision.categories if name not in kept)

    def turns(self, *outcomes: Outcome) -> bool:
        """Whether it becomes one of these outcomes and was none of them."""
        return self.verdict.outcome in outcomes and self.decision.outcome not in outcomes

    def turns_from(self, *outcomes: Outcome) -> bool:
        """Whether it was one of these outcomes and becomes none of them."""
        return self.decision.outcome in outcomes and self.verdict.outcome not in outcomes


NEWLY_DISCLOSED: Final = "newly disclosed"
_KINDS: Final[Mapping[str, Callable[[_Made], bool]]] = {
    NEWLY_DISCLOSED: lambda made: bool(made.gained),
    "newly withheld": lambda made: bool(made.lost),
    "newly reported": lambda made: made.turns(Outcome.REPORT),
    "no longer reported": lambda made: made.turns_from(Outcome.REPORT),
    "newly held": lambda made: made.turns(*HELD),
    "no longer held": lambda made: made.turns_from(*HELD),
}


async def simulate(
    database: Database,
    desk: Desk,
    engine: Engine,
    since: datetime | None,
    *,
    until: datetime | None = None,
    every: bool = False,
) -> Simulated:
    """What a bundle would have decided since a moment, and before `until` (rules 1-4).

    `every` decision, or those that stood when the period ended.
    """
    tally, engines = _Tally(engine), Engines(database, desk)
    past = Past(since, newest_first=True, standing=not every, until=until)
    async for page in decisions(database, past, PAGE):
        known = await engines.of(page)
        await asyncio.to_thread(tally.add, page, known)
    return tally.result()


def decided_by(engine: Engine, facts: Facts, review: Review | None = None) -> tuple[Verdict, Facts]:
    """What a bundle makes of these facts, and what it kept of them: the duty rows that it has (rule 3)."""
    rows = tuple(row for row in facts.rows if row in engine.bundle.slices)
    kept = facts if rows == facts.rows else replace(facts, rows=rows)
    return verdict_of(Finding(kept, None, None), engine.rule(kept), NO_RECEIPT, review), kept


class _Tally:
    """Counts what the other bundle makes of each decision."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._outcomes: Counter[tuple[Outcome, Outcome]] = Counter()
        self._recipients: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
        self._examples: dict[str, dict[str, Example]] = {kind: {} for kind in _KINDS}
        self._counts: Counter[str] = Counter()
        self._differing: dict[str, tuple[str, ...]] = {}

    def add(self, page: Iterable[Decision], engines: Mapping[str, Engine]) -> None:
        """Count a page of decisions; `engines` are of the bundles that made them."""
        for decision in page:
            facts = facts_of(decision)
            if facts is None:
                self._counts["without facts"] += 1
                continue
            self._look_elsewhere(facts, decision.bundle, engines.get(decision.bundle))
            self._count(_Made(decision, facts, self._verdict(decision, facts)))

    def result(self) -> Simulated:
        """Everything that was counted."""
        shifts = (
            Shift(kind, found.total(), dict(found), tuple(self._examples[kind].values()))
            for kind, found in self._recipients.items()
        )
        differing = {name for names in self._differing.values() for name in names}
        return Simulated(
            bundle=self._engine.bundle.digest,
            simulated=self._outcomes.total(),
            without_facts=self._counts["without facts"],
            outcomes=dict(self._outcomes),
            shifts=tuple(shift for shift in shifts if shift.decisions),
            elsewhere=Elsewhere(
                parts=tuple(told for name, told in _PARTS.items() if name in differing),
                decisions=self._counts["elsewhere"],
                unknown=self._counts["unknown"],
                rows_left_out=self._counts["rows left out"],
            ),
        )

    def _verdict(self, decision: Decision, facts: Facts) -> Verdict:
        """Rule 3: a row that the bundle does not have would be an error, and is no fact that it would derive.

        A reviewer's answer was about one bundle, and counts for no other.
        """
        same = decision.bundle == self._engine.bundle.digest
        review = answered_in(decision.policies, decision.categories) if same else None
        verdict, kept = decided_by(self._engine, facts, review)
        self._counts["rows left out"] += kept.rows != facts.rows
        return verdict

    def _look_elsewhere(self, facts: Facts, digest: str, old: Engine | None) -> None:
        if old is None:
            self._counts["unknown"] += 1
            differing: tuple[str, ...] = tuple(_PARTS)
        else:
            if digest not in self._differing:
                self._differing[digest] = tuple(_differing(old.bundle.protocol, self._engine.bundle.protocol))
            differing = self._differing[digest]
        self._counts["elsewhere"] += _rests_on(facts, differing)

    def _count(self, made: _Made) -> None:
        self._outcomes[made.decision.outcome, made.verdict.outcome] += 1
        for kind, happens in _KINDS.items():
            if happens(made):
                self._recipients[kind][made.facts.recipient_kind.value] += 1
                told = self._examples[kind]
                if len(told) < EXAMPLES:
                    example = _example(made)
                    told.setdefault(example.situation, example)


def _differing(old: Protocol, new: Protocol) -> Iterator[str]:
    return (name for name in _PARTS if getattr(old, name) != getattr(new, name))


def _rests_on(facts: Facts, differing: tuple[str, ...]) -> bool:
    """Whether another bundle might derive other facts, for what differs (rule 3)."""
    if _FRESHNESS in differing and facts.perceived is Perceived.FIRST_HAND:
        return True
    tables = any(name != _FRESHNESS for name in differing)
    owed = facts.duty is not DutyState.NOT_REQUIRED or facts.basis is Basis.DUTY
    return tables and (owed or facts.age is not AgeBand.ADULT)


def _example(made: _Made) -> Example:
    return Example(
        decision=made.decision.id,
        situation=in_words(made.facts),
        before=made.decision.outcome,
        after=made.verdict.outcome,
        gained=made.gained,
        lost=made.lost,
    )
