"""Lists as lines: which form is chosen, and that no cell is a formula."""

import csv
import io

import pytest
from starlette.requests import Request

from tiprouter.api.schemas.words import Message
from tiprouter.api.tables import Form, cells, form_of


class Row(Message):
    """A row with every sort of value."""

    text: str | None
    many: tuple[str, ...]
    inside: "Row | None" = None
    yes: bool = True
    number: int = -7


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_is_never_a_formula(start: str) -> None:
    """A text that a spreadsheet would run gets an apostrophe before it, in lists too; others stay as they are."""
    row = Row(text=f"{start}cmd", many=(f"{start}a", "b"), inside=Row(text='plain, "quoted"', many=()))
    told = cells(row, ("text", "many", "inside.text", "inside.inside.text", "yes", "number"))
    assert told == [f"'{start}cmd", f"'{start}a b", 'plain, "quoted"', "", "true", "'-7"]
    page = io.StringIO()
    csv.writer(page).writerow(told)
    assert next(csv.reader(io.StringIO(page.getvalue(), newline=""))) == told


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ([], Form.JSON),
        (["*/*"], Form.JSON),
        (["text/html"], Form.JSON),
        (["text/csv"], Form.CSV),
        (["TEXT/CSV ; q=0.4, application/x-ndjson;q=0.5"], Form.LINES),
        (["text/csv;q=0.4", "application/json"], Form.JSON),
        (["text/csv;q=0"], Form.JSON),
        (["text/csv;q=much"], Form.JSON),
        (["application/x-ndjson;q=nan"], Form.JSON),
    ],
)
def test_the_caller_chooses_the_form(accept: list[str], form: Form) -> None:
    """By media type and weight; JSON when nothing else is asked for."""
    headers = [(b"accept", one.encode()) for one in accept]
    assert form_of(Request({"type": "http", "headers": headers})) is form
