"""How are many deliveries to one agency tried again?

1. One person proposes: one agency, a span of at most fourteen days, states, a reason, and what else deliveries are
   listed by: an urgency, the last attempt's result, a record. The proposal counts what it is about and fixes it: at
   most a thousand deliveries. Nothing is tried yet.
2. Another person confirms within a day, or it lapses. One person alone replays nothing.
3. It is worked in slices, each in a transaction of its own: a crash loses nothing and repeats nothing. Each delivery is
   decided again first, exactly as one person's retry is (`workflow/recovery.py`).
4. It only makes deliveries, and stays at most fifty ahead of what has ended: lanes, rates and places are the
   workers', and a replay never fills the queue.
5. Anybody who may propose may stop it. What was made by then stays made; each of those is decided again when it leaves.
6. One delivery that fails is told to a human and marked; the others go on.
7. Every step is logged, and every delivery with what became of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain.recovery import DEAD, REPLAYABLE, Became, RetryReason
from tiprouter.domain.replay_states import UNFINISHED, ReplayEvent, ReplayState, next_replay_state
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import deliveries, delivery_queries, registry, replays
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.delivery_queries import Seen, Span
from tiprouter.storage.replays import Item, Replay
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening, moment
from tiprouter.workflow.recovery import Again, Asked, NotRetriedError, Wish, log_retry, try_again
from tiprouter.workflow.separation import Act, OnePersonError, require_another
from tiprouter.workflow.standing import require_fresh

log = structlog.get_logger()

SPAN_MAX: Final = timedelta(days=14)
ITEMS_MAX: Final = 1_000
CONFIRM_WITHIN: Final = timedelta(hours=24)
AHEAD_MAX: Final = 50
AT_ONCE: Final = 20
REPLAYED: Final = "delivery.replayed"


class UnderWayError(ConflictError):
    """Another replay of this agency is proposed or running; wait for its end, or stop it."""


class EndedError(ConflictError):
    """The replay does not wait for this any more; look at it again."""


class SamePersonError(OnePersonError):
    """A second credential confirms a replay; you proposed this one."""

    act = Act.REPLAY


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person proposes; `until` None means this moment, any other None means any."""

    recipient_id: str
    since: datetime
    until: datetime | None
    states: tuple[DeliveryState, ...]
    reason: RetryReason
    urgency: Urgency | None = None
    result: str | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A replay, how many of its deliveries became what, and in which states its proposal found them."""

    replay: Replay
    became: Mapping[Became, int]
    found: Mapping[DeliveryState, int]


def propose(tx: Transaction, desk: Desk, actor: Actor, plan: Plan) -> Progress:
    """Count and fix what a replay would be about (rule 1). Raises `InvalidError`, `UnderWayError`."""
    with happening(tx, desk, actor) as it:
        span = _span(it, plan)
        if registry.load(tx, span.recipient_id, lock=True) is None:
            raise InvalidError("This field names no recipient.", "/recipient")
        if replays.any_unfinished(tx, span.recipient_id):
            raise UnderWayError
        found = delivery_queries.within(tx, span, ITEMS_MAX + 1)
        if not found:
            raise InvalidError("No delivery matches.", "/since")
        if len(found) > ITEMS_MAX:
            raise InvalidError(f"More than {ITEMS_MAX} deliveries match; propose a shorter span.", "/since")
        replay = Replay(
            it.id("rpl"),
            span.recipient_id,
            span.since,
            span.until,
            span.states,
            plan.reason,
            ReplayState.PROPOSED,
            actor.id,
            it.now,
            urgency=span.urgency,
            result=span.result,
            record_id=span.record_id,
        )
        replays.propose(tx, replay, [Item(replay.id, *one) for one in found])
        it.log(
            Kind.REPLAY_PROPOSED,
            {
                "replay": replay.id,
                "recipient": replay.recipient_id,
                "since": moment(replay.since),
                "until": moment(replay.until),
                "states": [state.value for state in replay.states],
                "urgency": None if replay.urgency is None else replay.urgency.value,
                "result": replay.result,
                "record": replay.record_id,
                "reason": replay.reason.value,
                "count": len(found),
            },
        )
        return _progress(tx, replay)


def confirm(tx: Transaction, desk: Desk, actor: Actor, replay_id: str) -> Progress:
    """Let a replay that another person proposed begin (rule 2).

    Raises `NotFoundError`, `EndedError`, `SamePersonError`.
    """
    with happening(tx, desk, actor) as it:
        require_fresh(actor, it.now)
        replay = _held(tx, replay_id)
        if replay.state is not ReplayState.PROPOSED or _lapsed(it, replay):
            raise EndedError
        require_another(it, SamePersonError, replay.proposed_by)
        state = next_replay_state(replay.state, ReplayEvent.CONFIRM)
        replays.change(tx, replay_id, state=state, confirmed_by=actor.id, confirmed_at=it.now)
        progress = _progress(tx, replace(replay, state=state, confirmed_by=actor.id, confirmed_at=it.now))
        count = sum(progress.became.values())
        said = {"replay": replay_id, "recipient": replay.recipient_id, "count": count, "proposer": replay.proposed_by}
        it.log(Kind.REPLAY_CONFIRMED, said)
        return progress


def stop(tx: Transaction, desk: Desk, actor: Actor, replay_id: str) -> Progress:
    """End a replay before it is done (rule 5). Raises `NotFoundError`, `EndedError`."""
    with happening(tx, desk, actor) as it:
        replay = _held(tx, replay_id)
        if replay.state not in UNFINISHED:
            raise EndedError
        state = next_replay_state(replay.state, ReplayEvent.STOP)
        replays.change(tx, replay_id, state=state, stopped_by=actor.id, ended_at=it.now)
        progress = _progress(tx, replace(replay, state=state, stopped_by=actor.id, ended_at=it.now))
        said = {"replay": replay_id, "recipient": replay.recipient_id, "state": replay.state.value}
        it.log(Kind.REPLAY_STOPPED, said | {"left": progress.became.get(Became.WAITING, 0)})
        return progress


def work_replays(tx: Transaction, desk: Desk) -> int:
    """A chore: the next slice of every replay that runs (rules 3, 4); how much was done."""
    if not replays.any_unfinished(tx):
        return 0
    with happening(tx, desk, ROUTER, deciding=True) as it:
        return sum(_worked(it, replay) for replay in replays.unfinished(tx))


def _span(it: Happening, plan: Plan) -> Span:
    """Rule 1. Raises `InvalidError`."""
    until = plan.until or it.now
    if until > it.now:
        raise InvalidError("A replay is about what was made before now.", "/until")
    if not plan.since < until <= plan.since + SPAN_MAX:
        raise InvalidError("A replay begins before its end, at most fourteen days before.", "/since")
    states = tuple(state for state in DeliveryState if state in (plan.states or DEAD))
    if not REPLAYABLE.issuperset(states):
        raise InvalidError("What is in flight, announced or cancelled cannot be replayed.", "/states")
    return Span(plan.recipient_id, plan.since, until, states, plan.urgency, plan.result, plan.record_id)


def _worked(it: Happening, replay: Replay) -> int:
    if replay.state is ReplayState.PROPOSED:
        return _end(it, replay, ReplayEvent.LAPSE) if _lapsed(it, replay) else 0
    room = min(AT_ONCE, AHEAD_MAX - replays.under_way(it.tx, replay.id))
    items = replays.next_items(it.tx, replay.id, room) if room > 0 else []
    for item in items:
        # If we were to crash before this slice commits, none of it has happened; after it, none of it happens again.
        _work(it, replay, item)
    if replays.counted(it.tx, replay.id)[0].get(Became.WAITING, 0):
        return len(items)
    return len(items) + _end(it, replay, ReplayEvent.FINISH)


def _work(it: Happening, replay: Replay, item: Item) -> None:
    """Try one delivery again, or write down why not (rules 3, 6, 7)."""
    found: Seen | None = None
    try:
        with it.forgiving():
            found, again = try_again(it, item.delivery_id, REPLAYED)
    except DatabaseError:
        raise
    except NotRetriedError:
        again = Again(Became.PASSED_OVER)
    except ErasedError:
        again = Again(Became.WITHHELD)
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, nothing leaves and a human is told
        log.warning("delivery.held", delivery=item.delivery_id, error=type(error).__name__)
        delivery = deliveries.load(it.tx, item.delivery_id)
        it.tell("delivery.held", item.delivery_id, item.record_id, None if delivery is None else delivery.deadline)
        again = Again(Became.FAILED)
    replays.settle(it.tx, item, again.became, again.made_id, it.now)
    found = found or delivery_queries.one(it.tx, item.delivery_id)
    if found is not None:
        log_retry(it, found, Asked(Wish(replay.reason), replay_id=replay.id), again)


def _end(it: Happening, replay: Replay, event: ReplayEvent) -> int:
    state = next_replay_state(replay.state, event)
    replays.change(it.tx, replay.id, state=state, ended_at=it.now)
    became = replays.counted(it.tx, replay.id)[0]
    ends = (Became.DUE, Became.SENT, Became.WITHHELD, Became.PASSED_OVER, Became.FAILED)
    said = {"replay": replay.id, "recipient": replay.recipient_id, "state": state.value}
    counts = {"count": sum(became.values())} | {end.value: became.get(end, 0) for end in ends}
    it.log(Kind.REPLAY_ENDED, said | counts)
    return 1


def _lapsed(it: Happening, replay: Replay) -> bool:
    return it.now >= replay.proposed_at + CONFIRM_WITHIN


def _held(tx: Transaction, replay_id: str) -> Replay:
    replay = replays.load(tx, replay_id, lock=True)
    if replay is None:
        raise NotFoundError
    return replay


def _progress(tx: Transaction, replay: Replay) -> Progress:
    return Progress(replay, *replays.counted(tx, replay.id))
