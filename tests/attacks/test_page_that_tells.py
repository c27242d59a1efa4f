"""A page says what it must not, to somebody twice, or goes on after somebody came."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.delivery.receiver_fixture import reply
from tests.support.fictional import SECRET, agency, grant
from tests.support.paging import EMAIL, EVERYTHING, WEBHOOK, Outside, claimed, danger, hold, outside, pages, watch
from tests.support.service import OPERATOR, START, Service, open_service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.notifying import Paged, PageResult
from tiprouter.domain import page as composing
from tiprouter.domain.notice import REASONS, UNDELIVERED
from tiprouter.domain.page_states import PageState
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import pages as stored
from tiprouter.storage.pages_table import pages as table
from tiprouter.workflow import heeding, paging
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import ROUTER, happening

SENT, FAILED, GONE = PageResult
HELD = ("review.wanted", "webhook", 0, "sent", 1)


async def everything_paged(service: Service, out: Outside) -> None:
    """A life with holds, danger, refusals and a withdrawal, and a notice for every reason there is; all of it paged."""
    await danger(service)
    await hold(service)
    (person,) = await service.rows("select min(id) from persons")
    given = await service.consent(Whose(person_id=person[0]), grant(RecipientKind.LAW_ENFORCEMENT))
    await service.deliver(AttemptResult.GONE)
    await service.withdraw(given.consent.id)
    record = (await service.rows("select min(id) from records"))[0][0]

    def tell(tx: object) -> None:
        with happening(tx, service.desk, ROUTER) as it:  # type: ignore[arg-type] # a connection, as told
            for reason in REASONS:
                it.tell(reason, it.id("dec"), record, START + timedelta(hours=1))
            it.tell("something.new", SECRET, SECRET, None)

    await service.database.write(tell)
    service.clock.forward(minutes=5)
    await watch(service)
    for _ in range(2):
        while await out.turn():
            pass
        service.clock.forward(minutes=15)
        await watch(service)


async def nothing_personal_leaves(service: Service) -> None:
    """Not in a page, a letter, or their heads; and every reason was told."""
    async with outside(service) as out:
        await everything_paged(service, out)
        sent = [
            request.line.encode() + repr(request.headers).encode() + request.body for request in out.receiver.requests
        ]
        sent += [letter.as_bytes() for letter in out.post.letters]
        for message in sent:
            for marker in (SECRET, "Example-p1", "555-0100", "agency.example", "is made to work"):
                assert marker.encode() not in message
        assert {*REASONS, composing.OTHER} - set(out.hooked) == {"paging.webhook-failing"}
        assert len(sent) > len(REASONS)


async def test_no_page_holds_personal_data(service: Service) -> None:
    """Records full of names, numbers and free text; pages of ids and fixed sentences."""
    await nothing_personal_leaves(service)
    await log_agrees_with_rows(service)


async def one_page_of_two_workers(here: Service, there: Service) -> None:
    """Both claim at once, again and again: each page is sent once, and its row says so."""
    async with outside(here) as out:
        there.desk = replace(there.desk, routing=EVERYTHING)
        await here.enrol(agency())
        for number in range(4):
            await hold(here, number)
        turns = await asyncio.gather(*(out.turn(one) for one in (here, there) * 2))
        assert [result for turn in turns for result in turn] == [SENT] * 8
        assert len({page_id for page_id, _ in out.hooks}) == len(out.hooks) == 4
        assert len({letter["Message-ID"] for letter in out.post.letters}) == len(out.post.letters) == 4


async def test_two_workers_send_one_page(two: tuple[Service, Service]) -> None:
    """On one PostgreSQL, as two machines would."""
    await one_page_of_two_workers(*two)
    await log_agrees_with_rows(two[0])


async def test_two_workers_tell_of_one_danger(two: tuple[Service, Service]) -> None:
    """Both look for what has not arrived at the same moment, and repeat at the same moment: one notice, one repeat."""
    here, there = two
    async with outside(here):
        there.desk = replace(there.desk, routing=EVERYTHING)
        await danger(here)
        here.clock.forward(minutes=5)
        await asyncio.gather(*(watch(one) for one in (here, there) * 3))
        here.clock.forward(minutes=15)
        await asyncio.gather(*(watch(one) for one in (here, there) * 3))
        told = await pages(here)
        assert [page[:3] for page in told if page[0] == UNDELIVERED] == [
            (UNDELIVERED, channel, repeat) for channel in ("email", "webhook") for repeat in (0, 1)
        ]


async def test_repeating_and_acknowledging_at_once_end_well(two: tuple[Service, Service]) -> None:
    """They lock in one order: neither waits for the other in a circle, and what is acknowledged is repeated no more."""
    here, there = two
    async with outside(here) as out:
        await danger(here)
        here.clock.forward(minutes=5)
        await watch(here)
        (notice,) = await here.rows("select id from notices")
        here.clock.forward(minutes=15)
        await asyncio.gather(
            *(watch(one) for one in (here, there)),
            *(one.database.write(lambda tx: heeding.acknowledge(tx, here.desk, OPERATOR, notice[0])) for one in two),
        )
        here.clock.forward(minutes=15)
        assert await watch(here) == (0, 0)
        assert await out.turn() == []


async def test_a_worker_that_dies_after_sending_sends_under_the_same_id(service: Service) -> None:
    """The receiver may see it twice and can tell; nobody else takes it while the lease runs."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        (ready,) = await claimed(service, WEBHOOK)
        await out.notifiers[WEBHOOK].page(ready.call)  # and then it dies
        assert await claimed(service, WEBHOOK) == []
        service.clock.at += paging.LEASE - timedelta(microseconds=1)
        assert await claimed(service, WEBHOOK) == []
        service.clock.forward(microseconds=1)
        await out.turn()
        assert [page_id for page_id, _ in out.hooks] == [ready.call.id] * 2
        # What the dead one would still say of it changes nothing.
        paged = Paged(PageResult.FAILED, "timeout")
        assert await service.database.write(lambda tx: paging.finish(tx, service.desk, ready, paged)) is None
        assert ("review.wanted", "webhook", 0, PageState.SENT, 2) in await pages(service)


async def acknowledged_stops(service: Service) -> None:
    """What was acknowledged is not sent."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        (notice,) = await service.rows("select id from notices")
        await service.database.write(lambda tx: heeding.acknowledge(tx, service.desk, OPERATOR, notice[0]))
        assert await out.turn() == []


async def delivered_stops(service: Service) -> None:
    """What was delivered is not repeated."""
    async with outside(service) as out:
        await danger(service)
        service.clock.forward(minutes=5)
        await watch(service)
        await out.turn()
        before = out.hooked.count(UNDELIVERED)
        await service.deliver()
        service.clock.forward(minutes=15)
        await watch(service)
        await out.turn()
        assert out.hooked.count(UNDELIVERED) == before == 1


async def retried_under_one_id(service: Service) -> None:
    """Down, then up: one id."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        out.behaviour = reply(500)
        await out.turn()
        out.behaviour = reply(200)
        service.clock.forward(minutes=1)
        await out.turn()
        assert len(out.hooks) == 2
        assert len({page_id for page_id, _ in out.hooks}) == 1


async def imminent_goes_alone(service: Service) -> None:
    """Danger is in a letter of its own, whatever the flood."""
    async with outside(service) as out:
        await danger(service)
        for number in range(12):
            await hold(service, number)
        service.clock.forward(minutes=5)
        await watch(service)
        await out.turn()
        assert f"imminent: {UNDELIVERED}" in out.mailed


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Service]:
    """One service on the embedded database: a fault shows there as well as elsewhere."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]
Story: TypeAlias = Callable[[Service], Awaitable[None]]


def _tell_anything(patch: pytest.MonkeyPatch) -> None:
    """Whatever stands in a notice is told."""
    patch.setattr(composing, "_id", lambda value: value)


def _tell_other_reasons(patch: pytest.MonkeyPatch) -> None:
    """The reason is told as it stands, and so is what somebody else put there."""
    patch.setattr(composing, "_reason", lambda told: f"{told.reason} {told.subject}")


def _forget_who_saw(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored, "heeded_by", lambda *_: {})


def _forget_what_arrived(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stored, "arrived", lambda *_: False)


def _new_id_each_time(patch: pytest.MonkeyPatch) -> None:
    start = paging._start  # noqa: SLF001 - the fault is planted here

    def planted(it, channel, batch):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as the original
        ready = start(it, channel, batch)
        return replace(ready, call=replace(ready.call, id=it.id("pag")))

    patch.setattr(paging, "_start", planted)


def _fold_everything(patch: pytest.MonkeyPatch) -> None:
    def planted(_it, channel, live):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as the original
        if channel is EMAIL and live:
            return [paging.Batch(tuple(live), folded=True)]
        return [paging.Batch((one,)) for one in live]

    patch.setattr(paging, "_batches", planted)


@pytest.mark.parametrize(
    ("plant", "story"),
    [
        (_tell_anything, nothing_personal_leaves),
        (_tell_other_reasons, nothing_personal_leaves),
        (_forget_who_saw, acknowledged_stops),
        (_forget_what_arrived, delivered_stops),
        (_new_id_each_time, retried_under_one_id),
        (_fold_everything, imminent_goes_alone),
    ],
)
async def test_a_planted_fault_is_noticed(
    alone: Service, monkeypatch: pytest.MonkeyPatch, plant: Plant, story: Story
) -> None:
    """The test of the tests: each story fails once what it promises is broken."""
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        await story(alone)


@pytest.mark.parametrize("story", [acknowledged_stops, delivered_stops, retried_under_one_id, imminent_goes_alone])
async def test_the_stories_hold_without_a_fault(alone: Service, story: Story) -> None:
    """The control of the above."""
    await story(alone)


async def test_a_claim_without_a_lease_is_noticed(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: where a claim takes what another holds, two workers send two pages."""

    def everything(tx, channel, now, _limit):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as the original
        del now
        query = table.select().where(table.c.channel == channel)
        found = [stored._page(row) for row in tx.execute(query)]  # noqa: SLF001 - as above
        about = stored.raised(tx, [page.notice_id for page in found])
        return [(page, about[page.notice_id]) for page in found if page.state in ("waiting", "failed")]

    monkeypatch.setattr(stored, "due", everything)
    # Two pages are counted; or the second worker comes so late that the page's own table refuses its answer.
    with pytest.raises((AssertionError, IllegalTransitionError)):
        await one_page_of_two_workers(*two)


async def test_a_danger_that_nobody_looks_for_is_noticed(alone: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: where delivered and waiting look alike, the story of the five minutes fails."""
    monkeypatch.setattr(stored, "undelivered", lambda *_: [])
    with pytest.raises(AssertionError):
        await delivered_stops(alone)
