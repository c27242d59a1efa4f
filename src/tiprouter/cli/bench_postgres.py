"""Which PostgreSQL do benchmarks run on that were given none, and what does it take by itself?

1. A cluster of its own in a temporary folder, from the system's binaries, on a free loopback port; as it comes, durable
   (fsync and synchronous_commit on), but for connections and 256 MB of shared buffers. It is stopped and removed at the
   end. PostgreSQL refuses to run as root: then it runs as the user `postgres`.
2. Each measurement has an empty database of it.
3. `pgbench` commits transactions of one small row, alone and from eight at once: the bare limit of commits a second.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tiprouter.errors import ConfigurationError

USER: Final = "tiprouter"
_TPS: Final = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_SETTINGS: Final = "-c shared_buffers=256MB -c max_connections=120"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running one: where its binaries are, and who talks to it where."""

    binaries: Path
    folder: Path
    port: int
    owner: str | None

    def database(self) -> str:
        """The URL of a new, empty database (rule 2)."""
        name = f"bench{uuid.uuid4().hex[:12]}"
        self.do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{name}"

    def commits(self, clients: int, seconds: int) -> float:
        """Commits a second of so many clients (rule 3)."""
        name = self.database().rpartition("/")[2]
        script = self.folder / "commit.sql"
        script.write_text("INSERT INTO bench_commits VALUES (1);\n")
        script.chmod(0o644)
        to = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER)
        self.do("psql", *to, "-d", name, "-c", "CREATE TABLE bench_commits (number INTEGER)")
        timed = ("-n", "-f", str(script), "-c", str(clients), "-T", str(seconds), "-M", "prepared")
        found = _TPS.search(self.do("pgbench", *to, *timed, name))
        if found is None:
            raise ConfigurationError("pgbench did not say how many transactions it made.")
        return float(found[1])

    def do(self, *command: str) -> str:
        """Run one of PostgreSQL's own programs as the cluster's owner; what it says. Raises `ConfigurationError`."""
        return _run(self.owner, self.folder, str(self.binaries / command[0]), *command[1:])


def found() -> Path | None:
    """The folder of the system's newest binaries, or None."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def running(binaries: Path) -> Iterator[Cluster]:
    """A cluster, while inside (rule 1)."""
    folder = Path(tempfile.mkdtemp(prefix="tiprouter-bench-pg-"))
    owner = "postgres" if os.geteuid() == 0 else None
    if owner is not None:
        shutil.chown(folder, owner)
    cluster = Cluster(binaries, folder, _free_port(), owner)
    data, log = str(folder / "data"), str(folder / "log")
    settings = f"-p {cluster.port} -k {folder} -h 127.0.0.1 {_SETTINGS}"
    try:
        cluster.do("initdb", "-D", data, "-A", "trust", "-U", USER, "--no-sync")
        cluster.do("pg_ctl", "-D", data, "-l", log, "-w", "-o", settings, "start")
        try:
            yield cluster
        finally:
            cluster.do("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(owner: str | None, folder: Path, *command: str) -> str:
    with tempfile.TemporaryFile() as said:
        # A file, not a pipe: the server that `pg_ctl` starts keeps it open, and a pipe would never end.
        done = subprocess.run(  # noqa: S603 - our own words
            command, user=owner, cwd=folder, check=False, stdout=said, stderr=subprocess.STDOUT
        )
        said.seek(0)
        text = said.read().decode(errors="replace")
    if done.returncode:
        raise ConfigurationError(
            f"{Path(command[0]).name} did not do its work; benchmarks need a PostgreSQL's binaries."
        )
    return text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
