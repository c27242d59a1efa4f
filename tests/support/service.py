"""A whole service without its edge: database, desk, sequencer and worker, put together as wiring does."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.embedded import prepared
from tiprouter.audit.note import Signer
from tiprouter.audit.steps import Report
from tiprouter.audit.verify import verify_folder
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.domain.consent import Consent
from tiprouter.domain.lanes import Places, Room
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Record
from tiprouter.policy import bundle as bundles
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.files import shipped
from tiprouter.policy.library import Library
from tiprouter.storage.database import Database, Transaction, open_database
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow import consenting, endpoint_changes, enrolment, governing, intake
from tiprouter.workflow.breaking import tend_lines
from tiprouter.workflow.consenting import Given, Whose, Withdrawal
from tiprouter.workflow.dispatch import Ready, claim, finish
from tiprouter.workflow.enrolment import Enrolled
from tiprouter.workflow.happening import Actor, Desk
from tiprouter.workflow.intake import Accepted
from tiprouter.workflow.key_secrets import Cost
from tiprouter.workflow.passing_on import pass_on
from tiprouter.workflow.publish import Sequencer
from tiprouter.workflow.revisit import look_through, revisit

INTAKE = Actor("cal_intake", "intake")
OPERATOR = Actor("cal_operator", "operator")
CONFIRMER = Actor("cal_confirmer", "operator")
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ORIGIN = "log.hotline.example/audit"

LIBRARY = Library()
CHEAP = Cost(memory_kib=8, passes=1)
"""What keeping an API key's secret costs in tests: as little as there is."""
_bundles: dict[str, Bundle] = {}


def bundle(name: str = "survivor-led") -> Bundle:
    """A shipped bundle; reading it takes a moment, and it never changes."""
    if name not in _bundles:
        _bundles[name] = bundles.load(shipped(name))
        LIBRARY.keep(_bundles[name])
    return _bundles[name]


def room(limit: int = 50, each: int = 50) -> Room:
    """So many places, none of them kept for any lane."""
    return Room(Places(limit, {}), each)


@dataclass
class Clock:
    """Time that passes only when a test says so."""

    at: datetime = START

    def __call__(self) -> datetime:
        """This moment."""
        return self.at

    def forward(self, **span: float) -> None:
        """Let time pass."""
        self.at += timedelta(**span)


@dataclass
class Service:
    """The stories by name, on one real database."""

    url: str
    folder: Path
    database: Database
    desk: Desk
    clock: Clock
    sequencer: Sequencer
    signer: Signer
    sent: list[Envelope] = field(default_factory=list)

    async def enrol(self, recipient: Recipient) -> Enrolled:
        """Register a recipient, confirmed by another operator where that is asked."""

        def story(tx: Transaction) -> Enrolled:
            done = enrolment.register(tx, self.desk, OPERATOR, recipient)
            if done.waiting is None:
                return done
            return replace(done, recipient=endpoint_changes.confirm(tx, self.desk, CONFIRMER, done.waiting))

        return await self.database.write(story)

    async def accept(self, record: Record) -> Accepted:
        """Accept a tip."""
        return await self.database.write(lambda tx: intake.accept_tip(tx, self.desk, INTAKE, record))

    async def put_case(self, record: Record, expected: int | None) -> Accepted:
        """Create or revise a case."""
        return await self.database.write(lambda tx: intake.put_case(tx, self.desk, INTAKE, record, expected))

    async def consent(self, whose: Whose, consent: Consent) -> Given:
        """Give a consent."""
        return await self.database.write(lambda tx: consenting.give_consent(tx, self.desk, INTAKE, whose, consent))

    async def withdraw(self, consent_id: str) -> Withdrawal:
        """Withdraw a consent."""
        return await self.database.write(lambda tx: consenting.withdraw(tx, self.desk, INTAKE, consent_id, None))

    async def claim(self, limit: int = 50, each: int = 50) -> list[Ready]:
        """Claim what is due."""
        return await self.database.write(lambda tx: claim(tx, self.desk, room(limit, each)))

    async def tend(self) -> int:
        """Let go of what is parked, and let duties go on."""
        tended = await self.database.write(lambda tx: tend_lines(tx, self.desk))
        return tended + await self.database.write(lambda tx: pass_on(tx, self.desk))

    async def finish(self, ready: Ready, result: AttemptResult = AttemptResult.SUCCESS) -> str:
        """Finish an attempt with a result."""
        status = {"success": 200, "gone": 410, "http_error": 500}.get(result.value)
        attempted = Attempted(result, status, None, 5, "203.0.113.9", b"ok")
        return await self.database.write(lambda tx: finish(tx, self.desk, ready, attempted))

    async def deliver(self, result: AttemptResult = AttemptResult.SUCCESS) -> list[Ready]:
        """Claim everything due and finish it all with one result."""
        ready = await self.claim()
        for one in ready:
            self.sent.append(one.envelope)
            await self.finish(one, result)
        return ready

    async def revisit(self) -> int:
        """Decide again what is due by itself."""
        due = await self.database.write(lambda tx: revisit(tx, self.desk))
        return due or await self.database.write(lambda tx: look_through(tx, self.desk))

    async def check_house(self) -> Report:
        """What must hold after every step: the log integrates, verifies, and the database agrees with itself."""
        await self.sequencer.drain()
        report = verify_folder(self.folder / "log", self.signer.vkey)
        assert report.ok, report.steps
        for envelope in self.sent:
            assert hashlib.sha256(envelope.body.body).hexdigest() == envelope.body.digest
        return report

    async def rows(self, sql: str) -> list[Any]:
        """Rows of a query, for a test's own eyes."""
        return await self.database.read(lambda tx: list(tx.exec_driver_sql(sql)))


@asynccontextmanager
async def open_service(url: str, folder: Path, clock: Clock | None = None) -> AsyncIterator[Service]:
    """A service on a migrated database; its keys and log stand in `folder`."""
    await prepared(url)
    clock = clock or Clock()
    vault = Vault(FileKeyProvider(folder / "keys" / "kek", os.urandom), os.urandom)
    database = open_database(url)
    try:
        blind, seed = await database.write(
            lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing"))
        )
        desk = Desk(clock, os.urandom, vault, LIBRARY, blind, sandbox=False, verify_endpoints=False, secret_cost=CHEAP)
        signer = Signer(ORIGIN, seed)
        sequencer = Sequencer(database, desk, signer, folder / "log")
        await sequencer.start()
        await database.write(lambda tx: governing.install(tx, desk, bundle(), {"passed": True, "by": "release"}))
        yield Service(url, folder, database, desk, clock, sequencer, signer)
    finally:
        await database.close()
