"""Which key does the sequencer sign with, and how is it replaced?

1. The first key is the one the log was opened with. Each `log.key` entry in the tree brings the next one into force,
   for every checkpoint that has that entry under it (`audit/succession.py`).
2. Keys are secrets of the vault, one name for each; the old ones stay, since nothing is signed with them any more.
3. One replacement at a time: while one waits for the sequencer there is no other.
"""

from typing import Final

from tiprouter.audit.entry import heading
from tiprouter.audit.kinds import Kind
from tiprouter.audit.note import Signer
from tiprouter.audit.succession import name_successor
from tiprouter.errors import ConflictError
from tiprouter.storage import outbox, treelog
from tiprouter.storage.database import Transaction
from tiprouter.workflow.happening import Actor, Desk, happening

_SECRET: Final = "log-signing"  # noqa: S105 - a name


def first(tx: Transaction, desk: Desk, origin: str) -> Signer:
    """The key that the log was opened with."""
    return Signer(origin, desk.vault.secret(tx, _SECRET))


def in_force(tx: Transaction, desk: Desk, first: Signer) -> Signer:
    """The key that signs the log as the tree now is; `first` is the one it was opened with (rule 1)."""
    return _key(tx, desk, first, treelog.count_of(tx, Kind.LOG_KEY.value))


def replace(tx: Transaction, desk: Desk, actor: Actor, first: Signer) -> str:
    """Name a new key; its verifier key. Raises `ConflictError` while another one waits or nothing was logged."""
    with happening(tx, desk, actor) as it:
        treelog.hold(tx)
        if treelog.last_checkpoint(tx) is None:
            raise ConflictError("The log was never opened; there is no key to replace.")
        if any(heading(entry)[0] == Kind.LOG_KEY for entry in outbox.each(tx)):
            raise ConflictError("A new key waits for the sequencer already.")
        replaced = treelog.count_of(tx, Kind.LOG_KEY.value)
        old, new = _key(tx, desk, first, replaced), _key(tx, desk, first, replaced + 1)
        it.log(Kind.LOG_KEY, dict(name_successor(old, new)))
        return new.vkey


def _key(tx: Transaction, desk: Desk, first: Signer, replaced: int) -> Signer:
    return first if not replaced else Signer(first.name, desk.vault.secret(tx, f"{_SECRET}-{replaced + 1}"))
