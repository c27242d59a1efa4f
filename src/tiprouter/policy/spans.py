"""How does a table or an annotation write a length of time as a statute counts it?

`36h` are hours, `5d` days, `3bd` business days; whole numbers from 1 to 9999.
"""

import re
from typing import Final

from tiprouter.domain.duty import Span
from tiprouter.domain.vocabulary import SpanUnit

_SIGNS: Final = {"h": SpanUnit.HOURS, "d": SpanUnit.DAYS, "bd": SpanUnit.BUSINESS_DAYS}
_SPAN = re.compile(r"([1-9][0-9]{0,3})(h|d|bd)", re.ASCII)


def span_of(text: str) -> Span | None:
    """The span that a text writes; None when it writes none."""
    found = _SPAN.fullmatch(text)
    return None if found is None else Span(int(found.group(1)), _SIGNS[found.group(2)])


def spelled(span: Span) -> str:
    """A span as it is written."""
    return f"{span.amount}{next(sign for sign, unit in _SIGNS.items() if unit is span.unit)}"
