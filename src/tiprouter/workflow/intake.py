"""How does a tip or case record come in?

1. One transaction: the record is stored sealed, its persons found or made, everything about it decided, disclosures and
   deliveries written, every entry logged. The caller gets its `201` only after the commit: nothing of it is ever lost.
2. A person is the same person wherever the same source gives the same `ref`.
3. A source and external id name one tip; sending it again under another Idempotency-Key is a conflict.
4. A case is revised as a whole; each revision is kept, and everything about it is decided anew.
"""

from dataclasses import dataclass, replace

from tiprouter.audit.kinds import Kind
from tiprouter.domain.record import Record, problems_of
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import records
from tiprouter.storage.codec import to_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.records import NewRecord, Stored, TakenError
from tiprouter.workflow.assess import Assessed, assess
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment

_PREFIX = {RecordKind.TIP: "tip", RecordKind.CASE: "case"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record as it was accepted, and everything decided about it."""

    stored: Stored
    assessed: Assessed


class DuplicateError(ConflictError):
    """A tip with this source and external id was accepted before, under another Idempotency-Key."""


class StaleError(ConflictError):
    """The record was revised since you read it; read it again."""


def accept_tip(tx: Transaction, desk: Desk, actor: Actor, record: Record) -> Accepted:
    """Accept a tip (rules 1-3). Raises `InvalidError`, `DuplicateError`."""
    with happening(tx, desk, actor, deciding=True) as it:
        external = desk.blind(record.source, record.external_id)
        if records.find(tx, RecordKind.TIP, external) is not None:
            raise DuplicateError
        return _accept(it, record, external)


def put_case(tx: Transaction, desk: Desk, actor: Actor, record: Record, expected: int | None) -> Accepted:
    """Accept a case's first revision (`expected` None) or its next (`expected` is the one the caller read); rule 4.

    Raises `InvalidError`; `StaleError` when the case stands at another revision than expected.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        external = case_index(desk, record.external_id)
        known = records.find(tx, RecordKind.CASE, external)
        if known is None:
            if expected is not None:
                raise StaleError("There is no such case yet; create it with If-None-Match: *.")
            return _accept(it, record, external)
        _refuse_unsound(it, record)
        # Persons are held before their record, as a withdrawal holds them, so that the two never wait in a circle.
        persons = _persons(it, record)
        stored = records.load(tx, desk.vault, known, lock=True)
        if stored is None:
            raise NotFoundError
        if expected is None or stored.revision != expected:
            raise StaleError
        return _revise(it, stored, record, persons)


def case_index(desk: Desk, external_id: str) -> str:
    """The blind index of a case: its id in the URL is the hotline's own, and the only name it has there."""
    return desk.blind("case", external_id)


def person_index(desk: Desk, source: str, ref: str) -> str:
    """The blind index of a person (rule 2)."""
    return desk.blind(source, "person", ref)


def _accept(it: Happening, record: Record, external: str) -> Accepted:
    _refuse_unsound(it, record)
    new = NewRecord(it.id(_PREFIX[record.kind]), external, record, _persons(it, record))
    salt, commitment = it.salted(to_bytes(record))
    try:
        stored = records.insert(it.tx, it.vault, new, it.now, salt)
    except TakenError as error:
        raise (DuplicateError if record.kind is RecordKind.TIP else StaleError) from error
    it.new = stored.id
    _log(it, Kind.RECORD_ACCEPTED, stored, commitment)
    assessed = assess(it, stored, "record.accepted")
    it.new = None
    return Accepted(stored, assessed)


def _revise(it: Happening, old: Stored, record: Record, persons: list[str]) -> Accepted:
    salt, commitment = it.salted(to_bytes(record))
    told = replace(old, record=record, persons=tuple(persons))
    stored = records.revise(it.tx, it.vault, told, it.now, salt)
    _log(it, Kind.RECORD_REVISED, stored, commitment)
    return Accepted(stored, assess(it, stored, "record.revised"))


def _refuse_unsound(it: Happening, record: Record) -> None:
    for pointer, message in problems_of(record):
        raise InvalidError(f"This field {message}.", pointer)
    if record.received_at > it.now:
        raise InvalidError("This field lies in the future.", "/received_at")
    for number, tip_id in enumerate(record.tips):
        if not tip_id.startswith("tip_") or not records.known(it.tx, tip_id):
            raise InvalidError("This field names no tip.", f"/tips/{number}")


def _persons(it: Happening, record: Record) -> list[str]:
    externals = [person_index(it.desk, record.source, person.ref) for person in record.persons]
    return records.persons_by(it.tx, externals, lambda: it.id("per"), it.now)


def _log(it: Happening, kind: Kind, stored: Stored, commitment: str) -> None:
    it.log(
        kind,
        {
            "record": stored.id,
            "record_kind": stored.kind.value,
            "revision": stored.revision,
            "persons": list(stored.persons),
            "commitment": commitment,
            "received_at": moment(stored.record.received_at),
        },
    )
