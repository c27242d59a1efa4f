"""What is wrong with a field, in our words and without the caller's?

1. Reasons come from the table below, by the kind of error pydantic found; its own texts quote the input.
2. A pointer names fields of our own schemas and array indexes. An unknown field is reported at the object that holds
   it: its name is the caller's.
3. The first 20 are told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

MOST: Final = 20

REASONS: Final[Mapping[str, str]] = {
    "missing": "This field is required.",
    "extra_forbidden": "This object has a field that is not known here.",
    "string_type": "This field is not a text.",
    "string_too_short": "This text is too short.",
    "string_too_long": "This text is too long.",
    "string_pattern_mismatch": "This text is not spelt as the schema says.",
    "enum": "This is not one of the known values.",
    "bool_type": "This field is neither true nor false.",
    "bool_parsing": "This is neither true nor false.",
    "int_type": "This field is not a whole number.",
    "int_parsing": "This is not a whole number.",
    "greater_than_equal": "This number is too small.",
    "less_than_equal": "This number is too large.",
    "tuple_type": "This field is not an array.",
    "too_short": "This array has too few items.",
    "too_long": "This array has too many items.",
    "model_type": "This is not an object.",
    "model_attributes_type": "This is not an object.",
    "dict_type": "This is not an object.",
    "moment": "This is not an RFC 3339 time with an offset between 1970 and 2200.",
    "day": "This is not a date of the form YYYY-MM-DD.",
    "age_twice": "At most one of date_of_birth, years, range and belief may be given.",
    "range_without_end": "A range needs low or high.",
    "range_reversed": "A range's low is at most its high.",
    "either_recipient_or_kind": "Exactly one of recipient_id and kind (with or without jurisdiction) is given.",
    "bundle_files": (
        "A bundle's files are texts by name: schema.cedarschema, bundle.toml, duties.csv, jurisdictions.csv, "
        "golden.csv, and files named [a-z0-9-]{1,60}.cedar. At most 40, each of at most 100000 characters, none of "
        "them a control character."
    ),
    "either_id_or_source_and_ref": "Exactly one of id, and source with ref, is given.",
}
OTHERWISE: Final = "This field is not valid."


def told(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What pydantic found, as pointers and reasons (rules 1-3), each once."""
    known: dict[tuple[str, str], None] = {}
    for one in found:
        kind, path = str(one["type"]), tuple(one["loc"])[1:]
        if kind == "too_short" and any(_below(tuple(other["loc"])[1:], path) for other in found):
            continue  # pydantic counts the sound items alone: the array is not short, something in it is wrong
        if kind == "extra_forbidden":
            path = path[:-1]
        known[pointer(path), REASONS.get(kind, OTHERWISE)] = None
    return [{"pointer": where, "reason": why} for where, why in list(known)[:MOST]]


def _below(path: tuple[str | int, ...], above: tuple[str | int, ...]) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def pointer(path: Sequence[str | int]) -> str:
    """An RFC 6901 pointer. Our field names hold neither `~` nor `/`."""
    return "".join(f"/{step}" for step in path)
