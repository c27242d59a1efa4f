"""Which processes are killed, and how are they started again?

1. On PostgreSQL: two edges, two workers and a sequencer, each with a data folder of its own and one key for all, and
   the server itself, which is always one of this program's own. On SQLite one `serve` is all of them.
2. A part keeps its port and its folder over all its lives. SIGKILL, and `pg_ctl -m immediate restart` for the server.
3. The server writes through to the disk (`fsync`), which the tests' own otherwise does not, and begins its recovery as
   `docs/operations.md` asks: with `recovery_init_sync_method=syncfs`, where the system has it (Linux; PostgreSQL 14).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

from tests.support import postgres

SOURCE = Path(__file__).resolve().parents[2] / "src"
STOP_SECONDS = 60
KIBIBYTE = 1_024
READY = {"service": "service.ready", "edge": "service.ready", "worker": "paging.off", "sequencer": "log.opened"}
"""The line that each kind writes when it is ready to work, or nearly."""


class NoServerError(Exception):
    """There is no PostgreSQL here whose server could be killed."""


class Part:
    """A process of the service: `words` are its command, `kind` the row it is counted in."""

    def __init__(self, kind: str, folder: Path, words: tuple[str, ...], settings: dict[str, str]) -> None:
        self.kind, self.name, self.folder, self.words = kind, folder.name, folder, words
        self.settings = {"TIPROUTER_DATA": str(folder)} | settings
        self.claims = folder.parent / f"{folder.name}.claims"
        self._process: subprocess.Popen[bytes] | None = None
        self._said = folder.parent / f"{folder.name}.out"
        key = folder / "keys" / "kek"
        key.parent.mkdir(parents=True)
        key.touch(mode=0o600)
        key.write_bytes(b"\x0b" * 32)

    @property
    def said(self) -> str:
        """What it logged, over all its lives."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    @property
    def last_words(self) -> str:
        """The last thing that it logged."""
        return (self.said.splitlines() or [""])[-1]

    @property
    def starts(self) -> int:
        """How often it was ready to work, over all its lives."""
        return self.said.count(READY[self.kind])

    @property
    def url(self) -> str:
        """Where it answers; empty for what is no edge."""
        port = self.settings.get("TIPROUTER_PORT")
        return f"http://127.0.0.1:{port}" if port else ""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, traced: bool = False) -> None:
        """Start it, or start it again."""
        program = ["tests.kills.traced", str(self.claims)] if traced else ["tiprouter"]
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", *program, *self.words], stdout=said, stderr=said, env=self._environment()
            )

    def kill(self) -> None:
        """End it where it stands."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end what it is at; one that does not end in time is killed."""
        try:
            self._end(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.kill()

    def ask(self, *words: str) -> str:
        """What a command with this part's settings prints. Raises where it fails."""
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "tiprouter", *words], env=self._environment(), capture_output=True, check=True
        )
        return done.stdout.decode()

    def memory(self) -> int:
        """Its resident memory in MiB; 0 where it does not run, or where nobody says."""
        with contextlib.suppress(OSError, StopIteration):
            if self._process is not None:
                status = Path(f"/proc/{self._process.pid}/status").read_text()
                line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
                return int(line.split()[1]) // KIBIBYTE
        return 0

    def _end(self, number: int) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS)

    def _environment(self) -> dict[str, str]:
        top = str(SOURCE.parent)
        return os.environ | {"PYTHONPATH": os.pathsep.join((str(SOURCE), top))} | self.settings


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server of this program's own."""

    url: str
    data: Path

    def stands(self) -> bool:
        """Whether it runs."""
        return self._told("status", check=False) == 0

    def crash(self) -> None:
        """End it without a shutdown, and start it again (rule 2)."""
        self._told("-l", str(self.data.parent / "log"), "-m", "immediate", "-w", "restart", check=True)

    def _told(self, *words: str, check: bool) -> int:
        """What `pg_ctl` comes to."""
        where = postgres.binaries()
        if where is None:
            raise NoServerError(postgres.WHY_NOT)
        owner = self.data.owner() if os.geteuid() == 0 else None
        quiet = subprocess.DEVNULL
        command = [str(where / "pg_ctl"), "-D", str(self.data), *words]
        done = subprocess.run(command, user=owner, cwd=self.data.parent, stdout=quiet, stderr=quiet, check=check)  # noqa: S603 - our own words
        return done.returncode


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """The URL of a server that may be killed, whatever server the tests are given. Raises `NoServerError`."""
    given = os.environ.pop("TIPROUTER_TEST_PG_URL", None)
    try:
        with postgres.server() as url:
            if url is None:
                raise NoServerError(postgres.WHY_NOT)
            yield url
    finally:
        if given is not None:
            os.environ["TIPROUTER_TEST_PG_URL"] = given


async def prepared(url: str) -> tuple[Server, str]:
    """The server behind a URL, which forces what it writes from now on, and the URL of an empty database there."""
    connection = await asyncpg.connect(f"{url}/postgres".replace("+asyncpg", ""))
    try:
        data = Path(await connection.fetchval("SHOW data_directory"))
        # Given on its command line, it outlives ALTER SYSTEM: what it is started with next is written beside its data.
        options = data / "postmaster.opts"
        options.write_text(options.read_text().replace("fsync=off", "fsync=on"))
        ways = await connection.fetchval("SELECT enumvals FROM pg_settings WHERE name = 'recovery_init_sync_method'")
        if "syncfs" in (ways or ()):
            await connection.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")
    finally:
        await connection.close()
    server = Server(url, data)
    server.crash()
    return server, await postgres.new_database(url)


def parts_of(folder: Path, database: str) -> list[Part]:
    """The parts on this database (rule 1), edges first; none runs yet."""
    common = {
        "TIPROUTER_DATABASE_URL": database,
        "TIPROUTER_SANDBOX": "1",
        "TIPROUTER_WRITES_PER_MINUTE": "0",
        "TIPROUTER_READS_PER_MINUTE": "0",
    }

    def part(kind: str, name: str, *words: str) -> Part:
        port = {"TIPROUTER_PORT": str(_free_port())} if words[0] == "serve" else {}
        return Part(kind, folder / name, words, common | port)

    if not database:
        return [part("service", "service", "serve")]
    edges = [part("edge", name, "serve", "--no-worker", "--no-sequencer") for name in ("edge-1", "edge-2")]
    workers = [part("worker", name, "worker") for name in ("worker-1", "worker-2")]
    return [*edges, *workers, part("sequencer", "sequencer", "sequencer")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
