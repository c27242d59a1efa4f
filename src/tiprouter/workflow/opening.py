"""What does an auditor see of a matter that was opened to them?

1. One grant opens one record's whole matter to one caller: nobody else's grant, no other record's, and none that is not
   open at this very moment. Each of these is the same `NotFoundError`.
2. The grant's row is held while it is read: a revocation that has committed lets nothing more out.
3. A read is logged in the transaction that reads, under the grant it rests on. An answer without its entry cannot be.
4. Every row has the index of its entry in the log, once it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tiprouter.audit.entry import parse
from tiprouter.audit.kinds import Kind
from tiprouter.domain.grant_states import GrantState, grant_state_at
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.errors import NotFoundError
from tiprouter.storage import grants, log_places, registry, whole_matter
from tiprouter.storage.database import Transaction
from tiprouter.storage.grants import Grant
from tiprouter.storage.treelog import EntryRow
from tiprouter.storage.whole_matter import WholeMatter
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.granting import about
from tiprouter.workflow.happening import Actor, Desk, happening

_NAMES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.RECORD_ACCEPTED: ("record", "revision"),
    Kind.RECORD_REVISED: ("record", "revision"),
    Kind.DECISION: ("decision",),
    Kind.DISCLOSURE_MADE: ("disclosure",),
    Kind.RECALL_MADE: ("recall",),
    Kind.ATTEMPT_STARTED: ("attempt",),
    Kind.ACKNOWLEDGEMENT: ("acknowledgement",),
    Kind.DUTY_OPENED: ("duty",),
    Kind.REVIEW_OPENED: ("review",),
    Kind.DUTY_CALL: ("call",),
    Kind.DUTY_WRITTEN: ("letter",),
    Kind.DUTY_WRITTEN_REQUESTED: ("request",),
}
"""Which fields of an entry name the row that came to be with it."""

_CONSENT: Final = ("consent", "revision")


@dataclass(frozen=True, slots=True)
class Opened:
    """A matter as it was opened: under which grant, at which moment, with the log's indexes and recipients' kinds.

    `indexes` is by id, and by `id~revision` for revisions of the record and of consents.
    """

    grant: Grant
    now: datetime
    matter: WholeMatter
    indexes: Mapping[str, int]
    kinds: Mapping[str, RecipientKind]


def open_matter(tx: Transaction, desk: Desk, actor: Actor, grant_id: str) -> Opened:
    """The matter that a grant opens (rules 1-4). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        made = open_to(grants.load(tx, grant_id, lock=True), actor, it.now)
        found = whole_matter.load(tx, desk.vault, made.record_id)
        if found is None:
            raise NotFoundError
        entries = told_of(tx, made.record_id)
        count = len(found.decisions) + len(found.told)
        it.log(Kind.GRANT_READ, about(made) | {"count": count})
        seen(it, "matter", count, made.record_id, under=made.id)
        to = {one.recipient_id for one in found.decisions} | {one.duty.recipient_id for one in found.owed}
        to |= {one.listed.disclosure.recipient_id for one in found.told}
        kinds = registry.kinds(tx, sorted(one for one in to if one is not None))
        return Opened(made, it.now, found, _indexes(entries), kinds)


def told_of(tx: Transaction, record_id: str) -> list[EntryRow]:
    """Every entry of the log that tells of a record's matter, in order of its index."""
    moments = whole_matter.moments_of(tx, record_id)
    return log_places.telling_of(tx, record_id, whole_matter.ids_of(tx, record_id), moments)


def open_to(made: Grant | None, actor: Actor, now: datetime, record_id: str | None = None) -> Grant:
    """The grant, if it opens its matter, this record's where one is named, to the actor now (rule 1).

    Raises `NotFoundError`.
    """
    if made is None or made.auditor != actor.id or record_id not in (None, made.record_id):
        raise NotFoundError
    if grant_state_at(made.state, made.until, now) is not GrantState.OPEN:
        raise NotFoundError
    return made


def _indexes(entries: list[EntryRow]) -> dict[str, int]:
    """Rule 4."""
    found: dict[str, int] = {}
    for row in entries:
        entry = parse(row.entry)
        names = _CONSENT if entry.kind.startswith("consent.") else _NAMES.get(entry.kind)
        if names is not None:
            found.setdefault("~".join(str(entry.body.get(name)) for name in names), row.index)
    return found
