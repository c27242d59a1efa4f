"""Which child-report duties does a bundle's table state, and may it be read at all?

1. A row is one duty (`domain.duty.DutyRow`), in the columns below; a jurisdiction may have several. Its id is the
   jurisdiction's code in lower case, or that, a full stop and a word: `us-la`, `us-la.other`. No id is used twice.
2. `receivers`: ` & ` joins parts that must all be told, `|` the kinds any one of which will do for a part.
3. Empty `hours` is "immediately"; empty `perpetrator` is whoever it is; an empty date is open.
4. `written` is a span (`spans`: `36h`, `5d`, `3bd`); its clock and condition stand beside it or, like it, are empty.
5. A row that anything stands behind names a receiver, its source and its citation: a duty toward nobody would be
   silence.
6. Anything unreadable is refused with its line: a table is never half read.

Not promised: that a row is the law. `duty_lint` tells what is doubtful about a table that can be read.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar

from tiprouter.domain.duty import DutyRow, Written
from tiprouter.domain.vocabulary import (
    Bound,
    Clock,
    Confidence,
    DutySubject,
    Perpetrator,
    RecipientKind,
    ReportChannel,
    WrittenWhen,
)
from tiprouter.policy.spans import span_of
from tiprouter.policy.tables import CellError, at, rows

COLUMNS: Final = (
    "id",
    "jurisdiction",
    "binds",
    "subject",
    "perpetrator",
    "receivers",
    "hours",
    "channel",
    "written",
    "written_clock",
    "written_when",
    "threshold",
    "effective_from",
    "effective_until",
    "source",
    "source_date",
    "verified_on",
    "confidence",
    "citation",
    "note",
)

_CODE = re.compile(r"US(?:-[A-Z0-9]+)*")
_ID = re.compile(r"([a-z]+(?:-[a-z0-9]+)*)(?:\.[a-z0-9-]+)?")
_YOUNGEST_ADULT_YEARS = 10
_OLDEST_CHILD_YEARS = 30
_FIRST_YEAR, _LAST_YEAR = 1800, 2200

Word = TypeVar("Word", bound=StrEnum)


def duty_rows(file: str, text: str) -> dict[str, tuple[DutyRow, ...]]:
    """The rows by jurisdiction, as the table orders them. Raises `BundleError` with the line of what cannot be read."""
    table: dict[str, tuple[DutyRow, ...]] = {}
    seen: set[str] = set()
    for line, cells in rows(file, text, COLUMNS):
        with at(file, line):
            row = _row(cells)
            if row.id in seen:
                raise CellError(f"{row.id} is the id of two rows")
        seen.add(row.id)
        table[row.jurisdiction] = (*table.get(row.jurisdiction, ()), row)
    return table


def _row(cells: dict[str, str]) -> DutyRow:
    row = DutyRow(
        id=_id(cells),
        jurisdiction=cells["jurisdiction"],
        binds=_word(cells, "binds", Bound),
        subject=_word(cells, "subject", DutySubject),
        perpetrator=_word(cells, "perpetrator", Perpetrator) if cells["perpetrator"] else None,
        receivers=_receivers(cells["receivers"]),
        hours=_hours(cells["hours"]),
        channel=_word(cells, "channel", ReportChannel),
        written=_written(cells),
        threshold=_threshold(cells["threshold"]),
        effective_from=_date(cells, "effective_from"),
        effective_until=_date(cells, "effective_until"),
        source=cells["source"],
        source_date=cells["source_date"],
        verified_on=_date(cells, "verified_on"),
        confidence=_word(cells, "confidence", Confidence),
        citation=cells["citation"],
        note=cells["note"],
    )
    if row.confidence is not Confidence.NONE and not (row.receivers and row.source and row.citation):
        raise CellError("a row of any confidence names at least one receiver, its source and its citation")
    if row.effective_from and row.effective_until and row.effective_until <= row.effective_from:
        raise CellError("effective_until must be after effective_from")
    return row


def _id(cells: dict[str, str]) -> str:
    """The id (rule 1)."""
    if not _CODE.fullmatch(cells["jurisdiction"]):
        raise CellError("jurisdiction is not an ISO 3166-2 or tribal code of the United States, nor US")
    found = _ID.fullmatch(cells["id"])
    if found is None or found.group(1) != cells["jurisdiction"].lower():
        raise CellError(f"id must be {cells['jurisdiction'].lower()}, or that with a full stop and a word")
    return cells["id"]


def _word(cells: dict[str, str], column: str, words: type[Word]) -> Word:
    try:
        return words(cells[column])
    except ValueError as error:
        raise CellError(f"{column} must be one of {', '.join(words)}") from error


def _receivers(cell: str) -> tuple[frozenset[RecipientKind], ...]:
    """The parts (rule 2)."""
    parts = tuple(_part(part) for part in cell.split(" & ")) if cell else ()
    if len(set(parts)) != len(parts):
        raise CellError("receivers has a part twice")
    return parts


def _part(cell: str) -> frozenset[RecipientKind]:
    words = cell.split("|")
    for word in words:
        if word not in tuple(RecipientKind):
            raise CellError(f"receivers: {word or 'nothing'} is not a kind of recipient")
    if len(set(words)) != len(words):
        raise CellError("receivers names a kind twice in one part")
    return frozenset(RecipientKind(word) for word in words)


def _hours(cell: str) -> int | None:
    if cell and not re.fullmatch(r"[1-9][0-9]{0,3}", cell, re.ASCII):
        raise CellError("hours must be a whole number from 1 to 9999, or empty")
    return int(cell) if cell else None


def _written(cells: dict[str, str]) -> Written | None:
    """What must follow in writing (rule 4)."""
    given = [column for column in ("written", "written_clock", "written_when") if cells[column]]
    if not given:
        return None
    span = span_of(cells["written"])
    if span is None:
        raise CellError(
            "written must be a length of time such as 36h, 5d or 3bd, where its clock or condition is given"
        )
    return Written(span, _word(cells, "written_clock", Clock), _word(cells, "written_when", WrittenWhen))


def _threshold(cell: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]", cell) or not _YOUNGEST_ADULT_YEARS <= int(cell) <= _OLDEST_CHILD_YEARS:
        raise CellError(f"threshold must be an age from {_YOUNGEST_ADULT_YEARS} to {_OLDEST_CHILD_YEARS} years")
    return int(cell)


def _date(cells: dict[str, str], column: str) -> date | None:
    if not cells[column]:
        return None
    try:
        day = date.fromisoformat(cells[column])
    except ValueError as error:
        raise CellError(f"{column} must be a date such as 2025-09-01, or empty") from error
    if day.isoformat() != cells[column]:
        raise CellError(f"{column} must be a date such as 2025-09-01, or empty")
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise CellError(f"{column} must be a date from {_FIRST_YEAR} to {_LAST_YEAR}, or empty")
    return day
