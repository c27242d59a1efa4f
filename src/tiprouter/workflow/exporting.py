"""How does one matter leave the house as an audit bundle?

1. `gathered` reads everything in one snapshot: the entries that tell of the matter, their proofs against the newest
   checkpoint, the facts of its decisions, the names of what was disclosed. No value of a payload, and no person's word,
   is kept beyond the transaction; but whoever names a grant of theirs that opens the matter gets what opens the log's
   commitments (`openings.py`), if the grant is open still, and nothing of it erased, when the bundle is logged.
2. What waits in the outbox is not in it: it has no index yet.
3. `made` packs and signs it, and logs it in a transaction of its own before anybody has it: which record, at which size
   of the log, how many entries, and the SHA-256 of the file.
4. It takes another person's word (`workflow/second_words.py`), asked for before that entry is written: without it there
   is neither entry nor file. The machine's own command line exports by itself.
5. The log's key signs it as the key stands at that checkpoint (`workflow/log_keys.py`).
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from tiprouter.audit import merkle, tiles
from tiprouter.audit.checkpoint import read_unverified
from tiprouter.audit.entry import JSON, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import Contents, compose, pack
from tiprouter.audit.note import Signer
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.errors import NotFoundError, UnavailableError
from tiprouter.storage import grants, records, treelog, whole_matter
from tiprouter.storage.database import Database, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.grants import Grant
from tiprouter.storage.treelog import EntryRow
from tiprouter.storage.vault import ErasedError, key_made_at
from tiprouter.workflow import log_keys, openings
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.granting import about
from tiprouter.workflow.happening import Actor, Desk, happening
from tiprouter.workflow.opening import open_to, told_of
from tiprouter.workflow.second_words import require_word
from tiprouter.workflow.stored_log import fetch
from tiprouter.workflow.tracing import names_in


class NotInTheLogError(UnavailableError):
    """The log does not hold this matter yet; ask again in a moment."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a bundle is made of, the key that signs it, and under which grant it shows what was sealed, if it does."""

    contents: Contents
    signer: Signer
    under: "Under | None" = None


@dataclass(frozen=True, slots=True)
class Under:
    """A grant, and since when its record's data key is what it was at the gathering; None once that was destroyed."""

    grant_id: str
    sealed_since: datetime | None


async def export(database: Database, desk: Desk, actor: Actor, record_id: str, grant_id: str | None = None) -> bytes:
    """The audit bundle of a record's whole matter, logged (rules 1-5).

    Raises `NotFoundError`, `NotInTheLogError`, `SecondWordNeededError`; `ErasedError` when its accounting is over.
    """

    def gather(tx: Transaction) -> Gathered:
        grant = None if grant_id is None else open_to(grants.load(tx, grant_id), actor, desk.now(), record_id)
        return gathered(tx, desk, record_id, grant)

    found = await database.read(gather)
    data = pack(compose(found.contents, found.signer))
    await database.write(lambda tx: made(tx, desk, actor, found.contents, data, found.under), quietly=True)
    # If we were to crash here, the log would tell of a bundle that nobody has.
    return data


def gathered(tx: Transaction, desk: Desk, record_id: str, grant: Grant | None = None) -> Gathered:
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
    opened = None if grant is None else openings.told(tx, desk.vault, grant, entries)
    under = None if grant is None else Under(grant.id, key_made_at(tx, record_id))
    contents = Contents(record_id, first.vkey, last.note, dict(sorted(kept.items())), paths, matter, opened)
    return Gathered(contents, log_keys.in_force(tx, desk, first), under)


def made(
    tx: Transaction, desk: Desk, actor: Actor, contents: Contents, data: bytes, under: Under | None = None
) -> None:
    """Rules 3, 4. Raises `SecondWordNeededError`; `NotFoundError`, `NotInTheLogError` for a grant's (rule 1)."""
    with happening(tx, desk, actor) as it:
        word = require_word(it, ByTwo.EXPORT, contents.record_id)
        if under is not None:
            grant = open_to(grants.load(tx, under.grant_id, lock=True), actor, it.now, contents.record_id)
            if key_made_at(tx, contents.record_id) != under.sealed_since:
                raise NotInTheLogError  # the erasure since is not
            it.log(Kind.GRANT_READ, about(grant) | {"count": len(contents.entries)})
        why = None if under is None else under.grant_id
        seen(it, "audit-bundle", len(contents.entries), contents.record_id, under=why)
        it.log(
            Kind.EXPORT_MADE,
            {
                "record": contents.record_id,
                "size": read_unverified(contents.note).size,
                "entries": len(contents.entries),
                "digest": hashlib.sha256(data).hexdigest(),
            }
            | word,
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
