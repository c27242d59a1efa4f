"""A PostgreSQL of the tests' own, never a shared one.

1. `TIPROUTER_TEST_PG_URL` names a server where databases may be made; otherwise the system's own binaries are started
   on a free loopback port, as another user when the tests run as root.
2. Where there are none, tests that need one are skipped and say why.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

from tiprouter.storage import migrations

_templates: dict[str, str] = {}

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
        yield given.rstrip("/")
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
    settings = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c shared_buffers=32MB -c max_connections=60"
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
    name = f"t{uuid.uuid4().hex}"
    await _create(url, name, await _template(url) if migrated else "template0")
    return f"{url}/{name}"


async def _template(url: str) -> str:
    """A database with the schema, made once per server: copying it is four times cheaper than migrating again."""
    if url not in _templates:
        name = f"template_{uuid.uuid4().hex}"
        await _create(url, name, "template0")
        await migrations.migrate(f"{url}/{name}")
        _templates[url] = name
    return _templates[url]


async def _create(url: str, name: str, template: str) -> None:
    connection = await asyncpg.connect(f"{url}/postgres".replace("+asyncpg", ""))
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    finally:
        await connection.close()


async def drop_database(url: str) -> None:
    """Remove a database that a test made."""
    server_url, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{server_url}/postgres".replace("+asyncpg", ""))
    try:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
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
