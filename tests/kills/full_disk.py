"""The disk fills up under the real service, or under PostgreSQL, while it is under load; then there is room again.

`PYTHONPATH=src python -m tests.kills.full_disk [--database postgresql] [--seconds 40]` prints what was seen.

1. On SQLite the disk is the service's data folder: database, log and all. On PostgreSQL it is the server's, or with
   `--disk log` the folder in which the sequencer publishes.
2. It is full for the middle third of the time, and kept so: whatever is given back meanwhile is taken at once.
3. What is asked then is refused, and asked again until it is answered. The promises are those of `checker.py`: no tip
   that was answered with 201 is lost, nothing is sent whose attempt is not in the log, and the log verifies.
4. A server that ended for want of room is started again once there is some, as whoever runs it does.
"""

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.kills import agencies as hearing_agencies
from tests.kills.checker import violations
from tests.kills.driver import LOOK_SECONDS, Plan, Running, evidence, rested, started, stop, stored, watch
from tests.kills.evidence import Evidence
from tests.kills.parts import NoServerError, Server, own_server, prepared
from tests.support.disks import WHY_NOT, fill, free, small_disk

MEGABYTES = {"sqlite": 24, "postgresql": 192, "log": 8}
SLACK_SECONDS = 0.3
"""So long after the disk was full, and before it is free again, nothing is counted as accepted while it was."""


class NoDiskError(Exception):
    """There can be no small disk here."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What was seen; and while the disk was full: how many tips were accepted, how many refusals, what was logged."""

    seen: Evidence
    accepted: int
    refused: int
    said: frozenset[str]
    restarted: bool


async def run(plan: Plan, which: str) -> Filled:
    """Fill the disk once. Raises `NoDiskError`, and `NoServerError` where there is no PostgreSQL."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiprouter-full-")))
        part = {"sqlite": "service", "log": "sequencer", "postgresql": "server"}[which]
        os.chmod(folder, 0o711)  # noqa: S103, PTH101 - as below: on its way to its data
        disk = stack.enter_context(small_disk(folder / part, MEGABYTES[which]))
        if disk is None:
            raise NoDiskError(WHY_NOT)
        server, database = None, ""
        if plan.postgresql:
            with _kept_on(disk if which == "postgresql" else None):
                url = stack.enter_context(own_server())
            server, database = await prepared(url)
        async with hearing_agencies.hearing(plan.seed) as agencies, started(plan, folder, database, agencies) as it:
            it.server = server
            told = await _under_load(it, disk)
            kept = await stored(it)
            await asyncio.to_thread(stop, it.parts)
            it.verify()
            return Filled(evidence(it, kept), *told)


async def _under_load(it: Running, disk: Path) -> tuple[int, int, frozenset[str], bool]:
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(it, None))
        calling = tasks.create_task(it.callers.call(it.plan.rate, stopping))
        third = it.plan.seconds / 3
        await asyncio.sleep(third)
        said, heard = [len(part.said) for part in it.parts], it.callers.heard.total()
        fill(disk)
        full_at = time.time()
        while time.time() < full_at + third:
            await asyncio.sleep(LOOK_SECONDS)
            fill(disk)
        free_at, refused = time.time(), it.callers.heard.total() - heard
        lines = [part.said[before:] for part, before in zip(it.parts, said, strict=True)]
        free(disk)
        restarted = it.server is not None and await asyncio.to_thread(_stands_again, it.server)
        await asyncio.sleep(third)
        stopping.set()
        await calling
        await rested(it)
        watching.cancel()
    between = (full_at + SLACK_SECONDS, free_at - SLACK_SECONDS)
    accepted = sum(between[0] < tip.accepted.at < between[1] for tip in it.callers.tips.values())
    return accepted, refused, frozenset(line for part in lines for line in part.splitlines()), restarted


def _stands_again(server: Server) -> bool:
    """Rule 4; whether it had ended."""
    if server.stands():
        return False
    server.crash()
    return True


@contextlib.contextmanager
def _kept_on(disk: Path | None) -> Iterator[None]:
    """Temporary folders are made there, the server's among them."""
    before = tempfile.tempdir
    try:
        if disk is not None:
            os.chmod(disk, 0o1777)  # noqa: S103, PTH101 - another user's server keeps its data there, as in /tmp
            tempfile.tempdir = str(disk)
        yield
    finally:
        tempfile.tempdir = before


def main() -> int:
    """Print what was seen; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills.full_disk", description="A disk fills up under load.")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--disk", choices=("data", "log"), default="data")
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--rate", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    plan = Plan(given.seconds, given.database == "postgresql", given.seed, given.rate, 1.0)
    try:
        filled = asyncio.run(run(plan, given.database if given.disk == "data" else "log"))
    except (NoDiskError, NoServerError) as error:
        sys.exit(str(error))
    seen, events = filled.seen, Counter(re.findall(r'"event": "([a-z.-]+)"', "\n".join(filled.said)))
    sys.stdout.write(
        f"{len(seen.tips)} tips accepted, {filled.accepted} while the disk was full; {filled.refused} refusals then;"
        f" logged then: {', '.join(f'{count} {name}' for name, count in sorted(events.items()))};"
        f" {len(seen.arrivals)} messages arrived; {len(seen.entries)} entries; ended by themselves:"
        f" {'; '.join(seen.ended) or 'none'}; server started again: {'yes' if filled.restarted else 'no'}\n"
    )
    found = violations(seen)
    for name, what in found.items():
        sys.stdout.write(f"{len(what):6d}  {name}\n" + "".join(f"          {one}\n" for one in what[:10]))
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
