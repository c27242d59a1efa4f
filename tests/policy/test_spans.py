"""How does a table or an annotation write a length of time as a statute counts it?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.duty import Span
from tiprouter.domain.vocabulary import SpanUnit
from tiprouter.policy.spans import span_of, spelled


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("36h", Span(36, SpanUnit.HOURS)),
        ("5d", Span(5, SpanUnit.DAYS)),
        ("3bd", Span(3, SpanUnit.BUSINESS_DAYS)),
        ("9999h", Span(9999, SpanUnit.HOURS)),
    ],
)
def test_a_span_is_a_number_and_a_sign(text: str, span: Span) -> None:
    """Hours, days and business days are three different things."""
    assert span_of(text) == span
    assert spelled(span) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "h", "36", "0h", "036h", "10000h", "-1d", "+1d", "1.5h", "3 bd", " 3bd", "3bd\n"),
        *("3BD", "3b", "5w", "PT5H", "٣h", "3h5d", "3bdh"),
    ],
)
def test_what_is_written_otherwise_is_no_span(text: str) -> None:
    """Not even a space, a capital or another script's digit: what is guessed at may be a duty's deadline."""
    assert span_of(text) is None


@given(st.integers(1, 9999), st.sampled_from(SpanUnit))
def test_a_span_is_read_as_it_is_spelled(amount: int, unit: SpanUnit) -> None:
    """There and back, every length of every unit."""
    assert span_of(spelled(Span(amount, unit))) == Span(amount, unit)


@given(st.text("0123456789hbd ", max_size=6))
def test_nothing_has_two_spellings(text: str) -> None:
    """Back and there: so that a table's words can be compared."""
    span = span_of(text)
    assert span is None or spelled(span) == text
