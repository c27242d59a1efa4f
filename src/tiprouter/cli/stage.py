"""On what does the demo play, and how is it left clean?

1. Every run has a folder of its own below the demo's: nothing of an earlier run is changed or reused, since agencies
   get another port and so another address each time. Earlier runs stay readable.
2. The service and the agencies are processes of their own, started as anyone would start them. The caller's own
   settings (`TIPROUTER_...`) are not passed on: a demo must never reach a real database.
3. Whatever ends the demo (its end, an error, Ctrl-C, SIGTERM, a closed terminal) ends the processes it started: asked
   first, killed after ten seconds.

Not promised: anything after SIGKILL of the demo itself.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

from tiprouter.cli.agency import KEYS_FILE, PORT_FILE, RECEIPTS_FILE
from tiprouter.cli.scenes import DRILL_FILE, FOLDER
from tiprouter.errors import TiprouterError

T = TypeVar("T")

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_BUNDLES: Final = Path(__file__).parents[1] / "policy" / "bundles"


class StageError(TiprouterError):
    """The demo could not be set up."""


class Interrupted(BaseException):
    """A signal asked the demo to end."""


class Stage:
    """One run's folder and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._receipts: list[dict[str, Any]] = []
        self._read_to = 0
        self._reading = threading.Lock()

    @property
    def data(self) -> Path:
        """The service's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The audit log's folder."""
        return self.data / "log"

    def start(self, port: int, busy: str) -> None:
        """Start the agencies, and the service on a copy of the bundle with the fire drill in it."""
        bundle = self.folder / "bundle"
        shutil.copytree(_BUNDLES / "survivor-led", bundle)
        shutil.copy(FOLDER / DRILL_FILE, bundle)
        self._start("serve", "--sandbox", "--data", self.data, "--port", port, "--bundle", bundle.resolve())
        self._start("sandbox-agency", "--folder", self.folder, "--busy", busy)

    def service_url(self) -> str:
        """The service's URL, once it answers."""
        return wait_for(self._ready_url, "the service did not start", START_SECONDS)

    def agencies_url(self) -> str:
        """The URL below which each agency has its path, once they listen."""
        file = self.folder / PORT_FILE
        wait_for(file.exists, "the agencies did not start", START_SECONDS)
        return f"http://127.0.0.1:{file.read_text()}"

    @property
    def key_file(self) -> Path:
        """The log's verifier key, as the service said it when it started, not the log's folder."""
        return self.folder / "log.vkey"

    def key(self) -> str:
        """The log's verifier key, kept in `key_file` too."""
        said = self._said("log.opened")
        if said is None:
            raise StageError("The service did not say with which key it signs the log.")
        self.key_file.write_text(f"{said['vkey']}\n")
        return str(said["vkey"])

    def operator_token(self) -> str:
        """The token of the first credential, which the service's first start left in a file."""
        return (self.data / "keys" / "first-operator-token").read_text().strip()

    def give_keys(self, keys: dict[str, str]) -> None:
        """Hand the agencies the keys to verify with, as their operators would have stored them."""
        file = self.folder / KEYS_FILE
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(keys))
        temporary.replace(file)

    def receipts(self) -> list[dict[str, Any]]:
        """Every whole line that the agencies have written so far."""
        file = self.folder / RECEIPTS_FILE
        with self._reading:
            if file.exists():
                with file.open("rb") as lines:
                    lines.seek(self._read_to)
                    whole = lines.read().rpartition(b"\n")[0]
                self._receipts += [json.loads(line) for line in whole.splitlines()]
                self._read_to += len(whole) + 1 if whole else 0
            return list(self._receipts)

    def failed(self) -> str | None:
        """The name of a process that has ended by itself, if one has."""
        ended = (name for name, process in self._processes.items() if process.poll() is not None)
        return next(ended, None)

    def close(self) -> None:
        """End every process that was started here (rule 3)."""
        living = [process for process in self._processes.values() if process.poll() is None]
        for process in living:
            process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for process in living:
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, command: str, *options: object) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIPROUTER_")}
        with (self.folder / f"{command}.log").open("ab") as log:
            self._processes[command] = subprocess.Popen(  # noqa: S603 - this program itself, with arguments written here
                [sys.executable, "-P", "-m", "tiprouter", command, *(str(option) for option in options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment,
                # A session of its own: Ctrl-C reaches the demo alone, which then ends its processes in order.
                start_new_session=True,
            )

    def _ready_url(self) -> str | None:
        if self.failed() is not None:
            raise StageError(f"The service ended while it started; see {self.folder / 'serve.log'}.")
        said = self._said("service.ready")
        return None if said is None else f"http://{said['host']}:{said['port']}"

    def _said(self, event: str) -> dict[str, Any] | None:
        """The first log line of the service about this event, once it is there."""
        for line in (self.folder / "serve.log").read_bytes().splitlines():
            said: dict[str, Any] = json.loads(line) if line.startswith(b"{") and line.endswith(b"}") else {}
            if said.get("event") == event:
                return said
        return None


@contextmanager
def set_up(parent: Path) -> Iterator[Stage]:
    """A stage in a new folder below `parent`, cleaned of processes whatever happens (rules 1 and 3)."""
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    try:
        stage = Stage(_new_folder(parent))
        try:
            yield stage
        finally:
            # A second Ctrl-C must not interrupt the cleaning up.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            stage.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(look: Callable[[], T | None], otherwise: str, seconds: float) -> T:
    """Look until there is something to see; raises `StageError` after `seconds`."""
    until = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > until:
            raise StageError(f"After {seconds:.0f} seconds {otherwise}.")
        time.sleep(POLL_SECONDS)
    return seen


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _new_folder(parent: Path) -> Path:
    try:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(1, 10_000):
            folder = parent / f"run-{number:02}"
            if not folder.exists():
                folder.mkdir(mode=0o700)
                return folder
    except OSError as error:
        raise StageError("The demo's folder cannot be made; name another one with --data.") from error
    raise StageError("There are too many runs in the demo's folder; remove some, or name another one with --data.")
