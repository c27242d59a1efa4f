"""The command line as a process of its own, and a small fictional log in a folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from tiprouter.audit.checkpoint import Checkpoint, sign_checkpoint
from tiprouter.audit.entry import compose
from tiprouter.audit.folder import publish
from tiprouter.audit.growth import LogState, integrate
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Signer

REPOSITORY = Path(__file__).parents[2]
ORIGIN = "tiprouter.example/audit"
LOG = Signer(ORIGIN, b"\x07" * 32)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)

CommandLine: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tiprouter() -> CommandLine:
    """Run `python -m tiprouter` with arguments; settings only as given here."""

    def run(*arguments: object, python: tuple[str, ...] = (), **settings: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TIPROUTER_")}
        return subprocess.run(  # noqa: S603 - this program itself, with arguments written in the tests
            [sys.executable, *python, "-m", "tiprouter", *(str(argument) for argument in arguments)],
            env=kept | {"PYTHONPATH": str(REPOSITORY / "src"), "COLUMNS": "120", "NO_COLOR": "1"} | settings,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    return run


def publish_log(folder: Path, count: int, *, changed: int | None = None) -> Path:
    """Publish a log of `count` entries; the entry `changed` says another thing, signed as if it were true."""
    entries = [compose(Kind.LOG_OPENED, START, bytes(16), {"origin": ORIGIN, "key": "633de6d5"})]
    entries += [
        compose(
            Kind.RECORD_ACCEPTED,
            START + timedelta(seconds=number),
            number.to_bytes(16, "big"),
            {"record": "tip_other" if number == changed else f"tip_{number}"},
        )
        for number in range(1, count)
    ]
    grown = integrate(LogState(), entries)
    note = sign_checkpoint(Checkpoint(ORIGIN, grown.state.size, grown.root), LOG)
    publish(folder, grown.files, note, LOG.vkey)
    return folder
