"""How does a domain value become bytes in a row, and come back the same?

Domain values are frozen dataclasses of plain types; pydantic's `TypeAdapter` writes and reads them as JSON. It reads
what this program wrote, so a value that does not fit is a defect or a foreign hand: `SealError`, never a guess.
Fields are only ever added, with defaults: what was written yesterday must be read tomorrow.
"""

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tiprouter.storage.vault import SealError

T = TypeVar("T")


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # building one costs milliseconds; there are a dozen kinds


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def to_bytes(value: object) -> bytes:
    """A domain value as JSON bytes."""
    return _adapter(type(value)).dump_json(value)


def from_bytes(kind: type[T], data: bytes) -> T:
    """The domain value again. Raises `SealError`."""
    try:
        value: T = _adapter(kind).validate_json(data)
    except ValidationError:
        raise SealError("A stored value cannot be read.") from None  # the cause would quote the value
    return value


def to_plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """A domain value as JSON values, for a JSON column."""
    return _adapter(type(value)).dump_python(value, mode="json")


def from_plain(kind: type[T], data: object) -> T:
    """The domain value again, from a JSON column. Raises `SealError`."""
    try:
        value: T = _adapter(kind).validate_python(data)
    except ValidationError:
        raise SealError("A stored value cannot be read.") from None
    return value
