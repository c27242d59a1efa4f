"""How does one matter leave the house as an audit bundle?

1. `gathered` reads everything in one snapshot: the entries that tell of the matter, their proofs against the newest
   checkpoint, the facts of its decisions, the names of what was disclosed. No value of a payload, and no person's word,
   is kept beyond the transaction.
2. What waits in the outbox is not in it: it has no index yet.
3. `made` packs and signs it, and logs it in a transaction of its own before anybody has it: which record, at which size
   of the log, how many entries, and the SHA-256 of the file.
4. The log's key signs it as the key stands at that checkpoint (`workflow/log_keys.py`).
"""

import hashlib
from dataclasses import dataclass

from tiprouter.audit import merkle, tiles
from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.entry import JSON, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import Contents, compose, pack
from tiprouter.audit.note import Signer
from tiprouter.errors import NotFoundError, UnavailableError
from tiprouter.storage import records, treelog, whole_matter
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.treelog import EntryRow
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow import log_keys
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import Actor, Desk, happening
from tiprouter.workflow.opening import told_of
from tiprouter.workflow.stored_log import fetch
from tiprouter.workflow.tracing import names_in


class NotInTheLogError(UnavailableError):
    """The log does not hold this matter yet; ask again in a moment."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a bundle is made of, and the key that signs it."""

    contents: Contents
    signer: Signer


async def export(database: Database, desk: Desk, actor: Actor, record_id: str) -> bytes:
    """The audit bundle of a record's whole matter, logged (rules 1-4).

    Raises `NotFoundError`, `NotInTheLogError`; `ErasedError` when its accounting is over.
    """
    found = await database.read(lambda tx: gathered(tx, desk, record_id))
    data = pack(compose(found.contents, found.signer))
    await database.write(lambda tx: made(tx, desk, actor, found.contents, data), quietly=True)
    # If we were to crash here, the log would tell of a bundle that nobody has.
    return data


def gathered(tx: Transaction, desk: Desk, record_id: str) -> Gathered:
    """Rules 1, 2. Raises `NotFoundError`, `NotInTheLogError`, `ErasedError`."""
    if not records.known(tx, record_id):
        raise NotFoundError
    last = treelog.last_checkpoint(tx)
    entries = told_of(tx, record_id)
    if last is None or not entries:
        raise NotInTheLogError
    kept = {row.index: row.entry for row in (*entries, *_succession(tx))}
    reader = tiles.hash_reader(last.size, lambda tile: fetch(tx, tile))
    paths = {index: tuple(merkle.inclusion_proof(index, last.size, reader)) for index in kept}
    first = log_keys.first(tx, desk, read_unverified(last.note).origin)
    matter = _matter(tx, desk, record_id, entries)
    contents = Contents(record_id, first.vkey, last.note, dict(sorted(kept.items())), paths, matter)
    return Gathered(contents, log_keys.in_force(tx, desk, first))


def made(tx: Transaction, desk: Desk, actor: Actor, contents: Contents, data: bytes) -> None:
    """Rule 3."""
    with happening(tx, desk, actor) as it:
        seen(it, "audit-bundle", len(contents.entries), contents.record_id)
        it.log(
            Kind.EXPORT_MADE,
            {
                "record": contents.record_id,
                "size": read_unverified(contents.note).size,
                "entries": len(contents.entries),
                "digest": hashlib.sha256(data).hexdigest(),
            },
        )


def _succession(tx: Transaction) -> list[EntryRow]:
    """The entries by which the log's key was replaced: whoever has an older key follows them."""
    return treelog.page(tx, Kind.LOG_KEY.value, None, treelog.count_of(tx, Kind.LOG_KEY.value))


def _matter(tx: Transaction, desk: Desk, record_id: str, entries: list[EntryRow]) -> dict[str, JSON]:
    """What `matter.json` says: of rows whose entry is in the log, in the order of their entries."""
    made_of = {one.id: one for one in whole_matter.decided(tx, record_id)}
    if not all(one.salt for one in made_of.values()):
        raise ErasedError
    told = [one.disclosure.id for one in whole_matter.listed(tx, record_id)]
    carried = whole_matter.payloads(tx, desk.vault, record_id, told)
    decided: list[JSON] = []
    disclosed: list[JSON] = []
    for row in entries:
        body = parse(row.entry).body
        match row.kind:
            case Kind.DECISION.value:
                decided.append(_decision(made_of[str(body["decision"])], row.index))
            case Kind.DISCLOSURE_MADE.value | Kind.RECALL_MADE.value:
                one = str(body.get("recall", body["disclosure"]))
                disclosed.append(_disclosure(one, carried[one], row.index, body.get("digest")))
            case _:
                pass
    return {"record": record_id, "decisions": decided, "disclosures": disclosed}


def _decision(made_: Decision, index: int) -> JSON:
    facts = None if made_.facts is None else dict(made_.facts)
    return {"decision": made_.id, "index": index, "salt": made_.salt, "facts": facts}


def _disclosure(disclosure_id: str, payload: bytes | None, index: int, commitment: JSON) -> JSON:
    fields = None if payload is None else list(names_in(payload))
    return {"disclosure": disclosure_id, "index": index, "commitment": commitment, "fields": fields}
