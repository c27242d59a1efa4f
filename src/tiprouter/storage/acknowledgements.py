"""What did a recipient say of a disclosure? The words are sealed under the record's key; the status is not."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import AcknowledgementStatus, Urgency
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.tables import STANDS, acknowledgements, deliveries, disclosures, records
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Words:
    """What the agency adds: its case number, why it rejects, what it asks; and the JWS that it signed, as it came."""

    case_number: str | None = None
    reason: str | None = None
    question: str | None = None
    jws: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One word of a recipient about one disclosure; `key` is the thumbprint of the key that signed it, if one did."""

    id: str
    disclosure_id: str
    status: AcknowledgementStatus
    words: Words
    made_at: datetime
    key: str | None = None


def add(tx: Connection, vault: Vault, made: Acknowledgement, owner: str, salt: bytes, proof: str | None = None) -> None:
    """Store an acknowledgement; its words are sealed under the record's (`owner`'s) key, with their `salt`.

    `proof` is the keyed index of what was signed.
    """
    sealed = vault.key(tx, owner).seal(to_bytes(made.words), _place(made.id), vault.nonce(), salt)
    row = {"id": made.id, "disclosure_id": made.disclosure_id, "status": made.status, "made_at": made.made_at}
    tx.execute(acknowledgements.insert(), row | {"sealed": sealed, "key": made.key, "proof": proof})


def proven(tx: Connection, proof: str) -> bool:
    """Whether an acknowledgement with this proof was stored before."""
    query = sa.select(acknowledgements.c.id).where(acknowledgements.c.proof == proof)
    return tx.execute(query).first() is not None


def load(tx: Connection, vault: Vault, acknowledgement_id: str) -> Acknowledgement | None:
    """One acknowledgement, or None; without its words where they were erased."""
    query = (
        sa.select(acknowledgements.c.disclosure_id, disclosures.c.record_id)
        .join(disclosures, disclosures.c.id == acknowledgements.c.disclosure_id)
        .where(acknowledgements.c.id == acknowledgement_id)
    )
    row = tx.execute(query).one_or_none()
    found = [] if row is None else of_disclosure(tx, vault, row.disclosure_id, row.record_id)
    return next((one for one in found if one.id == acknowledgement_id), None)


@dataclass(frozen=True, slots=True)
class Awaited:
    """Something that arrived, and until when its agency should have said something of it."""

    delivery_id: str
    disclosure_id: str
    record_id: str
    recipient_id: str
    urgency: Urgency
    deadline: datetime
    unanswered: bool
    recall: bool


def awaited(tx: Connection, now: datetime, limit: int) -> list[Awaited]:
    """What was waited for long enough; on PostgreSQL what nobody else holds, its records locked.

    `unanswered` says that it still stands, answers no question, and nobody said anything of it.
    """
    said = sa.exists().where(acknowledgements.c.disclosure_id == disclosures.c.id)
    stands = sa.and_(STANDS, disclosures.c.answers.is_(None), ~said)
    query = (
        sa.select(deliveries, stands.label("unanswered"), disclosures.c.recalls)
        .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
        .join(records, records.c.id == deliveries.c.record_id)
        .where(deliveries.c.acknowledge_by.is_not(None), deliveries.c.acknowledge_by <= now)
        .order_by(deliveries.c.record_id, deliveries.c.id)
        .limit(limit)
        .with_for_update(of=records, key_share=True, skip_locked=True)
    )
    return [
        Awaited(
            row.id,
            row.disclosure_id,
            row.record_id,
            row.recipient_id,
            Urgency(row.urgency),
            row.acknowledge_by,
            bool(row.unanswered),
            row.recalls is not None,
        )
        for row in tx.execute(query)
    ]


def wait_no_more(tx: Connection, delivery_id: str) -> None:
    """Nobody waits any more for the agency's word about this."""
    tx.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(acknowledge_by=None))


def of_disclosure(tx: Connection, vault: Vault, disclosure_id: str, owner: str) -> list[Acknowledgement]:
    """Everything a recipient said of a disclosure, first to last; without its words where they were erased."""
    query = sa.select(acknowledgements).where(acknowledgements.c.disclosure_id == disclosure_id)
    rows = tx.execute(query.order_by(acknowledgements.c.id)).all()
    key = vault.key(tx, owner) if any(row.sealed for row in rows) else None
    return [
        Acknowledgement(
            row.id,
            row.disclosure_id,
            AcknowledgementStatus(row.status),
            from_bytes(Words, key.open(row.sealed, _place(row.id))) if key is not None and row.sealed else Words(),
            row.made_at,
            row.key,
        )
        for row in rows
    ]


def _place(acknowledgement_id: str) -> Place:
    return Place("acknowledgements", acknowledgement_id, "sealed")
