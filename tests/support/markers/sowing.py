"""Which marker went where, and what must have become of it?

1. A marker is sown for one flow and with one fate: kept (it must stand, once opened, in a sealed value of a table that
   is named with it), refused (no sealed value may hold it either), or open (a process may have died in between).
2. Nothing is believed: what became of a marker is read back from every sealed value of the database (`opened.py`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tests.support.markers import STEM

RUN: Final = "r"

Mark = Callable[[str], str]


class Fate(StrEnum):
    """What must become of a marker (rule 1)."""

    KEPT = "kept"
    REFUSED = "refused"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Sown:
    """One marker."""

    word: str
    flow: str
    fate: Fate
    tables: frozenset[str]


@dataclass
class Sowing:
    """All that were sown; a marker's number is its place."""

    sown: list[Sown] = field(default_factory=list)

    def kept(self, flow: str, *tables: str) -> Mark:
        """Makes markers that must be found in one of these tables."""
        return self._sowing(flow, Fate.KEPT, tables)

    def refused(self, flow: str) -> Mark:
        """Makes markers of which nothing may be kept."""
        return self._sowing(flow, Fate.REFUSED, ())

    def open(self, flow: str) -> Mark:
        """Makes markers that may be kept, sealed, or not."""
        return self._sowing(flow, Fate.OPEN, ())

    def flows(self) -> Mapping[str, Counter[str]]:
        """How many of each fate every flow took, in the order of the flows."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self.sown:
            counts[one.flow][one.fate] += 1
        return counts

    def astray(self, found: Mapping[int, Collection[str]]) -> Iterator[str]:
        """What did not become of a marker as it must have, given in which tables each was found (rule 2)."""
        for number, one in enumerate(self.sown):
            there = frozenset(found.get(number, ()))
            if one.fate is Fate.KEPT and not there & one.tables:
                yield f"{one.word} ({one.flow}) is in no sealed value of {', '.join(sorted(one.tables))}"
            if one.fate is Fate.REFUSED and there:
                yield f"{one.word} ({one.flow}) was refused and is kept in {', '.join(sorted(there))}"

    def _sowing(self, flow: str, fate: Fate, tables: Collection[str]) -> Mark:
        def mark(what: str) -> str:
            word = f"{STEM}{RUN}{len(self.sown):04}{what.title().replace('_', '')}"
            self.sown.append(Sown(word, flow, fate, frozenset(tables)))
            return word

        return mark
