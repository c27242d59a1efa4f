"""What is a bundle called, and which numbers are its facts derived with?

1. `bundle.toml` has exactly the keys below; an unknown or missing one is refused, never ignored or guessed. `extends`
   alone may be left out: the shipped bundle whose common files this one uses.
2. Numbers are whole, above zero and below a bound that only a slip of the pen would pass.
3. `third_party` says how the tenant's layer treats third-party tips about adults, so that the gate can hold it to a
   second reading of the rules; `own` is a choice of its own, which only the promises speak of.
4. `bound_as` says as what the hotline is bound by the duty table; other rows are told and not followed.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tiprouter.domain.vocabulary import Bound
from tiprouter.policy import zones
from tiprouter.policy.refusal import BundleError

_WORDS: Final = ("name", "version", "summary", "third_party")
_EXTENDS: Final = "extends"
_NUMBERS: Final = {
    "immediately_minutes": 24 * 60,
    "violence_fresh_hours": 24 * 7,
    "default_threshold_years": 30,
    "stale_after_days": 10 * 366,
}
WORD_MAX: Final = 100
SUMMARY_MAX: Final = 1_000
_ZONE: Final = "default_zone"
_BOUND: Final = "bound_as"
THIRD_PARTY: Final = ("withheld", "forwarded", "own")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True)
class BundleSettings:
    """A bundle's words and numbers, in the units their names say."""

    name: str
    version: str
    summary: str
    third_party: str
    immediately_minutes: int
    violence_fresh_hours: int
    default_threshold_years: int
    stale_after_days: int
    default_zone: str
    bound_as: tuple[Bound, ...]
    extends: str | None = None

    @property
    def immediately(self) -> timedelta:
        """How long after receipt "immediately" is."""
        return timedelta(minutes=self.immediately_minutes)

    @property
    def stale_after(self) -> timedelta:
        """How long a duty row is relied on after somebody looked at its source."""
        return timedelta(days=self.stale_after_days)

    @property
    def violence_fresh(self) -> timedelta:
        """How long first-hand violence counts as fresh."""
        return timedelta(hours=self.violence_fresh_hours)


def settings_of(file: str, text: str) -> BundleSettings:
    """Read `bundle.toml` (rules 1 and 2). Raises `BundleError`."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise BundleError(file, 1, "a value nests too deeply to be read") from None
    except tomllib.TOMLDecodeError as error:
        found = _AT_LINE.search(str(error))
        raise BundleError(file, int(found.group(1)) if found else 1, str(error)) from error
    protocol = document.pop("protocol", None)
    if not isinstance(protocol, dict):
        raise BundleError(file, 1, "the table protocol is missing")
    extends = _word(file, text, _EXTENDS, document.pop(_EXTENDS)) if _EXTENDS in document else None
    for found_keys, known in ((document, _WORDS), (protocol, (*_NUMBERS, _ZONE, _BOUND))):
        for key in found_keys:
            if key not in known:
                raise BundleError(file, _line(text, key), f"{key} is not a key; known are {', '.join(known)}")
        for key in known:
            if key not in found_keys:
                raise BundleError(file, 1, f"{key} is missing")
    words = {key: _word(file, text, key, document[key]) for key in _WORDS}
    if words["third_party"] not in THIRD_PARTY:
        raise BundleError(file, _line(text, "third_party"), f"third_party must be one of {', '.join(THIRD_PARTY)}")
    numbers = {key: _number(file, text, key, protocol[key]) for key in _NUMBERS}
    return BundleSettings(
        name=words["name"],
        version=words["version"],
        summary=words["summary"],
        third_party=words["third_party"],
        immediately_minutes=numbers["immediately_minutes"],
        violence_fresh_hours=numbers["violence_fresh_hours"],
        default_threshold_years=numbers["default_threshold_years"],
        stale_after_days=numbers["stale_after_days"],
        default_zone=_zone(file, text, protocol[_ZONE]),
        bound_as=_bound(file, text, protocol[_BOUND]),
        extends=extends,
    )


def _bound(file: str, text: str, value: object) -> tuple[Bound, ...]:
    words = value if isinstance(value, list) else []
    if not words or any(word not in tuple(Bound) for word in words):
        raise BundleError(file, _line(text, _BOUND), f"{_BOUND} must be a list of some of {', '.join(Bound)}")
    return tuple(sorted({Bound(word) for word in words}))


def _zone(file: str, text: str, value: object) -> str:
    name = _word(file, text, _ZONE, value)
    try:
        zones.zone(name)
    except ValueError as error:
        raise BundleError(file, _line(text, _ZONE), f"{_ZONE}: {error}") from error
    return name


def _word(file: str, text: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BundleError(file, _line(text, key), f"{key} must be a text")
    longest = SUMMARY_MAX if key == "summary" else WORD_MAX
    if not value.isprintable() or len(value) > longest:
        raise BundleError(file, _line(text, key), f"{key} must be one line of at most {longest} characters")
    return value


def _number(file: str, text: str, key: str, value: object) -> int:
    if type(value) is not int or not 0 < value <= _NUMBERS[key]:
        raise BundleError(file, _line(text, key), f"{key} must be a whole number from 1 to {_NUMBERS[key]}")
    return value


def _line(text: str, key: str) -> int:
    """The line that sets a key; 1 when it is set in some other spelling."""
    found = re.search(rf"^\s*\[?{re.escape(key)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1
