"""Where can a disclosure be, from when it was made on, and what may happen to it there?

A table of its own beside those of `states`; the database constraint and the diagram derive from it.

1. One that stands is what its recipient may be told now. It ends once: another takes its place, or nothing may leave.
2. When the person took it back and its recipient may hold it, it is recalled, whether it stood or had ended.
3. Erasing its record, or somebody it told of, takes its content, and it stays without. Its recipient may still hold
   what it told of somebody else: when that person takes it back, a recall goes out as after any other.

Its delivery has a table of its own (`states`): a disclosure that stands may long be delivered, and one that ended too.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from types import MappingProxyType

from tiprouter.domain.states import diagram


@unique
class DisclosureState(StrEnum):
    """Where a disclosure is."""

    STANDING = "standing"
    REPLACED = "replaced"
    WITHHELD = "withheld"  # nothing of it may leave any more
    RECALLED = "recalled"
    ERASED = "erased"


@unique
class DisclosureEvent(StrEnum):
    """What can happen to it."""

    REPLACE = "replace"
    WITHHOLD = "withhold"
    RECALL = "recall"
    ERASE = "erase"


_S, _E = DisclosureState, DisclosureEvent

DISCLOSURE_TRANSITIONS: Mapping[tuple[DisclosureEvent, DisclosureState], DisclosureState] = MappingProxyType(
    {
        (_E.REPLACE, _S.STANDING): _S.REPLACED,
        (_E.WITHHOLD, _S.STANDING): _S.WITHHELD,
        (_E.RECALL, _S.STANDING): _S.RECALLED,
        (_E.RECALL, _S.REPLACED): _S.RECALLED,
        (_E.RECALL, _S.WITHHELD): _S.RECALLED,
        (_E.RECALL, _S.ERASED): _S.ERASED,
        (_E.ERASE, _S.STANDING): _S.ERASED,
        (_E.ERASE, _S.REPLACED): _S.ERASED,
        (_E.ERASE, _S.WITHHELD): _S.ERASED,
        (_E.ERASE, _S.RECALLED): _S.ERASED,
    }
)


def disclosure_mermaid() -> str:
    """Return the table as a Mermaid state diagram for the documentation."""
    left = {before for (_, before), after in DISCLOSURE_TRANSITIONS.items() if after is not before}
    ends = [state for state in _S if state not in left]
    return diagram(DISCLOSURE_TRANSITIONS, _S.STANDING, ends)
