"""Which of what is due is tried now?

1. Lane by lane, danger first, the longest due first; as many as the worker's places leave room for (`domain/lanes.py`).
   Of what is standard a little that is for strangers goes first, then what is for recipients that answered lately, and
   more for strangers where that leaves places. Where strangers' backlog fills what is looked at, each of the others is
   asked for by name.
2. Nothing goes to a recipient whose places are all taken, whose pace is used up (danger is exempt from that), or whose
   line another process holds at this moment. It stays due, and hides nobody else's: `storage/lanes.py`, rule 2.
   Where a recipient says itself what it can take, its pace is that, and of standard attempts no more are under way than
   it allows, nor of imminent ones beside them, whichever processes make them: they are counted in the database while
   its line is held here, so that two claims never count at once.
3. What would go to an agency that only pulls, to an endpoint that is gone, or by an open breaker, is parked. What is
   parked for an endpoint that is gone lets its duties go on at once (`workflow/passing_on.py`).
4. By an open breaker whose pause is over one delivery goes, the probe: one never tried before others, since a delivery
   that its recipient cannot stand must not be what every probe is spent on. Of such probes as many begin as are asked
   for, the line that has waited longest first: when a thousand endpoints die at once, their probes crowd nobody.

Not asked here: whether it may leave. That is decided where it is prepared (`workflow/dispatch.py`).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tiprouter.domain.breaker import BreakerState
from tiprouter.domain.lanes import DANGER, Lane, Room
from tiprouter.domain.pace import Pace
from tiprouter.storage import lanes, lines
from tiprouter.storage.database import Transaction
from tiprouter.storage.deliveries import Delivery
from tiprouter.storage.lanes import Standing
from tiprouter.storage.lines import Line

BEYOND: Final = 32
"""So many more than there is room for are looked at in a lane, before every recipient is asked for."""

PROBES: Final = 20
"""So many probes begin at once, unless told otherwise (rule 4)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to try now, in order; which of it are probes; the lines that this changes; and how much was parked."""

    deliveries: list[Delivery]
    probes: frozenset[str]
    lines: dict[str, Line]
    parked: int


def choose(tx: Transaction, now: datetime, room: Room, pace: Pace, probes: int = PROBES) -> Chosen:
    """Choose what is tried now (rules 1-4); the deliveries, their records and their lines are held."""
    choice = _Choice(tx, now, room, pace, Counter(room.held), room.taken())
    looked = lanes.windows(tx, now, {lane: choice.limit(lane) for lane in Lane})
    waiting = lanes.probes(tx, now, probes)
    choice.meet([*(one for some in looked.values() for one in some), *waiting])
    for lane, window in looked.items():
        choice.serve(lane, [one for one in waiting if one.lane is lane], window)
    return choice.made()


@dataclass(slots=True)
class _Choice:
    """A choice in the making."""

    tx: Transaction
    now: datetime
    room: Room
    pace: Pace
    held: Counter[tuple[str, Lane]]
    taken: dict[Lane, int]
    lines: dict[str, Line] = field(default_factory=dict)
    picked: dict[str, Standing] = field(default_factory=dict)
    probes: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    parked: dict[str, bool] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    under_way: Counter[tuple[str, bool]] = field(default_factory=Counter)
    strangers: int = 0
    strangers_max: int = 0

    def left(self, lane: Lane) -> int:
        """How many more of a lane there are places for."""
        return self.room.places.room(lane, self.taken)

    def limit(self, lane: Lane) -> int:
        """How many of a lane are looked at."""
        left = self.room.places.room(lane, self.room.taken())
        return left + BEYOND if left else 0

    def serve(self, lane: Lane, waiting: Sequence[Standing], window: Sequence[Standing]) -> None:
        """Choose from one lane: probes, and what its window shows (rule 1)."""
        full, parked = len(window) >= self.limit(lane) > 0, len(self.parked)
        strange = [one for one in window if self.room.is_strange(one.recipient_id, lane)]
        others = [one for one in window if not self.room.is_strange(one.recipient_id, lane)] if strange else window
        self.strangers_max = self.strangers + self.room.before_others(lane)
        self.consider([*waiting, *strange, *others])
        # Where some of it was parked the next look shows more of the same window, for a fraction of the price.
        full = full and len(self.parked) == parked
        if full and strange:
            self._consider_known(lane)
        self.strangers_max = self.room.after_others()
        self.consider(strange)
        if full and (not strange or self.strangers < self.strangers_max) and (left := self.left(lane)):
            self._consider_also(lanes.heads(self.tx, self.now, lane, self.passed, left))

    def _consider_known(self, lane: Lane) -> None:
        """Consider the longest due of each that answered lately, and the next of each while there is room."""
        whose = set(self.room.known or ())
        for behind in range(self.room.each):
            left, whose = self.left(lane), whose - self.passed
            if left and whose:
                # What was picked already still stands in the database as the longest due.
                found = lanes.heads_of(self.tx, self.now, lane, whose, left + len(self.picked), behind)
                self._consider_also(found)
                whose = {one.recipient_id for one in found}

    def _consider_also(self, found: Sequence[Standing]) -> None:
        self.meet(found)
        self.consider(found)

    def meet(self, found: Iterable[Standing]) -> None:
        """Hold the lines that these would go by."""
        new = lines.at_once(self.tx, {one.recipient_id for one in found} - self.lines.keys())
        self.lines |= new
        limited = [name for name, line in new.items() if line.max_at_once is not None]
        if limited:
            self.under_way.update(lanes.under_way(self.tx, limited))

    def consider(self, found: Sequence[Standing]) -> None:
        """Pick, park or pass over each of these."""
        for one in found:
            line = self.lines.get(one.recipient_id)
            if line is None:
                self.passed.add(one.recipient_id)
            elif one.id not in self.picked and one.id not in self.parked:
                self._consider(one, line)

    def _consider(self, one: Standing, line: Line) -> None:
        gone = line.breaker.state is BreakerState.GONE
        waits = line.breaker.shut_out and one.lane not in DANGER
        if not line.sends or gone or (waits and not self._may_probe(line)):
            self.parked[one.id] = line.sends and gone
        elif self._has_room(one, line) and (waits or self._may_be_strange(one)):
            self._pick(one, line)
            if waits:
                self.probes[line.recipient_id] = one.id

    def _may_probe(self, line: Line) -> bool:
        return line.breaker.probes(self.now) and line.recipient_id not in self.probes

    def _may_be_strange(self, one: Standing) -> bool:
        """Whether it is to no stranger, or to one of so many; a probe is counted as that (rule 4)."""
        if not self.room.is_strange(one.recipient_id, one.lane):
            return True
        self.strangers += (may := self.strangers < self.strangers_max)
        return may

    def _has_room(self, one: Standing, line: Line) -> bool:
        """Rules 1 and 2."""
        if self.left(one.lane) <= 0:
            return False
        open_to = self.room.open_to(one.recipient_id, one.lane, self.held) and self._takes_more(one, line)
        pace = self.pace.own(line.max_per_second)
        if not open_to or not (one.lane in DANGER or pace.admits(line.free_at, self.now)):
            self.passed.add(one.recipient_id)
            return False
        return True

    def _takes_more(self, one: Standing, line: Line) -> bool:
        """Whether its own limit leaves room for one more (rule 2)."""
        return line.max_at_once is None or self.under_way[one.recipient_id, one.lane in DANGER] < line.max_at_once

    def _pick(self, one: Standing, line: Line) -> None:
        self.picked[one.id] = one
        self.held[one.recipient_id, one.lane] += 1
        self.under_way[one.recipient_id, one.lane in DANGER] += 1
        self.taken[one.lane] += 1
        free_at = self.pace.own(line.max_per_second).spend(line.free_at, self.now)
        if free_at != line.free_at:
            self.lines[one.recipient_id] = replace(line, free_at=free_at)
            self.spent.add(one.recipient_id)

    def made(self) -> Chosen:
        """Park what is parked and hold what was picked."""
        for pass_on in (False, True):
            lanes.park(self.tx, [one for one, on in self.parked.items() if on is pass_on], pass_on=pass_on)
        order = {name: number for number, name in enumerate(self.picked)}
        found = sorted(lanes.hold(self.tx, list(order)), key=lambda one: order[one.id])
        going = {recipient_id: self.lines[recipient_id] for recipient_id in self.spent | self.probes.keys()}
        return Chosen(found, frozenset(self.probes.values()), going, len(self.parked))
