"""`python -m tests.fuzz --target all --runs N [--minutes M] [--state FILE]`: bytes led by what they reach, per parser.

Each round of a target runs in a process of its own under atheris (libFuzzer), which is installed by hand: `pip install
atheris` (wheels for CPython 3.11 to 3.13 on Linux). `campaign.py` says which is next. With a state file the same
command goes on where it stopped, and what was reached is kept beside it (`FILE.corpus`). A table at the end; a finding
ends with 1, after the bytes that showed it were printed.
"""

import argparse
import importlib
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from tests.fuzz.campaign import Round, go, load, table

BYTES_MAX = 4_096
INPUT_SECONDS = 60
ENDS = {77: "a finding", 76: "a finding", 70: f"an input took {INPUT_SECONDS} s by the clock", 71: "out of memory"}
"""What libFuzzer's and atheris' exit codes say; 70 is by the clock on the wall: a busy machine may come to it too."""


def fuzz(name: str, runs: int, seed: int, corpus: str) -> None:
    """Run one target in this process; atheris ends the process."""
    atheris = importlib.import_module("atheris")  # compiled for few Pythons, and only wanted here

    with atheris.instrument_imports(include=["tiprouter"], enable_loader_override=False):
        from tests.fuzz.callers import EVERY  # noqa: PLC0415 - what is imported inside is instrumented
    target = EVERY[name]
    for number, good in enumerate(target.seeds):
        (Path(corpus) / f"seed-{number}").write_bytes(good)
    options = [
        f"-atheris_runs={runs}",
        f"-seed={seed}",
        f"-max_len={BYTES_MAX}",
        "-verbosity=0",
        f"-timeout={INPUT_SECONDS}",
    ]
    atheris.Setup([sys.argv[0], *options, corpus], target.parse)
    atheris.Fuzz()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _round(corpora: Path, name: str, runs: int, seed: int) -> Round:
    """One round in a process of its own."""
    corpus = corpora / name
    corpus.mkdir(parents=True, exist_ok=True)
    before = _cpu_seconds()
    options = ["--runs", str(runs), "--seed", str(seed), "--corpus", str(corpus)]
    command = [sys.executable, "-m", "tests.fuzz", name, *options]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    used = _cpu_seconds() - before
    if ran.returncode == 0:
        print(f"{name}: {runs:,} runs in {used:.0f} s of processor, nothing found", flush=True)  # noqa: T201 - a command
        return Round(used)
    told = "\n".join(line for line in (ran.stdout + ran.stderr).splitlines() if not line.startswith("INFO"))
    why = ENDS.get(ran.returncode, "by a signal" if ran.returncode < 0 else "not by what it parsed")
    return Round(used, f"ended with {ran.returncode}: {why}\n{told[-3_000:]}")


def main() -> int:
    """Fuzz what is asked for, or everything; a line for each round, then the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--target", action="append", default=[], help="a target's name, or all")
    parser.add_argument("--runs", type=int, default=1_000_000, help="of each target, those in the state file counted")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so long")
    parser.add_argument("--state", type=Path, help="go on from this file, and keep it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.corpus:
        fuzz(asked.targets[0], asked.runs, asked.seed, asked.corpus)
        return 0
    from tests.fuzz.callers import EVERY  # noqa: PLC0415 - the child instruments what it imports

    wanted = [*asked.targets, *asked.target]
    names = list(EVERY) if not wanted or "all" in wanted else wanted
    if unknown := [name for name in names if name not in EVERY]:
        parser.error(f"no such target: {', '.join(unknown)}")
    campaign = load(asked.state, names, asked.runs)
    until = time.monotonic() + asked.minutes * 60
    with tempfile.TemporaryDirectory(prefix="tiprouter-fuzz-") as passing:
        corpora = Path(passing) if asked.state is None else Path(f"{asked.state}.corpus")
        run = partial(_round, corpora)
        found = go(campaign, asked.state, run, asked.seed, lambda: time.monotonic() < until)
    print("\n".join([*found, table(campaign)]), flush=True)  # noqa: T201 - a command
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
