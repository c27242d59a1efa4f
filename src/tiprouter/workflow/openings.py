"""What opens the commitments of a matter's entries, for whoever holds a grant that opens the matter?

1. Each entry that commits to something names the row that holds it: what opens the entry is that row's salt and value
   (`storage/openings.py`). Of a disclosure the log commits to the digest of what was sent; of an established fact, to
   the fact under the salt of the rationale.
2. A row that was written over opens the last entry that tells of it and what was established with that, none before;
   and none at all while that last entry waits to be taken into the log.
3. Why somebody asked for a grant is opened to the auditor of that grant alone (`granting.py`, rule 6).
4. What is not there any more is None, and it is not said why: the log says by which entry a record was erased.
5. What was found is given as it is. Whether it opens the entry, whoever has it finds out (`audit/matter_openings.py`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from tiprouter.audit.entry import JSON, Entry, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_openings import committed, spell
from tiprouter.storage import openings, outbox, reviews
from tiprouter.storage.codec import from_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.grants import Grant
from tiprouter.storage.reviews import Rationale
from tiprouter.storage.treelog import EntryRow
from tiprouter.storage.vault import Vault
from tiprouter.workflow.assess import facts_bytes

_ROW: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.RECORD_ACCEPTED: ("record", "revision"),
    Kind.RECORD_REVISED: ("record", "revision"),
    Kind.DISCLOSURE_MADE: ("disclosure",),
    Kind.ACKNOWLEDGEMENT: ("acknowledgement",),
    Kind.DUTY_CALL: ("call",),
    Kind.DUTY_WRITTEN: ("letter",),
    Kind.DUTY_WRITTEN_REQUESTED: ("request",),
    Kind.GRANT_ASKED: ("grant",),
    Kind.QUESTION_ANSWERED: ("question",),
    Kind.DELIVERY_RETRIED: ("retry",),
    Kind.REVIEW_DECIDED: ("review",),
    Kind.FACT_ESTABLISHED: ("review",),
}
"""Which members of an entry name the row (rule 1)."""


def told(tx: Transaction, vault: Vault, grant: Grant, entries: Sequence[EntryRow]) -> dict[str, JSON]:
    """What `openings.json` says under a grant of these entries, in their order. Raises as `openings.of_record` does."""
    given = opened(tx, vault, grant, entries)
    items: list[JSON] = [{"index": index, "opening": opening} for index, opening in given.items()]
    return {"record": grant.record_id, "grant": grant.id, "openings": items}


def opened(tx: Transaction, vault: Vault, grant: Grant, entries: Sequence[EntryRow]) -> dict[int, str | None]:
    """The opening of each of a matter's entries that commits to something, in their order (rules 1-4)."""
    kept = openings.of_record(tx, vault, grant.record_id)
    facts = {one.id: f"{one.fact.value}={one.value}" for one in reviews.findings(tx, grant.record_id)}
    named = [(row.index, *one) for row in entries if (one := _named(row.entry)) is not None]
    last = {row: index for index, entry, _, row in named if entry.kind is not Kind.FACT_ESTABLISHED}
    newer = {one[2] for entry in outbox.naming(tx, grant.record_id) if (one := _named(entry)) is not None}
    found: dict[int, str | None] = {}
    for index, entry, member, row in named:
        current = row in kept and row not in newer and last.get(row, 0) <= index
        pair = _opened(entry, kept[row], facts) if current and _theirs(entry, grant) else None
        found[index] = None if pair is None else spell(pair[0], member, pair[1])
    return found


def of_facts(decision: Decision) -> str | None:
    """What opens a decision's entry, whose member `facts` commits to them; None once they were forgotten."""
    if not decision.salt:
        return None
    return spell(bytes.fromhex(decision.salt), "facts", facts_bytes(decision.facts).decode("ascii"))


def _named(data: bytes) -> tuple[Entry, str, str] | None:
    """An entry that commits to something, its member that does, and the row's id."""
    entry = parse(data)
    member = committed(entry)
    if member is None:
        return None
    return entry, member, "#".join(str(entry.body.get(name)) for name in _ROW.get(entry.kind, ()))


def _theirs(entry: Entry, grant: Grant) -> bool:
    """Rule 3."""
    return entry.kind is not Kind.GRANT_ASKED or entry.body["auditor"] == grant.auditor


def _opened(entry: Entry, kept: tuple[bytes, bytes], facts: Mapping[str, str]) -> tuple[bytes, str] | None:
    """Salt and value (rule 1)."""
    salt, value = kept
    match entry.kind:
        case Kind.DISCLOSURE_MADE:
            return salt, hashlib.sha256(value).hexdigest()
        case Kind.REVIEW_DECIDED | Kind.FACT_ESTABLISHED:
            why = from_bytes(Rationale, value)
            text = why.text if entry.kind is Kind.REVIEW_DECIDED else facts.get(str(entry.body["finding"]))
            return None if text is None else (bytes.fromhex(why.salt), text)
        case _:
            return salt, value.decode()
