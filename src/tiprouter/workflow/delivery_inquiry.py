"""Who may look at deliveries, and what are they told?

1. Every answer leaves an `access` entry in the transaction that reads it, as all inquiries do (`workflow/inquiry.py`).
2. An agency sees what left for it, and neither why it waits nor who asked what about it. Another's is not there.
3. A note beside a retry is told to reviewers alone.
4. So is the beginning of what an endpoint answered, where one delivery is inspected and never in a list, of its newest
   attempts alone, and with an `access` entry of its own. An endpoint may quote what it was sent: what was sealed with
   the record is opened only to whoever may read records. That is the reviewer, whose work it is to say whether what an
   agency answers means that it has what it needs. The operator mends endpoints by result, status and duration, and
   reads no records; an auditor learns no identities; an intake does not inspect deliveries; and to the agency itself
   its own words are no news, while another's were never its.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tiprouter.domain.recovery import Remedy, WaitsFor, remedy, waits_for
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, delivery_queries, log_places, registry, replays
from tiprouter.storage.database import Transaction
from tiprouter.storage.deliveries import Attempt
from tiprouter.storage.delivery_queries import Filter, Seen
from tiprouter.storage.replays import Replay, Retry
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor, Desk, Happening, happening
from tiprouter.workflow.inquiry import Page
from tiprouter.workflow.recovery import situation
from tiprouter.workflow.replaying import Progress


@dataclass(frozen=True, slots=True)
class Standing:
    """A delivery, why it waits, and what another try would do; an agency is told neither."""

    seen: Seen
    waits: WaitsFor | None = None
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """One delivery: what it waits behind, its attempts with the log's indexes, every retry of it with its note.

    `answers` are the first bytes of what was answered, by attempt (rule 4).
    """

    standing: Standing
    earlier: str | None
    attempts: tuple[Attempt, ...]
    retries: tuple[tuple[Retry, str | None], ...] = ()
    entries: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[str, bytes] = field(default_factory=dict)


def list_deliveries(
    tx: Transaction, desk: Desk, actor: Actor, wanted: Filter, after: str | None, limit: int
) -> Page[Standing]:
    """Deliveries that match, newest first; an agency's own only, once sent (rules 1, 2)."""
    with happening(tx, desk, actor) as it:
        asked = replace(wanted, dead=False)
        if actor.recipient_id is not None:
            wanted = replace(wanted, recipient_id=actor.recipient_id, left=True)
        rows = delivery_queries.page(tx, wanted, after, limit + 1)
        kept = rows[:limit]
        seen(it, "dead-letters" if wanted.dead else "deliveries", len(kept), asked=asked)
        last = kept[-1].delivery.id if len(rows) > limit else None
        return Page(tuple(_standing(it, one) for one in kept), last)


def delivery(tx: Transaction, desk: Desk, actor: Actor, delivery_id: str) -> Inspected:
    """One delivery with everything that is known of its way (rules 1-4). Raises `NotFoundError`."""
    with happening(tx, desk, actor) as it:
        found = delivery_queries.one(tx, delivery_id, actor.recipient_id)
        if found is None:
            raise NotFoundError
        seen(it, "delivery", 1, delivery_id)
        attempts, standing = tuple(deliveries.attempts_of(tx, delivery_id)), _standing(it, found)
        if actor.recipient_id is not None:
            return Inspected(standing, None, attempts)
        earlier = delivery_queries.in_the_way(tx, found.delivery) if found.behind else None
        reads = actor.role == CallerRole.REVIEWER
        retries = replays.retries_of(tx, desk.vault, delivery_id, notes=reads)
        answers = delivery_queries.snippets(tx, desk.vault, found.delivery) if reads else {}
        if answers:
            seen(it, "delivery-answers", len(answers), delivery_id)
        entries = log_places.places(tx, {one.id: one.started_at for one in attempts})
        return Inspected(standing, earlier, attempts, tuple(retries), entries, answers)


def list_replays(tx: Transaction, after: str | None, limit: int) -> Page[Replay]:
    """Replays, newest first: they are about an agency and moments, not about people."""
    rows = replays.page(tx, after, limit + 1)
    kept = tuple(rows[:limit])
    return Page(kept, kept[-1].id if len(rows) > limit else None)


def replay(tx: Transaction, replay_id: str) -> Progress:
    """One replay and how far it is. Raises `NotFoundError`."""
    found = replays.load(tx, replay_id)
    if found is None:
        raise NotFoundError
    return Progress(found, *replays.counted(tx, replay_id))


def _standing(it: Happening, found: Seen) -> Standing:
    """Rule 2."""
    recipient = registry.load(it.tx, found.delivery.recipient_id)
    if it.actor.recipient_id is not None or recipient is None:
        return Standing(found)
    where = situation(found, recipient, it)
    return Standing(found, waits_for(where), remedy(where))
