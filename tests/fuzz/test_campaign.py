"""Does a long run go on where it stopped, the quickest first, and keep what it found? (rules of `campaign.py`)"""

import itertools
from pathlib import Path

from tests.fuzz.campaign import FIRST_RUNS, ROUND_SECONDS, Campaign, Progress, Round, go, load, save, table

GOAL = 10 * FIRST_RUNS
SPEEDS = {"slow": 100, "quick": 100_000}


def clean(name: str, runs: int, _seed: int) -> Round:
    """A round of a target whose speed is known, without a finding."""
    return Round(runs / SPEEDS[name])


def test_a_campaign_goes_on_where_its_file_says(tmp_path: Path) -> None:
    """Rule 1: stopped after two rounds and called again, each target does exactly what is left."""
    state = tmp_path / "state.json"
    rounds = itertools.count()
    assert go(load(state, SPEEDS, GOAL), state, clean, 1, lambda: next(rounds) < 2) == []
    again = load(state, SPEEDS, GOAL)
    assert [one.runs for one in again.targets.values()] == [FIRST_RUNS, FIRST_RUNS]
    done: list[tuple[str, int]] = []

    def noted(name: str, runs: int, seed: int) -> Round:
        done.append((name, runs))
        return clean(name, runs, seed)

    go(again, state, noted, 1, lambda: True)
    assert {name: sum(runs for at, runs in done if at == name) for name in SPEEDS} == dict.fromkeys(
        SPEEDS, GOAL - FIRST_RUNS
    )
    assert load(state, SPEEDS, GOAL).next() is None


def test_a_state_keeps_the_targets_that_nobody_asked_for(tmp_path: Path) -> None:
    """Rule 1: a call for one target forgets nothing of another."""
    state = tmp_path / "state.json"
    save(state, Campaign(GOAL, {"slow": Progress(7, 1.0)}))
    save(state, Campaign(GOAL, {"quick": Progress(9, 1.0)}))
    assert [one.runs for one in load(state, SPEEDS, GOAL).targets.values()] == [7, 9]


def test_who_was_never_measured_comes_first_and_then_the_quickest() -> None:
    """Rule 2: a short round for the new one, as many as fit a round for the quickest, never more than are left."""
    campaign = Campaign(GOAL, {"quick": Progress(GOAL - 5, 1.0), "slow": Progress(100, 1.0), "new": Progress()})
    assert campaign.next() == ("new", FIRST_RUNS)
    del campaign.targets["new"]
    assert campaign.next() == ("quick", 5)
    del campaign.targets["quick"]
    assert campaign.next() == ("slow", 100 * ROUND_SECONDS)


def test_a_finding_stops_its_target_and_counts_no_runs(tmp_path: Path) -> None:
    """Rules 1 and 3: the others go on; the next call tries again, with another seed."""
    state = tmp_path / "state.json"
    seeds = []

    def broken(name: str, runs: int, seed: int) -> Round:
        if name == "slow":
            seeds.append(seed)
            return Round(1.0, "ended with 77: a finding")
        return clean(name, runs, seed)

    assert go(load(state, SPEEDS, GOAL), state, broken, 1, lambda: True) == ["slow: ended with 77: a finding"]
    assert go(load(state, SPEEDS, GOAL), state, broken, 1, lambda: True) != []
    kept = load(state, SPEEDS, GOAL)
    assert (kept.targets["slow"].runs, kept.targets["slow"].findings) == (0, 2)
    assert kept.targets["quick"].runs == GOAL
    assert len(set(seeds)) == 2
    assert "1 of 2 at the goal" in table(kept)
