"""Do these bytes mean exactly one thing to every JSON parser? (RFC 8259, I-JSON RFC 7493)

1. UTF-8 without a byte order mark; no lone surrogate may be spelt out either, because UTF-8 cannot hold it.
2. No object names a member twice, at any depth: parsers disagree on which of the two counts.
3. No NaN, no Infinity, no integer or float beyond 2^53 in magnitude: parsers disagree on the digits.
4. At most 32 levels of nesting, found before anything is parsed.
5. Nothing but white space before or after the value; an empty body is not a value.
6. No text or name holds NUL, however it is spelt: C and databases end a text there. No object has more than
   `MEMBERS_MAX` members.
7. A refusal names its kind and never quotes the body.

It reads bytes and returns values; sizes and content types are `api/body.py`'s.
"""

import json
import re
from enum import StrEnum, unique
from typing import Any, Final

from tiprouter.errors import TiprouterError

DEPTH_MAX: Final = 32
MEMBERS_MAX: Final = 1_000
NUMBER_MAX: Final = 2**53
_DIGITS_MAX: Final = len(str(NUMBER_MAX)) + 1
_BOM: Final = b"\xef\xbb\xbf"
_NUL: Final = "\x00"
# A string, closed or not, is eaten whole (possessively: no input makes this quadratic); what is left are the brackets.
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|([\[{])|([\]}])', re.DOTALL)


@unique
class Fault(StrEnum):
    """What is wrong with the bytes; the value is the problem's slug."""

    EMPTY = "empty-body"
    BYTE_ORDER_MARK = "byte-order-mark"
    NOT_UTF_8 = "not-utf-8"
    NOT_JSON = "not-json"
    DUPLICATE_NAME = "duplicate-name"
    NOT_A_NUMBER = "not-a-number"
    NUMBER_TOO_LARGE = "number-too-large"
    TOO_DEEP = "nested-too-deeply"
    LONE_SURROGATE = "lone-surrogate"
    NUL = "nul-character"
    TOO_MANY_MEMBERS = "too-many-members"


class StrictJsonError(TiprouterError):
    """These bytes are not strict JSON; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault


def parse(data: bytes) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """The value that the bytes spell. Raises `StrictJsonError`."""
    if not data.strip(b" \t\r\n"):
        raise StrictJsonError(Fault.EMPTY)
    if data.startswith(_BOM):
        raise StrictJsonError(Fault.BYTE_ORDER_MARK)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise StrictJsonError(Fault.NOT_UTF_8) from None
    _refuse_depth(data)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError:
        raise StrictJsonError(Fault.NOT_JSON) from None  # the cause would quote the body
    # The one way to spell it: a raw one is not JSON. What is spelt so may still be a backslash before five letters.
    if "\\u0000" in text:
        _refuse_nul(value)
    return value


def canonical(value: Any) -> bytes:  # noqa: ANN401 - as above
    """One spelling for equal values: sorted names, no white space, UTF-8. Raises `StrictJsonError` (rule 1)."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise StrictJsonError(Fault.LONE_SURROGATE) from None


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for token in _STRUCTURE.finditer(data):
        depth += (token[1] is not None) - (token[2] is not None)
        if depth > DEPTH_MAX:
            raise StrictJsonError(Fault.TOO_DEEP)


def _refuse_nul(value: Any) -> None:  # noqa: ANN401 - as above
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text) if _NUL in text:
                raise StrictJsonError(Fault.NUL)
            case dict(members):
                waiting += [*members, *members.values()]
            case list(items):
                waiting += items


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members) > MEMBERS_MAX:
        raise StrictJsonError(Fault.TOO_MANY_MEMBERS)
    found = dict(members)
    if len(found) != len(members):
        raise StrictJsonError(Fault.DUPLICATE_NAME)
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX or abs(int(digits)) > NUMBER_MAX:
        raise StrictJsonError(Fault.NUMBER_TOO_LARGE)
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not abs(number) <= NUMBER_MAX:
        raise StrictJsonError(Fault.NUMBER_TOO_LARGE)
    return number


def _constant(_name: str) -> None:
    raise StrictJsonError(Fault.NOT_A_NUMBER)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
