"""How is it told what happened in a period: what was not disclosed, and how long things took?"""

from datetime import timedelta
from typing import Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.vocabulary import Outcome, RecipientKind
from tiprouter.storage.timeliness import Grouping, Kept, Measure, Took
from tiprouter.storage.withheld import Why, Withheld
from tiprouter.workflow.timeliness import Period, Timeliness


class WhyBody(Message):
    """So many decisions of one outcome, policy, kind of recipient and place.

    `policy` is null where none permitted it; kind and place are null where no agency was found.
    """

    outcome: Outcome
    policy: str | None
    recipient_kind: RecipientKind | None
    jurisdiction: str | None
    decisions: int

    @classmethod
    def of(cls, why: Why, count: int) -> Self:
        """One reason."""
        return cls(
            outcome=why.outcome,
            policy=why.policy or None,
            recipient_kind=RecipientKind(why.recipient_kind) if why.recipient_kind else None,
            jurisdiction=why.jurisdiction or None,
            decisions=count,
        )


class WithheldBody(Message):
    """What was not disclosed in a period; one decision may have several reasons, in `total` it counts once."""

    since: Moment
    until: Moment
    total: dict[Outcome, int]
    reasons: tuple[WhyBody, ...]

    @classmethod
    def of(cls, over: Period, found: Withheld) -> Self:
        """A report."""
        return cls(
            since=over.since,
            until=over.until,
            total=dict(sorted(found.total.items())),
            reasons=tuple(WhyBody.of(why, count) for why, count in sorted(found.by_reason.items())),
        )


class TookBody(Message):
    """How long it took from receipt of the signal, in seconds: percentiles by nearest rank, and the longest.

    `group` is empty where all are told together.
    """

    until: Measure
    by: Grouping
    group: str
    count: int
    p50: float
    p90: float
    p99: float
    longest: float

    @classmethod
    def of(cls, took: Took) -> Self:
        """One group."""
        second = timedelta(seconds=1)
        spans = {name: round(getattr(took, name) / second, 3) for name in ("p50", "p90", "p99", "longest")}
        return cls(until=took.measure, by=took.by, group=took.group, count=took.count, **spans)


class KeptBody(Message):
    """How many duties of a group were met in time, met late, and missed."""

    by: Grouping
    group: str
    met: int
    met_late: int
    missed: int

    @classmethod
    def of(cls, kept: Kept) -> Self:
        """One group."""
        return cls(**{name: getattr(kept, name) for name in Kept.__slots__})


class TimelinessBody(Message):
    """How long disclosures of a period took, and how the duties that were opened in it were kept."""

    since: Moment
    until: Moment
    took: tuple[TookBody, ...]
    duties: tuple[KeptBody, ...]

    @classmethod
    def of(cls, over: Period, found: Timeliness) -> Self:
        """A report."""
        return cls(
            since=over.since,
            until=over.until,
            took=tuple(TookBody.of(one) for one in found.took),
            duties=tuple(KeptBody.of(one) for one in found.kept),
        )
