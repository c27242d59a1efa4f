"""How is a record kept from being erased?

1. A legal hold is placed and released by a reviewer, each in the log; why is sealed under the record's key.
2. While any hold stands, neither a person's request, nor another person's, nor retention erases anything of the record
   (`storage/erasure.keeps`).
3. Whoever holds a record and whoever erases it hold the same row: one of the two comes first.
"""

from dataclasses import replace

from tiprouter.audit.kinds import Kind
from tiprouter.errors import ConflictError, NotFoundError
from tiprouter.storage import erasure, holds, records
from tiprouter.storage.database import Transaction
from tiprouter.storage.holds import Hold
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.happening import Actor, Desk, happening


class ReleasedError(ConflictError):
    """This hold was released before."""


def hold(tx: Transaction, desk: Desk, actor: Actor, record_id: str, reason: str) -> Hold:
    """Hold a record. Raises `NotFoundError`, `ErasedError`."""
    with happening(tx, desk, actor) as it:
        _lock(tx, record_id)
        placed = Hold(it.id("hld"), record_id, actor.id, it.now)
        holds.place(tx, desk.vault, placed, reason)
        it.log(Kind.RECORD_HELD, {"hold": placed.id, "record": record_id})
        return placed


def release(tx: Transaction, desk: Desk, actor: Actor, record_id: str, hold_id: str) -> Hold:
    """Release one hold of a record. Raises `NotFoundError`, `ErasedError`, `ReleasedError`."""
    with happening(tx, desk, actor) as it:
        _lock(tx, record_id)
        placed = holds.load(tx, hold_id, record_id)
        if placed is None:
            raise NotFoundError
        if placed.released_at is not None:
            raise ReleasedError
        released = replace(placed, released_by=actor.id, released_at=it.now)
        holds.release(tx, released)
        it.log(Kind.RECORD_RELEASED, {"hold": hold_id, "record": record_id})
        return released


def _lock(tx: Transaction, record_id: str) -> None:
    if not records.known(tx, record_id):
        raise NotFoundError
    erasure.hold_all(tx, (), (record_id,))
    if erasure.erased_at(tx, record_id) is not None:
        raise ErasedError
