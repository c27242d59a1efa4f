"""How does a delivery get from the database to its recipient, and back with an answer?

1. Claiming is one transaction: leases of dead workers are ended, people are told of what may be late, due deliveries
   are decided again where anything they rest on has changed, and the attempt and its audit entry are written. Only
   then is anything sent.
2. What cannot be decided or prepared is not sent: it is held for a minute at a time, and a human is told.
3. Finishing is one transaction: the attempt's answer, the delivery's next state and the audit entry, fenced by the
   lease's token. A worker that lost its lease changes nothing but its own attempt.
4. A delivery that was cancelled in flight stays cancelled; the answer is recorded.
5. Trying ends when `deliver_by` passes, or when the endpoint says it is gone; then a human is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from tiprouter.audit.entry import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.delivery.schedule import next_attempt_at
from tiprouter.delivery.signing import parse_secret
from tiprouter.domain.redaction import reopen
from tiprouter.domain.states import DUE, DeliveryEvent, DeliveryState, next_state
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, disclosures, records, registry
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.deliveries import Attempt, Delivery
from tiprouter.workflow.assess import assess
from tiprouter.workflow.disclose import RECALL_BASIS, basis
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=5)
HELD_FOR: Final = timedelta(minutes=1)
ATTEMPT_SECONDS: Final = 15.0
SWEEP_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Ready:
    """An attempt that is written and may be made: what to send, and what finishing it needs."""

    delivery_id: str
    recipient_id: str
    record_id: str
    lease: str
    attempt: Attempt
    envelope: Envelope


def claim(tx: Transaction, desk: Desk, limit: int, each: int, held: Mapping[str, int]) -> list[Ready]:
    """Write the next attempts: at most `limit`, and per recipient `each` less what is `held` (rules 1, 2, 5)."""
    with happening(tx, desk, ROUTER, deciding=True) as it:
        for delivery in deliveries.expired(tx, it.now, SWEEP_MAX):
            _end_lease(it, delivery)
        for delivery in deliveries.late(tx, it.now, SWEEP_MAX):
            it.tell("delivery.late", delivery.id, delivery.record_id, delivery.deadline)
            deliveries.change(tx, delivery.id, warn_at=None)
        due = deliveries.due(tx, it.now, limit, each, held)
        # Records are locked in one order everywhere, so that a claim and a withdrawal never wait for each other.
        ready = [_claim_one(it, delivery) for delivery in sorted(due, key=lambda one: (one.record_id, one.sequence))]
        return [one for one in ready if one is not None]


def finish(tx: Transaction, desk: Desk, ready: Ready, attempted: Attempted) -> DeliveryState:
    """Write what came of an attempt (rules 3-5); the state the delivery is in now."""
    with happening(tx, desk, ROUTER) as it:
        delivery = deliveries.load(tx, ready.delivery_id)
        if delivery is None:
            raise NotFoundError
        done = replace(ready.attempt, finished_at=it.now, result=attempted.result.value, status=attempted.status)
        deliveries.finish(tx, desk.vault, done, ready.record_id, attempted.snippet)
        if delivery.lease != ready.lease:
            _log_finished(it, delivery, done, attempted.duration_ms)
            return delivery.state
        after = _after(it, delivery, attempted)
        deliveries.change(
            tx,
            delivery.id,
            state=after.state,
            next_at=after.next_at,
            lease=None,
            lease_until=None,
            warn_at=delivery.warn_at if after.state in DUE else None,
            finished_at=None if after.state in DUE else delivery.finished_at or it.now,
        )
        _log_finished(it, after, done, attempted.duration_ms)
        _tell_of_end(it, after)
        return after.state


def _claim_one(it: Happening, delivery: Delivery) -> Ready | None:
    try:
        with it.forgiving():
            return _prepare(it, delivery)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        log.warning("delivery.held", delivery=delivery.id, error=type(error).__name__)
        it.tell("delivery.held", delivery.id, delivery.record_id, delivery.deadline)
        deliveries.change(it.tx, delivery.id, next_at=it.now + HELD_FOR)
        return None


def _prepare(it: Happening, delivery: Delivery) -> Ready | None:
    """Decide again, then write the attempt; None when there is none to make."""
    if it.now >= delivery.deliver_by:
        deliveries.change(
            it.tx,
            delivery.id,
            state=next_state(delivery.state, DeliveryEvent.DEADLINE_PASSED),
            finished_at=it.now,
            warn_at=None,
        )
        _tell_of_end(it, replace(delivery, state=DeliveryState.EXHAUSTED))
        return None
    if not _still_permitted(it, delivery):
        return None
    recipient = registry.load(it.tx, delivery.recipient_id)
    lease = it.id("lse")
    if recipient is None or not deliveries.claim(it.tx, delivery.id, lease, it.now + LEASE):
        return None
    attempt = Attempt(it.id("att"), delivery.id, delivery.attempts + 1, it.now)
    deliveries.start(it.tx, attempt)
    body, digest = disclosures.payloads(it.tx, it.vault, (delivery.disclosure_id,))[delivery.disclosure_id]
    keys = registry.keys_of(it.tx, it.vault, delivery.recipient_id)
    if not keys:
        raise NotFoundError("There is no key to sign with.")
    it.log(
        Kind.ATTEMPT_STARTED,
        {
            "attempt": attempt.id,
            "delivery": delivery.id,
            "disclosure": delivery.disclosure_id,
            "recipient": delivery.recipient_id,
            "number": attempt.number,
            "decision_epoch": delivery.basis,
            "lane": delivery.urgency.value,
        },
    )
    envelope = Envelope(
        url=recipient.url,
        webhook_id=delivery.id,
        timestamp=int(it.now.timestamp()),
        body=reopen(body, digest),
        secrets=[parse_secret(key.secret) for key in keys],
        timeout_seconds=ATTEMPT_SECONDS,
    )
    return Ready(delivery.id, delivery.recipient_id, delivery.record_id, lease, attempt, envelope)


def _still_permitted(it: Happening, delivery: Delivery) -> bool:
    """Whether what the delivery rests on still holds; if anything changed, decide again and look what is left."""
    if delivery.basis == RECALL_BASIS:
        return True
    epoch = records.epochs(it.tx, (delivery.record_id,))[delivery.record_id]
    revision = registry.revisions(it.tx, (delivery.recipient_id,))[delivery.recipient_id]
    fresh = delivery.valid_until is None or it.now < delivery.valid_until
    if fresh and delivery.basis == basis(epoch, revision, it.engine.bundle.digest):
        return True
    stored = records.load(it.tx, it.vault, delivery.record_id)
    if stored is None:
        return False
    assess(it, stored, "dispatch")
    now_is = deliveries.load(it.tx, delivery.id)
    return now_is is not None and now_is.state in DUE


def _end_lease(it: Happening, delivery: Delivery) -> None:
    """A worker died holding this: how its attempt ended is unknown; the delivery is due again unless cancelled."""
    state = delivery.state
    if state is DeliveryState.CLAIMED:
        state = next_state(state, DeliveryEvent.LEASE_EXPIRED)
    deliveries.change(it.tx, delivery.id, state=state, next_at=it.now, lease=None, lease_until=None)
    for attempt in deliveries.attempts_of(it.tx, delivery.id):
        if attempt.finished_at is None:
            done = replace(attempt, finished_at=it.now, result="unknown")
            deliveries.finish(it.tx, it.vault, done, delivery.record_id, b"")
            _log_finished(it, replace(delivery, state=state), done, None)


def _after(it: Happening, delivery: Delivery, attempted: Attempted) -> Delivery:
    """The delivery after an attempt's answer."""
    if delivery.state is not DeliveryState.CLAIMED:
        return delivery
    if attempted.result is AttemptResult.SUCCESS:
        return replace(delivery, state=next_state(delivery.state, DeliveryEvent.SUCCEED))
    if attempted.result is AttemptResult.GONE:
        return replace(delivery, state=next_state(delivery.state, DeliveryEvent.FAIL_GONE))
    jitter = int.from_bytes(it.desk.entropy(4), "big") / 2**32
    again = next_attempt_at(
        delivery.urgency, delivery.attempts, it.now, delivery.deliver_by, attempted.retry_after_seconds, jitter
    )
    if again is None:
        return replace(delivery, state=next_state(delivery.state, DeliveryEvent.DEADLINE_PASSED))
    return replace(delivery, state=next_state(delivery.state, DeliveryEvent.FAIL_TRANSIENT), next_at=again)


def _tell_of_end(it: Happening, delivery: Delivery) -> None:
    """Rule 5: a delivery that ended without arriving is somebody's to look at."""
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


def _log_finished(it: Happening, delivery: Delivery, attempt: Attempt, duration_ms: int | None) -> None:
    it.log(
        Kind.ATTEMPT_FINISHED,
        {
            "attempt": attempt.id,
            "delivery": delivery.id,
            "disclosure": delivery.disclosure_id,
            "recipient": delivery.recipient_id,
            "number": attempt.number,
            "result": attempt.result,
            "status": attempt.status,
            "state": delivery.state.value,
            "next_at": moment(delivery.next_at) if delivery.state in DUE else None,
            "duration_ms": duration_ms,
        },
    )
