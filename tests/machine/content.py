"""What does a payload say, and what is it to break a promise?"""

import json
import re
from dataclasses import dataclass
from typing import Final

MARKER: Final = re.compile(rb"MK[0-9]+x")
TOLD: Final = "disclosure.made"
ANSWERED: Final = "disclosure.answered"


class BrokenPromiseError(AssertionError):
    """A promise that was broken."""


def demand(holds: object, promise: str, *about: object) -> None:
    """Raise `BrokenPromiseError` unless it holds."""
    if not holds:
        raise BrokenPromiseError(": ".join(map(str, (promise, *about))))


@dataclass(frozen=True)
class Content:
    """What a payload says: its markers, the persons' categories in order, and the two blocks of their own."""

    markers: frozenset[str]
    persons: tuple[frozenset[str], ...]
    incident: bool
    signaler: bool
    kind: str


def content_of(body: bytes) -> Content:
    """Read a payload's bytes: what is in them is what is told, whatever else they say."""
    said = json.loads(body)
    data = said["data"]
    return Content(
        markers=frozenset(found.decode() for found in MARKER.findall(body)),
        persons=tuple(frozenset(one["categories"]) for one in data.get("persons", ())),
        incident="exploitation" in data or "violence" in data,
        signaler="signaler" in data,
        kind=said["type"],
    )
