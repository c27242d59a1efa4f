"""On what does a random history run?

1. The real schema, made by the migrations, on a real database: SQLite in memory unless a PostgreSQL is named. A story
   is one transaction of its own, committed or rolled back whole; who asks waits for it, so one story runs at a time.
2. What every history begins with (keys, a bundle in force, another approved by nobody, three agencies) is made once;
   SQLite copies it for each history, PostgreSQL empties its tables and makes it again.
3. The clock moves only when a history says so, and every random number comes from the history's seed.

Not promised: two stories at one moment. `tests/attacks` interleaves those statement by statement.
"""

import asyncio
import random
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast

from sqlalchemy.engine import Connection  # noqa: TC002 - as in every other file, imports stand at the top

from tests.support.fictional import agency
from tests.support.service import LIBRARY, OPERATOR, ORIGIN, START, Clock, bundle
from tiprouter.audit.note import Signer
from tiprouter.domain.recipient import Recipient  # noqa: TC001 - as above
from tiprouter.domain.retention import Retained
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import ConfigurationError
from tiprouter.storage import migrations
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import Transaction, open_database, sqlite_engine
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow import enrolment, governing
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.publish import open_log

T = TypeVar("T")
Row = tuple[Any, ...]

RETAINED: Final = timedelta(days=40)
"""So long what is closed is kept."""

FIRST_AGENCIES: Final = (
    RecipientKind.LAW_ENFORCEMENT,
    RecipientKind.CHILD_PROTECTION,
    RecipientKind.SERVICE_PROVIDER,
)


class Ground(Protocol):
    """Where stories are told, and from which every history starts anew."""

    def write(self, story: Callable[[Transaction], T]) -> T:
        """Tell one story and commit it; what it raises comes out, and nothing of it is left."""

    def rows(self, sql: str) -> list[Row]:
        """What a query finds, read beside every story."""

    def changes(self) -> int:
        """A number that is another one once any row was changed."""

    def keep(self) -> None:
        """What is there now is what every history begins with."""

    def renew(self) -> bool:
        """Go back there; False when it must be made again."""

    def close(self) -> None:
        """Let go."""


class SqliteGround:
    """One connection to a database in memory, and a copy of what histories begin with."""

    def __init__(self, folder: Path) -> None:
        file = folder / "template.db"
        asyncio.run(migrations.migrate(f"sqlite:///{file}"))
        self._engine = sqlite_engine("sqlite://", begin="BEGIN IMMEDIATE")
        self._connection: Connection = self._engine.connect()
        self._raw = cast("sqlite3.Connection", self._connection.connection.driver_connection)
        self._template = sqlite3.connect(":memory:")
        migrated = sqlite3.connect(file)
        migrated.backup(self._raw)
        migrated.close()

    def write(self, story: Callable[[Transaction], T]) -> T:
        """See `Ground.write`."""
        try:
            with self._connection.begin():
                return story(self._connection)
        finally:
            # A commit that the database refused leaves its transaction open.
            self._raw.rollback()

    def rows(self, sql: str) -> list[Row]:
        """See `Ground.rows`."""
        return self._raw.execute(sql).fetchall()

    def changes(self) -> int:
        """See `Ground.changes`."""
        return self._raw.total_changes

    def keep(self) -> None:
        """See `Ground.keep`."""
        self._raw.backup(self._template)

    def renew(self) -> bool:
        """See `Ground.renew`."""
        self._template.backup(self._raw)
        return True

    def close(self) -> None:
        """See `Ground.close`."""
        self._connection.close()
        self._engine.dispose()
        self._template.close()


class PostgresGround:
    """A PostgreSQL database of this test's own, through the service's own way to it."""

    def __init__(self, url: str) -> None:
        self._loop, self._asked = asyncio.new_event_loop(), 0
        self._loop.run_until_complete(migrations.migrate(url))
        self._database = open_database(url)
        if self.rows("select 1 from records limit 1"):
            raise ConfigurationError("This database holds records; random histories need one of their own.")
        self._empty()

    def write(self, story: Callable[[Transaction], T]) -> T:
        """See `Ground.write`."""
        return self._loop.run_until_complete(self._database.write(story))

    def rows(self, sql: str) -> list[Row]:
        """See `Ground.rows`."""

        def found(tx: Transaction) -> list[Row]:
            return [tuple(row) for row in tx.exec_driver_sql(sql)]

        return self._loop.run_until_complete(self._database.read(found))

    def changes(self) -> int:
        """Another one every time: it is not asked."""
        self._asked += 1
        return self._asked

    def keep(self) -> None:
        """Nothing is kept: it is made again."""

    def renew(self) -> bool:
        """See `Ground.renew`."""
        self._empty()
        return False

    def close(self) -> None:
        """See `Ground.close`."""
        self._empty()
        self._loop.run_until_complete(self._database.close())
        self._loop.close()

    def _empty(self) -> None:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        self.write(lambda tx: tx.exec_driver_sql(f"TRUNCATE {names}"))


class House:
    """A service without its edge, its worker's network or its clock: a history provides those."""

    def __init__(self, url: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tiprouter-machine-")
        folder = Path(self._folder.name)
        self.chance = random.Random(0)  # noqa: S311 - what is random here must be so again
        self.clock = Clock()
        vault = Vault(FileKeyProvider(folder / "keys" / "kek", self._entropy), self._entropy)
        self._vault, self.log_folder = vault, folder / "log"
        self.ground: Ground = SqliteGround(folder) if url is None else PostgresGround(url)
        self.desk: Desk
        self.signer: Signer
        self.agencies: tuple[Recipient, ...]
        self._begin()
        self.ground.keep()

    def renew(self, seed: str) -> None:
        """Forget everything that happened; from here on everything random follows from `seed`."""
        self.chance.seed(seed)
        self.clock.at = START
        if not self.ground.renew():
            self._begin()

    def write(self, story: Callable[[Transaction], T]) -> T:
        """Tell one story."""
        return self.ground.write(story)

    def rows(self, sql: str) -> list[Row]:
        """What a query finds."""
        return self.ground.rows(sql)

    def changes(self) -> int:
        """A number that is another one once any row was changed."""
        return self.ground.changes()

    def close(self) -> None:
        """Let go of everything."""
        self.ground.close()
        self._folder.cleanup()

    def _entropy(self, count: int) -> bytes:
        return self.chance.randbytes(count)

    def _begin(self) -> None:
        """Rule 2."""
        vault = self._vault
        blind, seed = self.write(lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing")))
        desk = self.desk = Desk(
            self.clock,
            self._entropy,
            vault,
            LIBRARY,
            blind,
            sandbox=False,
            retention={Retained.TIP: RETAINED, Retained.CASE: RETAINED},
            verify_endpoints=False,
        )
        signer = self.signer = Signer(ORIGIN, seed)
        self.write(lambda tx: open_log(tx, desk, signer))
        self.write(lambda tx: governing.install(tx, desk, bundle(), {"passed": True, "by": "release"}))
        bundle("tip-sharing")
        self.agencies = tuple(
            self.write(partial(enrolment.register, desk=desk, actor=OPERATOR, wanted=agency(kind))).recipient
            for kind in FIRST_AGENCIES
        )
