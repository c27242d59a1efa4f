"""What did a recipient say of a disclosure? The words are sealed under the record's key; the status is not."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.vocabulary import AcknowledgementStatus
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.tables import acknowledgements
from tiprouter.storage.vault import Place, Vault


@dataclass(frozen=True, slots=True)
class Words:
    """What the agency adds in its own words: its case number, why it rejects, what it asks."""

    case_number: str | None = None
    reason: str | None = None
    question: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One word of a recipient about one disclosure."""

    id: str
    disclosure_id: str
    status: AcknowledgementStatus
    words: Words
    made_at: datetime


def add(tx: Connection, vault: Vault, made: Acknowledgement, owner: str) -> None:
    """Store an acknowledgement; its words are sealed under the record's (`owner`'s) key."""
    sealed = vault.key(tx, owner).seal(to_bytes(made.words), _place(made.id), vault.nonce())
    row = {"id": made.id, "disclosure_id": made.disclosure_id, "status": made.status, "made_at": made.made_at}
    tx.execute(acknowledgements.insert(), row | {"sealed": sealed})


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
        )
        for row in rows
    ]


def _place(acknowledgement_id: str) -> Place:
    return Place("acknowledgements", acknowledgement_id, "sealed")
