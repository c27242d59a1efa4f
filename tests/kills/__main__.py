"""`python -m tests.kills --seconds 600 --database postgresql --seed 1`: kill every part in turn under load, and check.

With `--kills none` it is a soak: a line a minute, and what grew. It may be started from the repository's top without
anything installed: the product's source stands beside the tests. The exit code is 1 where a promise was broken, 2 where
all were kept and something took longer than the target to go on.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description="The real processes, killed under load.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=4, help="tips a second")
    parser.add_argument(
        "--gap", type=float, default=4, help="seconds from when a part is back to the next kill, on average"
    )
    parser.add_argument("--kills", choices=("all", "none"), default="all")
    given = parser.parse_args()
    sys.path.insert(0, str(SOURCE))
    plan = import_module("tests.kills.driver").Plan(
        given.seconds,
        given.database == "postgresql",
        given.seed,
        given.rate,
        given.gap if given.kills == "all" else None,
    )
    return int(import_module("tests.kills.telling").main(plan))


if __name__ == "__main__":
    sys.exit(_main())
