"""Is a service that cannot run told so in one clear line, which names no password and loses nothing?"""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import pytest

from tests.cli.conftest import CommandLine
from tests.support import postgres
from tiprouter.cli import service
from tiprouter.errors import ConfigurationError
from tiprouter.storage import migrations
from tiprouter.wiring.house import open_house

TLS_WANTED = bytes.fromhex("04d2162f")
PASSWORD = "MARKER"


async def refusal(url: str) -> str:
    """What a start is told of a database; it quotes no password."""
    with pytest.raises(ConfigurationError) as refused:
        await migrations.migrate(service.configured(database_url=url).url)
    said = str(refused.value)
    assert PASSWORD not in said
    assert len(said.splitlines()) == 1
    return said


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{PASSWORD}@db.example/tips",
        f"postgresql://user:{PASSWORD}@db.example/tips",
        f"postgresql+psycopg://user:{PASSWORD}@db.example/tips",
        "nonsense",
        "postgresql+asyncpg://",
        "sqlite://",
    ],
)
async def test_a_url_of_nothing_we_know_is_named_with_what_it_should_be(url: str) -> None:
    """A driver that is not ours, or no URL at all: the setting and its form are named."""
    assert "TIPROUTER_DATABASE_URL (`postgresql+asyncpg://USER@HOST:PORT/NAME`" in await refusal(url)


@pytest.mark.parametrize("end", [":port/tips", "/tips?sslmode=require", "/tips?timeout=soon"])
async def test_a_url_with_a_part_that_cannot_be_read_says_so(end: str) -> None:
    """A port that is no number, an option that is another driver's, a value that is none."""
    said = await refusal(f"postgresql+asyncpg://user:{PASSWORD}@127.0.0.1{end}")
    assert said.startswith("TIPROUTER_DATABASE_URL cannot be read")


async def test_a_server_that_lets_nobody_in_says_why(postgres_url: str) -> None:
    """No such database, no such user, a user without rights: each is another line, and none is a defect."""
    assert "no database of that name" in await refusal(f"{postgres_url}/absent")
    stranger = postgres_url.replace("tiprouter@", f"stranger:{PASSWORD}@")
    assert "does not let this user in" in await refusal(f"{stranger}/postgres")
    owned = await postgres.new_database(postgres_url)
    try:
        by_owner = await asyncpg.connect(owned.replace("+asyncpg", ""))
        await by_owner.execute("create role powerless login")
        await by_owner.close()
        assert "may not change it" in await refusal(owned.replace("tiprouter@", f"powerless:{PASSWORD}@"))
    finally:
        await postgres.drop_database(owned)


async def test_a_server_that_is_starting_is_no_defect() -> None:
    """PostgreSQL answers 57P03 until it has recovered (appendix A)."""
    async with starting() as place:
        assert "starting or stopping; try again" in await refusal(f"postgresql+asyncpg://user:{PASSWORD}@{place}/tips")


async def test_a_server_that_is_not_there_is_no_defect() -> None:
    """Nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{bound.getsockname()[1]}"
        assert "check its URL" in await refusal(f"postgresql+asyncpg://user:{PASSWORD}@{place}/tips")


@pytest.mark.parametrize("command", ["serve", "worker", "sequencer", "migrate"])
def test_a_data_folder_that_cannot_be_is_refused_by_each_command(command: str, tiprouter: CommandLine) -> None:
    """A folder that nobody, not even root, can make."""
    done = tiprouter(command, TIPROUTER_DATA="/proc/no-folder")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "The data folder cannot be written" in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(  # noqa: S603 - this machine's own mount
        [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine mounts no small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S603, S607 - as above


async def test_a_disk_that_is_full_refuses_the_start_and_a_freed_one_does_not(small_disk: Path) -> None:
    """However little is left, down to nothing: one line each; with room again the service opens."""
    filler, folder = small_disk / "filler", small_disk / "data"
    for left in (1_600_000, 900_000, 20_000, 0):
        filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
        with pytest.raises(ConfigurationError, match=r"cannot be (used|opened|written)") as refused:
            await opened(folder)
        assert len(str(refused.value).splitlines()) == 1
        filler.unlink()
        await opened(folder)
        shutil.rmtree(folder)


def test_a_full_disk_is_one_line_of_serve(small_disk: Path, tiprouter: CommandLine) -> None:
    """As its operator sees it."""
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 900_000))
    done = tiprouter("serve", "--data", small_disk / "data", TIPROUTER_PORT="0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert '"reason": "The database cannot be opened: its disk is full."' in done.stderr


async def opened(folder: Path) -> None:
    """Open a house there and close it."""
    async with open_house(service.configured(data=folder), migrate=True):
        pass


@asynccontextmanager
async def starting() -> AsyncIterator[str]:
    """A server that is asked for TLS, declines, and then says that it is starting up."""
    fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    error = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    visits: list[asyncio.Task[None] | None] = []

    async def answer(asked: asyncio.StreamReader, said: asyncio.StreamWriter) -> None:
        visits.append(asyncio.current_task())
        while size := int.from_bytes(await asked.read(4), "big"):
            said.write(b"N" if await asked.readexactly(size - 4) == TLS_WANTED else error)
        said.close()
        await said.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*(visit for visit in visits if visit))
