"""Where do records and the people in them live, and what touches them?

Bodies are sealed under the record's own key; ids, revision, epoch and times are not. A person is one row for all the
records that name them by the same source and ref, found by blind index.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.domain.record import Record
from tiprouter.domain.vocabulary import CaseStatus, RecordKind
from tiprouter.errors import TiprouterError
from tiprouter.storage import rows
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.columns import named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.subjects_table import appearances
from tiprouter.storage.tables import persons, record_persons, records, revisions
from tiprouter.storage.vault import ErasedError, Place, Vault

# Made once, each: SQLAlchemy takes longer to make a statement than to run it.
_FIND: Final = Ready(
    sa.select(records.c.id).where(
        records.c.kind == sa.bindparam("kind"), records.c.external == sa.bindparam("external")
    )
)
_PERSONS: Final = (
    sa.select(persons.c.external, persons.c.id).where(named_in(persons.c.external, "externals")).order_by(persons.c.id)
)
_PERSONS_SHARED: Final = Ready(_PERSONS.with_for_update(read=True))
_PERSONS_ALONE: Final = Ready(_PERSONS.with_for_update(key_share=True))
_ADD_PERSONS: Final = {
    "postgresql": postgresql.insert(persons).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(persons).on_conflict_do_nothing(),
}
_PERSON: Final = sa.select(persons.c.id).where(persons.c.id == sa.bindparam("which"))
_PERSON_HELD: Final = _PERSON.with_for_update(key_share=True)
_ONCE: Final = (appearances.c.record_id, appearances.c.person_id)
_SEEN: Final = {"erased_at": sa.null()}
_ADD_APPEARANCES: Final = {
    "postgresql": postgresql.insert(appearances).on_conflict_do_update(index_elements=_ONCE, set_=_SEEN),
    "sqlite": sqlite.insert(appearances).on_conflict_do_update(index_elements=_ONCE, set_=_SEEN),
}
_LOAD: Final = (
    sa.select(records, revisions.c.sealed)
    .join(revisions, sa.and_(revisions.c.record_id == records.c.id, revisions.c.number == records.c.revision))
    .where(records.c.id == sa.bindparam("which"))
)
_KNOWN: Final = sa.select(records.c.id).where(records.c.id == sa.bindparam("which"))
_HELD: Final = _KNOWN.with_for_update(key_share=True)
_NAMED: Final = (
    sa.select(record_persons.c.person_id)
    .where(record_persons.c.record_id == sa.bindparam("which"))
    .order_by(record_persons.c.position)
)
_EPOCHS: Final = Ready(
    sa.select(records.c.id, records.c.epoch)
    .where(named_in(records.c.id, "which"))
    .order_by(records.c.id)
    .with_for_update(key_share=True)
)
_NAMING: Final = sa.select(records.c.id).where(
    records.c.id.in_(
        sa.select(record_persons.c.record_id)
        .where(record_persons.c.person_id == sa.bindparam("who"))
        .union(
            sa.select(appearances.c.record_id).where(
                appearances.c.person_id == sa.bindparam("who"), appearances.c.erased_at.is_(None)
            )
        )
    ),
    records.c.erased_at.is_(None),
)
_HELD_ALL: Final = (
    sa.select(records.c.id)
    .where(records.c.id.in_(sa.bindparam("which", expanding=True)))
    .order_by(records.c.id)
    .with_for_update(key_share=True)
)
_TOUCH: Final = (
    records.update().where(records.c.id.in_(sa.bindparam("which", expanding=True))).values(epoch=records.c.epoch + 1)
)
_LOOK_AGAIN: Final = Ready(
    records.update().where(records.c.id == sa.bindparam("which")).values(due_at=sa.bindparam("again_at"))
)
_DUE: Final = (
    sa.select(records.c.id)
    .where(records.c.due_at <= sa.bindparam("now"))
    .order_by(records.c.due_at, records.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True, key_share=True)
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it stands: its current revision, its epoch, and its persons' ids in the record's order."""

    id: str
    kind: RecordKind
    revision: int
    epoch: int
    accepted_at: datetime
    revised_at: datetime
    record: Record
    persons: tuple[str, ...]
    due_at: datetime | None = None

    def person_id(self, ref: str) -> str:
        """The person behind a `ref` of this record."""
        return self.persons[[person.ref for person in self.record.persons].index(ref)]


def find(tx: Connection, kind: RecordKind, external: str) -> str | None:
    """The id of the record with this blind index, if there is one."""
    found: str | None = _FIND.first(tx, {"kind": kind, "external": external})
    return found


def persons_by(
    tx: Connection, externals: Sequence[str], mint: Callable[[], str], now: datetime, *, alone: bool = False
) -> list[str]:
    """The ids of the persons with these blind indexes, in their order; new rows for those nobody has yet.

    On PostgreSQL their consents stay as they are until this story commits; with `alone`, no other story may rest on
    them meanwhile (see `touch`).
    """
    held, whose = _PERSONS_ALONE if alone else _PERSONS_SHARED, {"externals": list(externals)}
    known = dict[str, str](held.all(tx, whose))
    new = {external: mint() for external in externals if external not in known}
    if new:
        made: rows.Columns = {"id": [*new.values()], "external": [*new], "created_at": [now] * len(new)}
        # Another process may name the same person for the first time at this moment: its row is the one.
        rows.add(tx, _ADD_PERSONS[tx.dialect.name], made)
        known = dict(held.all(tx, whose))
    return [known[external] for external in externals]


def hold_person(tx: Connection, person_id: str) -> bool:
    """Whether there is such a person; on PostgreSQL, nothing else rests on their consents until this story commits."""
    return tx.execute(_PERSON_HELD, {"which": person_id}).first() is not None


def person_known(tx: Connection, person_id: str) -> bool:
    """Whether there is such a person."""
    return tx.execute(_PERSON, {"which": person_id}).first() is not None


class TakenError(TiprouterError):
    """Another process stored a record under this name at the same time."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record about to be stored for the first time."""

    id: str
    external: str
    record: Record
    persons: Sequence[str]


def insert(tx: Connection, vault: Vault, new: NewRecord, now: datetime, salt: bytes) -> Stored:
    """Store a first revision under a new data key, with its `salt`; the record as it stands then.

    Raises `TakenError`.
    """
    row = {
        "id": new.id,
        "kind": new.record.kind,
        "external": new.external,
        "revision": 1,
        "epoch": 1,
        "received_at": new.record.received_at,
        "accepted_at": now,
        "revised_at": now,
        "open": _open(new.record),
        "due_at": None,
        "aged_from": now,
    }
    try:
        rows.add_one(tx, records, row)
    except sa.exc.IntegrityError as error:
        raise TakenError from error
    stored = Stored(new.id, new.record.kind, 1, 1, now, now, new.record, tuple(new.persons))
    key = vault.create(tx, new.id, now)
    _add_revision(tx, stored, key.seal(to_bytes(new.record), _place(new.id, 1), vault.nonce(), salt))
    _name_persons(tx, new.id, new.persons)
    return stored


def revise(tx: Connection, vault: Vault, told: Stored, now: datetime, salt: bytes = b"") -> Stored:
    """Store what a record is told to say now as its next revision, with its `salt`; the record as it stands then.

    `told` is as it stood before, but for the record and its persons. Decisions about it are stale from here on.
    """
    new = replace(told, revision=told.revision + 1, epoch=told.epoch + 1, revised_at=now)
    tx.execute(
        records.update()
        .where(records.c.id == new.id)
        .values(
            revision=new.revision,
            epoch=new.epoch,
            received_at=new.record.received_at,
            revised_at=now,
            open=_open(new.record),
            aged_from=now,
        )
    )
    body = to_bytes(new.record)
    _add_revision(tx, new, vault.key(tx, new.id).seal(body, _place(new.id, new.revision), vault.nonce(), salt))
    tx.execute(record_persons.delete().where(record_persons.c.record_id == new.id))
    _name_persons(tx, new.id, new.persons)
    return new


def _open(record: Record) -> bool:
    return record.status not in (CaseStatus.CLOSED, CaseStatus.CLOSED_REFERRED)


def _add_revision(tx: Connection, new: Stored, sealed: bytes) -> None:
    row = {"record_id": new.id, "number": new.revision, "sealed": sealed, "made_at": new.revised_at}
    rows.add_one(tx, revisions, row)


def _name_persons(tx: Connection, record_id: str, person_ids: Sequence[str]) -> None:
    named = {"record_id": [record_id] * len(person_ids), "position": range(len(person_ids)), "person_id": person_ids}
    rows.add(tx, record_persons, named)
    each = [*dict.fromkeys(person_ids)]
    rows.add(tx, _ADD_APPEARANCES[tx.dialect.name], {"record_id": [record_id] * len(each), "person_id": each})


def load(tx: Connection, vault: Vault, record_id: str, *, lock: bool = False) -> Stored | None:
    """The record as it stands, or None. `lock` keeps others from deciding about it until this story commits.

    Raises `ErasedError` when it was erased.
    """
    if lock:
        # A statement of its own: PostgreSQL, having waited, would look for the new revision number in the old join.
        tx.execute(_HELD, {"which": record_id})
    row = tx.execute(_LOAD, {"which": record_id}).one_or_none()
    if row is None:
        return None
    body = vault.key(tx, record_id).open(row.sealed, _place(record_id, row.revision))
    return Stored(
        id=row.id,
        kind=RecordKind(row.kind),
        revision=row.revision,
        epoch=row.epoch,
        accepted_at=row.accepted_at,
        revised_at=row.revised_at,
        record=from_bytes(Record, body),
        persons=tuple(tx.execute(_NAMED, {"which": record_id}).scalars()),
        due_at=row.due_at,
    )


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a record; `record` is None once it was erased."""

    number: int
    made_at: datetime
    record: Record | None


def history(tx: Connection, vault: Vault, record_id: str) -> list[Revision]:
    """Every revision of one record, first to last."""
    query = sa.select(revisions).where(revisions.c.record_id == record_id).order_by(revisions.c.number)
    keys, found = vault.keys(tx, (record_id,)), []
    for row in tx.execute(query):
        try:
            body = from_bytes(Record, keys.key(record_id).open(row.sealed, _place(record_id, row.number)))
        except ErasedError:
            body = None
        found.append(Revision(row.number, row.made_at, body))
    return found


def epochs(tx: Connection, record_ids: Sequence[str]) -> dict[str, int]:
    """The current epoch of each record; on PostgreSQL, held until this story commits."""
    return dict(_EPOCHS.all(tx, {"which": list(record_ids)}))


def known(tx: Connection, record_id: str) -> bool:
    """Whether there is, or ever was, such a record."""
    return tx.execute(_KNOWN, {"which": record_id}).first() is not None


def naming(tx: Connection, person_id: str) -> list[str]:
    """The ids of every record that names this person or did before it was revised, and was not erased."""
    return sorted(tx.execute(_NAMING, {"who": person_id}).scalars())


def touch(tx: Connection, person_id: str) -> list[str]:
    """Make every decision about records that name this person, or did, stale; returns the records' ids.

    On PostgreSQL the person and then the records stay locked until this story commits, in one order: no record that
    rests on the person's consents comes in meanwhile (`persons_by` waits), no delivery of theirs is claimed (a claim
    passes over what is locked), and two such stories never wait for each other in a circle.
    """
    hold_person(tx, person_id)
    ids = naming(tx, person_id)
    tx.execute(_HELD_ALL, {"which": ids})
    tx.execute(_TOUCH, {"which": ids})
    return ids


def look_again(tx: Connection, record_id: str, due_at: datetime | None) -> None:
    """Set when a record is to be decided again by itself."""
    _LOOK_AGAIN.tell(tx, {"which": record_id, "again_at": due_at})


def due(tx: Connection, now: datetime, limit: int) -> list[str]:
    """Records to be decided again by themselves, the longest due first; on PostgreSQL those nobody else holds."""
    return list(tx.execute(_DUE, {"now": now, "most": limit}).scalars())


def page(tx: Connection, kind: RecordKind, after: str | None, limit: int) -> list[str]:
    """Ids of records of a kind that were not erased, newest first, below `after`."""
    kept = (records.c.kind == kind, records.c.erased_at.is_(None))
    query = sa.select(records.c.id).where(*kept).order_by(records.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(records.c.id < after)
    return list(tx.execute(query).scalars())


def _place(record_id: str, number: int) -> Place:
    return Place("revisions", f"{record_id}#{number}", "sealed")
