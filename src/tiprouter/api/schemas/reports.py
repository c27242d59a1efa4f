"""How is the federal performance report of a period told?

Each row says what it counts and where its heading is from.
"""

from typing import Final, Self

from tiprouter.api.schemas.words import Message, Moment
from tiprouter.domain.federal_report import ASKED_IN, Held, NamedBy, ReportType, Section
from tiprouter.workflow.federal import Row
from tiprouter.workflow.timeliness import Period

COLUMNS: Final = (
    "since",
    "until",
    "reports",
    "section",
    "element",
    "option",
    "named_by",
    "held",
    "count",
    "how",
    "source",
)
"""The columns of CSV."""


class FederalRow(Message):
    """One heading of the form; `count` is null where the service holds none, and `how` says why.

    `named_by` says whose words `element` is in: of some sections only the heading is the form's. `reports` are those
    that have the section.
    """

    since: Moment
    until: Moment
    reports: tuple[ReportType, ...]
    section: Section
    element: str
    option: str | None
    named_by: NamedBy
    held: Held
    count: int | None
    how: str
    source: str

    @classmethod
    def of(cls, over: Period, row: Row) -> Self:
        """One row; since and until stand in each, because a line is read alone."""
        head = row.heading
        return cls(
            since=over.since,
            until=over.until,
            reports=ASKED_IN[head.section],
            section=head.section,
            element=head.element,
            option=head.option,
            named_by=head.named_by,
            held=head.held,
            count=row.count,
            how=head.how,
            source=head.source,
        )


class FederalReport(Message):
    """The headings of OMB 0970-0598 for a period, as far as they are sourced, with what the service counts."""

    items: tuple[FederalRow, ...]
