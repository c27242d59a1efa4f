"""Defects of a delivery pipeline that a crash brings to light, each planted into the product.

1. Each is a function of `at`, which makes a point; what it returns is done later, as a program with the defect would.
2. They live in a process of their own that ends with them, so that nothing is taken out again.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias

from tests.machine.patching import inside, put
from tests.support.service import Service
from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult, Envelope
from tiprouter.delivery.sender import Sender
from tiprouter.domain.redaction import reopen
from tiprouter.domain.states import DeliveryState
from tiprouter.storage import deliveries, outbox, rows, tables
from tiprouter.storage.database import Transaction
from tiprouter.workflow import dispatch, finishing
from tiprouter.workflow.finishing import Answers
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening
from tiprouter.workflow.publish import Sequencer

At: TypeAlias = Callable[[str], None]
Late: TypeAlias = Callable[[Service], Awaitable[None]]

_SAID = Attempted(AttemptResult.SUCCESS, 204, None, 1, "127.0.0.1", b"")


async def nothing(_: Service) -> None:
    """Nothing is left for later."""


def _plant(where: object, name: str, value: object) -> None:
    put(where, name, value).start()


def _held(where: object, name: str) -> Late:
    """What this function would write is held in memory, and written in a transaction of its own."""
    told = inside(where, name)
    waiting: list[tuple[Any, ...]] = []

    def all_of_it(tx: Transaction) -> None:
        while waiting:
            told(tx, *waiting.pop(0))

    async def late(service: Service) -> None:
        await service.database.write(all_of_it)

    _plant(where, name, lambda _, *rest: waiting.append(rest))
    return late


def entry_after_sending(_: At) -> Late:
    """The attempt's entry is written when it was sent, not before."""
    bodies: list[dict[str, Any]] = []
    log = Happening.log

    def held(it: Happening, kind: Kind, body: dict[str, Any]) -> None:
        if kind is Kind.ATTEMPT_STARTED:
            bodies.append(body)
        else:
            log(it, kind, body)

    def told(tx: Transaction, desk: Desk) -> None:
        with happening(tx, desk, ROUTER) as it:
            while bodies:
                log(it, Kind.ATTEMPT_STARTED, bodies.pop())

    async def late(service: Service) -> None:
        await service.database.write(lambda tx: told(tx, service.desk))

    _plant(Happening, "log", held)
    return late


def entries_apart(_: At) -> Late:
    """Entries are written in a transaction of their own after the one they tell of: the classic double write."""
    return _held(outbox, "add")


def attempt_after_sending(_: At) -> Late:
    """The attempt's row is written when it was sent."""
    return _held(deliveries, "start")


def accepted_in_memory(_: At) -> Late:
    """A tip is acknowledged before it is durable."""
    accept, waiting = Service.accept, list[Any]()

    async def soon(_: Service, record: Any) -> None:  # noqa: ANN401 - as the service's
        waiting.append(record)

    async def late(service: Service) -> None:
        while waiting:
            await accept(service, waiting.pop(0))

    _plant(Service, "accept", soon)
    return late


def queued_in_memory(_: At) -> Late:
    """What is to be delivered is queued after the tip was accepted."""
    return _held(deliveries, "add_all")


def leases_for_ever(_: At) -> Late:
    """Nobody takes over from the dead before ten days have passed."""
    _plant(dispatch, "LEASE", timedelta(days=10))
    return nothing


def nobody_takes_over(_: At) -> Late:
    """Leases run out and nobody looks."""
    _plant(deliveries, "expired", lambda *_: [])
    return nothing


def dead_counts_as_done(_: At) -> Late:
    """What a dead worker held counts as delivered: at most once, and at times never."""
    end = inside(dispatch, "_end_lease")

    def done(it: Happening, delivery: Any) -> None:  # noqa: ANN401 - a delivery
        end(it, delivery)
        deliveries.change(it.tx, delivery.id, state=DeliveryState.DELIVERED)

    _plant(dispatch, "_end_lease", done)
    return nothing


def dead_waits_for_a_day(_: At) -> Late:
    """What a dead worker held is due again tomorrow."""
    end = inside(dispatch, "_end_lease")

    def waits(it: Happening, delivery: Any) -> None:  # noqa: ANN401 - a delivery
        end(it, delivery)
        deliveries.change(it.tx, delivery.id, next_at=it.now + timedelta(days=1))

    _plant(dispatch, "_end_lease", waits)
    return nothing


def attempt_left_open(_: At) -> Late:
    """How a dead worker's attempt ended is not written down."""
    _plant(deliveries, "attempts_of", lambda *_: [])
    return nothing


def end_untold(_: At) -> Late:
    """That a dead worker's attempt ended leaves no entry."""
    tell = inside(dispatch, "_log_finished")
    _plant(dispatch, "_log_finished", lambda it, of, one, came: tell(it, of, one, came) if came else None)
    return nothing


def counted_anew(_: At) -> Late:
    """After a crash attempts are counted from one."""
    end = inside(dispatch, "_end_lease")

    def forgets(it: Happening, delivery: Any) -> None:  # noqa: ANN401 - a delivery
        end(it, delivery)
        deliveries.change(it.tx, delivery.id, attempts=0)

    _plant(dispatch, "_end_lease", forgets)
    return nothing


def _sent_as(change: Callable[[Envelope, int], Envelope]) -> Late:
    make = inside(dispatch, "_envelope")

    def made(it: Happening, delivery: Any, known: Any) -> Any:  # noqa: ANN401 - as the product's
        kind, envelope = make(it, delivery, known)
        return kind, change(envelope, delivery.attempts) if delivery.attempts else envelope

    _plant(dispatch, "_envelope", made)
    return nothing


def another_id(_: At) -> Late:
    """Each attempt has an id of its own."""
    return _sent_as(lambda envelope, number: replace(envelope, webhook_id=f"{envelope.webhook_id}{number}"))


def another_body(_: At) -> Late:
    """Each attempt says something else under the same id."""

    def changed(envelope: Envelope, _: int) -> Envelope:
        body = envelope.body.body + b" "
        return replace(envelope, body=reopen(body, hashlib.sha256(body).hexdigest()))

    return _sent_as(changed)


def told_before_it_is_sent(_: At) -> Late:
    """An attempt counts as made when it is handed to the network's queue."""
    send, waiting = Sender.send, list[tuple[Sender, Envelope]]()

    async def soon(sender: Sender, envelope: Envelope, *_: object) -> Attempted:
        waiting.append((sender, envelope))
        return _SAID

    async def later(_: Service) -> None:
        if len(waiting) > 1:
            await send(*waiting.pop(0))

    _plant(Sender, "send", soon)
    return later


def answer_in_memory(_: At) -> Late:
    """Whoever has an answer is told that it is durable before it is."""
    write, waiting = Answers.write, list[Any]()

    async def soon(answers: Answers, *one: Any) -> DeliveryState:  # noqa: ANN401 - as the product's
        waiting.append((answers, *one))
        return DeliveryState.DELIVERED

    async def late(_: Service) -> None:
        if len(waiting) > 1:
            await write(*waiting.pop(0))

    _plant(Answers, "write", soon)
    return late


def results_apart(_: At) -> Late:
    """What came of an attempt and what became of its delivery are two transactions."""
    return _held(deliveries, "change_each")


def answers_lost_in_the_batch(_: At) -> Late:
    """Every second answer of those that are written together is not."""
    finish_all, seen = dispatch.finish_all, list[int]()

    def lossy(tx: Transaction, desk: Desk, ended: Any) -> list[Any]:  # noqa: ANN401 - as the product's
        states: list[Any] = []
        for one in ended:
            seen.append(1)
            states += finish_all(tx, desk, [one]) if len(seen) % 2 else [DeliveryState.DELIVERED]
        return states

    _plant(finishing, "finish_all", lossy)
    return nothing


def answers_untold(_: At) -> Late:
    """What was answered leaves no entry."""
    _plant(dispatch, "_log_finished", lambda *_: None)
    return nothing


def told_again_is_new(_: At) -> Late:
    """A tip that is told again is another one."""
    blind = Desk.blind
    _plant(Desk, "blind", lambda desk, *parts: blind(desk, *parts, os.urandom(8).hex()))
    return nothing


def entries_taken_out_first(at: At) -> Late:
    """Entries leave the outbox in one transaction and reach the tree in the next."""
    drain = Sequencer.drain

    async def apart(sequencer: Sequencer) -> None:
        database = inside(sequencer, "_database")
        taken = await database.write(lambda tx: outbox.drain(tx, 10_000))
        at("taken out")
        await database.write(lambda tx: rows.add(tx, tables.outbox, {"entry": taken}))
        await drain(sequencer)

    _plant(Sequencer, "drain", apart)
    return nothing


def claimed_by_nobody(_: At) -> Late:
    """A claim holds nothing: what was claimed is due again at once."""
    claim_all = deliveries.claim_all

    def loose(tx: Transaction, wanted: Any, until: Any) -> set[str]:  # noqa: ANN401 - as the product's
        taken = claim_all(tx, wanted, until)
        for name in taken:
            deliveries.change(tx, name, state=DeliveryState.QUEUED, lease=None, lease_until=None)
        return taken

    _plant(deliveries, "claim_all", loose)
    return nothing


FAULTS: Final[Mapping[str, Callable[[At], Late]]] = {
    one.__name__: one
    for one in (
        entry_after_sending,
        entries_apart,
        attempt_after_sending,
        accepted_in_memory,
        queued_in_memory,
        leases_for_ever,
        nobody_takes_over,
        dead_counts_as_done,
        dead_waits_for_a_day,
        attempt_left_open,
        end_untold,
        counted_anew,
        another_id,
        another_body,
        told_before_it_is_sent,
        answer_in_memory,
        results_apart,
        answers_lost_in_the_batch,
        answers_untold,
        told_again_is_new,
        entries_taken_out_first,
        claimed_by_nobody,
    )
}
