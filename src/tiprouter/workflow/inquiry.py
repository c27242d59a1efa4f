"""What may be asked, and what is answered?

1. Every answer about records, consents, decisions and disclosures leaves an `access` entry in the transaction that
   reads it: the log knows of the answer before the asker has it. What is read here without an actor is logged by who
   asks for it (`accessing.note`, `tally.Tally`).
2. A question about something that does not exist and one about something the asker may not see raise the same
   `NotFoundError`; which roles may ask what stands in `api/access.py`.
3. Lists are paged by key: an id, or an index of the log. A page is `limit` rows and the key to go on from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from tiprouter.audit.proof import Proof
from tiprouter.audit.tiles import Tile
from tiprouter.domain.consent import Consent
from tiprouter.domain.explain import Explanation, explain, facts_from
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.policy.annotations import PolicyNote
from tiprouter.storage import (
    acknowledgements,
    consents,
    decisions,
    deliveries,
    disclosures,
    records,
    registry,
    treelog,
)
from tiprouter.storage.acknowledgements import Acknowledgement
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.disclosures import Listed
from tiprouter.storage.records import Stored
from tiprouter.storage.treelog import CheckpointRow, EntryRow
from tiprouter.workflow import heeding
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.acknowledging import visible
from tiprouter.workflow.happening import Actor, Desk, Happening, engine_of, happening
from tiprouter.workflow.intake import case_index
from tiprouter.workflow.stored_log import fetch, inclusion

T = TypeVar("T")
ITEM = TypeVar("ITEM")


@dataclass(frozen=True, slots=True)
class Page(Generic[ITEM]):
    """Some rows, and the key of the last one when there may be more."""

    items: tuple[ITEM, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A record as it stands, and the decisions that stand about it."""

    stored: Stored
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision and the policies that determined it, in words."""

    decision: Decision
    notes: tuple[PolicyNote, ...]


@dataclass(frozen=True, slots=True)
class Journey:
    """A disclosure, its delivery, every attempt, and what its recipient said of it."""

    listed: Listed
    attempts: tuple[Attempt, ...]
    acknowledgements: tuple[Acknowledgement, ...] = ()


def history_read(tx: Transaction, desk: Desk, actor: Actor, what: str, count: int) -> None:
    """Somebody is about to be told of so many past decisions at once (rule 1)."""
    with happening(tx, desk, actor) as it:
        seen(it, what, count)


def _found(it: Happening, what: str, subject: str, value: T | None) -> T:
    """The value, its access logged (rule 1); or `NotFoundError`."""
    if value is None:
        raise NotFoundError
    seen(it, what, 1, subject)
    return value


def _page(rows: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """The first `limit` of at most `limit` + 1 rows."""
    kept = tuple(rows[:limit])
    return Page(kept, key(kept[-1]) if len(rows) > limit else None)


def record(tx: Transaction, desk: Desk, actor: Actor, record_id: str) -> Standing:
    """One record with its persons' data. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        stored = _found(it, "record", record_id, records.load(tx, desk.vault, record_id))
        return Standing(stored, tuple(decisions.current(tx, stored.id)))


def case(tx: Transaction, desk: Desk, actor: Actor, external_id: str) -> Standing:
    """One case by the id its hotline gave it. Raises `NotFoundError`."""
    record_id = records.find(tx, RecordKind.CASE, case_index(desk, external_id))
    if record_id is None:
        raise NotFoundError
    return record(tx, desk, actor, record_id)


def list_records(
    tx: Transaction, desk: Desk, actor: Actor, kind: RecordKind, after: str | None, limit: int
) -> Page[Standing]:
    """Records of a kind, newest first."""
    with happening(tx, desk, actor) as it:
        page = _page(records.page(tx, kind, after, limit + 1), limit, str)
        seen(it, "records", len(page.items), asked=[f"record_kind={kind.value}"])
        found = [(records.load(tx, desk.vault, one), decisions.current(tx, one)) for one in page.items]
        return Page(tuple(Standing(s, tuple(d)) for s, d in found if s is not None), page.after)


def consent(tx: Transaction, desk: Desk, actor: Actor, consent_id: str) -> tuple[Consent, int]:
    """One consent and its revision. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        return _found(it, "consent", consent_id, consents.load(tx, desk.vault, consent_id))


def list_consents(
    tx: Transaction, desk: Desk, actor: Actor, after: str | None, limit: int
) -> Page[tuple[Consent, int]]:
    """Consents, newest first."""
    with happening(tx, desk, actor) as it:
        page = _page(consents.page(tx, after, limit + 1), limit, str)
        seen(it, "consents", len(page.items))
        found = [consents.load(tx, desk.vault, one) for one in page.items]
        return Page(tuple(one for one in found if one is not None), page.after)


def recipient(tx: Transaction, recipient_id: str) -> Recipient:
    """One recipient. Raises `NotFoundError`. The registry is no secret to those who may call at all."""
    found = registry.load(tx, recipient_id)
    if found is None:
        raise NotFoundError
    return found


def list_recipients(tx: Transaction, after: str | None, limit: int) -> Page[Recipient]:
    """Recipients, newest first."""
    return _page(registry.page(tx, after, limit + 1), limit, lambda row: row.id)


def decision(tx: Transaction, desk: Desk, actor: Actor, decision_id: str) -> Explained:
    """One decision and the policies that determined it. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        found = _found(it, "decision", decision_id, decisions.load(tx, decision_id))
        bundle = engine_of(tx, desk, found.bundle).bundle
        notes = (bundle.note(name) for name in found.policies)
        return Explained(found, tuple(note for note in notes if note is not None))


def counterfactuals(desk: Desk, found: Decision) -> Explanation | None:
    """What single fact would change a decision, under the bundle that made it; None without facts.

    Asks for every other value of every fact, some ninety times: too long for a transaction.
    """
    engine = desk.library.find(found.bundle)
    if found.facts is None or found.errors or engine is None:
        return None
    return explain(facts_from(found.facts), engine.suppose)


def list_disclosures(
    tx: Transaction, desk: Desk, actor: Actor, wanted: disclosures.Filter, after: str | None, limit: int
) -> Page[Listed]:
    """Disclosures and recalls with where their deliveries are, newest first; an agency's own only, once sent."""
    with happening(tx, desk, actor) as it:
        asked = wanted
        if actor.recipient_id is not None:
            wanted = replace(wanted, recipient_id=actor.recipient_id, left=True)
        page = _page(disclosures.page(tx, wanted, after, limit + 1), limit, lambda row: row.disclosure.id)
        seen(it, "disclosures", len(page.items), asked=asked)
        return page


def disclosure(tx: Transaction, desk: Desk, actor: Actor, disclosure_id: str) -> Journey:
    """One disclosure, its attempts, and what its recipient said. Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        listed = visible(disclosures.listed(tx, disclosure_id), actor)
        seen(it, "disclosure", 1, disclosure_id)
        said = acknowledgements.of_disclosure(tx, desk.vault, disclosure_id, listed.disclosure.record_id)
        return Journey(listed, tuple(deliveries.attempts_of(tx, listed.delivery_id)), tuple(said))


def list_notices(tx: Transaction, after: str | None, limit: int) -> Page[heeding.Standing]:
    """What a human must look at and who has seen it, newest first."""
    return _page(heeding.standing(tx, after, limit + 1), limit, lambda row: row.raised.id)


class BeyondLogError(NotFoundError):
    """The log has not grown to this. How long it is, its checkpoint tells everybody."""

    def __init__(self, tx: Transaction) -> None:
        last = treelog.last_checkpoint(tx)
        super().__init__(f"The log has {0 if last is None else last.size} entries, counted from 0, and not this.")


def entry(tx: Transaction, index: int) -> EntryRow:
    """One entry of the log. Raises `BeyondLogError`."""
    found = treelog.entry(tx, index)
    if found is None:
        raise BeyondLogError(tx)
    return found


def checkpoint(tx: Transaction) -> bytes:
    """The newest signed checkpoint. Raises `NotFoundError` before there is one."""
    last = treelog.last_checkpoint(tx)
    if last is None:
        raise NotFoundError
    return last.note


def tile(tx: Transaction, wanted: Tile) -> bytes:
    """A tile or entry bundle of the log, as wide as asked for. Raises `BeyondLogError`."""
    row = treelog.tile(tx, wanted.level, wanted.index)
    if row is None or row.width < wanted.width:
        raise BeyondLogError(tx)
    return fetch(tx, wanted)


def proof(tx: Transaction, index: int, size: int | None = None) -> bytes:
    """The `c2sp.org/tlog-proof@v1` of one entry against the newest checkpoint, or against the one of a size.

    Raises `BeyondLogError`, and `InvalidError` for a size at which no checkpoint shows the entry.
    """
    last = treelog.last_checkpoint(tx)
    if last is None or not 0 <= index < last.size:
        raise BeyondLogError(tx)
    against = last if size is None else _checkpoint_of(tx, size, last.size)
    if index >= against.size:
        raise InvalidError(f"A log of {against.size} entries, counted from 0, does not hold this one.", "/size")
    return Proof(index, inclusion(tx, index, against.size), against.note).encode()


def _checkpoint_of(tx: Transaction, size: int, newest: int) -> CheckpointRow:
    """The checkpoint that was signed at this size. Raises `InvalidError`."""
    if size > newest:
        raise InvalidError(f"The log has {newest} entries.", "/size")
    found = treelog.checkpoint_within(tx, size - 1, 1)
    if found is None or found.size != size:
        raise InvalidError(f"No checkpoint was signed at this size; the newest is of {newest} entries.", "/size")
    return found
