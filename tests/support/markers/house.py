"""The processes that markers are sent through: the real commands, as an operator starts them.

1. On PostgreSQL an edge, a worker and a sequencer, and a server of this program's own, which logs every statement with
   its parameters and keeps nothing compressed; on SQLite one `serve`. All at the log level `debug`.
2. They work in a folder of their own and have another for temporary files; the system may write core files there.
3. The embedded database stands on a small disk that can be filled, where the system lets one be mounted.
"""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

from tests.kills.parts import Part, Server, _free_port, own_server
from tests.support import postgres
from tests.support.disks import small_disk
from tests.support.giving import another, give
from tests.support.markers.outside import Outside
from tests.support.service import OPERATOR, Service
from tiprouter import wiring
from tiprouter.delivery.signing import generate_ed25519
from tiprouter.settings import Settings
from tiprouter.workflow.credentials import CallerRole

DISK_MEGABYTES: Final = 96
EVERY_STATEMENT: Final = (
    ("log_statement", "all"),
    ("log_min_duration_statement", "0"),
    ("log_parameter_max_length", "-1"),
    ("log_parameter_max_length_on_error", "-1"),
    ("log_error_verbosity", "verbose"),
    ("log_temp_files", "0"),
    ("work_mem", "64kB"),
    ("wal_compression", "off"),
)
"""What a server is set to that tells more than any that is in use (rule 1)."""
_UNPACKED: Final = """
    DO $$ DECLARE one record; BEGIN
      FOR one IN SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
          AND a.attstorage IN ('x', 'm')
      LOOP EXECUTE format('ALTER TABLE %I ALTER COLUMN %I SET STORAGE EXTERNAL', one.relname, one.attname); END LOOP;
    END $$"""


class Watched(Part):
    """A part that works in `work` and may leave a core file there (rule 2)."""

    work: Path

    def start(self, *, traced: bool = False) -> None:
        """See `Part.start`."""
        assert not traced
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        with self._said.open("ab") as said:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "tiprouter", *self.words],
                stdout=said,
                stderr=said,
                env=self._environment(),
                cwd=self.work,
            )

    @property
    def starts(self) -> int:
        """See `Part.starts`; these have somewhere to page."""
        return self.said.count({"worker": "paging.on", "sequencer": "log.opened"}.get(self.kind, "service.ready"))

    @property
    def pid(self) -> int:
        """Its process; 0 where it does not run."""
        return self._process.pid if self._process is not None and self.alive else 0

    def abort(self) -> None:
        """End it as a defect in a library would, so that the system writes down its memory if it may."""
        self._end(signal.SIGABRT)


@dataclass
class House:
    """What runs, and where it may write."""

    folder: Path
    database: str
    parts: list[Watched]
    server: Server | None = None
    disk: Path | None = None
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "temporary"

    @property
    def edge(self) -> Watched:
        """Who answers over HTTP."""
        return self.parts[0]

    @property
    def worker(self) -> Watched:
        """Who delivers."""
        return next((one for one in self.parts if one.kind == "worker"), self.parts[0])

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.edge.url

    @property
    def settings(self) -> Settings:
        """As the edge has them."""
        return Settings(data=self.edge.folder, database_url=self.database, sandbox=True)

    @property
    def log(self) -> Path:
        """The log's published folder."""
        return self.parts[-1].folder / "log"

    def inside(self, story: Callable[[wiring.House], Awaitable[Any]]) -> Any:  # noqa: ANN401 - the story's own
        """Do something with the house's own database and keys, beside its processes."""

        async def told() -> Any:  # noqa: ANN401 - as above
            async with wiring.open_house(self.settings, migrate=True) as house:
                return await story(house)

        return asyncio.run(told())

    def give(self, name: str, role: CallerRole, recipient_id: str | None = None) -> None:
        """A credential by a person of its own, under this name."""

        async def story(house: wiring.House) -> str:
            by = OPERATOR if role is CallerRole.OPERATOR else another(f"who_gave_{name}")
            return (await give(cast("Service", house), role, recipient_id, by=by))[1]

        self.tokens[name] = self.inside(story)

    def start(self) -> None:
        """Start what does not run, and wait until it answers."""
        for part in self.parts:
            if not part.alive:
                before = part.starts
                part.start()
                wait(lambda part=part, before=before: part.starts > before or not part.alive, 120)  # type: ignore[misc] # defaults are no arguments
                assert part.alive, part.last_words

    def stop(self) -> None:
        """Let all end what they are at."""
        for part in self.parts:
            part.stop()


def wait(so: Callable[[], object], seconds: float) -> bool:
    """Wait until something is so; whether it came to be."""
    until = time.monotonic() + seconds
    while not so() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(so())


@contextmanager
def house(folder: Path, kind: str, out: Outside) -> Iterator[House]:
    """A house on a new database, running, with a credential of every role of the staff."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_CORE, before)
        server, database = None, ""
        if kind == "postgresql":
            server, database = asyncio.run(_telling(stack.enter_context(own_server())))
        disk = None if server else stack.enter_context(small_disk(folder / "disk", DISK_MEGABYTES))
        it = House(folder, database, _parts(folder, database, _settings(folder, out), disk), server, disk)
        for place in (it.temporary, folder / "work"):
            place.mkdir()
        it.inside(partial(_prepared, url=database))
        for role in set(CallerRole) - {CallerRole.AGENCY}:
            it.give(role.value, role)
        it.give("second_operator", CallerRole.OPERATOR)
        it.give("second_reviewer", CallerRole.REVIEWER)
        for part in it.parts:
            stack.callback(part.kill)
        it.start()
        yield it


async def _telling(url: str) -> tuple[Server, str]:
    """A server that writes down what it is told (rule 1), and the URL of an empty database there."""
    async with _connected(f"{url}/postgres") as connection:
        data = Path(await connection.fetchval("SHOW data_directory"))
        for name, value in EVERY_STATEMENT:
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.execute("SELECT pg_reload_conf()")
    return Server(url, data), await postgres.new_database(url)


async def _prepared(_house: wiring.House, url: str) -> None:
    if url:
        async with _connected(url) as connection:
            await connection.execute(_UNPACKED)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        yield connection
    finally:
        await connection.close()


def _settings(folder: Path, out: Outside) -> dict[str, str]:
    secret = folder / "page-secret"
    secret.touch(mode=0o600)
    secret.write_text(generate_ed25519(os.urandom(32)).reveal() + "\n")
    return {
        "TMPDIR": str(folder / "temporary"),
        "TIPROUTER_SANDBOX": "1",
        "TIPROUTER_LOG_LEVEL": "debug",
        "TIPROUTER_PAGE_WEBHOOK_URL": f"{out.url}/page",
        "TIPROUTER_PAGE_WEBHOOK_SECRET_FILE": str(secret),
        "TIPROUTER_PAGE_SMTP_HOST": "127.0.0.1",
        "TIPROUTER_PAGE_SMTP_PORT": str(out.post.port),
        "TIPROUTER_PAGE_SMTP_SECURITY": "none",
        "TIPROUTER_PAGE_MAIL_FROM": "router@hotline.example",
        "TIPROUTER_PAGE_MAIL_TO": "oncall@hotline.example",
        "TIPROUTER_ATTEMPTS_PER_MINUTE": "0",
    }


def _parts(folder: Path, database: str, settings: dict[str, str], disk: Path | None) -> list[Watched]:
    words: dict[str, tuple[str, ...]] = {"service": ("serve",)}
    if database:
        words = {"edge": ("serve", "--no-worker", "--no-sequencer"), "worker": ("worker",), "sequencer": ("sequencer",)}
        settings |= {"TIPROUTER_DATABASE_URL": database}
    parts = []
    for kind, command in words.items():
        ports = {"TIPROUTER_PORT": str(_free_port())} if command[0] == "serve" else {}
        ports["TIPROUTER_METRICS_PORT"] = str(_free_port())
        part = Watched(kind, (disk or folder) / kind, command, settings | ports)
        part.work = folder / "work"
        parts.append(part)
    return parts
