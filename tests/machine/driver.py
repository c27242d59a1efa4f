"""How are many histories run, and what is told of one that breaks a promise?

1. A run is a seed, a number of histories and of steps; history by history it can be repeated alone.
2. A history that breaks a promise is told as a person would read it, cut to the smallest beginning that still does,
   and then with every step left out that it does as well without.
3. What was exercised is counted, steps by name and by what they found: a run that did nothing shows.
"""

import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from multiprocessing import get_context
from random import Random
from typing import Final

import structlog

from tests.machine.history import Machine, Step, begin, choose, leaning
from tests.machine.house import House

LOUD: Final = 50
"""What a story says of an error it holds is what the history wanted to see; only worse is worth a line."""

COLLECT_EVERY: Final = 20
BATCH: Final = 5
SAY_EVERY: Final = 100
STOP_AFTER: Final = 3


@dataclass(frozen=True)
class Broken:
    """A history that broke a promise: what it was, its steps, and the shortest one that still does."""

    seed: str
    says: str
    steps: tuple[Step, ...]
    ended: bool
    shortest: tuple[Step, ...] = ()
    told: tuple[str, ...] = ()


@dataclass
class Figures:
    """What a run did."""

    histories: int = 0
    steps: int = 0
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)

    def add(self, other: "Figures") -> None:
        """Take another run's figures in."""
        self.histories += other.histories
        self.steps += other.steps
        self.done += other.done
        self.outcomes += other.outcomes
        self.within += other.within
        self.broken += other.broken


def quiet() -> None:
    """Let stories log nothing but the worst."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(LOUD))


def run(house: House, seed: str, steps: int, figures: Figures, toward: Collection[str] = ()) -> Broken | None:
    """Run one history of so many steps, most of all some, to its end; what it broke, if anything."""
    machine, taken = begin(house, seed), list[Step]()
    chance = Random(f"steps of {seed}")  # noqa: S311 - what is random here must be so again
    ended, likely = False, leaning(chance, toward)
    try:
        while len(taken) < steps:
            taken.append(choose(machine, chance, likely))
        ended = True
        machine.end()
    except Exception as error:  # noqa: BLE001 - a promise, or a story that failed as none may
        # The step that broke it is not among those taken: its number is the last that was drawn.
        last = () if ended else (machine.stepping,)
        return Broken(seed, f"{type(error).__name__}: {error}", (*taken, *last), ended)
    finally:
        figures.histories += 1
        figures.steps += len(taken)
        figures.done += machine.done
        figures.outcomes += machine.watch.outcomes
        figures.within += Counter({said.partition(":")[0] for said in machine.done})
    return None


def breaks(house: House, seed: str, steps: Sequence[Step], told: list[str] | None = None) -> str | None:
    """Take these steps and come to the end; what breaks, or None. `told` is given a line for each step."""
    machine = begin(house, seed)
    try:
        for number, (name, step_seed) in enumerate(steps, 1):
            said = machine.step(name, step_seed)
            if told is not None:
                told.append(f"{number:3}  {machine.model.now:%Y-%m-%d %H:%M:%S}  {name}: {said or 'nothing to do'}")
        machine.end()
    except Exception as error:  # noqa: BLE001 - as above
        if told is not None:
            told.append(f"     {machine.model.now:%Y-%m-%d %H:%M:%S}  {machine.stepping[0]}")
        return type(error).__name__
    return None


def shorten(house: House, broken: Broken, tries: int = 80) -> Broken:
    """The smallest beginning that still breaks, without the steps that it does not need (rule 2)."""
    wanted = broken.says.partition(":")[0]
    low, high = 0, len(broken.steps)
    while low < high:
        middle = (low + high) // 2
        if breaks(house, broken.seed, broken.steps[:middle]) == wanted:
            high = middle
        else:
            low = middle + 1
    steps = list(broken.steps[:high])
    for size in (16, 8, 4, 2, 1):
        for first in range(len(steps) - size, -1, -size):
            fewer = steps[:first] + steps[first + size :]
            tries -= 1
            if tries > 0 and breaks(house, broken.seed, fewer) == wanted:
                steps = fewer
    told = list[str]()
    breaks(house, broken.seed, steps, told)
    return Broken(broken.seed, broken.says, broken.steps, broken.ended, tuple(steps), tuple(told))


def several(house: House, seeds: Iterable[str], steps: int, *, stop_after: int = STOP_AFTER) -> Figures:
    """Run histories one after the other; what breaks is shortened, and after a few the run ends."""
    figures, began = Figures(), time.perf_counter()
    for number, seed in enumerate(seeds):
        # A history leaves few circles behind: looking for them now and then is enough.
        if number % COLLECT_EVERY == 0:
            gc.collect()
        found = run(house, seed, steps, figures)
        if found is not None:
            _say(f"\nVIOLATION in history {found.seed}, after {len(found.steps)} steps: {found.says}")
            figures.broken.append(shorten(house, found))
            if len(figures.broken) >= stop_after:
                break
    figures.seconds = time.perf_counter() - began
    return figures


_HOUSES: Final[list[House]] = []
"""A process's own house: made once, for making it takes as long as a history."""


def move_in(url: str | None = None) -> House:
    """Make this process a house of its own."""
    quiet()
    gc.disable()
    _HOUSES.append(House(url))
    return _HOUSES[-1]


def part(seeds: Sequence[str], steps: int) -> Figures:
    """A part of a run, in this process's house."""
    return several(_HOUSES[-1], seeds, steps)


def parts(run_of: "Run") -> Iterator[Figures]:
    """A whole run, in parts as they end."""
    seeds = [f"{run_of.seed}/{number}" for number in range(run_of.histories)]
    batches = [seeds[first : first + BATCH] for first in range(0, run_of.histories, BATCH)]
    if run_of.processes > 1 and run_of.url is None:
        with ProcessPoolExecutor(run_of.processes, get_context("spawn"), initializer=move_in) as pool:
            yield from pool.map(partial(part, steps=run_of.steps), batches)
        return
    house = move_in(run_of.url)
    try:
        for batch in batches:
            yield part(batch, run_of.steps)
    finally:
        gc.enable()
        _HOUSES.pop()
        house.close()


@dataclass(frozen=True)
class Run:
    """What is asked for: so many histories of so many steps, and at most so many seconds, if any."""

    seed: int
    histories: int
    steps: int
    processes: int = 1
    url: str | None = None
    seconds: float | None = None


def main(run_of: Run) -> int:
    """Run, say every hundred histories how it goes, and tell the figures; 1 when a promise was broken."""
    whole, began, said = Figures(), time.perf_counter(), 0
    for done in parts(run_of):
        whole.add(done)
        whole.seconds = time.perf_counter() - began
        if whole.histories >= said + SAY_EVERY or done.broken:
            said = whole.histories
            _say(_so_far(whole))
        for broken in done.broken:
            _tell(broken)
        late = run_of.seconds is not None and whole.seconds >= run_of.seconds
        if len(whole.broken) >= STOP_AFTER or late:
            break
    _figures(whole)
    return 1 if whole.broken else 0


def again(text: str) -> int:
    """Take one history's steps again, from what was told of a violation; 1 when it still breaks a promise."""
    seed, steps = json.loads(text)
    house, told = move_in(), list[str]()
    try:
        found = breaks(house, seed, [(name, number) for name, number in steps], told)
    finally:
        _HOUSES.pop()
        house.close()
    for line in told:
        _say(line)
    _say("every promise was kept" if found is None else found)
    return 0 if found is None else 1


def _so_far(whole: Figures) -> str:
    each = whole.seconds / max(whole.histories, 1) * 1000
    return (
        f"{whole.histories:,} histories, {whole.steps:,} steps, {len(whole.broken)} violations, {whole.seconds:.0f} s"
        f" ({each:.0f} ms a history)"
    )


def _tell(broken: Broken) -> None:
    _say(f"\nHistory {broken.seed} breaks a promise: {broken.says}")
    _say(f"As short as it gets, {len(broken.shortest)} steps:")
    for line in broken.told:
        _say(f"  {line}")
    _say(f"  again: {json.dumps([broken.seed, broken.shortest])}\n")


def _figures(whole: Figures) -> None:
    titles = (("Steps taken", whole.done), ("What happened", whole.outcomes), ("Histories with the step", whole.within))
    for title, counted in titles:
        _say(f"\n{title}:")
        for name, count in sorted(chain(counted.items())):
            _say(f"  {count:>10,}  {name}")
    _say(f"\n{_so_far(whole)}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fails(house: House, seed: str, steps: int, toward: Collection[str] = ()) -> str | None:
    """What one history breaks, in words; None when it keeps every promise."""
    found = run(house, seed, steps, Figures(), toward)
    return None if found is None else found.says


__all__ = ["Broken", "Figures", "Machine", "Run", "again", "breaks", "fails", "main", "run", "several", "shorten"]
