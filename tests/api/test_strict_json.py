"""Do the bytes mean exactly one thing? Each rule of `strict_json`, and what must pass."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.api.strict_json import DEPTH_MAX, NUMBER_MAX, Fault, StrictJsonError, canonical, parse

FAULTS = [
    (b"", Fault.EMPTY),
    (b" \r\n\t", Fault.EMPTY),
    (b"\xef\xbb\xbf{}", Fault.BYTE_ORDER_MARK),
    (b'"\xff"', Fault.NOT_UTF_8),
    (b'"\xed\xa0\x80"', Fault.NOT_UTF_8),
    (b"\xff\xfe{\x00}\x00", Fault.NOT_UTF_8),
    (b"{", Fault.NOT_JSON),
    (b"{} {}", Fault.NOT_JSON),
    (b"{'a': 1}", Fault.NOT_JSON),
    (b'{"a": 1,}', Fault.NOT_JSON),
    (b'"a\nb"', Fault.NOT_JSON),
    (b"01", Fault.NOT_JSON),
    (b"\x00", Fault.NOT_JSON),
    (b'{"a": 1, "a": 1}', Fault.DUPLICATE_NAME),
    (b'[{"b": {"a": 1, "\\u0061": 2}}]', Fault.DUPLICATE_NAME),
    (b"NaN", Fault.NOT_A_NUMBER),
    (b"[-Infinity]", Fault.NOT_A_NUMBER),
    (str(NUMBER_MAX + 1).encode(), Fault.NUMBER_TOO_LARGE),
    (b"9" * 5_000, Fault.NUMBER_TOO_LARGE),
    (b"1e400", Fault.NUMBER_TOO_LARGE),
    (b"-1e17", Fault.NUMBER_TOO_LARGE),
    (b'"a\\u0000b"', Fault.NUL),
    (b'[{"\\u0000": 1}]', Fault.NUL),
    (b"{" + b",".join(b'"%d":1' % number for number in range(1_001)) + b"}", Fault.TOO_MANY_MEMBERS),
    (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), Fault.TOO_DEEP),
    (b'{"a":' * 50_000, Fault.TOO_DEEP),
]


@pytest.mark.parametrize(("data", "fault"), FAULTS)
def test_each_fault_has_its_own_name(data: bytes, fault: Fault) -> None:
    """Rules 1 to 5, and no refusal quotes what was sent (rule 6)."""
    with pytest.raises(StrictJsonError) as refused:
        parse(data)
    assert refused.value.fault is fault
    assert refused.value.__cause__ is None
    assert "9999" not in str(refused.value)


def test_half_a_character_is_refused_when_it_is_spelt_out() -> None:
    """Rule 1: what UTF-8 cannot hold is refused before it reaches a digest or a database."""
    with pytest.raises(StrictJsonError) as refused:
        canonical(parse(b'["\\ud800"]'))
    assert refused.value.fault is Fault.LONE_SURROGATE
    assert parse(b'["\\ud83d\\ude00"]') == ["\U0001f600"]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * DEPTH_MAX + b"]" * DEPTH_MAX,
        b'"' + b"[" * 100 + b'"',
        b'"\\"' + b"[" * 100 + b'"',
        b'"a\\\\u0000b"',
        str(NUMBER_MAX).encode(),
        str(-NUMBER_MAX).encode(),
        b' {"a": 1, "b": {"a": 1}} \n',
    ],
)
def test_what_is_at_the_edge_passes(data: bytes) -> None:
    """Rules 2 to 5 refuse nothing that is still allowed."""
    assert parse(data) == json.loads(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-NUMBER_MAX, NUMBER_MAX) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_every_value_has_one_canonical_spelling(value: object) -> None:
    """Any spelling of a value is read back to the value, and has the same canonical bytes."""
    try:
        spelt = canonical(value)
        parse(spelt)
    except StrictJsonError:
        return
    assert parse(spelt) == value
    assert canonical(parse(json.dumps(value, indent=2).encode())) == spelt


@pytest.mark.parametrize("piece", [b'"\\', b'\\"', b'"', b"[", b'"[', b"\\"])
def test_no_input_takes_long_to_refuse(piece: bytes) -> None:
    """Rule 4's scan is linear: a body of the largest size is judged in well under a second."""
    began = time.perf_counter()
    with pytest.raises(StrictJsonError):
        parse(b'"' + piece * (262_144 // len(piece)))
    assert time.perf_counter() - began < 0.5
