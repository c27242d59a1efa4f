"""Which child-report duty does a bundle's table state for each jurisdiction?

1. One row per jurisdiction, in the columns of `domain.duty.DutyRow` and the jurisdiction's name for its readers.
2. An empty `hours` is "immediately"; `receivers` are recipient kinds joined by semicolons.
3. A sourced row names at least one receiver and a source: a duty toward nobody would be silence.
4. Anything unreadable is refused: a table is never half read.
"""

import re
from typing import Final

from tiprouter.domain.duty import DutyRow
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.policy.tables import CellError, at, rows

COLUMNS: Final = (
    "jurisdiction",
    "name",
    "receivers",
    "hours",
    "written_hours",
    "threshold",
    "telephone_only",
    "minor_alone",
    "sourced",
    "source",
    "source_date",
    "citation",
)
_CODE = re.compile(r"US-[A-Z0-9]+(?:-[A-Z0-9]+)*")
_FLAGS = {"true": True, "false": False}
_OLDEST_CHILD_YEARS = 30


def duty_rows(file: str, text: str) -> dict[str, DutyRow]:
    """The table by jurisdiction. Raises `BundleError` with the line of the first row that cannot be read."""
    table: dict[str, DutyRow] = {}
    for line, cells in rows(file, text, COLUMNS):
        with at(file, line):
            row = _row(cells)
            if row.jurisdiction in table:
                raise CellError(f"{row.jurisdiction} has two rows")
            table[row.jurisdiction] = row
    return table


def _row(cells: dict[str, str]) -> DutyRow:
    if not _CODE.fullmatch(cells["jurisdiction"]):
        raise CellError("jurisdiction is not an ISO 3166-2 or tribal code of the United States")
    row = DutyRow(
        jurisdiction=cells["jurisdiction"],
        receivers=frozenset(_kind(word) for word in cells["receivers"].split(";") if word),
        hours=_hours(cells, "hours"),
        written_hours=_hours(cells, "written_hours"),
        threshold=_threshold(cells["threshold"]),
        telephone_only=_flag(cells, "telephone_only"),
        minor_alone=_flag(cells, "minor_alone"),
        sourced=_flag(cells, "sourced"),
        source=cells["source"],
        source_date=cells["source_date"],
        citation=cells["citation"],
    )
    if row.sourced and not (row.receivers and row.source):
        raise CellError("a sourced row names at least one receiver and its source")
    return row


def _kind(word: str) -> RecipientKind:
    try:
        return RecipientKind(word)
    except ValueError as error:
        raise CellError(f"{word} is not a kind of recipient") from error


def _hours(cells: dict[str, str], column: str) -> int | None:
    if cells[column] == "":
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,3}", cells[column]):
        raise CellError(f"{column} must be a whole number of hours from 1, or empty")
    return int(cells[column])


def _threshold(word: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]", word) or int(word) > _OLDEST_CHILD_YEARS:
        raise CellError(f"threshold must be an age from 10 to {_OLDEST_CHILD_YEARS} years")
    return int(word)


def _flag(cells: dict[str, str], column: str) -> bool:
    if cells[column] not in _FLAGS:
        raise CellError(f"{column} must be true or false")
    return _FLAGS[cells[column]]
