"""Is the secret right, and who is told when it is not?

1. The database is asked about every token that is presented (`credentials.identify`); only what proving a secret costs
   is saved. A secret that was right is remembered until it was not presented for ten minutes, as a keyed digest of it
   and its verifier under a key of this process: whatever ends or replaces the credential ends it at once, remembered
   or not.
2. Proving takes 20 to 30 ms of a core. One of a line (rule 3) is proved at a time, in a thread; so many wait, and who
   comes then is told to come back (503). The same token is proved once for all who present it together. Whoever is
   remembered waits for nobody.
3. A prefix that nobody has, and a key that has ended, cost as much as a wrong secret. They stand in a line of their
   own: however many of them come, they hold up nobody who has a key that is good.
4. Who is refused after naming a real key or client is written into the log, at most once an hour for each and each
   reason, with how often it was. That, and the day of a key's last use, is written beside the answer, not before it.

Not promised: that whoever is not remembered yet is let in during a flood of wrong secrets for keys that are good; that
nobody learns from the lines of a flood whether a prefix is a good key's (36^8 are too many to try); nor that a refusal
is logged when the service ends in that moment.
"""

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.errors import TiprouterError, UnavailableError
from tiprouter.storage.database import Database, DatabaseError, Transaction
from tiprouter.workflow import credentials, presenting
from tiprouter.workflow.happening import ROUTER, Actor, Desk, happening
from tiprouter.workflow.key_secrets import matches, nobodys_verifier
from tiprouter.workflow.presenting import Presented, Recognised, Refusal

log = structlog.get_logger()

AT_ONCE, WAITING_MAX, REMEMBERED_MAX = 1, 16, 4_096
REMEMBERED_FOR: Final = timedelta(minutes=10)
TOLD_AGAIN_AFTER: Final = timedelta(hours=1)


class BusyError(UnavailableError):
    """Too many credentials are being looked at; try again in a moment."""


@dataclass(slots=True)
class _Told:
    """When a refusal was last logged, and how often it happened since."""

    at: datetime
    since: int = 0


@dataclass(slots=True)
class _Line:
    """The secrets that are being proved or wait for it, and whose turn it is (rule 2)."""

    proving: dict[bytes, asyncio.Task[bool]] = field(default_factory=dict)
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class Porter:
    """Who lets callers in; one for each process."""

    def __init__(self) -> None:
        self._key = b""
        self._nobodys = ""
        self._remembered: OrderedDict[bytes, datetime] = OrderedDict()
        self._known, self._strangers = _Line(), _Line()
        self._told: dict[tuple[str, Refusal], _Told] = {}
        self._used: dict[str, datetime] = {}
        self._beside: set[asyncio.Task[None]] = set()

    async def admit(self, database: Database, desk: Desk, presented: Presented) -> Actor | None:
        """Who presents this token, or None (rules 1-4). Raises `BusyError`."""
        now = desk.now()
        found = await database.read(lambda tx: credentials.identify(tx, presented, now))
        parts = presenting.key_parts(presented.token)
        if parts is not None and not await self._proven(desk, parts[1], found):
            found = None if found is None else Recognised(found.actor, Refusal.SECRET)
        if found is None:
            return None
        if found.refusal is not None:
            self.refused(database, desk, found.actor.id, presented.token[:2], found.refusal)
            return None
        if found.used_as is not None:
            self._note_use(database, desk, found.used_as)
        return found.actor

    def refused(self, database: Database, desk: Desk, caller_id: str, way: str, refusal: Refusal) -> None:
        """Log that somebody who named this caller was refused (rule 4)."""
        now = desk.now()
        told = self._told.get((caller_id, refusal))
        if told is not None and now - told.at < TOLD_AGAIN_AFTER:
            told.since += 1
            return
        count = 1 if told is None else told.since + 1
        self._told[caller_id, refusal] = _Told(now)

        def story(tx: Transaction) -> None:
            with happening(tx, desk, ROUTER) as it:
                said = {"client": caller_id, "way": way, "cause": refusal.value, "count": count}
                it.log(Kind.SIGN_IN_REFUSED, said)

        self._write_beside(database.write(story, quietly=True))

    async def settle(self) -> None:
        """Wait until what is written beside answers is written."""
        while self._beside:
            await asyncio.wait(self._beside)

    async def _proven(self, desk: Desk, secret: str, found: Recognised | None) -> bool:
        """Whether the secret is right (rules 1-3). Raises `BusyError`."""
        if not self._key:
            self._key = desk.entropy(presenting.TOKEN_BYTES)
            self._nobodys = nobodys_verifier(desk.entropy, desk.secret_cost)
        now = desk.now()
        verifier = self._nobodys if found is None or found.verifier is None else found.verifier
        name = hmac.digest(self._key, f"{verifier} {secret}".encode(), hashlib.sha256)
        if self._remembered.get(name, now) > now:
            self._remember(name, now + REMEMBERED_FOR)
            return True
        line = self._strangers if found is None or found.refusal is not None else self._known
        proving = line.proving.get(name)
        if proving is None:
            if len(line.proving) >= AT_ONCE + WAITING_MAX:
                raise BusyError
            proving = line.proving[name] = asyncio.create_task(
                self._prove(line, name, secret, verifier, now + REMEMBERED_FOR)
            )
        # One of several who wait may go away; the others' answer must not go with it.
        return await asyncio.shield(proving)

    async def _prove(self, line: _Line, name: bytes, secret: str, verifier: str, until: datetime) -> bool:
        try:
            async with line.turn:
                right = await asyncio.to_thread(matches, secret, verifier)
            if right:
                self._remember(name, until)
        finally:
            del line.proving[name]
        return right

    def _remember(self, name: bytes, until: datetime) -> None:
        self._remembered[name] = until
        self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _note_use(self, database: Database, desk: Desk, prefix: str) -> None:
        now = desk.now()
        if prefix in self._used and self._used[prefix].date() == now.date():
            return
        self._used[prefix] = now
        self._write_beside(database.write(lambda tx: credentials.used(tx, prefix, now), quietly=True))

    def _write_beside(self, writing: Awaitable[None]) -> None:
        task = asyncio.create_task(_forgivingly(writing))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)


async def _forgivingly(writing: Awaitable[None]) -> None:
    """What is written beside an answer fails alone."""
    try:
        await writing
    except (TiprouterError, DatabaseError) as error:
        log.warning("porter.not-written", error=type(error).__name__)
