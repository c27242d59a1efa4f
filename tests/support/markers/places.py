"""Everywhere that something could have been left lying about: searched for markers in every form, and for keys.

1. Places are searched while everything runs and after it ended: a write-ahead log goes with its last connection.
2. Temporary files are looked at as they come: in the folders given for them, in PostgreSQL's, and as open files that
   have no name any more. What lives for less than the pause between two looks (`PAUSE_SECONDS`) can be missed.
3. A folder is searched with all below it, whatever the files are called.
"""

import contextlib
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa

from tests.support import postgres
from tests.support.markers import form_in, unpacked
from tests.support.markers.house import House
from tests.support.markers.opened import spellings
from tiprouter import wiring
from tiprouter.storage.columns import metadata

PAUSE_SECONDS: Final = 0.05
DATABASE, WAL, ROWS, TEMPORARY = "database files", "write-ahead log", "rows", "temporary files"
PROCESS_LOG, SERVER_LOG, AUDIT_LOG, CORES = "process logs", "server log", "audit log", "core files"
METRICS, BACKUP, FOLDERS = "metrics", "backup", "data folders"


@dataclass
class Place:
    """What was searched of one place, and where something was found, in which form."""

    files: set[str] = field(default_factory=set)
    searched: int = 0
    hits: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Search:
    """All places, by name; `keys` are looked for beside the markers."""

    places: dict[str, Place] = field(default_factory=dict)
    keys: list[bytes] = field(default_factory=list)

    def look(self, place: str, haystacks: Iterable[tuple[str, bytes]]) -> None:
        """Search these files, or what else they are."""
        here = self.places.setdefault(place, Place())
        for name, data in haystacks:
            here.files.add(name)
            here.searched += len(data)
            if form := self.form(data):
                here.hits.append((name, form))

    def form(self, data: bytes) -> str | None:
        """In which form a marker or a key stands there; None where none does."""
        if plain := form_in(data):
            return plain
        if any(form_in(inner) for inner in unpacked(data)):
            return "compressed"
        return "a key" if any(one in data for key in self.keys for one in spellings(key)) else None

    @property
    def hits(self) -> list[tuple[str, str, str]]:
        """Every place, file and form."""
        return [(name, *hit) for name, place in self.places.items() for hit in place.hits]


def below(*folders: Path, but: Iterable[Path] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file below these folders, but what is below those (rule 3)."""
    left = tuple(but)
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            with contextlib.suppress(OSError):  # it went meanwhile
                if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(one) for one in left):
                    yield str(path), path.read_bytes()


def files_of(house: House) -> Iterator[tuple[str, Iterator[tuple[str, bytes]]]]:
    """The places that are files, each with its files."""
    if house.server is None:
        database = sorted(house.edge.folder.glob("tiprouter.db*"))
        yield DATABASE, ((str(one), one.read_bytes()) for one in database if one.name == "tiprouter.db")
        yield WAL, ((str(one), one.read_bytes()) for one in database if one.name != "tiprouter.db")
    else:
        wal = house.server.data / "pg_wal"
        yield DATABASE, below(house.server.data, but=(wal,))
        yield WAL, below(wal)
        yield SERVER_LOG, ((str(one), one.read_bytes()) for one in [house.server.data.parent / "log"])
    yield PROCESS_LOG, ((str(one), one.read_bytes()) for one in sorted(house.folder.rglob("*.out")))
    yield AUDIT_LOG, below(house.log, house.folder / "export")
    yield FOLDERS, below(*(part.folder for part in house.parts))
    yield TEMPORARY, below(house.temporary)
    yield CORES, below(house.folder / "work", but=(_authority(house.folder / "work"),))


def _authority(work: Path) -> Path:
    """The folder of the certificates that an agency brought: its own papers, with its own key."""
    return next((one for one in work.iterdir() if one.is_dir()), work / "none")


def rows(house: House) -> list[tuple[str, bytes]]:
    """Every table, every column."""

    async def read(rooms: wiring.House) -> list[tuple[str, bytes]]:
        return await rooms.database.read(_dump)

    found: list[tuple[str, bytes]] = house.inside(read)
    return found


def _dump(tx: sa.Connection) -> list[tuple[str, bytes]]:
    tables = []
    for name, table in metadata.tables.items():
        cells = [cell for row in tx.execute(sa.select(table)) for cell in row]
        tables.append((name, b"\n".join(one if isinstance(one, bytes) else repr(one).encode() for one in cells)))
    return tables


def backup(house: House) -> list[tuple[str, bytes]]:
    """A backup as `docs/operations.md` has it made: the database without its keys."""
    if house.server is not None:
        where = postgres.binaries()
        assert where is not None
        url = house.database.replace("+asyncpg", "")
        done = subprocess.run([where / "pg_dump", url], capture_output=True, check=True)  # noqa: S603 - our own words
        return [("pg_dump", done.stdout)]
    copy = house.folder / "backup.db"

    async def into(rooms: wiring.House) -> None:
        # A connection of its own: within a story, which is a transaction, none can be made.
        engine = sa.create_engine(rooms.settings.url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM INTO :file"), {"file": str(copy)})
        engine.dispose()

    house.inside(into)
    data = copy.read_bytes()
    copy.unlink()
    return [("VACUUM INTO", data)]


class Watch:
    """Looks at temporary files as they come (rule 2)."""

    def __init__(self, house: House, search: Search) -> None:
        self._house, self._search = house, search
        self._seen: Counter[tuple[str, int]] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        search.places.setdefault(TEMPORARY, Place())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            for path in [*self._named(), *self._nameless()]:
                with contextlib.suppress(OSError):
                    size = path.stat().st_size
                    if size and self._seen[str(path), size] == 0:
                        self._seen[str(path), size] = 1
                        self._search.look(TEMPORARY, [(str(path), path.read_bytes())])

    def _named(self) -> Iterator[Path]:
        folders = [self._house.temporary]
        if self._house.server is not None:
            folders += self._house.server.data.glob("base/pgsql_tmp")
        for folder in folders:
            with contextlib.suppress(OSError):
                yield from (one for one in folder.rglob("*") if one.is_file())

    def _nameless(self) -> Iterator[Path]:
        for part in self._house.parts:
            with contextlib.suppress(OSError):
                for handle in Path(f"/proc/{part.pid}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        target = str(handle.readlink())
                        # A database's own index of its log is shared memory with a name; a socket is no file.
                        if target.endswith(" (deleted)") or target.startswith("/memfd:"):
                            yield handle
