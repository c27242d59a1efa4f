"""Is this a password that may be chosen? (NIST SP 800-63B-4 section 3.1.1.2)

1. At least eight characters, because here a password is never enough alone: a one-time code is always asked for too.
   At most 256. Every character counts, white space too.
2. No rule about kinds of characters, and no change by the calendar.
3. None of the blocked ones, and none that holds a word of its context: the service, the holder's own names.
4. Passwords are compared as they were typed, but for how a keyboard composes an accent (NFC, as the same section has
   it): no case, no space, no end of it is changed. What is looked up in lists is folded further (NFKC, lower case).
"""

import unicodedata
from collections.abc import Collection, Iterable
from enum import StrEnum, unique
from typing import Final

CHARACTERS_MIN: Final = 8
CHARACTERS_MAX: Final = 256
CONTEXT: Final = ("tiprouter", "hotline", "trafficking")
_WORD_MIN: Final = 4


@unique
class Unfit(StrEnum):
    """Why a password may not be chosen."""

    SHORT = "short"
    LONG = "long"
    BLOCKED = "blocked"
    CONTEXT = "context"


def typed(password: str) -> str:
    """The password as it is compared (rule 4)."""
    return unicodedata.normalize("NFC", password)


def normal(text: str) -> str:
    """What is looked up in a list or an index (rule 4)."""
    return unicodedata.normalize("NFKC", text)


def unfit(password: str, blocked: Collection[str], names: Iterable[str]) -> Unfit | None:
    """Why this password may not be chosen, or None (rules 1 and 3). `blocked` holds lower-case passwords."""
    chosen = typed(password)
    if len(chosen) < CHARACTERS_MIN:
        return Unfit.SHORT
    if len(chosen) > CHARACTERS_MAX:
        return Unfit.LONG
    folded = normal(chosen).casefold()
    if folded in blocked or _bare(folded) in blocked:
        return Unfit.BLOCKED
    words = {word for name in names for word in _words(name)} | set(CONTEXT)
    return Unfit.CONTEXT if any(word in folded for word in words) else None


def _bare(folded: str) -> str:
    """Without what people put behind a word: digits and punctuation."""
    return folded.rstrip("0123456789!?.,#$*@-_ ")


def _words(name: str) -> list[str]:
    parts = "".join(one if one.isalnum() else " " for one in normal(name).casefold()).split()
    return [part for part in parts if len(part) >= _WORD_MIN]
