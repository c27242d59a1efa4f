"""Many deliveries to one agency, tried again by two people's word (workflow/replaying.py)."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.recovering import (
    SECOND,
    adult,
    became,
    confirm,
    dead,
    exhaust_everything,
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
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.recovery import Became
from tiprouter.domain.replay_states import ReplayState
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage.database import Transaction
from tiprouter.storage.records import Stored
from tiprouter.workflow import erasing, recovery, replaying
from tiprouter.workflow.assess import Assessed, assess
from tiprouter.workflow.happening import Happening
from tiprouter.workflow.inbox import end_overdue
from tiprouter.workflow.replaying import EndedError, UnderWayError


async def test_a_narrowed_replay_tries_what_was_counted_and_nothing_else(service: Service) -> None:
    """Of three dead letters those of one record, then those that ended so; two persons, each decided again."""
    recipient = await police(service)
    given = [await adult(service, number) for number in range(3)]
    await exhaust_everything(service)
    rows = await service.rows("select id from deliveries")
    persons = await service.rows("select person_id, record_id from record_persons")
    record_id = {row.person_id: row.record_id for row in persons}[given[1].consent.person_id]
    proposed = await propose(service, plan(service, recipient, record_id=record_id))
    assert (proposed.found, proposed.replay.record_id) == ({DeliveryState.EXHAUSTED: 1}, record_id)
    await service.withdraw(given[1].consent.id)
    await confirm(service, proposed.replay.id)
    await work(service)
    assert await became(service, proposed.replay.id) == {Became.WITHHELD: 1}, "decided again: it was withdrawn"
    with pytest.raises(InvalidError, match="No delivery matches"):
        await propose(service, plan(service, recipient, result="timeout"))
    second = await propose(service, plan(service, recipient, urgency=Urgency.STANDARD, result="http_error"))
    await confirm(service, second.replay.id)
    await work(service)
    assert await became(service, second.replay.id) == {Became.SENT: 2, Became.WITHHELD: 1}
    tried = {entry.body["delivery"] for entry in await logged(service, "delivery.retried")}
    assert tried == {row.id for row in rows}


async def test_a_replay_is_counted_confirmed_worked_and_told(service: Service) -> None:
    """An agency was dead for a day: what it missed is counted, a second person confirms, and all of it arrives."""
    recipient = await police(service)
    for number in range(3):
        await adult(service, number)
    await exhaust_everything(service)
    proposed = await propose(service, plan(service, recipient))
    assert proposed.found == {DeliveryState.EXHAUSTED: 3}
    assert proposed.became == {Became.WAITING: 3}
    await work(service)
    assert await service.claim() == []
    replay_id = proposed.replay.id
    assert (await confirm(service, replay_id)).replay.state is ReplayState.RUNNING
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 3}
    assert (await progress(service, replay_id)).replay.state is ReplayState.DONE
    assert len(await service.deliver()) == 3
    assert await dead(service) == []
    entries = await logged(service, "replay.proposed", "replay.confirmed", "delivery.retried", "replay.ended")
    assert [entry.kind.value for entry in entries] == [
        *("replay.proposed", "replay.confirmed"),
        *["delivery.retried"] * 3,
        "replay.ended",
    ]
    assert [entry.body["actor"] for entry in entries[:2]] == [OPERATOR.id, SECOND.id]
    assert entries[1].body["proposer"] == OPERATOR.id
    assert {entry.body["replay"] for entry in entries} == {replay_id}
    assert (entries[-1].body["sent"], entries[-1].body["withheld"]) == (3, 0)
    await log_agrees_with_rows(service)


async def test_a_replay_is_about_what_was_counted_and_about_nothing_later(service: Service) -> None:
    """What exhausts after the proposal is not in it: two people agreed on something else."""
    recipient = await police(service)
    await adult(service, 1)
    await exhaust_everything(service)
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    await adult(service, 2)
    await exhaust_everything(service)
    with pytest.raises(EndedError):  # a day has gone by
        await confirm(service, replay_id)
    await work(service)
    assert (await progress(service, replay_id)).replay.state is ReplayState.LAPSED
    again = (await propose(service, plan(service, recipient, days=1.5))).replay.id
    await confirm(service, again)
    await work(service)
    assert await became(service, again) == {Became.SENT: 1}


async def test_delivered_and_waiting_ones_may_be_named_too(service: Service) -> None:
    """What the agency lost is sent anew, what waits is made due, and what is dead stays so unless it is named."""
    recipient = await police(service)
    await adult(service, 1)
    await exhaust_everything(service)
    await adult(service, 2)
    await service.deliver()
    await adult(service, 3)
    service.clock.forward(seconds=1)
    states = (DeliveryState.DELIVERED, DeliveryState.QUEUED)
    replay_id = (await propose(service, plan(service, recipient, *states))).replay.id
    await confirm(service, replay_id)
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 1, Became.DUE: 1}
    assert len(await dead(service)) == 1
    assert len(await service.deliver()) == 2


async def test_a_span_that_cannot_be_is_refused(service: Service) -> None:
    """In the future, backwards, longer than fourteen days, nobody's, nothing in it, or what can never be replayed."""
    recipient = await police(service)
    await adult(service)
    await exhaust_everything(service)
    now = service.clock.at
    for pointer, wrong in (
        ("/until", plan(service, recipient, until=now + timedelta(microseconds=1))),
        ("/since", plan(service, recipient, days=0)),
        ("/since", plan(service, recipient, days=14.01)),
        ("/since", plan(service, recipient, days=0.5)),
        ("/states", plan(service, recipient, DeliveryState.CANCELLED)),
        ("/states", plan(service, recipient, DeliveryState.CLAIMED, DeliveryState.EXHAUSTED)),
        ("/states", plan(service, recipient, DeliveryState.ANNOUNCED)),
        ("/recipient", replace(plan(service, recipient), recipient_id="rcp_none")),
    ):
        with pytest.raises(InvalidError) as refused:
            await propose(service, wrong)
        assert refused.value.pointer == pointer
    assert await service.rows("select id from replays") == []
    await propose(service, plan(service, recipient, days=14))


async def test_a_replay_of_too_many_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people cannot vouch for what they cannot look through."""
    recipient = await police(service)
    for number in range(3):
        await adult(service, number)
    await exhaust_everything(service)
    monkeypatch.setattr(replaying, "ITEMS_MAX", 2)
    with pytest.raises(InvalidError, match="More than 2"):
        await propose(service, plan(service, recipient))
    monkeypatch.setattr(replaying, "ITEMS_MAX", 3)
    await propose(service, plan(service, recipient))


async def test_one_agency_has_one_replay_at_a_time(service: Service) -> None:
    """Two at once would send everything twice. Once one has ended, another may be proposed."""
    recipient, replay_id = await running(service, 1)
    with pytest.raises(UnderWayError):
        await propose(service, plan(service, recipient))
    await stop(service, replay_id)
    await propose(service, plan(service, recipient))


async def test_a_replay_is_worked_in_slices_and_can_be_stopped(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress is seen between the slices; after the stop nothing more is made."""
    monkeypatch.setattr(replaying, "AT_ONCE", 1)
    _, replay_id = await running(service, 3)
    assert await slice_of_work(service) == 1
    assert await became(service, replay_id) == {Became.SENT: 1, Became.WAITING: 2}
    stopped = await stop(service, replay_id)
    assert (stopped.replay.state, stopped.replay.stopped_by) == (ReplayState.STOPPED, SECOND.id)
    assert await slice_of_work(service) == 0
    assert await became(service, replay_id) == {Became.SENT: 1, Became.WAITING: 2}
    assert len(await dead(service)) == 2
    for late in (stop, confirm):
        with pytest.raises(EndedError):
            await late(service, replay_id)
    (entry,) = await logged(service, "replay.stopped")
    assert (entry.body["left"], entry.body["actor"]) == (2, SECOND.id)


async def test_a_replay_stays_little_ahead_of_what_has_ended(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes deliveries due; when they leave is the workers' business, and it waits for them."""
    monkeypatch.setattr(replaying, "AHEAD_MAX", 2)
    _, replay_id = await running(service, 3)
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 2, Became.WAITING: 1}
    await service.deliver()
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 3}


async def test_a_slice_that_dies_before_its_commit_has_not_happened(service: Service) -> None:
    """Nothing of it is there; the next worker does it, and does it once."""
    _, replay_id = await running(service, 3)

    def dies(tx: Transaction) -> None:
        replaying.work_replays(tx, service.desk)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await service.database.write(dies)
    assert await became(service, replay_id) == {Became.WAITING: 3}
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 3}
    assert Counter(await states(service)) == {"exhausted": 3, "queued": 3}
    await work(service)
    assert Counter(await states(service)) == {"exhausted": 3, "queued": 3}


async def test_one_that_fails_is_told_and_the_others_go_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect about one record stops no other; a person hears of it, and the count says so."""
    _, replay_id = await running(service, 3)
    ((first,), *_) = await service.rows("select record_id from deliveries order by id")

    def broken(it: Happening, stored: Stored, cause: str) -> Assessed:
        if stored.id == first:
            raise RuntimeError
        return assess(it, stored, cause)

    monkeypatch.setattr(recovery, "assess", broken)
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 2, Became.FAILED: 1}
    assert ("delivery.held",) in [tuple(row) for row in await service.rows("select reason from notices")]
    assert len(await dead(service)) == 1
    await log_agrees_with_rows(service)


async def test_what_changed_since_it_was_counted_is_passed_over(service: Service) -> None:
    """Somebody tried one by hand meanwhile: it is not made twice."""
    _, replay_id = await running(service, 2)
    (_, first) = await dead(service)
    await retry(service, first)
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 1, Became.PASSED_OVER: 1}
    assert Counter(await states(service)) == {"exhausted": 2, "queued": 2}


async def test_what_was_erased_meanwhile_is_withheld(service: Service) -> None:
    """Nobody can read it any more, so nobody can decide about it."""
    _, replay_id = await running(service, 2)
    ((record_id,), _) = await service.rows("select id from records order by id")
    for actor in (SECOND, replace(SECOND, id="cal_third")):
        await service.database.write(partial(erasing.erase_record, desk=service.desk, actor=actor, record_id=record_id))
    await work(service)
    assert await became(service, replay_id) == {Became.SENT: 1, Became.WITHHELD: 1}


async def test_a_replay_to_an_agency_that_pulls_fills_its_inbox(service: Service) -> None:
    """There is no endpoint to be called: what was made anew lies there until it is taken."""
    recipient = await police(service, delivery_mode=DeliveryMode.PULL, url=None)
    await adult(service)
    service.clock.forward(hours=25)
    await service.database.write(partial(end_overdue, desk=service.desk))
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    await confirm(service, replay_id)
    await work(service)
    assert await states(service) == ["exhausted", "queued"]
    assert await service.claim() == []


async def test_a_replay_that_is_not_there(service: Service) -> None:
    """Neither looked at, nor confirmed, nor stopped."""
    for ask in (progress, confirm, stop):
        with pytest.raises(NotFoundError):
            await ask(service, "rpl_none")


async def states(service: Service) -> list[str]:
    """Where the deliveries are, in the order in which they were made."""
    return [row.state for row in await service.rows("select state from deliveries order by created_at, id")]
