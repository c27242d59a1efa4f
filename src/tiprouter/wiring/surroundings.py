"""Do the clock, the database's server and the recipients' papers hold for real data?

1. Deadlines, consents and agreements end by this machine's clock: it may differ from the database server's by
   `SKEW_MAX` and from a witness's (HTTP `Date`, whole seconds) by `SKEW_BY_HTTP_MAX`; on Linux the kernel is asked
   whether anything keeps it right.
2. A PostgreSQL that does not flush, does not protect torn pages, acknowledges before its standby has it, or only
   follows another loses what was acknowledged: 201 would be a lie.
3. Certificates, encryption keys and agreements of recipients that end within `SOON` are named, by recipient id.
4. A service that has a database has a bundle in force.

Where there is no database yet, nothing of it is looked at: opening one would make it.
"""

import asyncio
import ctypes
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import httpx2

from tiprouter.delivery.trust import Trust, expires_at
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.storage import bundles, durability, migrations, registry
from tiprouter.storage.database import Transaction, open_database
from tiprouter.storage.durability import Server
from tiprouter.wiring.findings import Level, Said
from tiprouter.workflow.witnessing import addresses

T = TypeVar("T")

SKEW_MAX: Final = timedelta(seconds=2)
SKEW_BY_HTTP_MAX: Final = timedelta(seconds=5)
SOON: Final = timedelta(days=30)
_ANSWER_SECONDS: Final = 3.0
_NAMED_MAX: Final = 10
_UNSYNCHRONISED: Final = 0x0040  # STA_UNSYNC of adjtimex(2)
_STATUS_AT: Final = 40  # of struct timex, where a long has eight bytes
_TIMEX_BYTES: Final = 512
_UNSEEN: Final[Said] = (Level.WARN, "the database has another schema, so nobody looked.", "The next start migrates it.")
_SET_CLOCK: Final = "Keep the clocks of both machines with NTP."
_KEPT_COMMITS: Final = frozenset({"on", "remote_apply"})


async def _database_clock(settings: Settings, _now: datetime) -> Said:
    if not settings.database_url:
        return Level.OK, "the database is in this process.", ""

    def asked(tx: Transaction) -> tuple[datetime, datetime, datetime] | None:
        before = datetime.now(UTC)
        said = durability.server(tx)
        return None if said is None else (before, said.now, datetime.now(UTC))

    moments = await _ask(settings, asked)
    if moments is None:
        return Level.OK, "the database is in this process.", ""
    before, there, after = moments
    skew = max(before - there, there - after, timedelta())
    return judged_skew(skew, SKEW_MAX, "the database server's")


def judged_skew(skew: timedelta, most: timedelta, whose: str) -> Said:
    """What a difference between this machine's clock and another comes to (rule 1)."""
    if skew > most:
        seconds = round(skew.total_seconds(), 1)
        return Level.FAIL, f"it is {seconds} s from {whose}: consents would end early or late.", _SET_CLOCK
    return Level.OK, f"within {most.total_seconds():g} s of {whose}.", ""


async def _witness_clocks(settings: Settings, _now: datetime) -> Said:
    if not settings.log_witnesses:
        return Level.OK, "no witness to compare with.", ""
    urls = [one.url for one in addresses(settings.log_witnesses)]
    async with httpx2.AsyncClient(timeout=_ANSWER_SECONDS, trust_env=False) as client:
        skews = await asyncio.gather(*(_skew_by_http(client, url) for url in urls))
    told = [skew for skew in skews if skew is not None]
    if not told:
        return Level.WARN, "no witness said what time it is.", "Look whether they can be reached."
    return judged_skew(min(told), SKEW_BY_HTTP_MAX, "every witness's")


async def _skew_by_http(client: httpx2.AsyncClient, url: str) -> timedelta | None:
    before = datetime.now(UTC)
    try:
        answer = await client.get(url)
        there = parsedate_to_datetime(answer.headers["date"])
    except (httpx2.HTTPError, KeyError, ValueError):
        return None
    # The header is cut to the second, so it may be a second earlier than it was sent.
    after = datetime.now(UTC)
    return max(before - there - timedelta(seconds=1), there - after, timedelta())


async def _kept_clock(_settings: Settings, _now: datetime) -> Said:
    status = clock_status()
    if status is None:
        return Level.WARN, "this system does not say whether anything keeps its clock.", "Look that NTP runs."
    if status & _UNSYNCHRONISED:
        return Level.WARN, "the kernel knows of nothing that keeps its clock.", "Run an NTP client, or know who does."
    return Level.OK, "kept.", ""


def clock_status() -> int | None:
    """The kernel's `status` bits (adjtimex(2)), asked without changing anything; None where that cannot be asked."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != ctypes.sizeof(ctypes.c_int64):
        return None
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return None
    return int.from_bytes(timex.raw[_STATUS_AT : _STATUS_AT + 4], sys.byteorder)


async def _durability(settings: Settings, _now: datetime) -> Said:
    if not settings.database_url:
        return Level.OK, "SQLite, fully synchronous.", ""
    said = await _ask(settings, durability.server)
    return (Level.OK, "SQLite, fully synchronous.", "") if said is None else judged_server(said)


def judged_server(server: Server) -> Said:
    """What a PostgreSQL's settings come to (rule 2)."""
    flushing = {"fsync": server.fsync, "full_page_writes": server.full_page_writes}
    off = [name for name, value in flushing.items() if value != "on"]
    if off:
        names = " and ".join(off)
        return Level.FAIL, f"{names} off: a crash loses what was acknowledged.", f"Set {names} = on."
    if server.follows:
        return Level.FAIL, "this server only follows another.", "Connect to the one that writes."
    if server.standbys and not server.standby_names:
        return (
            Level.FAIL,
            f"{server.standbys} asynchronous standby(s): one that is promoted has lost acknowledged tips.",
            "Name them in synchronous_standby_names.",
        )
    if server.synchronous_commit not in _KEPT_COMMITS:
        return (
            Level.FAIL,
            f"synchronous_commit is {server.synchronous_commit}: a 201 is given before anything is on a disk.",
            "Set synchronous_commit = on.",
        )
    if not server.standby_names:
        return (
            Level.WARN,
            "no synchronous standby: what this disk loses is lost.",
            "Name one in synchronous_standby_names, or know how you restore.",
        )
    return Level.OK, f"synchronous with {server.standby_names}.", ""


async def _papers(settings: Settings, now: datetime) -> Said:
    if not has_database(settings):
        return Level.OK, "nobody is registered yet.", ""
    if await _unmigrated(settings):
        return _UNSEEN
    everyone = await _ask(settings, registry.everyone)
    ending = [one.id for one in everyone if any(end <= now + SOON for end in _ends(one))]
    if ending:
        names = ", ".join(ending[:_NAMED_MAX]) + (f" and {len(ending) - _NAMED_MAX} more" * (len(ending) > _NAMED_MAX))
        return (
            Level.WARN,
            f"within {SOON.days} days certificates, keys or agreements end of {names}: nothing is sent there then.",
            "Ask them for the next ones and register these.",
        )
    return Level.OK, f"none of {len(everyone)} recipients' ends within {SOON.days} days.", ""


def _ends(recipient: Recipient) -> list[datetime]:
    if recipient.status is not RecipientStatus.ACTIVE:
        return []
    trusted = expires_at(Trust(recipient.authorities, recipient.certificate))
    keys = [one.until for one in recipient.encryption_keys]
    lasting = [] if None in keys else [max(one for one in keys if one is not None)] if keys else []
    return [one for one in (trusted, recipient.agreement_until, *lasting) if one is not None]


async def _bundle(settings: Settings, _now: datetime) -> Said:
    if not has_database(settings):
        return Level.OK, "the first start brings one into force.", ""
    if await _unmigrated(settings):
        return _UNSEEN
    digest = await _ask(settings, bundles.active)
    if digest is None:
        return Level.WARN, "none is in force: every record would wait.", "The next start brings the configured one."
    return Level.OK, f"{digest[:16]} is in force.", ""


def has_database(settings: Settings) -> bool:
    """Whether there is one to look at; opening a SQLite file that is not there would make it."""
    return bool(settings.database_url) or (settings.data / "tiprouter.db").exists()


async def _unmigrated(settings: Settings) -> bool:
    try:
        await migrations.check(settings.url)
    except ConfigurationError:
        return True
    return False


async def _ask(settings: Settings, question: Callable[[Transaction], T]) -> T:
    database = open_database(settings.url)
    try:
        return await database.read(question)
    finally:
        await database.close()


CHECKS: Final[Mapping[str, Callable[[Settings, datetime], Awaitable[Said]]]] = {
    "Database clock": _database_clock,
    "Witness clocks": _witness_clocks,
    "Kept clock": _kept_clock,
    "Durability": _durability,
    "Recipients": _papers,
    "Bundle": _bundle,
}
