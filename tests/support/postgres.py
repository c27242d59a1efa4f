"""A PostgreSQL of the tests' own, never a shared one.

1. `TIPROUTER_TEST_PG_URL` names a server where databases may be made; otherwise the system's own binaries are started
   on a free loopback port, as another user when the tests run as root.
2. Where there are none, tests that need one are skipped and say why.
3. A database with the schema in it is a copy of one that was migrated, made once per server; given back, it is lent to
   the next test as long as `lending` can make it what it was.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

from tests.support.lending import Made, as_made, taken_back
from tiprouter.storage import migrations


@dataclass
class _Stock:
    """Of one server: the database that the others are copies of, those that are lent, and those that may be."""

    template: str
    made: Made
    lent: set[str] = field(default_factory=set)
    idle: list[str] = field(default_factory=list)


_stocks: dict[str, _Stock] = {}

WHY_NOT = "no PostgreSQL here: install it (Debian: apt-get install postgresql) or set TIPROUTER_TEST_PG_URL"


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextlib.contextmanager
def server(certificate: Path | None = None) -> Iterator[str | None]:
    """The URL (without database) of a server for these tests, or None; one with a certificate is always our own."""
    given = os.environ.get("TIPROUTER_TEST_PG_URL")
    if given and certificate is None:
        try:
            yield given.rstrip("/")
        finally:
            if given.rstrip("/") in _stocks:
                asyncio.run(_cleared(given.rstrip("/")))
        return
    where = binaries()
    if where is None:
        yield None
        return
    with _started(where, certificate) as url:
        yield url


@contextlib.contextmanager
def _started(where: Path, certificate: Path | None) -> Iterator[str | None]:
    folder = Path(tempfile.mkdtemp(prefix="tiprouter-pg-"))
    owner = _owner()
    if owner is not None:
        shutil.chown(folder, owner)
    data, port = folder / "data", _free_port()
    # Nothing but the tests changes a database: one that is analysed unasked is not the one that was made (`lending`).
    settings = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c autovacuum=off"
    settings += " -c shared_buffers=32MB -c max_connections=60"
    if certificate is not None:
        shown = folder / "server.pem"
        shown.write_bytes(certificate.read_bytes())
        shown.chmod(0o600)
        if owner is not None:
            shutil.chown(shown, owner)
        settings += f" -c ssl=on -c ssl_cert_file={shown} -c ssl_key_file={shown}"
    try:
        _run(owner, folder, where / "initdb", "-D", data, "-A", "trust", "-U", "tiprouter", "--no-sync")
        _run(owner, folder, where / "pg_ctl", "-D", data, "-l", folder / "log", "-w", "-o", settings, "start")
        yield f"postgresql+asyncpg://tiprouter@127.0.0.1:{port}"
        _run(owner, folder, where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def new_database(url: str, *, migrated: bool = False) -> str:
    """Make a database on the server, empty or with the schema in it; its URL."""
    if not migrated:
        return await _create(url, "template0")
    stock = _stocks.get(url) or await _stocked(url)
    lent = stock.idle.pop() if stock.idle else await _create(url, stock.template)
    stock.lent.add(lent)
    return lent


def has_schema(url: str) -> bool:
    """Whether this database was made with the schema in it, so that nobody need look."""
    stock = _stocks.get(url.rpartition("/")[0])
    return stock is not None and url in stock.lent


async def drop_database(url: str) -> None:
    """Remove a database that a test made, or keep it for the next one (rule 3)."""
    server_url, _, name = url.rpartition("/")
    stock = _stocks.get(server_url)
    if stock is not None and url in stock.lent:
        stock.lent.remove(url)
        if await taken_back(url, stock.made):
            stock.idle.append(url)
            return
    await _tell(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _stocked(url: str) -> _Stock:
    first = await _create(url, "template0")
    await migrations.migrate(first)
    stock = _stocks[url] = _Stock(first.rpartition("/")[2], await as_made(first))
    return stock


async def _cleared(url: str) -> None:
    """Leave nothing of ours on somebody's server."""
    stock = _stocks.pop(url)
    for name in (stock.template, *(one.rpartition("/")[2] for one in stock.idle)):
        await _tell(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _create(url: str, template: str) -> str:
    name = f"t{uuid.uuid4().hex}"
    await _tell(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{url}/{name}"


async def _tell(url: str, statement: str) -> None:
    connection = await asyncpg.connect(f"{url}/postgres".replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _owner() -> str | None:
    """PostgreSQL refuses to run as root: whom it runs as then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(owner: str | None, folder: Path, *command: object) -> None:
    words = [str(word) for word in command]
    subprocess.run(  # noqa: S603 - our own words
        words, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
