"""Which schema does the database have, and how does it get the one this code needs?

1. The schema is built by alembic's migrations everywhere, in tests too; nothing else creates a table.
2. A database that is newer than this code, or was never migrated, is refused with one clear line.
3. A migration runs in one transaction; a crash leaves the schema as it was. Of two processes that migrate at once, one
   waits for the other.
4. A database that has its schema is recognised without alembic, which with its fifty modules and every script of ours
   is a tenth of a start: the scripts spell their revision and the one before it on lines of their own.
5. A database that cannot be opened is one clear line that says which of the usual causes it is, and never its URL, in
   which a password may stand.
"""

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.errors import ConfigurationError
from tiprouter.storage.database import sqlite_engine
from tiprouter.storage.hosts import engine_on

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_REVISION: Final = re.compile(r'^(down_)?revision = (?:"([^"]+)"|None)$', re.MULTILINE)
_VERSION: Final = sa.table("alembic_version", sa.column("version_num", sa.String))
_REFUSALS: Final[Mapping[str, str]] = {
    "28": "it does not let this user in; check the name and the password",
    "3D": "its server has no database of that name; make it first (`createdb`)",
    "42501": "this user may not change it; make the user its owner",
    "53100": "its disk is full",
    "53": "its server has no connection or memory left",
    "57P": "its server is starting or stopping; try again",
}
"""What is told by the beginning of an SQLSTATE (PostgreSQL, appendix A); the first that fits."""

_MIGRATING: Final = 0x7469_706D  # any number that nothing else in the database locks


def scripts() -> Path:
    """The folder of the migrations: beside the package when installed, at the top of the repository otherwise."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parents[1] / "alembic"


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - rule 4

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database to a revision (`head`, or `base` for an empty one)."""

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            # Two that start at once: the second waits, and then finds the schema made.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        found = current(connection)
        if revision == "head" and found is not None and found == _spelt_head():
            return
        if found is not None and found not in _known():
            raise _other_schema(found)
        from alembic import command  # noqa: PLC0415 - rule 4

        up = revision == "head" or found is None
        (command.upgrade if up else command.downgrade)(_config(connection), revision)

    await _with_connection(url, run)


async def check(url: str) -> None:
    """Raise `ConfigurationError` unless the database has exactly the schema this code needs."""

    def look(connection: Connection) -> str | None:
        return current(connection)

    found = await _with_connection(url, look)
    if found is None:
        raise ConfigurationError("The database is empty; run `tiprouter migrate` first.")
    if found != head():
        raise _other_schema(found)


def _other_schema(found: str) -> ConfigurationError:
    hint = "run `tiprouter migrate`" if found in _known() else "it belongs to a newer tiprouter; start that one"
    return ConfigurationError(f"The database has schema {found}, this tiprouter needs {head()}: {hint}.")


def _scripts() -> "ScriptDirectory":
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - rule 4

    return ScriptDirectory.from_config(_config())


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def head() -> str:
    """The revision this code needs."""
    revision = _spelt_head() or _scripts().get_current_head()
    if revision is None:
        raise ConfigurationError("The migrations are missing from this installation.")
    return revision


def _spelt_head() -> str | None:
    """The one revision that none comes after (rule 4); None where a script does not spell it plainly."""
    before: dict[str, str] = {}
    for script in (scripts() / "versions").glob("*.py"):
        spelt = {bool(down): name for down, name in _REVISION.findall(script.read_text(encoding="utf-8"))}
        if spelt.keys() != {True, False}:
            return None
        before[spelt[False]] = spelt[True]
    last = before.keys() - before.values()
    return last.pop() if len(last) == 1 else None


def current(connection: Connection) -> str | None:
    """The revision the database has, or None."""
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


async def _with_connection(url: str, run: Any) -> Any:  # noqa: ANN401 - a function of one connection, and its answer
    """Run a function in one transaction. Raises `ConfigurationError` where the database lets us do nothing (rule 5)."""
    with _refusing():
        if url.startswith("sqlite:"):
            engine = sqlite_engine(url, begin="BEGIN IMMEDIATE")
            try:
                with engine.connect() as connection, connection.begin():
                    return run(connection)
            finally:
                engine.dispose()
        remote = engine_on(url)
        try:
            async with remote.connect() as there, there.begin():
                return await there.run_sync(run)
        finally:
            await remote.dispose()


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Rule 5; anything else that a database says of a script of ours is a defect, and goes on."""
    try:
        yield
    except (sa.exc.DBAPIError, OSError) as error:
        said = getattr(error, "orig", None)
        state = getattr(said, "sqlstate", None) or ""
        reason = next((reason for start, reason in _REFUSALS.items() if state.startswith(start)), None)
        if isinstance(error, ssl.SSLError):
            reason = "its certificate is not trusted; name the authority's file in PGSSLROOTCERT"
        if "disk is full" in str(said):
            reason = _REFUSALS["53100"]
        if reason is None and not isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, OSError)):
            raise
        because = reason or "check its URL, folder and permissions"
        raise ConfigurationError(f"The database cannot be opened: {because}.") from error
