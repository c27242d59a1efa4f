"""Another try that tells what may no longer be told, that one person asks of many, or that another agency sees."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import agency
from tests.support.inbox import states
from tests.support.recovering import (
    LE,
    SECOND,
    adult,
    became,
    confirm,
    dead,
    dead_letter,
    exhaust_everything,
    inspect,
    listed,
    logged,
    plan,
    police,
    progress,
    propose,
    retry,
    running,
    slice_of_work,
    stop,
    work,
)
from tests.support.service import OPERATOR, Service
from tiprouter.domain.recipient import RecipientStatus
from tiprouter.domain.recovery import Became
from tiprouter.domain.replay_states import ReplayEvent, ReplayState, next_replay_state
from tiprouter.errors import NotFoundError
from tiprouter.storage import delivery_queries, disclosures, replays, tables
from tiprouter.storage.database import Transaction
from tiprouter.storage.replays import Replay
from tiprouter.workflow import enrolment, recovery, replaying
from tiprouter.workflow.assess import Assessed
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.recovery import Again
from tiprouter.workflow.replaying import SamePersonError


async def nothing_new_leaves(service: Service) -> None:
    """No worker finds anything, no attempt began after the first ones, and the log agrees."""
    before = await service.rows("select id from attempts")
    assert await service.claim() == []
    assert await service.rows("select id from attempts") == before
    assert "queued" not in await states(service)
    await log_agrees_with_rows(service)


async def ran_out_unseen(service: Service) -> None:
    """Her consent ran out and nobody decided again: a retry by hand withholds."""
    await police(service)
    _, old_id = await dead_letter(service, until=timedelta(hours=24))
    assert await dead(service) == [old_id]
    assert (await retry(service, old_id)).again.became is Became.WITHHELD
    await nothing_new_leaves(service)


async def one_person_alone(service: Service) -> None:
    """Whoever proposed cannot confirm, however often they ask, and nothing is made meanwhile."""
    recipient = await police(service)
    await dead_letter(service)
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    for _ in range(2):
        with pytest.raises(SamePersonError):
            await confirm(service, replay_id, OPERATOR)
        await work(service)
    assert (await progress(service, replay_id)).replay.state is ReplayState.PROPOSED
    await nothing_new_leaves(service)


async def another_agencys_delivery(service: Service) -> None:
    """It is not there: not in the list, not by its id, exactly like one that nobody ever made."""
    await police(service)
    await adult(service)
    (ready,) = await service.deliver()
    other = (await service.enrol(agency(LE, "US-CA"))).recipient
    stranger = Actor("cal_stranger", "agency", other.id)
    assert await listed(service, stranger) == []
    for asked in (ready.delivery_id, "msg_none"):
        with pytest.raises(NotFoundError):
            await inspect(service, asked, stranger)


async def each_once(service: Service) -> None:
    """However often the chore comes round, a delivery is made anew once."""
    _, replay_id = await running(service, 2)
    for _ in range(4):
        await slice_of_work(service)
    assert await became(service, replay_id) == {Became.SENT: 2}
    assert sorted(await states(service)) == ["exhausted", "exhausted", "queued", "queued"]


async def stopped_is_stopped(service: Service) -> None:
    """After the stop nothing more is made."""
    _, replay_id = await running(service, 2)
    await stop(service, replay_id)
    assert await slice_of_work(service) == 0
    assert await states(service) == ["exhausted", "exhausted"]


async def every_try_is_logged(service: Service) -> None:
    """One entry for each delivery of a replay and for each retry, with what became of it."""
    _, replay_id = await running(service, 2)
    await work(service)
    entries = await logged(service, "delivery.retried")
    assert [(entry.body["replay"], entry.body["became"]) for entry in entries] == [(replay_id, "sent")] * 2


async def what_was_withdrawn_is_no_dead_letter(service: Service) -> None:
    """The list of what somebody should try again never names what may not be told."""
    await police(service)
    given, _ = await dead_letter(service)
    await service.withdraw(given.consent.id)
    assert [one for one in await dead(service) if (await inspect(service, one)).standing.seen.recalls is None] == []


STORIES = [
    ran_out_unseen,
    one_person_alone,
    another_agencys_delivery,
    each_once,
    stopped_is_stopped,
    every_try_is_logged,
    what_was_withdrawn_is_no_dead_letter,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_it_holds(service: Service, story: Callable[[Service], Awaitable[None]]) -> None:
    """Each of the stories above."""
    await story(service)


async def test_withdrawn_between_exhaustion_and_the_retry(service: Service) -> None:
    """What never arrived is not tried again after her word; what may have arrived was recalled."""
    await police(service)
    given, old_id = await dead_letter(service)
    await service.withdraw(given.consent.id)
    assert (await retry(service, old_id)).again.became is Became.WITHHELD
    for ready in await service.deliver():
        assert b'"type":"disclosure.recalled"' in ready.envelope.body.body
    await nothing_new_leaves(service)


@pytest.mark.parametrize("moment", ["proposed", "confirmed"])
async def test_withdrawn_while_a_replay_is_under_way(service: Service, moment: str) -> None:
    """Two people's word is no consent: each delivery is decided again when its turn comes."""
    recipient = await police(service)
    given, _ = await dead_letter(service)
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    if moment == "confirmed":
        await confirm(service, replay_id)
    await service.withdraw(given.consent.id)
    await service.deliver()  # the recall
    if moment == "proposed":
        await confirm(service, replay_id)
    await work(service)
    assert await became(service, replay_id) == {Became.WITHHELD: 1}
    await nothing_new_leaves(service)


async def test_a_consent_that_ran_out_between_the_slice_and_the_worker(service: Service) -> None:
    """What a replay made rests on the moment it was made; the claim decides again."""
    recipient = await police(service)
    await dead_letter(service, until=timedelta(hours=26))
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    await confirm(service, replay_id)
    await work(service)
    assert await states(service) == ["exhausted", "queued"]
    service.clock.forward(hours=1)
    assert await service.claim() == []
    assert await states(service) == ["exhausted", "cancelled"]
    await nothing_new_leaves(service)


async def test_an_agency_that_was_suspended_since(service: Service) -> None:
    """A replay to it makes nothing."""
    recipient, replay_id = await running(service, 1)
    suspended = replace(recipient, status=RecipientStatus.SUSPENDED)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    await work(service)
    assert await became(service, replay_id) == {Became.WITHHELD: 1}
    await nothing_new_leaves(service)


async def test_an_agency_sees_its_own_once_it_left_and_not_what_is_said_about_it(service: Service) -> None:
    """Queued, it is not there; sent, it is, without why it waits or who asked what."""
    recipient = await police(service)
    await adult(service)
    own = Actor("cal_police", "agency", recipient.id)
    ((delivery_id,),) = await service.rows("select id from deliveries")
    with pytest.raises(NotFoundError):
        await inspect(service, delivery_id, own)
    assert await listed(service, own) == []
    await exhaust_everything(service)
    await retry(service, delivery_id)
    found = await inspect(service, delivery_id, own)
    assert (found.standing.waits, found.standing.remedy, found.retries) == (None, None, ())
    assert [one.seen.delivery.id for one in await listed(service, own)] == [delivery_id]


async def test_two_workers_on_one_replay(two: tuple[Service, Service]) -> None:
    """Two machines work it at once: everything is made once, and nobody waits in a circle."""
    here, there = two
    _, replay_id = await running(here, 5)
    while (await progress(here, replay_id)).replay.state is ReplayState.RUNNING:
        await asyncio.gather(slice_of_work(here), slice_of_work(there))
    assert await became(here, replay_id) == {Became.SENT: 5}
    assert sorted(await states(here)) == ["exhausted"] * 5 + ["queued"] * 5
    await log_agrees_with_rows(here)


async def test_two_people_retry_one_at_once(two: tuple[Service, Service]) -> None:
    """One of them makes it anew; the other hears that it was, and it is sent once."""
    here, there = two
    await police(here)
    _, old_id = await dead_letter(here)
    answers = await asyncio.gather(retry(here, old_id), retry(there, old_id, actor=SECOND), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["NotRetriedError", "Retried"]
    assert await states(here) == ["exhausted", "queued"]


async def test_a_stop_and_a_slice_at_once(two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever comes first: once the stop has committed, nothing more is made."""
    monkeypatch.setattr(replaying, "AT_ONCE", 1)
    here, there = two
    _, replay_id = await running(here, 3)
    await asyncio.gather(slice_of_work(here), stop(there, replay_id))
    made = await became(here, replay_id)
    assert made.get(Became.SENT, 0) <= 1
    assert await slice_of_work(here) == 0
    assert await became(here, replay_id) == made


def sends_undecided(*_: Any) -> Again:  # noqa: ANN401 - a planted fault
    """A try that decides nothing."""
    return Again(Became.SENT)


def withholds_nothing(*_: Any) -> Assessed:  # noqa: ANN401 - a planted fault
    """A decision that is never made."""
    return Assessed((), {})


def somebody_elses(tx: Transaction, replay_id: str) -> Replay:
    """A proposal that nobody remembers having made."""
    return replace(_held(tx, replay_id), proposed_by="cal_forgotten")


def goes_on(state: ReplayState, event: ReplayEvent) -> ReplayState:
    """A stop that is heard and not obeyed."""
    return state if event is ReplayEvent.STOP else next_replay_state(state, event)


_one, _held = delivery_queries.one, replaying._held  # noqa: SLF001 - a planted fault

FAULTS: list[tuple[str, Callable[[Service], Awaitable[None]], object, str, object]] = [
    ("a retry that decides nothing", ran_out_unseen, recovery, "_anew", sends_undecided),
    ("a retry that leaves the old one standing", each_once, disclosures, "move", lambda *_: None),
    ("a confirmation by whoever proposed", one_person_alone, replaying, "_held", somebody_elses),
    (
        "an agency that sees everything",
        another_agencys_delivery,
        delivery_queries,
        "one",
        lambda tx, one, _=None: _one(tx, one),
    ),
    ("an item that is never settled", each_once, replays, "settle", lambda *_: None),
    ("a try that is not logged", every_try_is_logged, replaying, "log_retry", lambda *_: None),
    ("a stop that stops nothing", stopped_is_stopped, replaying, "next_replay_state", goes_on),
    (
        "a list that forgets what was withdrawn",
        what_was_withdrawn_is_no_dead_letter,
        delivery_queries,
        "_dead",
        lambda: tables.deliveries.c.state == "exhausted",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[0])
async def test_a_planted_fault_is_found(
    service: Service, monkeypatch: pytest.MonkeyPatch, fault: tuple[str, Any, Any, str, object]
) -> None:
    """The tests of the tests: with each promise broken once, its story fails."""
    _, story, where, name, broken = fault
    monkeypatch.setattr(where, name, broken)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await story(service)
