"""What single fact would change this outcome, and which unknown fact decides it? (decision rule 12)

1. A counterfactual changes exactly one fact to another value of its vocabulary and asks the policy again.
2. It is told when the outcome or the permitted categories differ.
3. An unknown fact decides when two of its possible values lead to different outcomes; when every completion agrees,
   nobody need ask.

Not promised: that the other value could be true of this person; that is for people to know.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from tiprouter.domain.facts import Facts
from tiprouter.domain.outcome import Ruling, narrowed, outcome_of
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Basis,
    Category,
    ConsentState,
    DutyState,
    Outcome,
    Perceived,
    RecipientKind,
    Relationship,
    Role,
)

VOCABULARY: Mapping[str, tuple[StrEnum | bool, ...]] = {
    "recipient_kind": tuple(RecipientKind),
    "usable": (True, False),
    "agreement": (True, False),
    "implicated": (True, False),
    "in_jurisdiction": tuple(Answer),
    "role": tuple(Role),
    "age": tuple(AgeBand),
    "duty": tuple(DutyState),
    "reporter": tuple(Relationship),
    "immediate": tuple(Answer),
    "escalating": tuple(Answer),
    "perceived": tuple(Perceived),
    "fresh": (True, False),
    "basis": tuple(Basis),
}
"""Every fact but the consents, with all its values."""

FIXED = frozenset({"recipient_kind", "role"})
"""Facts that are what the question is about: another value would be another question."""


@dataclass(frozen=True, slots=True)
class Change:
    """One fact's other value, and what would follow from it."""

    fact: str
    value: str
    outcome: Outcome
    categories: frozenset[Category]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would change an outcome, and which unknown facts decide it."""

    changes: tuple[Change, ...]
    deciding_unknowns: tuple[str, ...]


def explain(facts: Facts, rule: Callable[[Facts], Ruling]) -> Explanation:
    """Rules 1-3."""
    stands = _result(facts, rule)
    flips = [(fact, value, _result(other, rule)) for fact, value, other in _others(facts)]
    unknown = [fact for fact in VOCABULARY if getattr(facts, fact) == Answer.UNKNOWN.value]
    return Explanation(
        changes=tuple(Change(fact, value, *result) for fact, value, result in flips if result != stands),
        deciding_unknowns=tuple(
            fact for fact in unknown if len({result for name, _, result in flips if name == fact}) > 1
        ),
    )


def facts_from(plain: Mapping[str, Any]) -> Facts:
    """Facts read back from their JSON values. Raises `ValueError` or `KeyError` when they are not facts."""
    values: dict[str, Any] = {}
    for fact, vocabulary in VOCABULARY.items():
        values[fact] = vocabulary[vocabulary.index(plain[fact])]
    consents = plain["consents"]
    values["consents"] = tuple(ConsentState(consents[category.value]) for category in Category)
    values["rows"] = tuple(plain.get("rows", ()))
    return Facts(**values)


def _result(facts: Facts, rule: Callable[[Facts], Ruling]) -> tuple[Outcome, frozenset[Category]]:
    ruling = narrowed(facts, rule(facts))
    outcome = outcome_of(ruling)
    return outcome, ruling.permitted if outcome in (Outcome.REPORT, Outcome.DISCLOSE) else frozenset()


def _others(facts: Facts) -> Iterator[tuple[str, str, Facts]]:
    for fact, vocabulary in VOCABULARY.items():
        for value in vocabulary:
            if fact not in FIXED and value != getattr(facts, fact):
                yield fact, str(value).lower(), replace(facts, **cast("dict[str, Any]", {fact: value}))
    for position, category in enumerate(Category):
        for state in ConsentState:
            if state is not facts.consents[position]:
                consents = (*facts.consents[:position], state, *facts.consents[position + 1 :])
                yield f"consent.{category.value}", state.value, replace(facts, consents=consents)
