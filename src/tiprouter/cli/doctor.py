"""What would keep the service from starting, or from being safe, on this machine?

1. Each finding is OK, WARN (it runs, and somebody should know why) or FAIL (it will not run, or must not), with what
   was found and what to do. One FAIL makes the exit code 1. `--production` asks what real data want besides
   (`wiring/safety.py`): what fails there also keeps a service with `TIPROUTER_PRODUCTION=1` from starting. That there
   are two operators is asked here alone: the second one is made while the service runs.
2. Looking changes nothing: no folder, key or database is made here.
3. One check that breaks is one FAIL; the others still run.

Not promised: that what was fine a moment ago still is, nor anything about machines other than this one.
"""

import asyncio
import ipaddress
import os
import stat
import sys
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from tiprouter import wiring
from tiprouter.audit import merkle
from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.erasures import erasures
from tiprouter.audit.folder import VKEY, last_checkpoint, read_file
from tiprouter.audit.tiles import hash_reader
from tiprouter.domain.notice import Severity
from tiprouter.policy import bundle as bundles
from tiprouter.policy import files
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.engine import Engine
from tiprouter.policy.golden import mismatches
from tiprouter.policy.library import Library
from tiprouter.settings import Settings
from tiprouter.storage import bundles as stored
from tiprouter.storage import migrations, treelog
from tiprouter.storage.database import Transaction, open_database
from tiprouter.wiring import safety
from tiprouter.wiring.findings import Finding, Level, Said
from tiprouter.wiring.safety import Check
from tiprouter.workflow.erasing_again import undone
from tiprouter.workflow.separation import operators
from tiprouter.workflow.stored_log import fetch

NEEDED = (3, 11)
KEY_BYTES = 32
_ALONE = "one person, who can give themselves every role, and both words where two are asked."


_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def run(settings: Settings, *, production: bool = False) -> int:
    """Examine and print; the exit code."""
    findings = asyncio.run(examine(settings, wiring.now(), production=production))
    console = Console()
    for one in findings:
        remedy = f" {one.remedy}" if one.remedy else ""
        colour = _COLOURS[one.level]
        console.print(
            f"[{colour}]{one.level:<4}[/{colour}] {one.subject}: {escape(one.found)}{escape(remedy)}",
            highlight=False,
            soft_wrap=True,
        )
    return int(any(one.level is Level.FAIL for one in findings))


async def examine(settings: Settings, now: datetime, *, production: bool = False) -> list[Finding]:
    """Every finding, in the order in which a start would meet them; of `production` with what real data want."""
    asked = [check for check in _CHECKS if not production or check not in _STRICTER]
    findings = [await safety.found_by(check, _CHECKS[check], settings, now) for check in asked]
    if not production:
        return findings
    last = await safety.found_by(_two_operators, "Operators", settings, now)
    return [*findings, *await safety.examine_safety(settings, now), last]


async def _python(_settings: Settings, _now: datetime) -> Said:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < NEEDED:
        return Level.FAIL, f"{version}.", "Start with Python 3.11 or later."
    return Level.OK, f"{version}.", ""


async def _folder(settings: Settings, _now: datetime) -> Said:
    folder = settings.data
    if not folder.exists():
        return Level.WARN, "it does not exist yet.", "The first start makes it; is its path what you meant?"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Level.FAIL, "it cannot be written by this user.", "Change its owner or mode."
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        return Level.WARN, f"others may look into it (mode {mode:04o}).", f"chmod 700 {folder}"
    return Level.OK, f"writable, mode {mode:04o}.", ""


async def _key(settings: Settings, _now: datetime) -> Said:
    if settings.key_provider != "file":
        await asyncio.to_thread(wiring.tried, settings.key_provider, settings, make=False)
        return Level.OK, f"`{settings.key_provider}` wraps and unwraps.", ""
    file = settings.key_file
    if not file.exists():
        if _has_database(settings):
            return Level.FAIL, "it is missing, and there is a database.", "Restore it: without it nothing sealed opens."
        return Level.WARN, "there is none yet.", "The first start makes it; keep a copy away from the database."
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return Level.FAIL, f"others may read it (mode {mode:04o}).", f"chmod 600 {file}"
    if file.stat().st_size != KEY_BYTES:
        return Level.FAIL, f"it does not hold {KEY_BYTES} bytes.", "Restore it from its copy."
    return Level.OK, f"mode {mode:04o}.", ""


async def _database(settings: Settings, _now: datetime) -> Said:
    if not _has_database(settings):
        return Level.WARN, "there is none yet.", "The first start makes it."
    await migrations.check(settings.url)
    return Level.OK, f"reachable, schema {migrations.head()}.", ""


async def _bundle(settings: Settings, _now: datetime) -> Said:
    """The bundle in force where there is a database; the one that a first start would install where there is none."""
    if not _has_database(settings):
        return _judged(bundles.load(settings.bundle_path or files.shipped(settings.bundle)), "to be installed")

    def in_force(tx: Transaction) -> Said:
        digest = stored.active(tx)
        texts = None if digest is None else stored.texts(tx, digest)
        if digest is None or texts is None:
            return Level.WARN, "none is in force yet.", "The first start installs one."
        engine = Library().open(digest, texts.files, texts.files_digest, texts.engine)
        return _judged(engine.bundle, "in force")

    return await _asked(settings, in_force)


def _judged(bundle: Bundle, place: str) -> Said:
    wrong = list(mismatches(bundle.golden, Engine(bundle).rule))
    if wrong:
        return Level.FAIL, f"{len(wrong)} golden decisions come out otherwise: {wrong[0]}.", "Do not start with it."
    return Level.OK, f"{bundle.name} {bundle.version}, {place}, digest {bundle.digest[:16]}, golden table holds.", ""


async def _log(settings: Settings, _now: datetime) -> Said:
    note = last_checkpoint(settings.log_folder)
    if not _has_database(settings):
        if note is None:
            return Level.WARN, "there is none yet.", "The first start makes it."
        return Level.FAIL, "there is a log and no database.", "Restore the database; never remove the log's folder."
    published = None if note is None else read_unverified(note)
    size = 0 if published is None else published.size

    def compare(tx: Transaction) -> Said:
        last = treelog.last_checkpoint(tx)
        known = 0 if last is None else last.size
        if size > known:
            return Level.FAIL, f"the folder has {size} entries, the database {known}.", "Restore the newest database."
        reader = hash_reader(known, lambda tile: fetch(tx, tile))
        if published is not None and merkle.root(size, reader) != published.root:
            return Level.FAIL, "folder and database hold different histories.", "Keep both; find out which was changed."
        if size < known:
            return Level.WARN, f"the folder is {known - size} entries behind.", "The service brings it up to date."
        return Level.OK, f"folder and database agree on {size} entries.", ""

    return await _asked(settings, compare)


async def _erasures(settings: Settings, _now: datetime) -> Said:
    vkey = read_file(settings.log_folder, VKEY)
    if not _has_database(settings) or vkey is None:
        return Level.OK, "nothing to compare with yet.", ""
    told = await asyncio.to_thread(erasures, settings.log_folder, vkey.decode("ascii").strip())

    def compare(tx: Transaction) -> Said:
        left = len(undone(tx, told))
        if left:
            return (
                Level.FAIL,
                f"{left} erasures that the log tells of are not in this database: an older one was restored.",
                f"tiprouter erase again --log {settings.log_folder}",
            )
        return Level.OK, f"all {len(told)} that the log tells of are in the database.", ""

    return await _asked(settings, compare)


async def _clock(settings: Settings, now: datetime) -> Said:
    if not _has_database(settings):
        return Level.OK, "nothing to compare with yet.", ""

    def compare(tx: Transaction) -> Said:
        last = treelog.last_checkpoint(tx)
        if last is not None and now < last.signed_at:
            seconds = int((last.signed_at - now).total_seconds()) + 1
            return (
                Level.FAIL,
                f"it is {seconds} s before the last checkpoint.",
                "Set the clock; deadlines depend on it.",
            )
        return Level.OK, "not before the last checkpoint.", ""

    return await _asked(settings, compare)


async def _sandbox(settings: Settings, _now: datetime) -> Said:
    if settings.sandbox:
        return Level.WARN, "on: disclosures go to loopback and nowhere else.", "Turn it off for real data."
    return Level.OK, "off.", ""


async def _address(settings: Settings, _now: datetime) -> Said:
    try:
        private = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        private = settings.host == "localhost"
    if private:
        return Level.OK, f"{settings.host} is reachable from this machine only.", ""
    if settings.tls_certificate_file:
        return Level.OK, f"{settings.host} may be reachable from outside, by TLS alone.", ""
    mend = "Name a certificate in TIPROUTER_TLS_CERTIFICATE_FILE, or put a proxy that speaks TLS in front of it."
    return Level.WARN, f"{settings.host} may be reachable from outside.", mend


async def _operators(settings: Settings, _now: datetime) -> Said:
    if not _has_database(settings):
        return Level.OK, "there is no database to look into yet.", ""

    def counted(tx: Transaction) -> Said:
        many = len(operators(tx, live=True))
        if many > 1:
            return Level.OK, f"{many} persons.", ""
        left = len(operators(tx)) > 1
        found = "nobody but one is left: what they give waits for ever." if left else _ALONE if many else "nobody yet."
        return Level.WARN, found, "By hand: `tiprouter credentials make`." if left else "Invite a second operator."

    return await _asked(settings, counted)


async def _two_operators(settings: Settings, now: datetime) -> Said:
    """The same for real data: whoever is alone can read everything."""
    level, found, remedy = await _operators(settings, now)
    fails = level is Level.WARN and not settings.sandbox
    return Level.FAIL if fails else level, found, remedy


async def _pages(settings: Settings, _now: datetime) -> Said:
    hook, box = wiring.hook_of(settings), wiring.mailbox_of(settings)
    if hook is None and box is None:
        return (
            Level.WARN,
            "off: nobody is paged, notices wait until somebody asks.",
            "Set TIPROUTER_PAGE_WEBHOOK_URL or TIPROUTER_PAGE_SMTP_HOST.",
        )
    routing = wiring.routing_of(settings)
    unheard = [severity.value for severity in Severity if not routing.by_severity[severity] & routing.channels]
    if unheard:
        return Level.WARN, f"nothing pages what is {' or '.join(unheard)}.", "Route it to a channel that there is."
    return Level.OK, f"by {' and '.join(sorted(channel.value for channel in routing.channels))}.", ""


def _has_database(settings: Settings) -> bool:
    """Whether there is one to look at; opening a SQLite file that is not there would make it (rule 2)."""
    return bool(settings.database_url) or (settings.data / "tiprouter.db").exists()


async def _asked(settings: Settings, question: Callable[[Transaction], Said]) -> Said:
    await migrations.check(settings.url)
    database = open_database(settings.url)
    try:
        return await database.read(question)
    finally:
        await database.close()


_CHECKS: dict[Check, str] = {
    _python: "Python",
    _folder: "Data folder",
    _key: "Key file",
    _database: "Database",
    _bundle: "Policy bundle",
    _log: "Audit log",
    _erasures: "Erasures",
    _clock: "Clock",
    _sandbox: "Sandbox",
    _address: "Address",
    _pages: "Pages",
    _operators: "Operators",
}
_STRICTER: frozenset[Check] = frozenset({_sandbox, _address, _pages, _operators})
"""What is asked more strictly of production."""
