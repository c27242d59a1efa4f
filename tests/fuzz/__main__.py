"""`python -m tests.fuzz [TARGET ...] --runs N`: random bytes, led by what they reach, for each parser in turn.

Each target runs in a process of its own under atheris (libFuzzer), which is installed by hand: `pip install atheris`
(wheels for CPython 3.11 to 3.13 on Linux). A finding ends with 1, after the bytes that showed it were printed.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BYTES_MAX = 4_096
ENDS = {77: "a finding", 76: "a finding", 70: "an input took 10 s of this machine's time", 71: "out of memory"}
"""What libFuzzer's and atheris' exit codes say; 70 is by the clock on the wall, so a busy machine comes to it too."""


def fuzz(name: str, runs: int, seed: int, corpus: str) -> None:
    """Run one target in this process; atheris ends the process."""
    atheris = importlib.import_module("atheris")  # compiled for few Pythons, and only wanted here

    with atheris.instrument_imports(include=["tiprouter"], enable_loader_override=False):
        from tests.fuzz.callers import EVERY  # noqa: PLC0415 - what is imported inside is instrumented
    target = EVERY[name]
    for number, good in enumerate(target.seeds):
        (Path(corpus) / f"seed-{number}").write_bytes(good)
    options = [f"-atheris_runs={runs}", f"-seed={seed}", f"-max_len={BYTES_MAX}", "-verbosity=0", "-timeout=10"]
    atheris.Setup([sys.argv[0], *options, corpus], target.parse)
    atheris.Fuzz()


def main() -> int:
    """Fuzz what is asked for, or everything; a line each."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.corpus:
        fuzz(asked.targets[0], asked.runs, asked.seed, asked.corpus)
        return 0
    from tests.fuzz.callers import EVERY  # noqa: PLC0415 - the child instruments what it imports

    found = 0
    for name in asked.targets or EVERY:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="tiprouter-fuzz-") as corpus:
            options = ["--runs", str(asked.runs), "--seed", str(asked.seed), "--corpus", corpus]
            command = [sys.executable, "-m", "tests.fuzz", name, *options]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
        seconds = time.perf_counter() - begun
        told = "\n".join(line for line in (ran.stdout + ran.stderr).splitlines() if not line.startswith("INFO"))
        why = ENDS.get(ran.returncode, "by a signal" if ran.returncode < 0 else "not by what it parsed")
        said = "nothing found" if ran.returncode == 0 else f"ended with {ran.returncode}: {why}\n{told[-3_000:]}"
        print(f"{name}: {asked.runs:,} runs in {seconds:.0f} s, {said}", flush=True)  # noqa: T201 - a command
        found += ran.returncode != 0
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
