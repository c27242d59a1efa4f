"""What can the hotline put into its federal performance report for a period?

1. The form's headings, one row each, with the figure where the service holds it (`domain/federal_report.py`).
2. It is asked of a snapshot and logged before it is answered, like every question about a period
   (`workflow/timeliness.py`).
3. Figures are told as they are, like all that those who run and audit the service are told of a period: the form asks
   for true ones, and where the asker chooses the periods, withholding small counts hides nothing. What everybody may
   know is told by `workflow/transparency.py`.

Not promised: that a figure is safe to publish.
"""

from dataclasses import dataclass

from tiprouter.domain.federal_report import FORM, Heading
from tiprouter.storage import federal_figures
from tiprouter.storage.database import Database
from tiprouter.workflow.happening import Actor, Desk
from tiprouter.workflow.timeliness import Period, asked


@dataclass(frozen=True, slots=True)
class Row:
    """One heading and its figure; None where the service holds none."""

    heading: Heading
    count: int | None


async def federal(database: Database, desk: Desk, actor: Actor, over: Period) -> tuple[Row, ...]:
    """The rows of the report for a period, in the form's order."""
    figures = await asked(
        database, desk, actor, "report.federal", lambda tx: federal_figures.counted(tx, over.since, over.until)
    )
    return tuple(Row(one, None if one.figure is None else figures[one.figure]) for one in FORM)
