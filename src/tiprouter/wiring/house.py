"""How are the rooms put together?

1. `open_house` makes the data folder, checks or migrates the schema, opens keys and database, and refuses with one
   clear line. From its beginning no core file of the process is left (`wiring/memory.py`).
2. `tell` tells one story and leaves: what the command line does by hand.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from tiprouter.audit.note import Signer
from tiprouter.domain.pace import Pace
from tiprouter.errors import ConfigurationError, UnavailableError
from tiprouter.policy.library import Library
from tiprouter.settings import Settings
from tiprouter.storage import migrations
from tiprouter.storage.database import Database, Transaction, open_database
from tiprouter.storage.vault import Vault
from tiprouter.wiring.keeping import retention_of
from tiprouter.wiring.keys import vault_of
from tiprouter.wiring.memory import leave_no_core
from tiprouter.wiring.paging import routing_of
from tiprouter.wiring.timekeeping import Timekeeper
from tiprouter.workflow.happening import Desk


@dataclass(frozen=True, slots=True)
class House:
    """A service that is put together and not yet running."""

    settings: Settings
    database: Database
    desk: Desk
    signer: Signer


now = Timekeeper()
"""This moment, UTC, of the one clock of this process."""


@asynccontextmanager
async def open_house(settings: Settings, *, migrate: bool) -> AsyncIterator[House]:
    """The rooms, put together (rule 1). `migrate` brings the schema up to date; otherwise it must be."""
    leave_no_core()
    make_folder(settings)
    if migrate:
        await migrations.migrate(settings.url)
    await migrations.check(settings.url)
    vault = await asyncio.to_thread(vault_of, settings)
    database = open_database(settings.url)
    try:
        blind_key, seed = await _secrets(database, vault)
        desk = Desk(
            now,
            os.urandom,
            vault,
            Library(),
            blind_key,
            settings.sandbox,
            confirm_after=timedelta(minutes=settings.confirm_after_minutes),
            retention=retention_of(settings),
            routing=routing_of(settings),
            pace=Pace(settings.rate_each),
            verify_endpoints=settings.verifies,
            small_cell=settings.transparency_threshold,
            ahead=now.ahead,
        )
        yield House(settings, database, desk, Signer(settings.log_origin, seed))
    finally:
        await database.close()


async def _secrets(database: Database, vault: Vault) -> tuple[bytes, bytes]:
    """The key of blind indexes and the seed of the log's key. Another start may be making them at this moment."""
    again = AsyncRetrying(
        retry=retry_if_exception_type(UnavailableError), stop=stop_after_attempt(3), wait=wait_fixed(0.2), reraise=True
    )
    return await again(database.write, lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing")))


async def tell(settings: Settings, story: Callable[[Transaction, Desk], Any]) -> Any:  # noqa: ANN401 - the story's own
    """Tell one story and leave: what the command line does by hand."""
    async with open_house(settings, migrate=True) as house:
        return await house.database.write(lambda tx: story(tx, house.desk))


async def vkey(settings: Settings) -> str:
    """The log's verifier key: what an auditor should have from elsewhere than the log's own folder."""
    async with open_house(settings, migrate=False) as house:
        return house.signer.vkey


def settle() -> None:
    """Have the collector look no more at what the start made, which stays for good, and less often at the rest.

    Together they halved the slowest answers under load, at the cost of some megabytes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def make_folder(settings: Settings) -> None:
    """Make the data folder, and see that it can be written. Raises `ConfigurationError`."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = settings.data / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise ConfigurationError(f"The data folder cannot be written ({reason}); check its path and owner.") from error
