"""How does a delivery get from the database to its recipient, and back with an answer?

1. Claiming is one transaction: leases of dead workers are ended, people are told of what may be late, what goes next is
   chosen (`workflow/choosing.py`) and decided again where anything it rests on has changed, and the attempt and its
   audit entry are written. Only then is anything sent.
2. What cannot be decided or prepared is not sent: it is held for a minute at a time, and a human is told.
3. Finishing is one transaction: the attempt's answer, the delivery's next state, what it says of the line, and the
   audit entry, fenced by the lease's token. A worker that lost its lease changes nothing but its own attempt. Several
   may be finished in one transaction: one that cannot be does not undo the others.
4. A delivery that was cancelled in flight stays cancelled; the answer is recorded.
5. Trying ends when `deliver_by` passes, or when the endpoint says it is gone; then a human is told.
6. An agency in thin mode is sent ids; the delivery is announced then, and delivered when the agency pulled it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from tiprouter.audit.entry import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.delivery.schedule import next_attempt_at
from tiprouter.domain.breaker import probe
from tiprouter.domain.lanes import Room, lane_of
from tiprouter.domain.recipient import DeliveryMode, Recipient
from tiprouter.domain.redaction import Address, Redacted, announce
from tiprouter.domain.states import DUE, WAITING, DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, lines, registry
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.deliveries import Attempt, Delivery
from tiprouter.workflow.awaiting import awaited
from tiprouter.workflow.breaking import Answer, listen, lose_probes, said
from tiprouter.workflow.choosing import Chosen, choose
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment
from tiprouter.workflow.leaving import Begun, begin, exhaust, payload, secrets_of, still_permitted, tell_of_end

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=5)
HELD_FOR: Final = timedelta(minutes=1)
ATTEMPT_SECONDS: Final = 15.0
SWEEP_MAX: Final = 100
ROUNDS: Final = 8
"""So often a claim looks again when all it found was parked."""


@dataclass(frozen=True, slots=True)
class Ready(Begun):
    """An attempt that is written and may be made: what to send, and what finishing it needs."""

    envelope: Envelope
    urgency: Urgency


def claim(tx: Transaction, desk: Desk, room: Room) -> list[Ready]:
    """Write the next attempts, as many as there is room for (rules 1, 2, 5)."""
    with happening(tx, desk, ROUTER, deciding=True) as it:
        _sweep(it)
        for _ in range(ROUNDS):
            chosen = choose(tx, it.now, room, desk.pace)
            if chosen.deliveries or not chosen.parked:
                break
        return _claim_all(it, chosen)


def _sweep(it: Happening) -> None:
    ended = deliveries.expired(it.tx, it.now, SWEEP_MAX)
    for delivery in ended:
        _end_lease(it, delivery)
    if ended:
        lose_probes(it, [delivery.lease for delivery in ended if delivery.lease is not None])
    for delivery in deliveries.late(it.tx, it.now, SWEEP_MAX):
        it.tell("delivery.late", delivery.id, delivery.record_id, delivery.deadline)
        deliveries.change(it.tx, delivery.id, warn_at=None)


def _claim_all(it: Happening, chosen: Chosen) -> list[Ready]:
    ready, going = [], dict(chosen.lines)
    # Records are locked in one order everywhere, so that a claim and a withdrawal never wait for each other.
    for delivery in sorted(chosen.deliveries, key=lambda one: (one.record_id, one.sequence)):
        one = _claim_one(it, delivery)
        if one is None:
            continue
        ready.append(one)
        if delivery.id in chosen.probes:
            line = going[delivery.recipient_id]
            going[delivery.recipient_id] = replace(line, breaker=probe(line.breaker, one.lease, it.now))
    lines.save(it.tx, list(going.values()))
    return ready


def finish(tx: Transaction, desk: Desk, ready: Begun, attempted: Attempted) -> DeliveryState:
    """Write what came of an attempt, a worker's or an agency's own (rules 3-6); the state the delivery is in now."""
    with happening(tx, desk, ROUTER) as it:
        held = lines.waited_for(tx, () if ready.attempt.kind is AttemptKind.FETCH else (ready.recipient_id,))
        delivery = deliveries.load(tx, ready.delivery_id)
        if delivery is None:
            raise NotFoundError
        after, answer = _finish(it, delivery, ready, attempted)
        listen(it, held, [answer] if answer else [])
        return after


def finish_all(
    tx: Transaction, desk: Desk, ended: Sequence[tuple[Begun, Attempted]]
) -> list[DeliveryState | Exception | None]:
    """Write what came of several attempts, each as `finish` does: its state now, or why it could not be written.

    None is one that another story holds at this moment, or that is not there: it is to be finished by itself.
    """
    with happening(tx, desk, ROUTER) as it:
        ours = {ready.recipient_id for ready, _ in ended if ready.attempt.kind is not AttemptKind.FETCH}
        held = lines.waited_for(tx, ours)
        found = deliveries.held_at_once(tx, [ready.delivery_id for ready, _ in ended])
        states: list[DeliveryState | Exception | None] = []
        answers = []
        for ready, attempted in ended:
            delivery = found.get(ready.delivery_id)
            if delivery is None:
                states.append(None)
                continue
            try:
                with it.forgiving():
                    after, answer = _finish(it, delivery, ready, attempted)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits for this one; the others stand
                states.append(error)
            else:
                states.append(after)
                answers += [answer] if answer else []
        listen(it, held, answers)
        return states


def _finish(
    it: Happening, delivery: Delivery, ready: Begun, attempted: Attempted
) -> tuple[DeliveryState, Answer | None]:
    done = replace(ready.attempt, finished_at=it.now, result=attempted.result.value, status=attempted.status)
    deliveries.finish(it.tx, it.vault, done, ready.record_id, attempted.snippet)
    if delivery.lease != ready.lease:
        _log_finished(it, delivery, done, attempted.duration_ms)
        return delivery.state, None
    after = _after(it, delivery, ready.attempt.kind, attempted)
    deliveries.change(
        it.tx,
        delivery.id,
        state=after.state,
        next_at=after.next_at,
        lane=lane_of(after.urgency, after.attempts),
        lease=None,
        lease_until=None,
        warn_at=delivery.warn_at if after.state in WAITING else None,
        finished_at=None if after.state in WAITING else delivery.finished_at or it.now,
        pass_on=after.state in (DeliveryState.EXHAUSTED, DeliveryState.REFUSED),
        **awaited(it, delivery, after),
    )
    _log_finished(it, after, done, attempted.duration_ms)
    tell_of_end(it, after)
    return after.state, said(ready.attempt.kind, delivery.recipient_id, ready.lease, attempted.result)


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
        exhaust(it, delivery)
        return None
    if not still_permitted(it, delivery, DUE, "dispatch"):
        return None
    recipient = registry.load(it.tx, delivery.recipient_id)
    if recipient is None or recipient.url is None:
        # It only pulls, since a moment ago: what waits lies in its inbox.
        return None
    lease = it.id("lse")
    if not deliveries.claim(it.tx, delivery, lease, it.now + LEASE):
        return None
    thin = recipient.delivery_mode is DeliveryMode.THIN
    begun = begin(it, delivery, AttemptKind.ANNOUNCE if thin else AttemptKind.PUSH, lease)
    # Opened even where ids alone are sent: what cannot be opened is not announced either.
    body = payload(it, delivery)
    envelope = Envelope(
        url=recipient.url,
        webhook_id=_announcement_id(delivery) if thin else delivery.id,
        timestamp=int(it.now.timestamp()),
        body=_announcement(recipient, delivery) if thin else body,
        secrets=secrets_of(it, delivery.recipient_id),
        timeout_seconds=ATTEMPT_SECONDS,
    )
    return Ready(
        begun.delivery_id, begun.recipient_id, begun.record_id, begun.lease, begun.attempt, envelope, delivery.urgency
    )


def _announcement(recipient: Recipient, delivery: Delivery) -> Redacted:
    """The same bytes for every attempt: all of it is as old as the delivery."""
    address = Address(
        delivery.disclosure_id, delivery.matter_id, delivery.sequence, delivery.created_at, delivery.deadline
    )
    return announce(recipient, address, delivery.id, delivery.urgency)


def _announcement_id(delivery: Delivery) -> str:
    """Not the payload's: a receiver that keeps webhook-ids would take the payload for a second copy of this."""
    return f"ann_{delivery.id.partition('_')[2]}"


def _end_lease(it: Happening, delivery: Delivery) -> None:
    """A worker died holding this: how its attempt ended is unknown; the delivery is due again unless cancelled."""
    state = delivery.state
    if state is DeliveryState.CLAIMED:
        state = next_state(state, DeliveryEvent.LEASE_EXPIRED)
    lane = lane_of(delivery.urgency, delivery.attempts)
    deliveries.change(it.tx, delivery.id, state=state, next_at=it.now, lane=lane, lease=None, lease_until=None)
    for attempt in deliveries.attempts_of(it.tx, delivery.id):
        if attempt.finished_at is None:
            done = replace(attempt, finished_at=it.now, result="unknown")
            deliveries.finish(it.tx, it.vault, done, delivery.record_id, b"")
            _log_finished(it, replace(delivery, state=state), done, None)


def _after(it: Happening, delivery: Delivery, kind: AttemptKind, attempted: Attempted) -> Delivery:
    """The delivery after an attempt's answer."""
    if delivery.state is not DeliveryState.CLAIMED:
        return delivery
    if attempted.result is AttemptResult.SUCCESS:
        event = DeliveryEvent.ANNOUNCE if kind is AttemptKind.ANNOUNCE else DeliveryEvent.SUCCEED
        return replace(delivery, state=next_state(delivery.state, event))
    if attempted.result is AttemptResult.GONE:
        return replace(delivery, state=next_state(delivery.state, DeliveryEvent.FAIL_GONE))
    jitter = int.from_bytes(it.desk.entropy(4), "big") / 2**32
    again = next_attempt_at(
        delivery.urgency, delivery.attempts, it.now, delivery.deliver_by, attempted.retry_after_seconds, jitter
    )
    if again is None:
        return replace(delivery, state=next_state(delivery.state, DeliveryEvent.DEADLINE_PASSED))
    return replace(delivery, state=next_state(delivery.state, DeliveryEvent.FAIL_TRANSIENT), next_at=again)


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
