"""Does the demo play the real service, come out as promised, and leave nothing running? (cli/demo.py, cli/stage.py)"""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import REPOSITORY, CommandLine


def is_over(run: Path) -> bool:
    """Tell whether both processes of a run have ended: nobody owns the log, nobody listens as the agencies."""
    with (run / "data" / "log.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", int((run / "agency-port").read_text()))) != 0


def test_the_demo_comes_out_as_promised(tiprouter: CommandLine, tmp_path: Path) -> None:
    """The whole house, from outside: every scene, every byte, the log; then nothing is left running."""
    done = tiprouter("demo", "--once", "--data", tmp_path, TIPROUTER_DATABASE_URL="sqlite:////nowhere/at/all.db")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything was as promised." in done.stdout
    assert "The log verifies offline under the service's own key" in done.stdout
    assert all(
        f"{name} " in done.stdout for name in ("REPORT", "DISCLOSE", "HOLD_REVIEW", "DUTY_BLOCKED", "HOLD_ERROR")
    )
    assert is_over(tmp_path / "run-01")
    logged = (tmp_path / "run-01" / "serve.log").read_text()
    assert "attempt.finished" in logged
    assert not re.search(r"555-01|Example|Rosa", logged), "the service's log tells of people"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM in the middle of the play end the service and the agencies, and say so by the exit code."""
    demo = subprocess.Popen(  # noqa: S603 - this program itself, with arguments written here
        [sys.executable, "-m", "tiprouter", "demo", "--once", "--data", tmp_path],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    with demo.stdout as said:
        assert any("agencies registered" in line for line in said)
        demo.send_signal(number)
        rest = said.read()
    assert demo.wait(30) == 130
    assert "Ended." in rest
    assert "Everything was as promised." not in rest
    assert is_over(tmp_path / "run-01")
