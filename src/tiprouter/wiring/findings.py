"""What does looking at a service's set-up come to?"""

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeAlias


@unique
class Level(StrEnum):
    """OK, WARN (it runs, and somebody should know why) or FAIL (it will not run, or must not)."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do about it (empty when nothing)."""

    level: Level
    subject: str
    found: str
    remedy: str = ""


Said: TypeAlias = tuple[Level, str, str]
"""A finding without its subject."""
