"""What must hold at the moment a payload leaves, and what is written before it does?

The same for both ways out: a worker that sends (`workflow/dispatch.py`) and an agency that pulls (`workflow/inbox.py`).

1. Whatever a delivery rests on that has changed since is decided again, here and now, in the transaction that lets it
   leave; what is no longer permitted is cancelled in it.
2. The attempt and its audit entry are written in that transaction too, before a byte leaves.
3. What leaves is what redaction made, unchanged since; `workflow/wrapping.py` says for whose eyes.
4. Trying ends when `deliver_by` passes; then a human is told, and the duties it was made for go on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tiprouter.audit.kinds import Kind
from tiprouter.domain.redaction import Redacted, reopen
from tiprouter.domain.states import DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import AttemptKind
from tiprouter.storage import deliveries, disclosures, records, registry
from tiprouter.storage.deliveries import Attempt, Delivery
from tiprouter.workflow.assess import assess
from tiprouter.workflow.disclose import RECALL_BASIS, basis
from tiprouter.workflow.happening import Happening


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that is written: what finishing it needs. `lease` is the fencing token."""

    delivery_id: str
    recipient_id: str
    record_id: str
    lease: str
    attempt: Attempt


def rests_on_today(it: Happening, delivery: Delivery) -> bool:
    """Whether nothing has changed since it was decided; a recall needs no permission."""
    if delivery.basis == RECALL_BASIS:
        return True
    epoch = records.epochs(it.tx, (delivery.record_id,))[delivery.record_id]
    revision = registry.revisions(it.tx, (delivery.recipient_id,))[delivery.recipient_id]
    return rests_on(it, delivery, epoch, revision)


def rests_on(it: Happening, delivery: Delivery, epoch: int, revision: int) -> bool:
    """The same, where the epoch of its record and the revision of its recipient are known, and held."""
    if delivery.basis == RECALL_BASIS:
        return True
    fresh = delivery.valid_until is None or it.now < delivery.valid_until
    return fresh and delivery.basis == basis(epoch, revision, it.engine.bundle.digest)


def still_permitted(it: Happening, delivery: Delivery, states: Collection[DeliveryState], cause: str) -> bool:
    """Whether what the delivery rests on still holds; if anything changed, decide again (rule 1) and look what is left.

    `states` are those from which it may leave this way.
    """
    if rests_on_today(it, delivery):
        return True
    stored = records.load(it.tx, it.vault, delivery.record_id)
    if stored is None:
        return False
    assess(it, stored, cause)
    now_is, says = deliveries.load(it.tx, delivery.id), disclosures.load(it.tx, delivery.disclosure_id)
    return now_is is not None and says is not None and says.live and now_is.state in states


def begin(it: Happening, delivery: Delivery, kind: AttemptKind, lease: str) -> Begun:
    """Write the next attempt and its entry (rule 2)."""
    return begin_all(it, [(delivery, kind, lease)])[0]


def begin_all(it: Happening, leaving: Sequence[tuple[Delivery, AttemptKind, str]]) -> list[Begun]:
    """Write the next attempt of each of these, and its entry (rule 2)."""
    begun = []
    for delivery, kind, lease in leaving:
        attempt = Attempt(it.id("att"), delivery.id, delivery.attempts + 1, it.now, kind=kind)
        begun.append(Begun(delivery.id, delivery.recipient_id, delivery.record_id, lease, attempt))
        _log_started(it, delivery, attempt)
    deliveries.start(it.tx, [one.attempt for one in begun])
    return begun


def _log_started(it: Happening, delivery: Delivery, attempt: Attempt) -> None:
    it.log(
        Kind.ATTEMPT_STARTED,
        {
            "attempt": attempt.id,
            "attempt_kind": attempt.kind.value,
            "delivery": delivery.id,
            "disclosure": delivery.disclosure_id,
            "recipient": delivery.recipient_id,
            "number": attempt.number,
            "decision_epoch": delivery.basis,
            "lane": delivery.urgency.value,
        },
    )


def payload(it: Happening, delivery: Delivery) -> Redacted:
    """The payload as redaction made it (rule 3). Raises `SealError`, `RedactionError`."""
    body, digest = disclosures.payloads(it.tx, it.vault, (delivery.disclosure_id,))[delivery.disclosure_id]
    return reopen(body, digest)


def exhaust(it: Happening, delivery: Delivery) -> None:
    """Trying is over (rule 4)."""
    state = next_state(delivery.state, DeliveryEvent.DEADLINE_PASSED)
    deliveries.change(it.tx, delivery.id, state=state, finished_at=it.now, warn_at=None, pass_on=True)
    tell_of_end(it, replace(delivery, state=state))


def tell_of_end(it: Happening, delivery: Delivery) -> None:
    """A delivery that ended without arriving is somebody's to look at."""
    if delivery.state not in (DeliveryState.EXHAUSTED, DeliveryState.REFUSED):
        return
    it.log(
        Kind.DELIVERY_EXHAUSTED,
        {
            "delivery": delivery.id,
            "disclosure": delivery.disclosure_id,
            "recipient": delivery.recipient_id,
            "attempts": delivery.attempts,
            "state": delivery.state.value,
        },
    )
    it.tell(f"delivery.{delivery.state.value}", delivery.id, delivery.record_id, delivery.deadline)
