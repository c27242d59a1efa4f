"""The real processes are sent words of people by every route, break, and are searched; and the search is tried itself.

The whole run is a command (`python -m tests.support.markers`): here is a short one, on the embedded database. In each
place that it searches a leak is planted, and found.
"""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import httpx2
import pytest

from tests.kills.parts import NoServerError, Server, own_server
from tests.support import postgres
from tests.support.markers import STEM, places
from tests.support.markers.client import Client
from tests.support.markers.house import EVERY_STATEMENT, House, Watched, wait
from tests.support.markers.opened import Opened
from tests.support.markers.places import Search, Watch
from tests.support.markers.run import Found, run
from tests.support.markers.sowing import Sowing
from tiprouter.audit.tiles import encode_bundle

WORD = f"{STEM}r0000Planted"


def test_words_are_kept_where_they_belong_and_nowhere_else(tmp_path: Path) -> None:
    """Every route, every refusal, every crash: each marker is sealed or gone, and stands in no other place."""
    found = run(tmp_path, "sqlite", 0)
    assert found.wrong == []
    assert len(found.sowing.sown) >= 1_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    """The folders of a house in which nothing runs."""
    part = Watched("service", tmp_path / "service", ("serve",), {})
    part.work = tmp_path / "work"
    for folder in (part.work, tmp_path / "temporary", tmp_path / "service" / "log"):
        folder.mkdir()
    return House(tmp_path, "", [part])


def searched(house: House) -> set[str]:
    """In which places something is found."""
    search = Search()
    for place, files in places.files_of(house):
        search.look(place, files)
    return {place for place, _, _ in search.hits}


@pytest.mark.parametrize(
    ("place", "file"),
    [
        (places.DATABASE, "service/tiprouter.db"),
        (places.WAL, "service/tiprouter.db-wal"),
        (places.WAL, "service/tiprouter.db-journal"),
        (places.PROCESS_LOG, "service.out"),
        (places.AUDIT_LOG, "service/log/tile/entries/000.p/1"),
        (places.AUDIT_LOG, "export/deeper/down/checkpoint"),
        (places.TEMPORARY, "temporary/any/name.at.all"),
        (places.FOLDERS, "service/keys/note"),
        (places.CORES, "work/core.4711"),
    ],
)
def test_a_leak_into_a_file_is_found(house: House, place: str, file: str) -> None:
    """The test of the test: clean without it, and found in its place with it."""
    path = house.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(200))
    assert searched(house) == set()
    path.write_bytes(os.urandom(200) + encode_bundle([f'{{"name":"{WORD}"}}'.encode()]) + os.urandom(200))
    assert place in searched(house)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    """A PostgreSQL that tells as much as the run's does, and the URL of a database there."""

    async def told(url: str) -> tuple[Server, str]:
        connection = await asyncpg.connect(f"{url}/postgres".replace("+asyncpg", ""))
        for name, value in EVERY_STATEMENT:
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.execute("SELECT pg_reload_conf()")
        data = Path(await connection.fetchval("SHOW data_directory"))
        await connection.close()
        return Server(url, data), await postgres.new_database(url)

    try:
        with own_server() as url:
            yield asyncio.run(told(url))
    except NoServerError:
        pytest.skip(postgres.WHY_NOT)


async def test_a_leak_into_postgresql_is_found_in_its_files_its_log_and_its_server_log(
    house: House, server: tuple[Server, str]
) -> None:
    """The test of the test: one word in a row that is gone again stands in all three; before it, in none."""
    house.server, url = server
    assert searched(house) == set()
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("CREATE TABLE careless (word text)")
        await connection.execute("INSERT INTO careless VALUES ($1)", WORD)
        await connection.execute("CHECKPOINT")
        await connection.execute("DELETE FROM careless")
    finally:
        await connection.close()
    assert searched(house) == {places.DATABASE, places.WAL, places.SERVER_LOG}


@pytest.mark.parametrize("named", [True, False], ids=["named", "nameless"])
def test_a_temporary_file_is_found_while_it_is_there(house: House, named: bool) -> None:  # noqa: FBT001 - a parameter
    """The test of the test: a process writes to one, with a name or without, and takes it away."""
    opened = "NamedTemporaryFile" if named else "TemporaryFile"
    program = f"import tempfile, sys; f = tempfile.{opened}(); f.write(b'{WORD}'); f.flush(); sys.stdin.read()"
    search = Search()
    with Watch(house, search):
        child = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", program], stdin=subprocess.PIPE, env=os.environ | {"TMPDIR": str(house.temporary)}
        )
        house.parts[0]._process = child  # noqa: SLF001 - as if it were the service
        assert wait(lambda: search.hits, 20)
        child.communicate()
    assert [place for place, _, _ in search.hits] == [places.TEMPORARY]
    assert searched(house) == set()


def test_a_core_file_is_written_here_where_nothing_forbids_it(house: House) -> None:
    """The test of the test: a process that does not forbid it leaves its memory, and the word in it is found."""
    if Path("/proc/sys/kernel/core_pattern").read_text()[:1] in "|/":
        pytest.skip("this system does not write core files beside the program")
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    program = (
        f"import os, resource; resource.setrlimit(resource.RLIMIT_CORE, ({hard}, {hard}));"
        f" word = '{STEM}' + str(os.getpid()); os.abort()"
    )
    child = subprocess.run([sys.executable, "-c", program], cwd=house.folder / "work", check=False)  # noqa: S603 - our own words
    assert child.returncode == -signal.SIGABRT
    assert searched(house) == {places.CORES}


@pytest.mark.parametrize("status", [200, 303, 422, 500])
def test_an_answer_that_repeats_a_word_is_found(status: int) -> None:
    """The test of the test: in the body, in a head, and of any status."""
    client = Client("", {})
    client.look("auditor", "GET /v1/decisions", httpx2.Response(status, text=f"about {WORD}"))
    client.look("auditor", "GET /v1/decisions", httpx2.Response(status, headers={"Location": f"/{WORD}"}))
    client.look("auditor", "GET /v1/decisions", httpx2.Response(status, text="about nobody"))
    assert (len(client.leaks), sum(client.shown.values())) == (2, 0)


def test_a_refusal_that_repeats_a_word_is_a_leak_to_whomever() -> None:
    """The test of the test: who may read a tip is told no word by its refusal."""
    client = Client("", {})
    client.look("reviewer", "GET /v1/tips/{}", httpx2.Response(200, text=WORD))
    assert (client.leaks, sum(client.shown.values())) == ([], 1)
    client.look("reviewer", "GET /v1/tips/{}", httpx2.Response(500, text=WORD))
    assert len(client.leaks) == 1


def test_a_marker_that_was_dropped_or_kept_against_its_refusal_is_told() -> None:
    """The test of the test: one that is nowhere, one in another table, and one that should be nowhere."""
    sowing = Sowing()
    kept, refused = sowing.kept("a flow", "holds"), sowing.refused("a refusal")
    words = [kept("here"), kept("nowhere"), kept("elsewhere"), refused("gone"), refused("there"), sowing.open("x")("y")]
    wrong = list(sowing.astray({0: {"holds"}, 2: {"reviews"}, 4: {"answers"}}))
    assert [one.split()[0] for one in wrong] == [words[1], words[2], words[4]]


@pytest.mark.parametrize(
    ("spell", "how"),
    [(bytes, "as it is"), (lambda key: key.hex().encode(), "hex")],
    ids=["as it is", "hex"],
)
def test_a_key_that_lies_about_is_found(spell: Callable[[bytes], bytes], how: str) -> None:
    """The test of the test: a key of the service in a log."""
    key = bytes(range(7, 39))
    search = Search(keys=[key])
    search.look(places.PROCESS_LOG, [("clean", os.urandom(99)), (how, b"key: " + spell(key))])
    assert [(name, form) for _, name, form in search.hits] == [(how, "a key")]


def test_a_run_that_fills_or_searches_nothing_says_so() -> None:
    """The test of the test: a sealed table without a marker, a place without a byte, and no disclosure."""
    found = Found(opened=Opened())
    found.search.places[places.PROCESS_LOG] = places.Place()
    wrong = found.wrong
    assert sum("is sealed in" in one for one in wrong) == 20
    assert any(places.PROCESS_LOG in one for one in wrong)
    assert any("disclosed to anybody" in one for one in wrong)
