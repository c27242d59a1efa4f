"""Does the compiled text say what real Cedar says?

1. Every proof is about the compiled text, so the compiler is doubted here: real Cedar decides the same facts, and the
   decision and the determining policies of all nine questions must agree.
2. Points are taken with a stride that has no factor in common with the size of the space: any number of them is spread
   over it, none is taken twice, and `SIZE` of them are all. Each category has a consent of its own; where none is
   granted, what would be was not asked.
3. Every second point is opened (usable, in agreement, not implicated, of the place), because almost everything else is
   denied alike.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import cedarpy

from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import Answer, Category, ConsentState
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.gate.opinion import SecondOpinion
from tiprouter.policy.gate.space import SIZE, point_at
from tiprouter.policy.gate.words import point
from tiprouter.policy.questions import ANY_GRANTED, CONSENT, QUESTIONS, entities_for, requests_for

STRIDE: Final = 19_260_817  # a prime that does not divide SIZE
TOLD: Final = 5


@dataclass(frozen=True, slots=True)
class Differential:
    """How many real decisions were compared, how many of them differ, the first few in words, and the seconds."""

    decisions: int
    differing: int
    told: tuple[str, ...]
    seconds: float


def facts_at(number: int) -> Facts:
    """The facts with a number (rules 2, 3)."""
    found = point_at(number * STRIDE % SIZE)
    states = tuple(ConsentState)
    first = states.index(found[CONSENT])
    consents = tuple(states[(first + place) % len(states)] for place in range(len(Category)))
    if not found[ANY_GRANTED]:
        consents = tuple(ConsentState.NOT_ASKED if one is ConsentState.GRANTED else one for one in consents)
    facts = Facts(**{name: found[name] for name in VOCABULARY}, consents=consents)
    if number % 2:
        return replace(facts, usable=True, agreement=True, implicated=False, in_jurisdiction=Answer.YES)
    return facts


def differential(bundle: Bundle, decisions: int, start: int = 0) -> Differential:
    """Compare at least so many decisions, nine for each point from `start` on. Raises `BundleError`."""
    second, begin = SecondOpinion(bundle.policies), time.perf_counter()
    points = -(-decisions // len(QUESTIONS))
    differing, told = 0, list[str]()
    for number in range(start, start + points):
        facts = facts_at(number)
        for difference in _differences(bundle, second, facts):
            differing += 1
            told += [difference] if len(told) < TOLD else []
    return Differential(points * len(QUESTIONS), differing, tuple(told), time.perf_counter() - begin)


def _differences(bundle: Bundle, second: SecondOpinion, facts: Facts) -> Iterator[str]:
    policies, schema = bundle.parsed
    entities = cedarpy.Entities.from_json_str(entities_for(facts), schema)
    results = cedarpy.is_authorized_batch(
        requests_for(facts, earlier=bundle.parsed.earlier), policies, entities, schema
    )
    for question, result, other in zip(QUESTIONS, results, second.answers(facts), strict=True):
        cedar = (result.allowed, frozenset(result.diagnostics.reasons), bool(result.diagnostics.errors))
        if cedar != (other.allowed, other.policies, bool(other.errors)):
            where = point({name: getattr(facts, name) for name in VOCABULARY})
            yield f"{question}: Cedar {_said(*cedar[:2])}, compiled {_said(other.allowed, other.policies)}, {where}"


def _said(allowed: bool, policies: frozenset[str]) -> str:  # noqa: FBT001 - an answer, not an option
    return f"{'allows' if allowed else 'denies'} by {', '.join(sorted(policies)) or 'default'}"
