"""What happens when a person asks that one delivery be tried again?

1. One that waits at a worker is made due. Nothing else about it changes: it is decided again when it is claimed.
2. One that ended is not revived. Its disclosure ends, everything about its record is decided on the facts of this
   moment in this transaction, and what may leave now is a new disclosure and a new delivery of the same matter, later
   in its sequence. A recall, which needs no permission, is made again.
3. What may no longer leave is withheld: the answer says so, the log says so, and nothing is sent.
4. What another try cannot help (`domain/recovery.py`) is refused, and nothing has changed.
5. Who asked, why, and what became of it is kept and logged. A note is sealed under the record's key; the log holds a
   commitment to it.

Not promised: that a recipient that did receive what ended without an answer takes the new message for the old one. Both
carry the same matter, the new one a later sequence (docs/decisions/0025-another-try.md).
"""

from dataclasses import dataclass
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.disclosure_states import DisclosureEvent
from tiprouter.domain.recipient import DeliveryMode, Recipient, RecipientStatus
from tiprouter.domain.recovery import HELPS, Became, Remedy, RetryReason, Situation, remedy
from tiprouter.domain.vocabulary import Outcome
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import deliveries, delivery_queries, disclosures, records, registry, replays
from tiprouter.storage.database import Transaction
from tiprouter.storage.delivery_queries import Seen
from tiprouter.storage.replays import Retry
from tiprouter.workflow.assess import assess
from tiprouter.workflow.disclose import recall
from tiprouter.workflow.happening import Actor, Desk, Happening, happening

RETRIED: Final = "delivery.retried"

_WHY_NOT: Final = {
    Remedy.IN_FLIGHT: "It is in flight: wait for the end of this attempt.",
    Remedy.AT_AGENCY: "It waits for its agency, which takes it from its inbox.",
    Remedy.CANCELLED: (
        "It was cancelled, because what it says may not be told or is told otherwise now. Whatever may leave instead "
        "was made when it was cancelled."
    ),
    Remedy.REPLACED: "Something newer of its matter stands in its place; ask for that one.",
    Remedy.AN_ANSWER: "It answers a question of its agency, which may ask again.",
}


class NotRetriedError(ConflictError):
    """Another try would do nothing."""

    def __init__(self, why: Remedy) -> None:
        super().__init__(_WHY_NOT[why])
        self.why = why


@dataclass(frozen=True, slots=True)
class Wish:
    """Why a person asks, and what they add in their own words; `other` needs a note."""

    reason: RetryReason
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish, and what it is part of: a retry of one, whose note the log commits to, or a replay of many."""

    wish: Wish
    retry_id: str | None = None
    replay_id: str | None = None
    commitment: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """What became of asking; `made_id` is the new delivery, `outcomes` what was decided toward its recipient."""

    became: Became
    made_id: str | None = None
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Retried:
    """A retry and what became of it."""

    retry: Retry
    again: Again


def retry(tx: Transaction, desk: Desk, actor: Actor, delivery_id: str, wish: Wish) -> Retried:
    """Ask for another try of one delivery (rules 1-5).

    Raises `NotFoundError`, `NotRetriedError`, `InvalidError`; `ErasedError` when its record was erased.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        record_id = delivery_queries.record_of(tx, delivery_id)
        if record_id is None:
            raise NotFoundError
        if wish.reason is RetryReason.OTHER and wish.note is None:
            raise InvalidError("The reason `other` needs a note.", "/note")
        records.epochs(tx, (record_id,))  # records are locked before what hangs on them
        found, again = try_again(it, delivery_id, RETRIED)
        made = Retry(it.id("rty"), delivery_id, record_id, wish.reason, again.became, again.made_id, actor.id, it.now)
        salt, commitment = (b"", None) if wish.note is None else it.salted(wish.note.encode())
        replays.add_retry(tx, desk.vault, made, wish.note, salt)
        log_retry(it, found, Asked(wish, made.id, commitment=commitment), again)
        return Retried(made, again)


def try_again(it: Happening, delivery_id: str, cause: str) -> tuple[Seen, Again]:
    """Do what can be done about a delivery whose record is held (rules 1-4); the delivery as it was found.

    Raises `NotFoundError`, `NotRetriedError`, `ErasedError`.
    """
    deliveries.load(it.tx, delivery_id)  # held: a worker's answer may come in at this moment
    found = delivery_queries.one(it.tx, delivery_id)
    recipient = None if found is None else registry.load(it.tx, found.delivery.recipient_id)
    if found is None or recipient is None:
        raise NotFoundError
    what = remedy(situation(found, recipient, it))
    if what not in HELPS:
        raise NotRetriedError(what)
    if what is Remedy.TRY_NOW:
        deliveries.change(it.tx, delivery_id, next_at=it.now)
        return found, Again(Became.DUE)
    return found, _anew(it, found, cause)


def situation(found: Seen, recipient: Recipient, it: Happening) -> Situation:
    """Where a delivery is, as far as another try cares."""
    return Situation(
        state=found.delivery.state,
        replaced=found.replaced,
        answers=found.answers,
        behind=found.behind,
        pulled=recipient.delivery_mode is DeliveryMode.PULL,
        suspended=recipient.status is RecipientStatus.SUSPENDED,
        parked=found.parked,
        due=found.delivery.next_at <= it.now,
    )


def _anew(it: Happening, found: Seen, cause: str) -> Again:
    """Rules 2 and 3."""
    delivery = found.delivery
    stored = records.load(it.tx, it.vault, delivery.record_id)
    if stored is None:
        raise NotFoundError
    if found.recalls is not None:
        recalled = disclosures.load(it.tx, found.recalls)
        if recalled is None:
            raise NotFoundError
        recall(it, stored, recalled, cause)
        return Again(Became.SENT, delivery_queries.newest_recall(it.tx, delivery.matter_id, recalled.id))
    # It stands no longer, whatever is decided now: what is permitted still is made once more, and nothing else is.
    if found.stands:
        disclosures.move(it.tx, (delivery.disclosure_id,), DisclosureEvent.REPLACE)
    assessed = assess(it, stored, cause)
    outcomes = {one.outcome for one in assessed.decisions if one.recipient_id == delivery.recipient_id}
    said = tuple(outcome for outcome in Outcome if outcome in outcomes)
    standing = disclosures.live(it.tx, stored.id).get(delivery.recipient_id)
    if standing is None:
        return Again(Became.WITHHELD, None, said)
    made = deliveries.of_disclosures(it.tx, [standing.id])[standing.id]
    return Again(Became.SENT, made.id, said)


def log_retry(it: Happening, found: Seen, asked: Asked, again: Again) -> None:
    """Write who asked for what, why, and what became of it (rule 5)."""
    it.log(
        Kind.DELIVERY_RETRIED,
        {
            "retry": asked.retry_id,
            "replay": asked.replay_id,
            "delivery": found.delivery.id,
            "disclosure": found.delivery.disclosure_id,
            "recipient": found.delivery.recipient_id,
            "reason": asked.wish.reason.value,
            "state": found.delivery.state.value,
            "became": again.became.value,
            "made": again.made_id,
            "commitment": asked.commitment,
        },
    )
