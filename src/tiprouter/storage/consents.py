"""Where do consents live?

Each change is a new sealed row under the person's own key; history is never overwritten. The current state of a consent
is its highest revision.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.consent import Consent
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.tables import consents, data_keys
from tiprouter.storage.vault import Place, Vault


def put(tx: Connection, vault: Vault, consent: Consent, revision: int, now: datetime) -> None:
    """Store a consent's next revision; the first is 1. Their rows are called `cns_...`, `cns_...~2` and so on."""
    owner = consent.person_id
    known = tx.execute(sa.select(data_keys.c.owner).where(data_keys.c.owner == owner)).first()
    key = vault.key(tx, owner) if known else vault.create(tx, owner, now)
    row_id = consent.id if revision == 1 else f"{consent.id}~{revision}"
    tx.execute(
        consents.insert(),
        {
            "id": row_id,
            "person_id": owner,
            "revision": revision,
            "sealed": key.seal(to_bytes(consent), Place("consents", row_id, "sealed"), vault.nonce()),
            "made_at": now,
        },
    )


def of_person(tx: Connection, vault: Vault, person_id: str) -> list[tuple[Consent, int]]:
    """The person's consents as they stand, with their revisions."""
    return of_persons(tx, vault, (person_id,))[person_id]


def of_persons(tx: Connection, vault: Vault, person_ids: Sequence[str]) -> dict[str, list[tuple[Consent, int]]]:
    """The consents of several persons as they stand, by person; somebody without any has an empty list."""
    found: dict[str, list[tuple[Consent, int]]] = {person_id: [] for person_id in person_ids}
    query = sa.select(consents).where(consents.c.person_id.in_(person_ids)).order_by(consents.c.revision)
    latest: dict[str, tuple[Consent, int]] = {}
    for row in tx.execute(query):
        key = vault.key(tx, row.person_id)
        consent = from_bytes(Consent, key.open(row.sealed, Place("consents", row.id, "sealed")))
        latest[consent.id] = (consent, row.revision)
    for consent, revision in latest.values():
        found[consent.person_id].append((consent, revision))
    return found


def whose(tx: Connection, consent_id: str) -> str | None:
    """The person a consent is of, or None when there is no such consent."""
    return tx.execute(sa.select(consents.c.person_id).where(consents.c.id == consent_id)).scalar_one_or_none()


def load(tx: Connection, vault: Vault, consent_id: str) -> tuple[Consent, int] | None:
    """One consent as it stands, with its revision, or None."""
    person_id = whose(tx, consent_id)
    if person_id is None:
        return None
    return next((pair for pair in of_person(tx, vault, person_id) if pair[0].id == consent_id), None)


def page(tx: Connection, after: str | None, limit: int) -> list[str]:
    """Ids of consents, newest first, below `after`."""
    query = sa.select(consents.c.id).where(consents.c.revision == 1).order_by(consents.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(consents.c.id < after)
    return list(tx.execute(query).scalars())
