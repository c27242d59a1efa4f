"""Where do consents live?

Each change is a new sealed row under the person's own key; history is never overwritten, only erased as a whole. The
current state of a consent is its highest revision. The phase beside the seal is for the database's own checks: what
counts is what is sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.consent import Consent
from tiprouter.domain.states import moves
from tiprouter.domain.subject_states import CONSENT_TRANSITIONS, ConsentEvent, ConsentPhase, next_consent_phase
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.columns import Moment, moved, named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.subjects_table import appearances
from tiprouter.storage.tables import consents, records
from tiprouter.storage.vault import ErasedError, Place, Vault

_MOVES, _AFTER = moved(consents.c.state, moves(CONSENT_TRANSITIONS, ConsentEvent.ERASE))
_ERASABLE: Final = sa.or_(consents.c.state.is_(None), _MOVES)
_ERASED: Final = sa.func.coalesce(_AFTER, next_consent_phase(ConsentPhase.STANDING, ConsentEvent.ERASE).value)
"""Those from before phases were stored stood or were withdrawn: erasing either leads to the same."""
_KEPT = consents.c.state.is_distinct_from(ConsentPhase.ERASED.value)


_NAMED: Final = (
    sa.exists()
    .where(appearances.c.person_id == sa.bindparam("owner"), appearances.c.erased_at.is_(None))
    .where(records.c.id == appearances.c.record_id, records.c.erased_at.is_(None))
)
_ADD: Final = consents.insert().values(aged_from=sa.case((_NAMED, sa.null()), else_=sa.bindparam("now", type_=Moment)))
_OF_PERSONS: Final = Ready(
    sa.select(*(consents.c[name] for name in ("person_id", "id", "sealed", "revision")))
    .where(named_in(consents.c.person_id, "whose"), _KEPT)
    .order_by(consents.c.revision)
)
_WHOSE: Final = sa.select(consents.c.person_id).where(consents.c.id == sa.bindparam("which"))


@dataclass(frozen=True, slots=True)
class Revision:
    """A consent as it stood from one moment on."""

    consent: Consent
    number: int
    made_at: datetime


def put(tx: Connection, vault: Vault, consent: Consent, revision: int, now: datetime) -> None:
    """Store a consent's next revision; the first is 1. Their rows are called `cns_...`, `cns_...~2` and so on."""
    owner = consent.person_id
    key = vault.key(tx, owner) if vault.known(tx, owner) else vault.renew(tx, owner, now)
    row_id = consent.id if revision == 1 else f"{consent.id}~{revision}"
    tx.execute(
        _ADD,
        {
            "id": row_id,
            "person_id": owner,
            "revision": revision,
            "state": consent.life,
            "sealed": key.seal(to_bytes(consent), Place("consents", row_id, "sealed"), vault.nonce()),
            "made_at": now,
            "owner": owner,
            "now": now,
        },
    )


def of_person(tx: Connection, vault: Vault, person_id: str) -> list[tuple[Consent, int]]:
    """The person's consents as they stand, with their revisions."""
    return of_persons(tx, vault, (person_id,))[person_id]


def of_persons(tx: Connection, vault: Vault, person_ids: Sequence[str]) -> dict[str, list[tuple[Consent, int]]]:
    """The consents of several persons as they stand, by person; somebody without any, or erased, has an empty list."""
    found: dict[str, list[tuple[Consent, int]]] = {person_id: [] for person_id in person_ids}
    latest: dict[str, tuple[Consent, int]] = {}
    rows = _OF_PERSONS.all(tx, {"whose": list(person_ids)})
    if not rows:
        return found
    keys = vault.keys(tx, {person_id for person_id, *_ in rows})
    for person_id, row_id, sealed, revision in rows:
        consent = from_bytes(Consent, keys.key(person_id).open(sealed, Place("consents", row_id, "sealed")))
        latest[consent.id] = (consent, revision)
    for consent, revision in latest.values():
        found[consent.person_id].append((consent, revision))
    return found


def whose(tx: Connection, consent_id: str) -> str | None:
    """The person a consent is of, or None when there is no such consent."""
    return tx.execute(_WHOSE, {"which": consent_id}).scalar_one_or_none()


def load(tx: Connection, vault: Vault, consent_id: str) -> tuple[Consent, int] | None:
    """One consent as it stands, with its revision, or None. Raises `ErasedError`."""
    person_id = whose(tx, consent_id)
    if person_id is None:
        return None
    found = next((pair for pair in of_person(tx, vault, person_id) if pair[0].id == consent_id), None)
    if found is None:
        raise ErasedError
    return found


def history(tx: Connection, vault: Vault, consent_id: str) -> list[Revision]:
    """Every revision of one consent, first to last; none when there is no such consent. Raises `ErasedError`."""
    person_id = whose(tx, consent_id)
    if person_id is None:
        return []
    query = sa.select(consents).where(
        consents.c.person_id == person_id,
        sa.or_(consents.c.id == consent_id, consents.c.id.startswith(f"{consent_id}~", autoescape=True)),
    )
    return [
        Revision(
            from_bytes(Consent, vault.key(tx, person_id).open(row.sealed, Place("consents", row.id, "sealed"))),
            row.revision,
            row.made_at,
        )
        for row in tx.execute(query.order_by(consents.c.revision))
    ]


def erase(tx: Connection, vault: Vault, person_id: str, now: datetime) -> None:
    """Destroy what a person consented to and the key that it was sealed with; the rows stay, empty."""
    gone = {"sealed": b"", "state": _ERASED, "aged_from": None}
    tx.execute(consents.update().where(consents.c.person_id == person_id, _ERASABLE).values(**gone))
    vault.destroy(tx, person_id, now)


def orphans(tx: Connection, until: datetime, limit: int) -> list[str]:
    """Persons whom no record named when they last consented, and that was until then: some of the first."""
    query = sa.select(consents.c.person_id).where(consents.c.aged_from.is_not(None), consents.c.aged_from <= until)
    found = tx.execute(query.order_by(consents.c.aged_from).limit(limit)).scalars()
    return list(dict.fromkeys(found))


def age_from(tx: Connection, person_id: str, moment: datetime | None) -> None:
    """Count the retention of a person's consents from another moment; None while a record names the person."""
    theirs = (consents.c.person_id == person_id, consents.c.aged_from.is_not(None))
    tx.execute(consents.update().where(*theirs).values(aged_from=moment))


def last_words(tx: Connection, vault: Vault, person_id: str) -> list[tuple[Consent, datetime]]:
    """The person's consents as they stand, each with when its last revision was made."""
    made = sa.select(consents.c.revision, consents.c.made_at, consents.c.id).where(consents.c.person_id == person_id)
    at = {(row.id.partition("~")[0], row.revision): row.made_at for row in tx.execute(made)}
    return [(consent, at[consent.id, revision]) for consent, revision in of_person(tx, vault, person_id)]


def page(tx: Connection, after: str | None, limit: int) -> list[str]:
    """Ids of consents, newest first, below `after`."""
    query = sa.select(consents.c.id).where(consents.c.revision == 1, _KEPT).order_by(consents.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(consents.c.id < after)
    return list(tx.execute(query).scalars())
