"""How does a delivery get from the database to its recipient, and back with an answer?

1. Claiming is one transaction: leases of dead workers are ended, people are told of what may be late, what goes next is
   chosen (`workflow/choosing.py`) and decided again where anything it rests on has changed, and the attempt and its
   audit entry are written. Only then is anything sent.
2. What cannot be decided or prepared is not sent: it is held for a minute at a time, and a human is told. What rests on
   nothing that changed is read and written together; where that fails, each by itself, so that the others go on.
3. Finishing is one transaction: the attempt's answer, the delivery's next state, what it says of the line, and the
   audit entry, fenced by the lease's token. A worker that lost its lease changes nothing but its own attempt. Several
   may be finished in one transaction: one that cannot be does not undo the others.
4. A delivery that was cancelled in flight stays cancelled; the answer is recorded, or that the attempt was aborted
   (`workflow/worker.py`) and how much of its request had left. The recall behind it goes in any case: it was made when
   nobody knew, and says nothing but an id.
5. Trying ends when `deliver_by` passes, or when the endpoint says it is gone; then a human is told.
6. An agency in thin mode is sent ids; the delivery is announced then, and delivered when the agency pulled it.
7. An endpoint that has not proved itself is sent nothing (`workflow/proving.py`): what is for it waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from tiprouter import telemetry
from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.delivery.schedule import next_attempt_at
from tiprouter.domain.breaker import probe
from tiprouter.domain.lanes import Room, lane_of
from tiprouter.domain.recipient import DeliveryMode, Recipient
from tiprouter.domain.redaction import Address, Redacted, announce
from tiprouter.domain.states import DUE, WAITING, DeliveryEvent, DeliveryState, next_state
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, lines
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.deliveries import Attempt, Delivery, Ended
from tiprouter.workflow.awaiting import awaited
from tiprouter.workflow.breaking import Answer, listen, lose_probes, said
from tiprouter.workflow.choosing import PROBES, Chosen, choose
from tiprouter.workflow.gathering import Gathered, gather
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment
from tiprouter.workflow.leaving import Begun, begin_all, exhaust, still_permitted, tell_of_end
from tiprouter.workflow.wrapping import trust_of, wrapped

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=4)
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
    made_at: datetime
    deadline: datetime
    probes: bool = False


def claim(tx: Transaction, desk: Desk, room: Room, *, probes: int = PROBES, sweeping: bool = True) -> list[Ready]:
    """Write the next attempts, as many as there is room for (rules 1, 2, 5), and of probes at most so many.

    `sweeping` False leaves dead workers' leases and people to be told to the next claim: whoever claims many times a
    second need not ask each time.
    """
    with happening(tx, desk, ROUTER, deciding=True) as it:
        if sweeping:
            _sweep(it)
        for _ in range(ROUNDS):
            chosen = choose(tx, it.now, room, desk.pace, probes)
            if chosen.deliveries or not chosen.parked:
                break
        with telemetry.span("prepare", count=len(chosen.deliveries)):
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
    order = sorted(chosen.deliveries, key=lambda one: (one.record_id, one.sequence))
    together = _claim_together(it, order) if order else {}
    for delivery in order:
        one = together.get(delivery.id) or _claim_one(it, delivery)
        if one is None:
            continue
        if delivery.id in chosen.probes:
            one = replace(one, probes=True)
            line = going[delivery.recipient_id]
            going[delivery.recipient_id] = replace(line, breaker=probe(line.breaker, one.lease, it.now))
        ready.append(one)
    lines.save(it.tx, list(going.values()))
    return ready


def finish(tx: Transaction, desk: Desk, ready: Begun, attempted: Attempted) -> DeliveryState:
    """Write what came of an attempt, a worker's or an agency's own (rules 3-6); the state the delivery is in now."""
    with happening(tx, desk, ROUTER) as it:
        held = lines.waited_for(tx, () if ready.attempt.kind is AttemptKind.FETCH else (ready.recipient_id,))
        delivery = deliveries.load(tx, ready.delivery_id)
        if delivery is None:
            raise NotFoundError
        done = _finish(it, delivery, ready, attempted)
        _write(it, [done])
        listen(it, held, [done.answer] if done.answer else [])
        return done.state


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
        here = [(found[one.delivery_id], one, attempted) for one, attempted in ended if one.delivery_id in found]
        try:
            done: list[_Finished | Exception] = [*_finish_some(it, here)]
        except Exception:  # noqa: BLE001 - one of them at least: each by itself, so that the others stand
            done = [_finish_alone(it, *one) for one in here]
        listen(it, held, [one.answer for one in done if isinstance(one, _Finished) and one.answer])
        ends = iter([one.state if isinstance(one, _Finished) else one for one in done])
        return [next(ends) if ready.delivery_id in found else None for ready, _ in ended]


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is to be written of an attempt that ended, and what it says of its line."""

    delivery_id: str
    state: DeliveryState
    ended: Ended
    changes: dict[str, Any]
    answer: Answer | None


def _finish_some(it: Happening, some: Sequence[tuple[Delivery, Begun, Attempted]]) -> list[_Finished]:
    """All of these or none."""
    with it.forgiving():
        done = [_finish(it, *one) for one in some]
        _write(it, done)
    return done


def _finish_alone(it: Happening, delivery: Delivery, ready: Begun, attempted: Attempted) -> _Finished | Exception:
    try:
        (done,) = _finish_some(it, [(delivery, ready, attempted)])
    except Exception as error:  # noqa: BLE001 - handed to whoever waits for this one; the others stand
        return error
    return done


def _finish(it: Happening, delivery: Delivery, ready: Begun, attempted: Attempted) -> _Finished:
    """What came of an attempt; logged and told here, written by `_write`."""
    done = replace(ready.attempt, finished_at=it.now, result=attempted.result.value, status=attempted.status)
    ended = Ended(done, ready.record_id, attempted.snippet)
    if delivery.lease != ready.lease:
        _log_finished(it, delivery, done, attempted)
        return _Finished(delivery.id, delivery.state, ended, {}, None)
    after = _after(it, delivery, ready.attempt.kind, attempted)
    changes = {
        "state": after.state,
        "next_at": after.next_at,
        "lane": lane_of(after.urgency, after.attempts),
        "lease": None,
        "lease_until": None,
        "warn_at": delivery.warn_at if after.state in WAITING else None,
        "finished_at": None if after.state in WAITING else delivery.finished_at or it.now,
        "pass_on": after.state in (DeliveryState.EXHAUSTED, DeliveryState.REFUSED),
        **awaited(it, delivery, after),
    }
    _log_finished(it, after, done, attempted)
    tell_of_end(it, after)
    answer = said(ready.attempt.kind, delivery.recipient_id, ready.lease, attempted.result)
    return _Finished(delivery.id, after.state, ended, changes, answer)


def _write(it: Happening, done: Sequence[_Finished]) -> None:
    deliveries.finish(it.tx, it.vault, [one.ended for one in done])
    deliveries.change_each(it.tx, {one.delivery_id: one.changes for one in done if one.changes})


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
    made = _envelope(it, delivery, gather(it, [delivery]))
    return None if made is None else _take(it, [(delivery, *made)]).get(delivery.id)


def _claim_together(it: Happening, order: Sequence[Delivery]) -> dict[str, Ready]:
    """Write the attempts for which there is nothing to decide; what is left out is looked at by itself.

    That is every delivery of a record of which anything has to be decided again, and each that cannot be prepared. If
    the rest cannot be written together, none of it was.
    """
    known = gather(it, order)
    changed = {one.record_id for one in order if it.now >= one.deliver_by or not known.rests_on_today(one)}
    prepared = []
    for delivery in order:
        if delivery.record_id not in changed:
            try:
                made = _envelope(it, delivery, known)
            except DatabaseError:
                raise
            except Exception:  # noqa: BLE001, S112 - by itself it fails again, and is held and told of there
                continue
            prepared += [] if made is None else [(delivery, *made)]
    if not prepared:
        return {}
    try:
        with it.forgiving():
            return _take(it, prepared)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - as above: one of them at least fails again by itself
        log.warning("claim.apart", count=len(prepared), error=type(error).__name__)
        return {}


def _take(it: Happening, prepared: Sequence[tuple[Delivery, AttemptKind, Envelope]]) -> dict[str, Ready]:
    """Lease these, and write an attempt of each; what somebody else has taken is left out."""
    leases = {delivery.id: it.id("lse") for delivery, _, _ in prepared}
    wanted = [(delivery, leases[delivery.id]) for delivery, _, _ in prepared]
    taken = deliveries.claim_all(it.tx, wanted, it.now + LEASE)
    mine = [one for one in prepared if one[0].id in taken]
    begun = begin_all(it, [(delivery, kind, leases[delivery.id]) for delivery, kind, _ in mine])
    return {
        delivery.id: Ready(
            one.delivery_id,
            one.recipient_id,
            one.record_id,
            one.lease,
            one.attempt,
            envelope,
            delivery.urgency,
            delivery.created_at,
            delivery.deadline,
        )
        for one, (delivery, _, envelope) in zip(begun, mine, strict=True)
    }


def _envelope(it: Happening, delivery: Delivery, known: Gathered) -> tuple[AttemptKind, Envelope] | None:
    """What to send; None where nothing may be sent (rule 7).

    Raises `SealError`, `RedactionError`, `SigningError`, `EncryptionError`.
    """
    recipient = known.recipient(delivery)
    if recipient is None or recipient.url is None:
        # It only pulls, since a moment ago: what waits lies in its inbox.
        return None
    thin = recipient.delivery_mode is DeliveryMode.THIN
    # Opened even where ids alone are sent: what cannot be opened is not announced either.
    body, webhook_id = known.payload(delivery), _announcement_id(delivery) if thin else delivery.id
    return AttemptKind.ANNOUNCE if thin else AttemptKind.PUSH, Envelope(
        url=recipient.url,
        webhook_id=webhook_id,
        timestamp=int(it.now.timestamp()),
        body=wrapped(it, recipient, _announcement(recipient, delivery) if thin else body, webhook_id),
        secrets=known.secrets(delivery.recipient_id),
        timeout_seconds=ATTEMPT_SECONDS,
        trust=trust_of(it, recipient),
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
            deliveries.finish(it.tx, it.vault, [Ended(done, delivery.record_id)])
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


def _log_finished(it: Happening, delivery: Delivery, attempt: Attempt, attempted: Attempted | None) -> None:
    sent = attempted.sent if attempted else None
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
            "duration_ms": attempted.duration_ms if attempted else None,
        }
        | ({} if sent is None else {"sent": sent.value}),
    )
