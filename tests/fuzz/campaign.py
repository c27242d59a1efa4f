"""How far is each target, which one is next, and for how many runs?

1. A campaign goes on where its state file says that it stopped: runs and processor seconds of each target, and how many
   rounds ended with a finding. What a killed round did is not counted, and neither is a round with a finding.
2. A target that nobody measured comes first, for a short round; then the quickest that is not at its goal, for about
   as many runs as take a round's time, never more than are left.
3. A target that had a finding is left alone for the rest of this call; the next call tries it again, with another seed.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

FIRST_RUNS: Final = 100_000
ROUND_SECONDS: Final = 180
"""Processor seconds that a round is meant to take: what is lost when somebody ends the command."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done for one target so far."""

    runs: int = 0
    cpu_seconds: float = 0.0
    findings: int = 0

    @property
    def speed(self) -> float:
        """Runs in a second of processor time, the start of each round included; 0 before any."""
        return self.runs / self.cpu_seconds if self.cpu_seconds else 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """How one round ended: processor seconds, and what was found, if anything."""

    cpu_seconds: float
    found: str = ""


Run = Callable[[str, int, int], Round]
"""Run a target so many times, with a seed."""


@dataclass
class Campaign:
    """Every target's way to so many runs."""

    goal: int
    targets: dict[str, Progress]
    stopped: set[str] = field(default_factory=set)

    def next(self) -> tuple[str, int] | None:
        """Rule 2 and rule 3: the target and its runs; None when nothing is left to do."""
        left = [name for name, one in self.targets.items() if one.runs < self.goal and name not in self.stopped]
        if not left:
            return None
        name = min(left, key=lambda one: (self.targets[one].runs > 0, -self.targets[one].speed))
        at = self.targets[name]
        wished = int(at.speed * ROUND_SECONDS) or FIRST_RUNS
        return name, min(max(wished, 1), self.goal - at.runs)

    def seed(self, name: str, first: int) -> int:
        """Another one in each round, the same when the same campaign is made again."""
        at = self.targets[name]
        return (first + at.runs + at.findings) % 2**31 or 1

    def note(self, name: str, runs: int, ended: Round) -> None:
        """Count a round (rule 1)."""
        at = self.targets[name]
        if ended.found:
            self.targets[name] = replace(at, findings=at.findings + 1)
            self.stopped.add(name)
        else:
            self.targets[name] = replace(at, runs=at.runs + runs, cpu_seconds=at.cpu_seconds + ended.cpu_seconds)


def load(state: Path | None, names: Iterable[str], goal: int) -> Campaign:
    """The campaign as its state file has it; all at zero without one."""
    kept = json.loads(state.read_text()) if state is not None and state.exists() else {}
    return Campaign(goal, {name: Progress(**kept.get(name, {})) for name in names})


def save(state: Path | None, campaign: Campaign) -> None:
    """Write the state beside and rename it; targets that were not asked for keep what they had."""
    if state is None:
        return
    kept = json.loads(state.read_text()) if state.exists() else {}
    kept |= {name: asdict(one) for name, one in campaign.targets.items()}
    beside = state.with_name(f"{state.name}.{os.getpid()}")
    beside.write_text(json.dumps(kept, indent=1) + "\n")
    beside.replace(state)


def go(campaign: Campaign, state: Path | None, run: Run, seed: int, in_time: Callable[[], bool]) -> list[str]:
    """Rounds until every goal is reached or time is up; what was found."""
    found = []
    while in_time() and (chosen := campaign.next()) is not None:
        name, runs = chosen
        ended = run(name, runs, campaign.seed(name, seed))
        campaign.note(name, runs, ended)
        save(state, campaign)
        if ended.found:
            found.append(f"{name}: {ended.found}")
    return found


def table(campaign: Campaign) -> str:
    """A line for each target and one for all."""
    lines = [f"{'target':20} {'runs':>12} {'of goal':>8} {'cpu s':>8} {'runs/s':>9} {'findings':>9}"]
    for name, one in campaign.targets.items():
        share = f"{one.runs / campaign.goal:8.1%}"
        lines.append(f"{name:20} {one.runs:12,} {share} {one.cpu_seconds:8.0f} {one.speed:9,.0f} {one.findings:9}")
    every = campaign.targets.values()
    whole = sum(one.runs >= campaign.goal for one in every)
    lines.append(f"{'all':20} {sum(one.runs for one in every):12,} runs, {whole} of {len(every)} at the goal")
    return "\n".join(lines)
