"""`python -m tests.machine --histories 10000 --steps 50`: random histories of the whole service against the model.

It may be started from the repository's top without anything installed: the product's source stands beside the tests.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description="Random histories against a model.")
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="SQLite only: each has a database of its own")
    parser.add_argument("--database-url", help="an empty PostgreSQL database of its own instead of SQLite in memory")
    parser.add_argument("--seconds", type=float, help="begin no more histories after so many seconds")
    parser.add_argument("--again", help="the steps of one history, as a violation is told: take them again")
    given = parser.parse_args()
    sys.path.insert(0, str(SOURCE))
    driver = import_module("tests.machine.driver")
    if given.again is not None:
        return int(driver.again(given.again))
    asked = (given.seed, given.histories, given.steps, given.processes, given.database_url, given.seconds)
    return int(driver.main(driver.Run(*asked)))


if __name__ == "__main__":
    sys.exit(_main())
