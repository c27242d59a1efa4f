"""Of which small words are all messages made?

1. Messages are strict, closed and frozen: no coercion, no unknown field, no change after parsing.
2. JSON has no times, no sets and no enums: those four leaves alone are read from strings and arrays.
3. A time is RFC 3339 with its offset, between 1970 and 2200, held in UTC; it is written with milliseconds and `Z`.
4. A whole number may be spelt `29` or `29.0`: JSON Schema calls both integers.
5. Control characters stand in no text, save tabs and line ends in long ones.
6. A message's schema is built when the first of its kind is read or made: a start does not wait for three hundred.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, WithJsonSchema
from pydantic.warnings import UnsupportedFieldAttributeWarning
from pydantic_core import PydanticCustomError

from tiprouter.domain.redaction import stamp

T = TypeVar("T")

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_FIRST_BIRTH, _LAST_BIRTH = 1850, 2200
LAX: Final = Strict(strict=False)
_BUILDING: Final = threading.RLock()


class Message(BaseModel):
    """The base of every message (rules 1 and 6)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    def rendered(self) -> bytes:
        """The message as JSON bytes."""
        return self.model_dump_json().encode()


def messages(kind: type[Message] = Message) -> Iterator[type[Message]]:
    """Every message that is loaded, in the order in which they were declared: parts before wholes."""
    for one in kind.__subclasses__():
        yield one
        yield from messages(one)


@contextmanager
def building() -> Iterator[None]:
    """One thread builds schemas at a time; of its own aliases the framework warns only where it builds them late."""
    with _BUILDING, warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedFieldAttributeWarning)
        yield


class Nothing(Message):
    """An object without members."""


def _moment(value: Any) -> datetime:  # noqa: ANN401 - whatever the caller sent
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise PydanticCustomError("moment", "not a time")
    try:
        found = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "not a time") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise PydanticCustomError("moment", "not a time")
    return found


def _day(value: Any) -> date:  # noqa: ANN401 - as above
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise PydanticCustomError("day", "not a day")
    try:
        found = date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("day", "not a day") from None
    if not _FIRST_BIRTH <= found.year <= _LAST_BIRTH:
        raise PydanticCustomError("day", "not a day")
    return found


def _whole(value: Any) -> Any:  # noqa: ANN401 - as above
    return int(value) if isinstance(value, float) and value.is_integer() else value


Some = Annotated[tuple[T, ...], LAX]
"""An array."""

Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    PlainSerializer(stamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-02T15:00:00.000Z"]}),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["1997-05-01"]}),
]
Years = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=130)]
Ref = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$", examples=["p1"])]
CaseId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["C-1001"])]
Id = Annotated[str, Field(pattern=r"^[a-z]{3,4}_[0-9A-Z]{26}$", examples=["rcp_01ARZ3NDEKTSV4RRFFQ69G5FAV"])]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["0123456789abcdef" * 4])]
ShortText = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\u0000-\u001F\u007F]*$", examples=["Example"])
]
LongText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20_000,
        pattern=r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]*$",
        examples=["Example text about nobody."],
    ),
]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$", examples=["en"])]
Place = Annotated[str, Field(max_length=64, pattern=r"^US(-[A-Z0-9]{1,16})*$", examples=["US-TX"])]
County = Annotated[str, Field(pattern=r"^[0-9]{5}$", examples=["48201"])]
