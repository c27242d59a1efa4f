"""Which deliveries go before which, and how many of each may be on their way at once?

1. Four lanes, in this order: first attempts of what is imminent, its retries, first attempts of the rest, its retries.
2. Of a worker's places each lane keeps some that no other may take; the rest is for whoever comes first, in the order
   of the lanes. A first attempt of imminent danger alone may take any free place: it waits for nobody.
3. So a retry never takes a place kept for first attempts, and what is standard none that is kept for danger.
4. To one recipient at most `each` standard attempts run at once, and beside them as many imminent ones: a dozen slow
   answers never stand before danger, and danger cannot knock an agency over either. Of both numbers retries take half
   at most (one at least), so that what is new gets through to an agency that answers slowly.

5. An attempt that is slow gives its place back and goes on beside the others, so that agencies that never answer hold
   nobody up: of slow ones `SLOW_FOR_EACH` may be under way for each place, and more than that take places again. To
   its own recipient it counts as before.
6. A recipient that has not answered lately, or not yet what it was sent, is a stranger: it may be dead. One standard
   attempt at a time goes to it. In each lane some few places are strangers' own (`before_others`); else what is for
   them comes after what is for others, and takes three quarters of the places at most, slow ones half of what may be
   slow. So finding out who is dead costs those that answer next to nothing. A probe is no stranger's: it has a share of
   its own. Danger asks nobody whether they answered.

Not promised: places across processes. Each worker has its own; what all share is the pace (`domain/pace.py`).
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum, unique
from types import MappingProxyType
from typing import Final, Self

from tiprouter.domain.vocabulary import Urgency


@unique
class Lane(StrEnum):
    """A queue of deliveries, in the order in which they are served."""

    IMMINENT = "imminent"
    AGAIN = "again"  # imminent danger that was tried before
    FIRST = "first"
    RETRY = "retry"


_FIRSTS: Final = {Urgency.IMMINENT: Lane.IMMINENT, Urgency.STANDARD: Lane.FIRST}
_RETRIES: Final = {Urgency.IMMINENT: Lane.AGAIN, Urgency.STANDARD: Lane.RETRY}
_TRIED: Final = frozenset(_RETRIES.values())
DANGER: Final = frozenset({Lane.IMMINENT, Lane.AGAIN})
KEPT: Final[Mapping[Lane, int]] = MappingProxyType({Lane.IMMINENT: 10, Lane.AGAIN: 10, Lane.FIRST: 25, Lane.RETRY: 10})
"""Percent of the places that each lane keeps, unless told otherwise."""


SLOW_FOR_EACH: Final = 8
"""So many slow attempts may be under way for each place (rule 5)."""
PLACES_FOR_EACH_STRANGER: Final = 32
"""Of so many places one is strangers' own, in each lane, and one at least (rule 6)."""


def lane_of(urgency: Urgency, attempts: int) -> Lane:
    """The lane of a delivery after so many attempts."""
    return (_RETRIES if attempts else _FIRSTS)[urgency]


@dataclass(frozen=True, slots=True)
class Places:
    """A worker's places: how many there are, and how many of them each lane keeps."""

    total: int
    kept: Mapping[Lane, int]

    @classmethod
    def share(cls, total: int, percent: Mapping[Lane, int] = KEPT) -> Self:
        """Places of which each lane keeps a share, rounded down."""
        return cls(total, {lane: total * percent.get(lane, 0) // 100 for lane in Lane})

    def room(self, lane: Lane, held: Mapping[Lane, int]) -> int:
        """How many more attempts of this lane may begin while `held` are under way (rules 2, 3)."""
        free = self.total - sum(held.values())
        if lane is not Lane.IMMINENT:
            free -= sum(max(kept - held.get(other, 0), 0) for other, kept in self.kept.items() if other is not lane)
        return max(free, 0)


@dataclass(frozen=True, slots=True)
class Room:
    """What a claim may take: a worker's places, `each` to one recipient, and what the worker holds already.

    `slow` is how much of that is slow, by lane (rule 5). `known` have answered lately, None is everybody; of what is
    held for strangers so much as `strange` is not slow, by lane, and so much as `strange_slow` is (rule 6).
    """

    places: Places
    each: int
    held: Mapping[tuple[str, Lane], int] = field(default_factory=dict)
    slow: Mapping[Lane, int] = field(default_factory=dict)
    known: AbstractSet[str] | None = None
    strange: Mapping[Lane, int] = field(default_factory=dict)
    strange_slow: int = 0

    def taken(self) -> dict[Lane, int]:
        """How many places are taken in each lane."""
        found = dict.fromkeys(Lane, 0)
        for (_, lane), count in self.held.items():
            found[lane] += count
        beside = self.places.total * SLOW_FOR_EACH
        for lane in Lane:
            aside = min(self.slow.get(lane, 0), beside)
            found[lane], beside = found[lane] - aside, beside - aside
        return found

    def open_to(self, recipient_id: str, lane: Lane, held: Mapping[tuple[str, Lane], int]) -> bool:
        """Whether one more attempt of this lane may go to a recipient (rules 4, 6)."""
        beside = DANGER if lane in DANGER else frozenset(Lane) - DANGER
        each = 1 if self.is_strange(recipient_id, lane) else self.each
        if sum(held.get((recipient_id, other), 0) for other in beside) >= each:
            return False
        return lane not in _TRIED or held.get((recipient_id, lane), 0) < max(self.each // 2, 1)

    def is_strange(self, recipient_id: str, lane: Lane) -> bool:
        """Whether an attempt of this lane to a recipient is one to a stranger (rule 6)."""
        return self.known is not None and lane not in DANGER and recipient_id not in self.known

    def before_others(self, lane: Lane) -> int:
        """How many more attempts to strangers begin before what is for others, whatever other lanes hold (rule 6)."""
        own = max(self.places.total // PLACES_FOR_EACH_STRANGER, 1)
        return max(min(own - self.strange.get(lane, 0), self._may_hang()), 0)

    def after_others(self) -> int:
        """How many more may begin at all (rule 6)."""
        most = max(self.places.total * 3 // 4, 1)
        return max(min(most - sum(self.strange.values()), self._may_hang()), 0)

    def _may_hang(self) -> int:
        """How many more strangers may turn out to be slow: each of those under way may."""
        return self.places.total * SLOW_FOR_EACH // 2 - self.strange_slow - sum(self.strange.values())
