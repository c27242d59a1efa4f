"""Are people paged of what they must look at: by webhook and mail, once, until somebody has seen it?"""

import asyncio
from datetime import timedelta

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.delivery.receiver_fixture import hang, reply
from tests.support.fictional import agency
from tests.support.paging import (
    EMAIL,
    EVERYTHING,
    WEBHOOK,
    claimed,
    danger,
    hold,
    outside,
    pages,
    watch,
)
from tests.support.service import OPERATOR, START, Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.notifying import PageResult
from tiprouter.domain.notice import UNDELIVERED, PageChannel, Severity
from tiprouter.domain.repeating import Routing
from tiprouter.errors import NotFoundError
from tiprouter.workflow import alarm, heeding
from tiprouter.workflow.pager import Pager

SENT, FAILED, GONE = PageResult
ONLY_WEBHOOK = Routing(frozenset(PageChannel), {Severity.IMMINENT: frozenset({WEBHOOK})})


async def acknowledge(service: Service) -> heeding.Standing:
    """Somebody has seen the newest notice."""
    (newest,) = await service.rows("select max(id) from notices")
    return await service.database.write(lambda tx: heeding.acknowledge(tx, service.desk, OPERATOR, newest[0]))


async def kinds(service: Service) -> list[str]:
    """What kinds of entries about pages and notices are in the log."""
    await service.check_house()
    rows = await service.rows('select kind from log_entries order by "index"')
    return [row[0] for row in rows if row[0].startswith(("page", "notice"))]


async def test_a_hold_pages_by_webhook_and_mail(service: Service) -> None:
    """Both channels tell of the same notice: what happened, what to do, where to look; signed, and once."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        assert await out.turn() == [SENT, SENT]
        ((page_id, told),) = out.hooks
        assert (told["reason"], told["severity"], told["repeat"]) == ("review.wanted", "routine", 0)
        assert told["look_at"] == f"/v1/decisions/{told['subject']}"
        (decision,) = await service.rows("select id from decisions where outcome = 'HOLD_REVIEW'")
        assert told["subject"] == decision[0]
        (letter,) = out.post.letters
        assert told["notice_id"] in letter.get_content()
        assert letter["Message-ID"] != f"<{page_id}@hotline.example>"
        assert await out.turn() == []
    assert await kinds(service) == ["notice", *("page.started", "page.finished") * 2]
    await log_agrees_with_rows(service)


async def test_a_receiver_that_was_down_gets_it_once_under_one_id(service: Service) -> None:
    """The page is tried again on the schedule; the receiver's key against duplicates never changes."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        out.behaviour = reply(500)
        assert await out.turn() == [FAILED, SENT]
        assert await out.turn() == []  # not before its time
        service.clock.forward(seconds=10)
        assert await out.turn() == [FAILED]
        out.behaviour = reply(200)
        service.clock.forward(seconds=60)
        assert await out.turn() == [SENT]
        service.clock.forward(hours=12)
        assert await out.turn() == []
        assert len(out.hooks) == 3
        assert len({page_id for page_id, _ in out.hooks}) == 1
        assert len(out.mailed) == 1
    assert ("review.wanted", "webhook", 0, "sent", 3) in await pages(service)
    await service.check_house()


async def test_a_retry_after_is_honoured(service: Service) -> None:
    """A receiver that asks for time gets it."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        out.behaviour = reply(503, headers="Retry-After: 600\r\n")
        await out.turn()
        service.clock.forward(seconds=590)
        assert await out.turn() == []
        service.clock.forward(minutes=3)
        assert await out.turn() == [FAILED]


async def test_without_any_channel_nothing_is_kept_to_send(service: Service) -> None:
    """No settings, no pages; the notice is there all the same, and so is the alarm in the log."""
    await danger(service)
    service.clock.forward(minutes=5)
    assert await watch(service) == (1, 0)
    assert await service.rows("select count(*) from pages") == [(0,)]
    service.clock.forward(minutes=15)
    assert await watch(service) == (0, 1)
    assert await service.rows("select count(*) from pages") == [(0,)]
    assert await service.rows("select reason from notices") == [(UNDELIVERED,)]


async def test_imminent_danger_that_has_not_arrived_pages_after_five_minutes(service: Service) -> None:
    """Not a microsecond before; once; again every 15 minutes; and no more once it is delivered."""
    async with outside(service) as out:
        await danger(service)
        service.clock.at = START + timedelta(minutes=5, microseconds=-1)
        assert await watch(service) == (0, 0)
        service.clock.at = START + timedelta(minutes=5)
        assert await watch(service) == (1, 0)
        assert await watch(service) == (0, 0)
        assert await out.turn() == [SENT, SENT]
        assert out.hooked == [UNDELIVERED]
        assert out.mailed == [f"imminent: {UNDELIVERED}"]
        service.clock.forward(minutes=15, microseconds=-1)
        assert await watch(service) == (0, 0)
        service.clock.forward(microseconds=1)
        assert await watch(service) == (0, 1)
        await out.turn()
        assert [data["repeat"] for _, data in out.hooks] == [0, 1]
        assert len({page_id for page_id, _ in out.hooks}) == 2  # or the receiver would take it for the same
        assert out.mailed[1] == f"imminent: {UNDELIVERED}, repeated once"
        assert len(await service.deliver()) == 1
        service.clock.forward(minutes=15)
        assert await watch(service) == (0, 1)
        service.clock.forward(hours=1)
        assert await watch(service) == (0, 0)
        await out.turn()
        assert out.hooked.count(UNDELIVERED) == 2
        assert len([subject for subject in out.mailed if UNDELIVERED in subject]) == 2
    assert "notice.repeated" in await kinds(service)


async def test_danger_that_arrives_before_its_page_is_not_paged(service: Service) -> None:
    """What waits to be sent is looked at again when it would be: it is not needed any more."""
    async with outside(service) as out:
        await danger(service)
        service.clock.forward(minutes=5)
        await watch(service)
        await service.deliver()
        assert await out.turn() == []
        assert {page[3] for page in await pages(service)} == {"given_up"}


@pytest.mark.parametrize("result", [AttemptResult.HTTP_ERROR, AttemptResult.GONE])
async def test_danger_that_was_refused_pages_as_well(service: Service, result: AttemptResult) -> None:
    """It has not arrived, whatever became of it: waiting for another attempt, or refused for good."""
    async with outside(service):
        await danger(service)
        await service.deliver(result)
        service.clock.forward(minutes=5)
        assert await watch(service) == (1, 0)


async def test_a_withdrawn_disclosure_pages_no_more(service: Service) -> None:
    """A delivery that was cancelled needs nobody."""
    async with outside(service) as out:
        await danger(service)
        service.clock.forward(minutes=5)
        await watch(service)
        await out.turn()
        await service.database.write(
            lambda tx: tx.exec_driver_sql("update deliveries set state = 'cancelled', warn_at = null")
        )
        service.clock.forward(minutes=15)
        await watch(service)
        assert await out.turn() == []


async def test_what_is_not_imminent_is_told_once(service: Service) -> None:
    """A routine notice that nobody acknowledges is not repeated."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        await out.turn()
        for _ in range(3):
            service.clock.forward(hours=1)
            assert await watch(service) == (0, 0)
            assert await out.turn() == []


async def test_an_acknowledged_notice_is_paged_no_more(service: Service) -> None:
    """What waits is not sent, and nothing is repeated; the first who has seen it stays named."""
    async with outside(service) as out:
        await danger(service)
        service.clock.forward(minutes=5)
        await watch(service)
        out.behaviour = reply(500)
        await out.turn()
        first = await acknowledge(service)
        assert first.heeded is not None
        assert (first.heeded.caller, first.heeded.heeded_at) == (OPERATOR.id, service.clock.at)
        out.behaviour = reply(200)
        service.clock.forward(minutes=1)
        assert (await acknowledge(service)).heeded == first.heeded
        assert await out.turn() == []
        for _ in range(3):
            service.clock.forward(minutes=15)
            assert await watch(service) == (0, 0)
        assert len(out.mailed) == 1
        assert (await kinds(service)).count("notice.acknowledged") == 1
        with pytest.raises(NotFoundError):
            await service.database.write(
                lambda tx: heeding.acknowledge(tx, service.desk, OPERATOR, "ntc_01KJQH0CC0BX86ENBVMH4TY5PG")
            )


async def test_what_is_acknowledged_in_flight_stays_settled(service: Service) -> None:
    """The receiver fails while somebody acknowledges: it is not tried again."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        (ready,) = await claimed(service, WEBHOOK)
        await acknowledge(service)
        service.clock.forward(minutes=2)
        await claimed(service, WEBHOOK)  # the lease ran out: it is looked at again, and settled
        out.behaviour = reply(500)
        await out.send(ready)
        assert ("review.wanted", "webhook", 0, "given_up", 1) in await pages(service)


async def test_an_imminent_notice_that_nobody_sees_escalates(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Routed to the webhook alone, it goes to every channel for eight repeats, then on by its own, and ends."""
    monkeypatch.setattr(alarm, "repeats_max", lambda _: 10)
    async with outside(service, ONLY_WEBHOOK) as out:
        await danger(service)
        service.clock.forward(minutes=5)
        await watch(service)
        assert await out.turn() == [SENT]
        for _ in range(12):
            service.clock.forward(minutes=15)
            await watch(service)
            await out.turn()
        assert [data["repeat"] for _, data in out.hooks] == list(range(11))
        assert len(out.mailed) == 8
        assert out.mailed[-1].endswith("repeated 8 times")
        assert await service.rows("select repeats, next_at from alarms") == [(10, None)]
    assert (await kinds(service)).count("notice.repeated") == 10


async def test_a_channel_that_fails_is_told_through_the_other(service: Service) -> None:
    """After three failures of one page, once; and again only after it had worked in between."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        out.behaviour = reply(500)
        for _ in range(4):
            await out.turn()
            service.clock.forward(minutes=3)
        await hold(service, 2)
        for _ in range(4):
            await out.turn()
            service.clock.forward(minutes=3)
        assert out.mailed.count("urgent: paging.webhook-failing") == 1
        assert "paging.webhook-failing" not in out.hooked
        out.behaviour = reply(200)
        service.clock.forward(hours=3)
        await out.turn()
        await hold(service, 3)
        out.behaviour = reply(500)
        for _ in range(4):
            await out.turn()
            service.clock.forward(minutes=3)
        assert out.mailed.count("urgent: paging.webhook-failing") == 2


async def test_mail_that_fails_is_told_through_the_webhook(service: Service) -> None:
    """The other way round; and while neither works, nothing goes round in circles."""
    async with outside(service) as out:
        await service.enrol(agency())
        out.post.answers = {"MAIL": "451 later"}
        await hold(service)
        for _ in range(4):
            await out.turn()
            service.clock.forward(minutes=3)
        assert out.hooked.count("paging.email-failing") == 1
        out.behaviour = reply(500)
        await hold(service, 2)
        for _ in range(6):
            await out.turn()
            service.clock.forward(minutes=12)
        rows = await service.rows("select reason from notices where reason like 'paging.%' order by id")
        assert rows == [("paging.email-failing",), ("paging.webhook-failing",)]


async def test_an_endpoint_that_is_gone_is_given_up_and_told(service: Service) -> None:
    """410: not tried again; the mail says so at once."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        out.behaviour = reply(410)
        assert await out.turn() == [GONE, SENT, SENT]
        assert "urgent: paging.webhook-failing" in out.mailed
        assert ("review.wanted", "webhook", 0, "given_up", 1) in await pages(service)


async def test_a_page_is_given_up_after_its_time_and_not_before_it_was_tried(service: Service) -> None:
    """A service that was down for two days still pages what it finds; what fails then is given up and told."""
    async with outside(service) as out:
        await service.enrol(agency())
        await hold(service)
        service.clock.forward(days=2)
        out.behaviour = reply(500)
        assert await out.turn() == [FAILED, SENT, SENT]
        assert ("review.wanted", "webhook", 0, "given_up", 1) in await pages(service)
        assert sorted(out.mailed) == ["routine: review.wanted", "urgent: paging.webhook-failing"]


async def test_many_routine_notices_are_one_letter(service: Service) -> None:
    """Twelve within a minute are one digest of twelve; webhooks are a machine's affair and stay single."""
    async with outside(service) as out:
        await service.enrol(agency())
        for number in range(12):
            await hold(service, number)
        for _ in range(3):
            await out.turn()
        assert out.mailed == ["routine: 12 notices"]
        assert len(out.hooks) == 12
        text = out.post.letters[0].get_content()
        assert sum(data["notice_id"] in text for _, data in out.hooks) == 12
        assert {page[3] for page in await pages(service)} == {"sent"}
        # A second digest waits for the next minute.
        for number in range(12, 24):
            await hold(service, number)
        for _ in range(3):
            await out.turn()
        service.clock.forward(seconds=59)
        assert await out.turn() == []
        service.clock.forward(seconds=1)
        assert await out.turn() == [SENT]
        assert out.mailed == ["routine: 12 notices"] * 2


async def test_up_to_the_bound_each_notice_is_its_own_letter(service: Service) -> None:
    """Ten go alone; the eleventh and twelfth of that minute are folded, even one by one."""
    async with outside(service) as out:
        await service.enrol(agency())
        for number in range(10):
            await hold(service, number)
        for _ in range(2):
            await out.turn()
        assert out.mailed == ["routine: review.wanted"] * 10
        for number in (11, 12, 13):
            service.clock.forward(seconds=5)
            await hold(service, number)
            await out.turn()
        assert len(out.mailed) == 11
        service.clock.forward(minutes=1)
        await out.turn()
        assert len(out.mailed) == 13


async def test_what_is_imminent_or_urgent_is_never_folded(service: Service) -> None:
    """A flood of routine notices neither hides nor holds up what cannot wait."""
    async with outside(service) as out:
        await danger(service)
        for number in range(12):
            await hold(service, number)
        service.clock.forward(minutes=5)
        await watch(service)
        await out.turn()
        assert out.mailed[0] == f"imminent: {UNDELIVERED}"
        assert "routine: 12 notices" in out.mailed
        assert out.hooked[0] == UNDELIVERED


async def test_each_severity_goes_where_it_was_sent(service: Service) -> None:
    """Routine by mail alone, urgent nowhere, imminent by the webhook alone."""
    routing = Routing(
        frozenset(PageChannel),
        {Severity.ROUTINE: frozenset({EMAIL}), Severity.URGENT: frozenset(), Severity.IMMINENT: frozenset({WEBHOOK})},
    )
    async with outside(service, routing) as out:
        await danger(service)
        await hold(service)
        await service.deliver(AttemptResult.GONE)
        service.clock.forward(minutes=5)
        await watch(service)
        await out.turn()
        assert out.mailed == ["routine: review.wanted"]
        assert out.hooked == [UNDELIVERED]
        reasons = {row[0] for row in await service.rows("select reason from notices")}
        assert reasons >= {"delivery.refused", "review.wanted", UNDELIVERED}


async def test_a_webhook_that_hangs_delays_no_mail(service: Service) -> None:
    """The pager's loops are apart: while eight calls hang, the mail about the same notices is out."""
    async with outside(service, EVERYTHING) as out:
        await service.enrol(agency())
        for number in range(9):
            await hold(service, number)
        out.behaviour = hang
        pager = Pager(service.database, service.desk, out.notifiers)
        running = asyncio.create_task(pager.run())
        for _ in range(300):
            if len(out.mailed) == 9:
                break
            await asyncio.sleep(0.02)
        assert len(out.mailed) == 9
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
