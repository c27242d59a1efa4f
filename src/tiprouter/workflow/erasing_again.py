"""How is what was erased kept erased when an older database comes back?

1. The log outside the database tells of every erasure (`audit/erasures.py`). Whatever has a live data key in this
   database that was made before its erasure, is erased again: a record whole, a person out of a record, a person's
   consents. What was told of somebody after their erasure has another key, and stays.
2. Nobody is asked a second time: two credentials erased it, or the retention did. A hold or a duty in the older
   database does not keep it either: none kept it when it was erased.
3. A human is told, once for each thing: between the restore and this somebody may have read it, or sent it.
4. What cannot be opened here, because its key-encryption key is gone, is left and counted: it is shut for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tiprouter.audit.erasures import ToldErasure
from tiprouter.audit.kinds import Kind
from tiprouter.storage import consents, erasure, records, subject_notices
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.vault import SealError, key_made_at
from tiprouter.workflow.erasing import erase_whole, hold_still, take_out
from tiprouter.workflow.happening import Actor, Desk, Happening, happening

REPEATED: Final = "erasure.repeated"
_RESTORED: Final = "restored"


@dataclass(frozen=True, slots=True)
class Again:
    """How many erasures were done again, and how many could not be (rule 4)."""

    done: int
    shut: int


def undone(tx: Transaction, told: Sequence[ToldErasure]) -> list[ToldErasure]:
    """Those of the erasures that this database knows nothing of (rule 1)."""
    return [one for one in told if _stands(tx, one)]


async def erase_again(database: Database, desk: Desk, actor: Actor, told: Sequence[ToldErasure]) -> Again:
    """Do again what this database knows nothing of, each in a transaction of its own (rules 1-4)."""
    done = shut = 0
    for one in await database.read(lambda tx: undone(tx, told)):
        # If we were to crash here, the rest would still stand; running again finds it.
        try:
            done += await database.write(lambda tx, one=one: _again(tx, desk, actor, one))  # type: ignore[misc]  # a default is no argument
        except SealError:
            shut += 1
    return Again(done, shut)


def _stands(tx: Transaction, told: ToldErasure) -> bool:
    """Whether a live key from before the erasure is here, and something to erase with it."""
    owner = told.record or told.person or ""
    made_at = key_made_at(tx, owner)
    if made_at is None or made_at >= told.at:
        return False
    return told.record is None or told.person is None or erasure.appears(tx, told.record, told.person)


def _again(tx: Transaction, desk: Desk, actor: Actor, told: ToldErasure) -> bool:
    with happening(tx, desk, actor, deciding=True) as it:
        persons = [told.person] if told.person is not None else []
        hold_still(it, [told.record] if told.record is not None else [], *persons)
        if not _stands(tx, told):
            return False
        if told.record is None:
            _person(it, str(told.person))
        elif told.person is None:
            erase_whole(it, told.record, _RESTORED)
        else:
            take_out(it, told.record, told.person, _RESTORED)
        it.tell(REPEATED, told.person or str(told.record), told.record, None)
        return True


def _person(it: Happening, person_id: str) -> None:
    if records.person_known(it.tx, person_id):
        subject_notices.moot(it.tx, person_id, it.now)
    consents.erase(it.tx, it.vault, person_id, it.now)
    erasure.empty_answers(it.tx, person_id)
    it.log(Kind.SUBJECT_ERASED, {"person": person_id, "records": [], "cause": _RESTORED})
