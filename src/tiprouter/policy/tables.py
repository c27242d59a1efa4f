"""Which cells does a table of a bundle hold, and on which line?

1. A table is CSV as Python's `csv` writes it, with one header line that names exactly the expected columns.
2. Every row has every cell; a short or long row is refused, never filled up.
3. What is wrong with a cell (`CellError`) is refused at the row's line.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager

from tiprouter.policy.refusal import BundleError


class CellError(ValueError):
    """A cell cannot be read; the text says which."""


@contextmanager
def at(file: str, line: int) -> Iterator[None]:
    """Turn a `CellError` inside into a `BundleError` with this file and line."""
    try:
        yield
    except CellError as error:
        raise BundleError(file, line, str(error)) from error


def rows(file: str, text: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header with their lines (rules 1 and 2). Raises `BundleError`; a table has a row."""
    lines = csv.reader(io.StringIO(text), strict=True)
    found = 0
    try:
        for cells in lines:
            if lines.line_num == 1 and tuple(cells) != columns:
                raise BundleError(file, 1, f"the columns must be {','.join(columns)}")
            if len(cells) != len(columns):
                raise BundleError(file, lines.line_num, f"the row does not have {len(columns)} cells")
            if lines.line_num > 1:
                found += 1
                yield lines.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise BundleError(file, lines.line_num, str(error)) from error
    if not found:
        raise BundleError(file, 1, "the table has no row")
