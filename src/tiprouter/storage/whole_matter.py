"""Which rows hang from one record, and when did anything happen to it?

1. A record's whole matter is the record with every revision, the consents of every person it ever named, and every
   decision, disclosure, delivery, attempt, acknowledgement, duty and review about it, those that stand no longer too.
2. Every row is found by the record's own id: no other record's row is ever among them.
3. What was erased is None; that it was there, and when, stays.
4. The moments of a matter are those of every row that an index finds by the record, in whichever table, and of every
   notice about one of its rows.

It opens what is sealed: only for whoever may see all of it (`workflow/opening.py`), or to take names of fields alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.discharge import StandingDuty
from tiprouter.domain.notice import REASONS
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.storage import (
    acknowledgements,
    consents,
    decisions,
    deliveries,
    disclosures,
    duties,
    erasure,
    reviews,
)
from tiprouter.storage import records as stored_records
from tiprouter.storage.acknowledgements import Acknowledgement
from tiprouter.storage.columns import Moment, metadata
from tiprouter.storage.decisions import Decision
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.disclosures import Listed
from tiprouter.storage.duties import Call, Letter, WrittenRequest
from tiprouter.storage.duties_table import duties as duty_rows
from tiprouter.storage.reviews import Held, Rationale
from tiprouter.storage.reviews_table import reviews as review_rows
from tiprouter.storage.tables import acknowledgements as said_rows
from tiprouter.storage.tables import attempts as attempt_rows
from tiprouter.storage.tables import consents as consent_rows
from tiprouter.storage.tables import decisions as decision_rows
from tiprouter.storage.tables import deliveries as delivery_rows
from tiprouter.storage.tables import disclosures as disclosure_rows
from tiprouter.storage.tables import notices, record_persons, records
from tiprouter.storage.vault import ErasedError, Vault

_AT_ONCE: Final = 500
"""So many ids are named in one statement: databases bound the number of parameters."""


@dataclass(frozen=True, slots=True)
class Told:
    """A disclosure or recall, what it carried (None once erased), its attempts, and what its agency said."""

    listed: Listed
    payload: bytes | None
    attempts: tuple[Attempt, ...]
    said: tuple[Acknowledgement, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty and what people recorded for it."""

    duty: StandingDuty
    calls: tuple[Call, ...]
    letters: tuple[Letter, ...]
    requests: tuple[WrittenRequest, ...]


@dataclass(frozen=True, slots=True)
class WholeMatter:
    """Everything that hangs from one record, each in the order in which it was made (rule 1).

    `persons` are the router's ids of the persons of the current revision, in its order.
    """

    record_id: str
    kind: RecordKind
    received_at: datetime
    erased_at: datetime | None
    revisions: tuple[stored_records.Revision, ...]
    persons: tuple[str, ...]
    consents: tuple[consents.Revision, ...]
    decisions: tuple[Decision, ...]
    told: tuple[Told, ...]
    owed: tuple[Owed, ...]
    reviews: tuple[tuple[Held, Rationale | None], ...]


def load(tx: Connection, vault: Vault, record_id: str) -> WholeMatter | None:
    """The whole matter of a record, or None when there never was one."""
    row = tx.execute(sa.select(records).where(records.c.id == record_id)).one_or_none()
    if row is None:
        return None
    named = sa.select(record_persons.c.person_id).where(record_persons.c.record_id == record_id)
    made = listed(tx, record_id)
    carried = payloads(tx, vault, record_id, [one.disclosure.id for one in made])
    return WholeMatter(
        record_id=record_id,
        kind=RecordKind(row.kind),
        received_at=row.received_at,
        erased_at=row.erased_at,
        revisions=tuple(stored_records.history(tx, vault, record_id)),
        persons=tuple(tx.execute(named.order_by(record_persons.c.position)).scalars()),
        consents=_consents(tx, vault, record_id),
        decisions=decided(tx, record_id),
        told=tuple(_told(tx, vault, one, carried.get(one.disclosure.id)) for one in made),
        owed=tuple(_owed(tx, vault, one) for one in _ids(tx, duty_rows, record_id)),
        reviews=tuple(_reviewed(tx, vault, one) for one in _ids(tx, review_rows, record_id)),
    )


def decided(tx: Connection, record_id: str) -> tuple[Decision, ...]:
    """Every decision about a record, oldest first."""
    found = decisions.several(tx, _ids(tx, decision_rows, record_id))
    return tuple(found[one] for one in sorted(found))


def listed(tx: Connection, record_id: str) -> tuple[Listed, ...]:
    """Every disclosure and recall about a record beside its delivery, oldest first."""
    found = disclosures.several(tx, _ids(tx, disclosure_rows, record_id))
    return tuple(found[one] for one in sorted(found))


def payloads(tx: Connection, vault: Vault, record_id: str, disclosure_ids: Sequence[str]) -> dict[str, bytes | None]:
    """What each disclosure about a record carried; None once it was erased (rule 3)."""
    keys, found = vault.keys(tx, (record_id,)), dict[str, bytes | None]()
    for one in disclosures.sealed_payloads(tx, disclosure_ids).values():
        try:
            found[one.id] = one.open(keys)
        except ErasedError:
            found[one.id] = None
    return found


def ids_of(tx: Connection, record_id: str) -> list[str]:
    """The ids of every row that the log may name for this matter: the record's own, and its persons' consents."""
    named = erasure.persons_in(tx, [record_id])
    theirs = sa.select(consent_rows.c.id).where(consent_rows.c.person_id.in_(named), consent_rows.c.revision == 1)
    mine = [sa.select(table.c.id).where(condition) for table, condition in _named(record_id)]
    return [one for query in (*mine, theirs) for one in tx.execute(query).scalars()]


def moments_of(tx: Connection, record_id: str) -> set[datetime]:
    """Every moment at which something of the matter happened (rule 4); times that are planned are among them."""
    named = erasure.persons_in(tx, [record_id])
    conditions = [(table, table.c.record_id == record_id) for table in _INDEXED]
    conditions += [(records, records.c.id == record_id), (consent_rows, consent_rows.c.person_id.in_(named))]
    conditions += [one for one in _named(record_id) if "record_id" not in one[0].c]
    found: set[datetime] = set()
    for table, condition in conditions:
        columns = [column for column in table.c if isinstance(column.type, Moment)]
        if columns:
            rows = tx.execute(sa.select(*columns).where(condition))
            found.update(moment for row in rows for moment in row if moment is not None)
    return found | _told_of_at(tx, [record_id, *ids_of(tx, record_id)])


def _told_of_at(tx: Connection, subjects: Sequence[str]) -> set[datetime]:
    """When a human was told of any of these: what time alone made of a duty leaves no other moment."""
    found: set[datetime] = set()
    for first in range(0, len(subjects), _AT_ONCE):
        some = notices.c.subject.in_(subjects[first : first + _AT_ONCE])
        query = sa.select(notices.c.raised_at).where(notices.c.reason.in_(tuple(REASONS)), some)
        found.update(tx.execute(query).scalars())
    return found


def _by_record(table: sa.Table) -> bool:
    """Whether rows of a table are found by their record without reading all of it."""
    leading = [next(iter(index.columns)).name for index in table.indexes if index.columns]
    return "record_id" in table.c and ("record_id" in leading or next(iter(table.primary_key)).name == "record_id")


_INDEXED: Final = tuple(table for table in metadata.sorted_tables if _by_record(table))


def _named(record_id: str) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    told = sa.select(disclosure_rows.c.id).where(disclosure_rows.c.record_id == record_id)
    sent = sa.select(delivery_rows.c.id).where(delivery_rows.c.record_id == record_id)
    owed = sa.select(duty_rows.c.id).where(duty_rows.c.record_id == record_id)
    by_record = (decision_rows, disclosure_rows, delivery_rows, duty_rows, review_rows, metadata.tables["grants"])
    evidence = ("duty_calls", "duty_letters", "duty_requests")
    return [
        *((table, table.c.record_id == record_id) for table in by_record),
        (attempt_rows, attempt_rows.c.delivery_id.in_(sent)),
        (said_rows, said_rows.c.disclosure_id.in_(told)),
        *((metadata.tables[name], metadata.tables[name].c.duty_id.in_(owed)) for name in evidence),
    ]


def _ids(tx: Connection, table: sa.Table, record_id: str) -> Sequence[str]:
    """Rule 2."""
    return list(tx.execute(sa.select(table.c.id).where(table.c.record_id == record_id).order_by(table.c.id)).scalars())


def _consents(tx: Connection, vault: Vault, record_id: str) -> tuple[consents.Revision, ...]:
    named = erasure.persons_in(tx, [record_id])
    query = sa.select(consent_rows.c.id).where(consent_rows.c.person_id.in_(named), consent_rows.c.revision == 1)
    found: list[consents.Revision] = []
    for one in tx.execute(query.order_by(consent_rows.c.id)).scalars().all():
        try:
            found += consents.history(tx, vault, one)
        except ErasedError:
            continue
    return tuple(found)


def _told(tx: Connection, vault: Vault, one: Listed, carried: bytes | None) -> Told:
    made = one.disclosure
    return Told(
        one,
        carried,
        tuple(deliveries.attempts_of(tx, one.delivery_id)),
        tuple(acknowledgements.of_disclosure(tx, vault, made.id, made.record_id)),
    )


def _owed(tx: Connection, vault: Vault, duty_id: str) -> Owed:
    duty = duties.load(tx, duty_id)
    if duty is None:
        raise LookupError(duty_id)
    return Owed(
        duty,
        tuple(duties.calls_of(tx, vault, duty_id, duty.record_id)),
        tuple(duties.letters_of(tx, vault, duty_id, duty.record_id)),
        tuple(duties.requests_of(tx, vault, duty_id, duty.record_id)),
    )


def _reviewed(tx: Connection, vault: Vault, review_id: str) -> tuple[Held, Rationale | None]:
    held = reviews.load(tx, review_id)
    if held is None:
        raise LookupError(review_id)
    try:
        return held, reviews.rationale(tx, vault, held)
    except ErasedError:
        return held, None
