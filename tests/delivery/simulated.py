"""Days of deliveries in seconds: the real schedule, breaker, lanes and pace, over receivers that misbehave.

`PYTHONPATH=src python -m tests.delivery.simulated --deliveries 100000` prints what came of it.
Time is simulated; nothing is sent.
"""

import argparse
import heapq
import random
import sys
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from tiprouter.delivery.schedule import next_attempt_at
from tiprouter.domain.breaker import Breaker, BreakerState, Heard, hear, probe
from tiprouter.domain.lanes import DANGER, Lane, Places, Room, lane_of
from tiprouter.domain.pace import MINUTE, Pace
from tiprouter.domain.vocabulary import Urgency

START: Final = datetime(2030, 1, 2, tzinfo=UTC)
KINDS: Final = ("live", "live", "live", "slow", "flapping", "throttling", "dead", "gone")
TRY_FOR: Final = timedelta(hours=24)
SECOND: Final = timedelta(seconds=1)


@dataclass(slots=True)
class Going:
    """A delivery on its simulated way."""

    number: int
    recipient: str
    urgency: Urgency
    made_at: datetime
    deliver_by: datetime
    attempts: int = 0
    ended: str = ""


@dataclass(slots=True)
class World:
    """Receivers by name, what is known of each, and everything that was seen."""

    chance: random.Random
    pace: Pace
    room: Room
    breakers: dict[str, Breaker] = field(default_factory=dict)
    free_at: dict[str, datetime | None] = field(default_factory=dict)
    flying: set[int] = field(default_factory=set)
    looking: set[str] = field(default_factory=set)
    queues: dict[tuple[str, Lane], deque[Going]] = field(default_factory=lambda: defaultdict(deque))
    held: Counter[tuple[str, Lane]] = field(default_factory=Counter)
    taken: Counter[Lane] = field(default_factory=Counter)
    begun: dict[str, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))
    ended: Counter[str] = field(default_factory=Counter)
    first_waits: list[float] = field(default_factory=list)
    attempts: int = 0
    broken: list[str] = field(default_factory=list)
    events: list[tuple[datetime, int, str, Going, str]] = field(default_factory=list)
    serial: "count[int]" = field(default_factory=count)

    def at(self, moment: datetime, what: str, one: Going, lease: str = "") -> None:
        """Something happens later."""
        heapq.heappush(self.events, (moment, next(self.serial), what, one, lease))

    def run(self) -> None:
        """Until nothing is left to happen."""
        while self.events:
            now, _, what, one, lease = heapq.heappop(self.events)
            if what == "due" and not one.ended:
                self._due(one, now)
            elif what == "look":
                self.looking.discard(one.recipient)
                self._serve(one.recipient, now)
            elif what == "end":
                self._finish(one, lease, now)
            elif what == "over" and not one.ended and one.number not in self.flying:
                self._end(one, "exhausted")

    def _due(self, one: Going, now: datetime) -> None:
        self.queues[one.recipient, lane_of(one.urgency, one.attempts)].append(one)
        self._serve(one.recipient, now)

    def _serve(self, name: str, now: datetime) -> None:
        for lane in Lane:
            queue = self.queues[name, lane]
            # What ended while it waited is nobody's to claim; it may lie anywhere in the queue.
            while queue and (queue[0].ended or self._may(name, lane, queue, now)):
                one = queue.popleft()
                if not one.ended:
                    self._begin(one, lane, now)

    def _may(self, name: str, lane: Lane, queue: deque[Going], now: datetime) -> bool:
        breaker = self.breakers.get(name, Breaker())
        if breaker.state is BreakerState.GONE:
            return False
        waits = breaker.shut_out and lane not in DANGER
        if waits and not breaker.probes(now):
            if breaker.probe_at is not None:
                self._look(queue[0], max(breaker.probe_at, now + SECOND))
            return False
        if not self.room.open_to(name, lane, self.held) or not self.room.places.room(lane, self.taken):
            self._look(queue[0], now + SECOND)
            return False
        if lane not in DANGER and not self.pace.admits(self.free_at.get(name), now):
            self._look(queue[0], now + SECOND)
            return False
        return True

    def _look(self, one: Going, moment: datetime) -> None:
        if one.recipient not in self.looking:
            self.looking.add(one.recipient)
            self.at(moment, "look", one)

    def _begin(self, one: Going, lane: Lane, now: datetime) -> None:
        name, lease = one.recipient, f"lse_{next(self.serial)}"
        breaker = self.breakers.get(name, Breaker())
        if breaker.shut_out and lane not in DANGER:
            self.breakers[name] = probe(breaker, lease, now)
        if now > one.deliver_by:
            self.broken.append(f"{one.number} was tried after its time")
        if not one.attempts and lane is Lane.FIRST and name.startswith("live"):
            self.first_waits.append((now - one.made_at).total_seconds())
        self._count(name, lane, now)
        self.free_at[name] = self.pace.spend(self.free_at.get(name), now)
        self.held[name, lane] += 1
        self.taken[lane] += 1
        self.flying.add(one.number)
        one.attempts += 1
        self.attempts += 1
        self.at(now + timedelta(seconds=self._takes(name)), "end", one, f"{lease} {lane}")

    def _count(self, name: str, lane: Lane, now: datetime) -> None:
        if lane in DANGER:
            return
        begun = self.begun[name]
        begun.append(now)
        while begun[0] <= now - MINUTE:
            begun.popleft()
        if len(begun) > self.pace.limit:
            self.broken.append(f"{name} had {len(begun)} attempts in a minute")

    def _takes(self, name: str) -> float:
        if name.startswith("slow"):
            return 14.0
        return 15.0 if name.startswith("dead") else self.chance.uniform(0.02, 0.4)

    def _finish(self, one: Going, lease: str, now: datetime) -> None:
        name, (token, lane) = one.recipient, lease.split()
        self.held[name, Lane(lane)] -= 1
        self.taken[Lane(lane)] -= 1
        self.flying.discard(one.number)
        heard, retry_after = self._answer(name, now)
        jitter = self.chance.random()
        self.breakers[name] = hear(self.breakers.get(name, Breaker()), heard, token, now, jitter)
        if heard is Heard.ARRIVED:
            self._end(one, "delivered")
        elif heard is Heard.GONE:
            self._end(one, "refused")
        else:
            again = next_attempt_at(one.urgency, one.attempts, now, one.deliver_by, retry_after, jitter)
            if again is None:
                self._end(one, "exhausted")
            elif again > one.deliver_by or again <= now:
                self.broken.append(f"{one.number} is due at a wrong time")
            else:
                self.at(again, "due", one)
        self._serve(name, now)

    def _answer(self, name: str, now: datetime) -> tuple[Heard, float | None]:
        kind, hours = name.partition("-")[0], (now - START) / timedelta(hours=1)
        if kind == "throttling" and self.chance.random() < 0.7:
            return Heard.FAILED, self.chance.choice([1.0, 60.0, 7_200.0, float("nan"), -5.0])
        if kind == "gone" and hours > 5:
            return Heard.GONE, None
        if kind == "dead" or (kind == "flapping" and int(hours * 2) % 2):
            return Heard.FAILED, None
        return Heard.ARRIVED, None

    def _end(self, one: Going, how: str) -> None:
        if one.ended:
            self.broken.append(f"{one.number} ended twice")
        one.ended = how
        self.ended[how] += 1


def simulate(deliveries: int, recipients: int, seed: int) -> World:
    """So many deliveries, made over two days to so many recipients; each is tried for a day."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    world = World(chance, Pace(60), Room(Places.share(4 * recipients), 8))
    names = [f"{KINDS[number % len(KINDS)]}-{number}" for number in range(recipients)]
    for number in range(deliveries):
        made_at = START + timedelta(seconds=chance.uniform(0, 48 * 3_600))
        urgency = Urgency.IMMINENT if chance.random() < 0.03 else Urgency.STANDARD
        one = Going(number, chance.choice(names), urgency, made_at, made_at + TRY_FOR)
        world.at(made_at, "due", one)
        world.at(one.deliver_by, "over", one)
    return world


def main() -> int:
    """Simulate and print; 1 where a delivery was lost or a promise broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--recipients", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.perf_counter()
    world = simulate(asked.deliveries, asked.recipients, asked.seed)
    world.run()
    waits = sorted(world.first_waits)
    seconds = time.perf_counter() - began
    lost = asked.deliveries - sum(world.ended.values())
    said = (
        f"{asked.deliveries:,} deliveries to {asked.recipients} receivers, 72 simulated hours in {seconds:.0f} s",
        f"ended: {dict(world.ended)}; lost: {lost}; attempts: {world.attempts:,}",
        f"first attempts to live receivers waited: p50 {waits[len(waits) // 2]:.2f} s, worst {waits[-1]:.2f} s",
        f"promises broken: {len(world.broken)} {world.broken[:3]}",
    )
    sys.stdout.write("\n".join(said) + "\n")
    return int(lost != 0 or bool(world.broken))


if __name__ == "__main__":
    sys.exit(main())
