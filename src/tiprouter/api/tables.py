"""In which form is a list answered: a page of JSON, or all of it as lines of JSON or of CSV?

1. `Accept` chooses (RFC 9110 section 12.5.1): `application/x-ndjson`, `text/csv`, else `application/json`; `q` counts.
2. Lines hold every row that matches, from `after` on; when `limit` is named, no more than that. They are read a page
   at a time and sent as they are read; the database is asked for the next one only when the caller took the last.
3. One entry of the log says that a long answer is taken away, before its first byte is (`workflow/searching.py`).
4. A cell of CSV is never a formula: one that begins like a formula gets an apostrophe before it (OWASP, CSV injection);
   cells are quoted as RFC 4180 says, lists are joined by spaces.

Not promised: that an answer which breaks off is whole. It lacks the last chunk, so an HTTP client sees that.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tiprouter.api.schemas.words import Message


class Form(StrEnum):
    """A form that a list may be answered in; the value is its media type."""

    JSON = "application/json"
    LINES = "application/x-ndjson"
    CSV = "text/csv"


FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page; or, where `Accept` asks for lines or CSV, every row that matches.",
        "content": {
            Form.LINES.value: {"schema": {"type": "string", "description": "one item of the page a line"}},
            Form.CSV.value: {"schema": {"type": "string", "description": "a header, then one item a line"}},
        },
    }
}
"""What the document says of them."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Next = Callable[[str | None, int], Awaitable[tuple[Sequence[Message], str | None]]]
"""The rows after a key, so many at most, and the key to go on from."""


def form_of(request: Request) -> Form:
    """The form that the caller likes best; JSON when nothing says otherwise (rule 1)."""
    liked = dict.fromkeys(Form, 0.0)
    for part in ",".join(request.headers.getlist("accept")).split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        if name in liked:
            liked[Form(name)] = _weight(parameters)
    best = max(liked, key=lambda form: liked[form])
    return best if liked[best] > 0 else Form.JSON


def _weight(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


async def stream(
    form: Form, columns: Sequence[str], following: Next, after: str | None, page: int, limit: int | None
) -> Response:
    """Every row in lines; the first page is read before anything leaves, so that a refusal still is one."""
    first = await following(after, page if limit is None else min(page, limit))

    async def lines() -> AsyncIterator[bytes]:
        (rows, key), left = first, limit
        if form is Form.CSV:
            yield _csv([list(columns)])
        while True:
            kept = rows if left is None else rows[:left]
            if kept:
                yield _lines(kept) if form is Form.LINES else _csv([cells(row, columns) for row in kept])
            left = None if left is None else left - len(kept)
            if key is None or left == 0:
                return
            rows, key = await following(key, page if left is None else min(page, left))

    kind = f"{form.value}; charset=utf-8; header=present" if form is Form.CSV else form.value
    return StreamingResponse(lines(), 200, {"Vary": "Accept"}, kind)


def cells(row: Message, columns: Sequence[str]) -> list[str]:
    """A row's cells; a column such as `delivery.state` is a member of a member (rule 4)."""
    values = row.model_dump(mode="json")
    return [_cell(_at(values, column.split("."))) for column in columns]


def _at(value: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _cell(value: Any) -> str:  # noqa: ANN401 - JSON
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            text = " ".join(_plain(one) for one in value)
        case _:
            text = _plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: Any) -> str:  # noqa: ANN401 - JSON
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _lines(rows: Sequence[Message]) -> bytes:
    return b"".join(row.rendered() + b"\n" for row in rows)


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    page = io.StringIO()
    csv.writer(page).writerows(rows)
    return page.getvalue().encode()
