"""What is done about one person and one recipient, given what the policy answered?

1. Any error while the policy was asked means nothing leaves and a human is told: `HOLD_ERROR`.
2. A duty with something permitted is `REPORT`, never delayed by review (review covers the rest); a duty with nothing
   permitted is `DUTY_BLOCKED`.
3. Then review: `HOLD_REVIEW`. Then anything permitted: `DISCLOSE`. Otherwise `WITHHOLD`: the default is deny.
4. Obligations are merged: the earliest deadline of the determining policies and the duty table, the earliest written
   report, a telephone call where any of them demands one, the most protective notice.
5. A duty, or a part of one, that no recipient takes is decided too (`unrouted`), with no recipient: it must not end in
   silence. A hold is a human's to decide. Once decided, only an answer about the duty itself ends it: that there is
   none toward an agency, or that the person is of age. What an agency is told or not told is no such answer, and where
   no place is known only an authority's hold is about the duty.
6. Somebody who only signaled is known by appearing at all: without leave to say who signaled, nothing of them leaves.
7. A hold that a reviewer answered is a `DISCLOSE` of what was released, is permitted and was not refused, or a
   `WITHHOLD`. It keeps its deadline. Nothing else is changed by a review: no report, no error, no guard.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum, unique
from typing import Final

from tiprouter.domain.calendar import business_days_after
from tiprouter.domain.duty import AUTHORITIES, Part, Span, parts, within
from tiprouter.domain.facts import VICTIM_ROLES, Facts, Finding, Situation
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.review import RELEASED, WITHHELD, Review, releasable, released
from tiprouter.domain.vocabulary import AgeBand, Answer, Category, Outcome, ReviewAnswer, Role, SpanUnit, Urgency

IMMINENT_WITHIN = timedelta(minutes=30)
"""A deadline this close to receipt puts a delivery into the lane that waits for nobody."""

DEFAULT_WITHIN = timedelta(hours=72)
"""How long a disclosure without any deadline of its own is tried."""

UNNAMED_SIGNALER: Final = "signaler.unnamed"
NO_RECIPIENT: Final = "duty.no-recipient"


@unique
class Notice(StrEnum):
    """Whether the subject is to be told, least protective first."""

    NOT_REQUIRED = "not_required"
    REQUIRED = "required"
    WHEN_SAFE = "when_safe"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policy answered: what it permits, whether it reports or asks for review, and by which policies.

    `within` and `written` are the deadlines of the determining policies, as spans after receipt; `call` is whether one
    demands a telephone call; `errors` are error classes, never texts: an error text may quote a fact.
    """

    permitted: frozenset[Category]
    report: bool
    review: bool
    policies: tuple[str, ...]
    within: tuple[timedelta, ...] = ()
    written: tuple[Span, ...] = ()
    call: bool = False
    notice: Notice = Notice.NOT_REQUIRED
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one person and one recipient, with everything that explains it.

    `considered` says that a human decided that there is no duty toward this recipient, so that it is not silent there.
    """

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
    call: bool = False
    written_by: datetime | None = None
    duty_within: timedelta | None = None
    considered: bool = False

    @property
    def leaves(self) -> bool:
        """Whether anything leaves on this verdict."""
        return self.outcome in (Outcome.REPORT, Outcome.DISCLOSE)


def verdict_of(finding: Finding, answered: Ruling, received_at: datetime, review: Review | None = None) -> Verdict:
    """Rules 1-4, 6 and 7; `review` is an answer to a hold on these very facts."""
    held = narrowed(finding.facts, answered)
    outcome, ruling = reviewed(finding.facts, held, review)
    leaves = outcome in (Outcome.REPORT, Outcome.DISCLOSE)
    span = _within(finding, ruling, outcome_of(held) if leaves else outcome)
    return Verdict(
        outcome=outcome,
        categories=ruling.permitted if leaves else frozenset(),
        policies=ruling.policies or (("policy.error",) if ruling.errors else ("default-deny",)),
        review=ruling.review,
        deadline=None if span is None else received_at + span,
        urgency=Urgency.IMMINENT if span is not None and span <= IMMINENT_WITHIN else Urgency.STANDARD,
        notice=ruling.notice,
        facts=finding.facts,
        valid_until=finding.valid_until,
        errors=ruling.errors,
        call=ruling.call and leaves,
        written_by=_written_by(ruling.written, received_at, finding.zone) if leaves else None,
        duty_within=finding.duty_within,
        considered=finding.duty_denied,
    )


def reviewed(facts: Facts, held: Ruling, review: Review | None) -> tuple[Outcome, Ruling]:
    """Rule 7: the outcome and what is left of a ruling, once a reviewer answered."""
    outcome = outcome_of(held)
    if outcome is not Outcome.HOLD_REVIEW or review is None:
        return outcome, held
    if review.answer is ReviewAnswer.WITHHOLD:
        return Outcome.WITHHOLD, replace(held, policies=(*held.policies, WITHHELD))
    left = narrowed(facts, replace(held, permitted=released(review, releasable(facts, held.permitted))))
    if not left.permitted:
        return outcome, held
    return Outcome.DISCLOSE, replace(left, policies=(*held.policies, RELEASED))


def narrowed(facts: Facts, ruling: Ruling) -> Ruling:
    """What is left of a ruling once the person's own presence is looked at (rule 6)."""
    if facts.role is not Role.SIGNALER or not ruling.permitted or Category.SIGNALER_IDENTITY in ruling.permitted:
        return ruling
    if ruling.review:
        return replace(ruling, permitted=frozenset(), policies=(*ruling.policies, UNNAMED_SIGNALER))
    return replace(ruling, permitted=frozenset(), policies=(UNNAMED_SIGNALER,), within=(), written=(), call=False)


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
    if finding.duty_within is not None and outcome is not Outcome.DISCLOSE:
        spans.append(finding.duty_within)
    return min(spans, default=DEFAULT_WITHIN)


def _written_by(spans: Iterable[Span], received_at: datetime, zone: tzinfo) -> datetime | None:
    return min((after(span, received_at, zone) for span in spans), default=None)


def after(span: Span, start: datetime, zone: tzinfo) -> datetime:
    """When a span that began at `start` is over, as a statute counts in that zone."""
    if span.unit is SpanUnit.BUSINESS_DAYS:
        return business_days_after(start, span.amount, zone)
    return start + (timedelta(hours=span.amount) if span.unit is SpanUnit.HOURS else timedelta(days=span.amount))


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A child, or perhaps a child, of whom parts of a duty reach nobody."""

    ref: str
    parts: tuple[Part, ...]


def unrouted(
    situation: Situation, verdicts: Sequence[tuple[str, Recipient, Verdict]], bands: Mapping[str, AgeBand]
) -> tuple[Unrouted, ...]:
    """The children of whom some part of a duty no recipient's verdict reports, holds or flags (rule 5).

    `verdicts` are by person `ref`; `bands` are the persons' ages under the record's most protective law.
    """
    found = []
    today = situation.now.date()
    for person in situation.record.persons:
        if person.role not in VICTIM_ROLES or bands[person.ref] is AgeBand.ADULT:
            continue
        worlds = situation.worlds[person.ref]
        told = [recipient for ref, recipient, verdict in verdicts if ref == person.ref and _speaks(verdict)]
        every = tuple(parts(situation.record.jurisdictions, worlds, situation.protocol, today))
        left = tuple(part for part in every if not any(takes(recipient, part) for recipient in told))
        if left or not (every or any(recipient.kind in AUTHORITIES for recipient in told)):
            found.append(Unrouted(person.ref, left))
    return tuple(found)


def takes(recipient: Recipient, part: Part) -> bool:
    """Whether telling this recipient is telling this part of a duty."""
    return recipient.kind in part.kinds and recipient.serves(part.place) is not Answer.NO


def _speaks(verdict: Verdict) -> bool:
    return verdict.considered or verdict.outcome not in (Outcome.WITHHOLD, Outcome.DISCLOSE)


def blocked_without_recipient(lost: Unrouted, situation: Situation) -> Verdict:
    """The verdict of rule 5: the earliest deadline of what reaches nobody."""
    protocol = situation.protocol
    spans = [protocol.immediately if part.row is None else within(part.row, protocol) for part in lost.parts]
    rows = sorted({f"duty.{part.row.id}" for part in lost.parts if part.row is not None})
    return Verdict(
        outcome=Outcome.DUTY_BLOCKED,
        categories=frozenset(),
        policies=(NO_RECIPIENT, *rows),
        review=True,
        deadline=situation.record.received_at + min(spans, default=protocol.immediately),
        urgency=Urgency.IMMINENT,
        notice=Notice.NOT_REQUIRED,
        facts=None,
        valid_until=None,
    )
