"""What was disclosed about one person, and until when does their copy of it leave whom out?

Read off what erasure leaves: disclosures, recalls, deliveries, attempts and decisions are ids, times and closed
vocabulary, and are kept. Nothing here ever held content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import AttemptKind, StatementForm
from tiprouter.storage.subjects_table import appearances, suspensions
from tiprouter.storage.tables import attempts, decisions, deliveries, disclosures
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Told:
    """A disclosure or a recall that was on its way, and where it is. `at` is when it first was."""

    id: str
    recalls: str | None
    recipient_id: str
    at: datetime
    state: str
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Because:
    """A decision as the accounting tells it."""

    id: str
    outcome: str
    categories: tuple[str, ...]
    policies: tuple[str, ...]
    bundle: str


@dataclass(frozen=True, slots=True)
class Suspension:
    """Until when a person's copy leaves a recipient out, and in which form that was asked for."""

    id: str
    person_id: str
    recipient_id: str
    form: StatementForm
    until: datetime
    made_by: str
    made_at: datetime


def told(tx: Connection, person_id: str, since: datetime) -> list[Told]:
    """What was on its way about this person's records from a moment on, oldest first; recalls among it."""
    mine = sa.select(appearances.c.record_id).where(appearances.c.person_id == person_id)
    first = sa.func.min(attempts.c.started_at).label("at")
    query = (
        sa.select(
            disclosures.c.id,
            disclosures.c.recalls,
            disclosures.c.recipient_id,
            disclosures.c.decisions,
            deliveries.c.state,
            first,
        )
        .join(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .join(attempts, attempts.c.delivery_id == deliveries.c.id)
        .where(disclosures.c.record_id.in_(mine), attempts.c.kind != AttemptKind.ANNOUNCE)
        .group_by(disclosures.c.id, deliveries.c.id)
        .order_by(first, disclosures.c.id)
    )
    found = (
        Told(row.id, row.recalls, row.recipient_id, row.at, row.state, tuple(row.decisions))
        for row in tx.execute(query)
    )
    return [one for one in found if one.at >= since]


def because(tx: Connection, person_id: str) -> dict[str, Because]:
    """Every decision about this person that let something leave, by id."""
    mine = sa.select(appearances.c.record_id).where(appearances.c.person_id == person_id)
    columns = (
        decisions.c.id,
        decisions.c.outcome,
        decisions.c.categories,
        decisions.c.policies,
        decisions.c.bundle,
    )
    query = sa.select(*columns).where(decisions.c.record_id.in_(mine), decisions.c.person_id == person_id)
    return {
        row.id: Because(row.id, row.outcome, tuple(row.categories), tuple(row.policies), row.bundle)
        for row in tx.execute(query)
        if row.categories
    }


def decisions_of(tx: Connection, disclosure_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The decisions that each disclosure rested on."""
    query = sa.select(disclosures.c.id, disclosures.c.decisions).where(disclosures.c.id.in_(disclosure_ids))
    return {row.id: tuple(row.decisions) for row in tx.execute(query)}


def suspend(tx: Connection, vault: Vault, suspension: Suspension, asked_by: str) -> None:
    """Store a suspension; who asked is sealed under a key of its own, which outlives the person's."""
    key = vault.create(tx, suspension.id, suspension.made_at)
    sealed = key.seal(asked_by.encode(), Place("suspensions", suspension.id, "sealed"), vault.nonce())
    row = {name: getattr(suspension, name) for name in Suspension.__slots__}
    tx.execute(suspensions.insert(), row | {"sealed": sealed})


def suspended(tx: Connection, person_id: str, now: datetime) -> dict[str, datetime]:
    """The recipients that are left out now, and until when."""
    query = sa.select(suspensions.c.recipient_id, sa.func.max(suspensions.c.until).label("until")).where(
        suspensions.c.person_id == person_id, suspensions.c.until > now
    )
    rows = tx.execute(query.group_by(suspensions.c.recipient_id))
    return {row.recipient_id: row.until for row in rows}
