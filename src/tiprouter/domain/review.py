"""What may a human decide about a held decision, and when does the answer no longer stand?

1. A human looks at every `HOLD_REVIEW` and `HOLD_ERROR`, and at a `REPORT` whose policy asks for a review beside it.
2. A release lets leave what the hold withheld and the policy permits, never more: guards win over people too. What the
   person refused or took back is not released either, whatever a bundle permits; an accused person has no such say.
3. An error is withheld or asked again, never released: nobody knows what it would have said.
4. A report is never delayed, narrowed or widened by a review: there is nothing in it to release.
5. An answer is about these facts, this revision of the record and this bundle. When any of them changes it is stale:
   the hold returns, and somebody looks again.
6. Breaking the glass takes two: who a person is, how to reach them and their health go to police by release only when
   a second reviewer confirms it. This is a rule of the house, not of a bundle: no bundle can switch it off. A bundle
   may ask for more: other categories, whoever is told (`@second_person` of a policy that had a part in the hold).
7. Danger first: stated immediate violence, or a deadline within the imminent lane; then the earliest deadline.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tiprouter.domain.facts import Facts
from tiprouter.domain.vocabulary import (
    Answer,
    Category,
    ConsentState,
    Outcome,
    RecipientKind,
    ReviewAnswer,
    Role,
    Urgency,
)

RELEASED: Final = "reviewer.released"
WITHHELD: Final = "reviewer.withheld"
"""How a decision says that a reviewer answered it: beside the policies that determined it."""

TWICE: Final = frozenset({Category.IDENTITY, Category.CONTACT, Category.HEALTH})
"""What police are told by release only after a second person's word, whatever a bundle says (rule 6)."""


TAKEN_BACK: Final = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
"""What the person said no to (rule 2)."""


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's answer to a hold: release of these categories, or withhold."""

    answer: ReviewAnswer
    categories: frozenset[Category] = frozenset()


def wanted(outcome: Outcome, *, review: bool) -> bool:
    """Whether a human looks at a decision (rule 1)."""
    return outcome in (Outcome.HOLD_REVIEW, Outcome.HOLD_ERROR) or (outcome is Outcome.REPORT and review)


def releasable(facts: Facts, permitted: frozenset[Category]) -> frozenset[Category]:
    """What a reviewer may let leave of what the policy permits (rule 2)."""
    if facts.role is Role.ALLEGED_TRAFFICKER:
        return permitted
    return frozenset(category for category in permitted if facts.consent(category) not in TAKEN_BACK)


def released(review: Review | None, releasable: frozenset[Category]) -> frozenset[Category]:
    """What a review lets leave of what may be released (rule 2)."""
    if review is None or review.answer is not ReviewAnswer.RELEASE:
        return frozenset()
    return review.categories & releasable


def answered_in(policies: Collection[str], categories: Iterable[str]) -> Review | None:
    """The review that a decision rested on, read from the decision itself; None when it rested on none."""
    if RELEASED in policies:
        return Review(ReviewAnswer.RELEASE, frozenset(map(Category, categories)))
    return Review(ReviewAnswer.WITHHOLD) if WITHHELD in policies else None


def about(revision: int, facts: Mapping[str, Any] | None, bundle: str) -> str:
    """What an answer is about (rule 5): SHA-256 in hex over revision, facts and bundle; equal when nothing changed."""
    said = json.dumps([revision, facts, bundle], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def twice(kind: RecipientKind, also: frozenset[Category]) -> frozenset[Category]:
    """What leaves by release only after a second person's word; `also` is what the bundle adds (rule 6)."""
    return also | TWICE if kind is RecipientKind.LAW_ENFORCEMENT else also


def second_person(kind: RecipientKind, review: Review, also: frozenset[Category] = frozenset()) -> bool:
    """Whether another reviewer must confirm this answer; `also` is what the bundle adds (rule 6)."""
    return review.answer is ReviewAnswer.RELEASE and bool(review.categories & twice(kind, also))


def lane(urgency: Urgency, facts: Mapping[str, Any] | None) -> Urgency:
    """Which part of the queue a hold waits in (rule 7)."""
    danger = facts is not None and facts["immediate"] == Answer.YES.value
    return Urgency.IMMINENT if danger else urgency
