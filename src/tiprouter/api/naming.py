"""Which words stand for the persons and recipients of these decisions?

Read in the transaction of the story that made or found them, so that they fit together.
"""

from collections.abc import Sequence

from tiprouter.api.schemas.outcomes import Names
from tiprouter.storage import records, registry
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.workflow.happening import Desk


def names_of(tx: Transaction, decisions: Sequence[Decision], known: Sequence[Stored] = ()) -> Names:
    """Recipients' kinds for the decisions, and refs for the persons of the records in `known`."""
    refs = {
        (stored.id, person_id): person.ref
        for stored in known
        for person, person_id in zip(stored.record.persons, stored.persons, strict=True)
    }
    wanted = {one.recipient_id for one in decisions if one.recipient_id is not None}
    everyone = registry.everyone(tx).by_id if wanted else {}
    return Names(refs, {one: everyone[one].kind for one in wanted if one in everyone})


def names_with_refs(tx: Transaction, desk: Desk, decisions: Sequence[Decision]) -> Names:
    """The same, with the refs of every person the decisions are about."""
    loaded = [records.load(tx, desk.vault, one) for one in sorted({one.record_id for one in decisions})]
    return names_of(tx, decisions, [stored for stored in loaded if stored is not None])
