"""What is done about one person and one recipient, given what the policy answered?

1. Any error while the policy was asked means nothing leaves and a human is told: `HOLD_ERROR`.
2. A duty with something permitted is `REPORT`, never delayed by review (review covers the rest); a duty with nothing
   permitted is `DUTY_BLOCKED`.
3. Then review: `HOLD_REVIEW`. Then anything permitted: `DISCLOSE`. Otherwise `WITHHOLD`: the default is deny.
4. The deadline is the earliest of the determining policies' and the duty table's; the notice the most protective.
5. A duty that no recipient can take is decided too (`unrouted`), with no recipient: it must not end in silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, unique

from tiprouter.domain.facts import VICTIM_ROLES, Facts, Finding
from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import AgeBand, Category, Outcome, Urgency

IMMINENT_WITHIN = timedelta(minutes=30)
"""A deadline this close to receipt puts a delivery into the lane that waits for nobody."""

DEFAULT_WITHIN = timedelta(hours=72)
"""How long a disclosure without any deadline of its own is tried."""


@unique
class Notice(StrEnum):
    """Whether the subject is to be told, least protective first."""

    NOT_REQUIRED = "not_required"
    REQUIRED = "required"
    WHEN_SAFE = "when_safe"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy answered: what it permits, whether it reports or asks for review, and by which policies.

    `within` are the deadlines of the determining policies, as spans after receipt; `errors` are error classes, never
    texts: an error text may quote a fact.
    """

    permitted: frozenset[Category]
    report: bool
    review: bool
    policies: tuple[str, ...]
    within: tuple[timedelta, ...] = ()
    by_duty_table: bool = False
    notice: Notice = Notice.NOT_REQUIRED
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one person and one recipient, with everything that explains it."""

    outcome: Outcome
    categories: frozenset[Category]
    policies: tuple[str, ...]
    review: bool
    deadline: datetime | None
    urgency: Urgency
    notice: Notice
    facts: Facts | None
    valid_until: datetime | None
    errors: tuple[str, ...] = ()

    @property
    def leaves(self) -> bool:
        """Whether anything leaves on this verdict."""
        return self.outcome in (Outcome.REPORT, Outcome.DISCLOSE)


def verdict_of(finding: Finding, ruling: Ruling, received_at: datetime) -> Verdict:
    """Rules 1-4."""
    outcome = outcome_of(ruling)
    leaves = outcome in (Outcome.REPORT, Outcome.DISCLOSE)
    within = _within(finding, ruling, outcome)
    return Verdict(
        outcome=outcome,
        categories=ruling.permitted if leaves else frozenset(),
        policies=ruling.policies or (("policy.error",) if ruling.errors else ("default-deny",)),
        review=ruling.review,
        deadline=None if within is None else received_at + within,
        urgency=Urgency.IMMINENT if within is not None and within <= IMMINENT_WITHIN else Urgency.STANDARD,
        notice=ruling.notice,
        facts=finding.facts,
        valid_until=finding.valid_until,
        errors=ruling.errors,
    )


def outcome_of(ruling: Ruling) -> Outcome:
    """Rules 1-3 alone."""
    if ruling.errors:
        return Outcome.HOLD_ERROR
    if ruling.report:
        return Outcome.REPORT if ruling.permitted else Outcome.DUTY_BLOCKED
    if ruling.review:
        return Outcome.HOLD_REVIEW
    return Outcome.DISCLOSE if ruling.permitted else Outcome.WITHHOLD


def _within(finding: Finding, ruling: Ruling, outcome: Outcome) -> timedelta | None:
    if outcome is Outcome.WITHHOLD:
        return None
    # Nobody knows what an error hides: it is looked at as if it hid imminent danger.
    spans = [*ruling.within, *((IMMINENT_WITHIN,) if outcome is Outcome.HOLD_ERROR else ())]
    if finding.duty_within is not None and (ruling.by_duty_table or outcome is not Outcome.DISCLOSE):
        spans.append(finding.duty_within)
    return min(spans, default=DEFAULT_WITHIN)


def unrouted(record: Record, verdicts: Iterable[tuple[str, Verdict]], bands: dict[str, AgeBand]) -> tuple[str, ...]:
    """The `ref`s of children, or perhaps children, whom no recipient's verdict reports, holds or flags (rule 5)."""
    seen = {ref for ref, verdict in verdicts if verdict.outcome not in (Outcome.WITHHOLD, Outcome.DISCLOSE)}
    return tuple(
        person.ref
        for person in record.persons
        if person.role in VICTIM_ROLES and bands[person.ref] is not AgeBand.ADULT and person.ref not in seen
    )


def blocked_without_recipient(deadline: datetime) -> Verdict:
    """The verdict of rule 5."""
    return Verdict(
        outcome=Outcome.DUTY_BLOCKED,
        categories=frozenset(),
        policies=("duty.no-recipient",),
        review=True,
        deadline=deadline,
        urgency=Urgency.IMMINENT,
        notice=Notice.NOT_REQUIRED,
        facts=None,
        valid_until=None,
    )
