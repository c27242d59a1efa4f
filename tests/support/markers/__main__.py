"""Markers through every flow, error and crash, and a search of all that is left behind.

    python -m tests.support.markers [--markers 1000] [--database sqlite|postgresql|both]

Prints what was searched and how many markers each flow took; ends with 1 where anything is wrong.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.markers.client import SHOWN
from tests.support.markers.run import Found, run
from tests.support.markers.sowing import Fate


def told(found: Found, kind: str) -> str:
    """A run as a table."""
    lines = [
        f"{kind}: {len(found.sowing.sown)} markers, {found.seconds:.0f} s of CPU",
        "",
        "place | files | bytes | hits",
    ]
    for name, place in sorted(found.search.places.items()):
        lines.append(f"{name} | {len(place.files)} | {place.searched} | {len(place.hits)}")
    for name, asked in sorted(found.client.asked.items()):
        hits = sum(what.startswith(name) for what, _ in found.client.leaks)
        lines.append(f"{name} | {asked} | {found.client.bytes_read[name]} | {hits}")
    lines += ["", "flow | kept | refused | open"]
    for flow, counts in found.sowing.flows().items():
        lines.append(f"{flow} | {' | '.join(str(counts[fate]) for fate in Fate)}")
    lines += ["", "sealed table | values | with a marker, once opened"]
    for table, count in sorted(found.opened.values.items()):
        lines.append(f"{table} | {count} | {found.opened.holding[table]}")
    lines += ["", "what broke | requests meanwhile", *(f"{what} | {count}" for what, count in found.broke.items())]
    lines += ["", "shown on purpose | times | why"]
    for route, count in sorted(found.client.shown.items()):
        lines.append(f"{route} | {count} | {SHOWN[route.rpartition(' to ')[0]][1]}")
    lines += [f"{what} | {count} | what the service is for" for what, count in found.purposes.items()]
    lines += ["", f"wrong: {len(found.wrong)}", *found.wrong[:50]]
    return "\n".join(lines)


def main() -> int:
    """Run it; the exit code."""
    asked = argparse.ArgumentParser(prog="python -m tests.support.markers", description=(__doc__ or "").split("\n")[0])
    asked.add_argument("--markers", type=int, default=1_000, help="how many are kept, at least")
    asked.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = asked.parse_args()
    wrong = 0
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        with tempfile.TemporaryDirectory(prefix="tiprouter-markers-") as folder:
            found = run(Path(folder), kind, given.markers)
            sys.stdout.write(told(found, kind) + "\n\n")
            wrong += len(found.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
