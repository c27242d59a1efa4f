"""A process ends as a defect in a library would end it: the system may write its memory to a disk, words and keys."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
PROGRAM = """
import asyncio, os, resource, sys
from tiprouter import wiring
from tiprouter.settings import Settings

_, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

async def end():
    async with wiring.open_house(Settings(data=sys.argv[1]), migrate=True):
        os.abort()

asyncio.run(end()) if sys.argv[2] == "house" else os.abort()
"""


def ended(folder: Path, how: str) -> list[str]:
    """What is left in the folder in which such a process worked."""
    work = folder / how
    work.mkdir()
    program = [sys.executable, "-c", PROGRAM, str(folder / "data"), how]
    done = subprocess.run(program, cwd=work, env=os.environ | {"PYTHONPATH": str(SOURCE)}, check=False)  # noqa: S603 - our own words
    assert done.returncode == -signal.SIGABRT
    return [one.name for one in work.iterdir()]


def test_no_core_file_is_left_of_a_process_that_has_keys(tmp_path: Path) -> None:
    """Rule 1 of `wiring/memory.py`: with the house open none is written; the same process without it leaves one."""
    pattern = Path("/proc/sys/kernel/core_pattern")
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if not pattern.exists() or pattern.read_text()[:1] in "|/" or not hard:
        pytest.skip("this system writes no core files beside the program")
    assert ended(tmp_path, "nothing")
    assert ended(tmp_path, "house") == []
