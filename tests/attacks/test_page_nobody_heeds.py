"""Danger waits for a reviewer, or a report that the law wants waits for evidence, and the one page goes unread."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.answering import call, toward
from tests.support.answering import watch as watch_duties
from tests.support.fictional import BLAMELESS, agency, person, tip
from tests.support.paging import EVERYTHING, pages
from tests.support.reviewing import WITHHOLD, Reviewers, witness
from tests.support.service import OPERATOR, START, Service
from tiprouter.domain.record import Violence
from tiprouter.domain.vocabulary import Answer, Perception, RecipientKind
from tiprouter.storage import reviews
from tiprouter.workflow import alarm, assess, heeding
from tiprouter.workflow.alarm import repeat_alarms

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
RELAYED = Violence(Answer.YES, Answer.YES, Perception.RELAYED, START - timedelta(minutes=3))
WANTED, OVERDUE, DUTY = "review.wanted-imminent", "review.overdue", "duty.overdue"


async def repeats(service: Service, reason: str) -> list[int]:
    """How often each notice with this reason was repeated; the oldest notice first, then by what it is about."""
    rows = await service.rows(
        f"select a.repeats from alarms a join notices n on n.id = a.notice_id where n.reason = '{reason}'"  # noqa: S608 - our own words
        " order by n.raised_at, n.subject"
    )
    return [row.repeats for row in rows]


async def later(service: Service, **span: float) -> None:
    """Time passes; the chores tell of late reviews and repeat what is due to be."""
    service.clock.forward(**span)
    await Reviewers(service).tell()
    await service.database.write(lambda tx: repeat_alarms(tx, service.desk))


async def heed(service: Service, reason: str) -> None:
    """Somebody acknowledges the last notice with this reason."""
    rows = await service.rows(f"select id from notices where reason = '{reason}' order by raised_at, id")  # noqa: S608 - our own words
    await service.database.write(lambda tx: heeding.acknowledge(tx, service.desk, OPERATOR, rows[-1].id))


async def danger_is_told(service: Service) -> None:
    """At once, as imminent, through each channel, once for the record; again every 15 minutes but under a claim."""
    service.desk = replace(service.desk, routing=EVERYTHING)
    reviewers = Reviewers(service)
    for _ in range(3):
        await service.enrol(agency(LE))
    await service.accept(tip(violence=RELAYED))
    held = await reviewers.queue()
    assert len(held) == 3
    found = [one for one in await pages(service) if one[0] == WANTED]
    assert found == [(WANTED, "email", 0, "waiting", 0), (WANTED, "webhook", 0, "waiting", 0)]
    severe = f"select distinct severity from pages p join notices n on n.id = p.notice_id where n.reason = '{WANTED}'"  # noqa: S608 - our own words
    assert [row.severity for row in await service.rows(severe)] == ["imminent"]
    await later(service, minutes=15)
    assert await repeats(service, WANTED) == [1]
    await reviewers.claim(held[0].id)
    await later(service, minutes=14, seconds=59)
    await later(service, minutes=15, seconds=1)
    assert await repeats(service, WANTED) == [2], "the claim ran out, and nobody answered"
    for one in held:
        await reviewers.claim(one.id)
        await reviewers.decide(one.id, WITHHOLD)
    await later(service, days=3)
    assert await repeats(service, WANTED) == [2]
    await service.check_house()


async def test_a_review_about_danger_pages_until_somebody_takes_it(service: Service) -> None:
    """No digest of the morning tells of it first."""
    await danger_is_told(service)


async def test_a_review_that_is_not_about_danger_pages_nobody_as_imminent(service: Service) -> None:
    """The control: a child who saw it waits in the queue like any other."""
    await service.enrol(agency(LE))
    await witness(service)
    await later(service, minutes=30)
    assert await repeats(service, WANTED) == []


async def test_an_error_does_not_drown_the_danger(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One broken bundle holds every record for an error; none of them is told as imminent, all as urgent."""

    def broken(*_: object) -> None:
        raise ValueError

    await service.enrol(agency(LE))
    monkeypatch.setattr(assess, "verdicts_toward", broken)
    await service.accept(tip(violence=RELAYED))
    assert await repeats(service, WANTED) == []
    reasons = {row.reason for row in await service.rows("select reason from notices")}
    assert "decision.error" in reasons


async def overdue_is_told(service: Service) -> None:
    """After 15 minutes, then at twice the interval each time, a day at most; a claim is quiet, an answer the end."""
    reviewers = Reviewers(service)
    for _ in range(2):
        await service.enrol(agency(LE))
    await witness(service)
    first, second = sorted(await reviewers.queue(), key=lambda held: held.id)
    service.clock.at = first.deadline
    await reviewers.tell()
    await reviewers.tell()
    for number, minutes in enumerate((15, 30, 60, 120, 240, 480, 960, 1440, 1440)):
        await later(service, minutes=minutes, seconds=-1)
        assert await repeats(service, OVERDUE) == [number, 0]
        await later(service, seconds=1)
        assert await repeats(service, OVERDUE) == [number + 1, 0], "the second of one record is not told beside it"
    await reviewers.claim(first.id)
    await reviewers.decide(first.id, WITHHOLD)
    await later(service, days=1)
    assert await repeats(service, OVERDUE) == [9, 1], "the other one still waits"
    await reviewers.claim(second.id)
    await reviewers.decide(second.id, WITHHOLD)
    await later(service, days=5)
    assert await repeats(service, OVERDUE) == [9, 1]


async def test_an_overdue_review_is_told_until_somebody_answers_it(service: Service) -> None:
    """At widening intervals, for as long as it waits."""
    await overdue_is_told(service)


async def test_whoever_answers_the_first_review_hears_of_the_second_within_a_quarter_of_an_hour(
    service: Service,
) -> None:
    """The second slept while the first told of both; what somebody acknowledged keeps its day of quiet."""
    reviewers = Reviewers(service)
    for _ in range(3):
        await service.enrol(agency(LE))
    await witness(service)
    held = sorted(await reviewers.queue(), key=lambda one: one.id)
    service.clock.at = held[0].deadline
    await reviewers.tell()
    await later(service, minutes=15)
    await heed_about(service, held[1].id)
    await later(service, hours=2)
    assert sorted(await repeats(service, OVERDUE)) == [0, 0, 2]
    await reviewers.claim(held[0].id)
    await reviewers.decide(held[0].id, WITHHOLD)
    await later(service, minutes=14)
    await later(service, minutes=1)
    assert sorted(await repeats(service, OVERDUE)) == [0, 0, 2], "the second has a day of quiet"
    await reviewers.claim(held[1].id)
    await reviewers.decide(held[1].id, WITHHOLD)
    await later(service, minutes=15)
    assert sorted(await repeats(service, OVERDUE)) == [0, 1, 2], "the third is the first of those that wait"


async def heed_about(service: Service, subject: str) -> None:
    """Somebody acknowledges that a review is overdue."""
    told = f"select id from notices where reason = '{OVERDUE}' and subject = '{subject}'"  # noqa: S608 - our own words
    (row,) = await service.rows(told)
    await service.database.write(lambda tx: heeding.acknowledge(tx, service.desk, OPERATOR, row.id))


async def duty_is_told(service: Service) -> None:
    """A child's report that nothing proves: told again until a call; to have seen the page gives a day, no more."""
    police = (await service.enrol(agency(LE))).recipient
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    duty = await toward(service, police.id)
    service.clock.at = duty.deadline
    await watch_duties(service)
    await later(service, minutes=15)
    await later(service, minutes=30)
    assert await repeats(service, DUTY) == [2]
    await heed(service, DUTY)
    await later(service, hours=23)
    assert await repeats(service, DUTY) == [2]
    await later(service, hours=1)
    assert await repeats(service, DUTY) == [2, 0], "seen, and not done: it is raised anew"
    await later(service, minutes=15)
    assert await repeats(service, DUTY) == [2, 1]
    await call(service, duty.id)
    await later(service, days=3)
    assert await repeats(service, DUTY) == [2, 1]
    await service.check_house()


async def test_an_overdue_duty_is_told_until_there_is_evidence(service: Service) -> None:
    """Acknowledging a page is no report of a child."""
    await duty_is_told(service)


async def test_a_review_that_is_acknowledged_and_answered_is_over(service: Service) -> None:
    """The control of the day of quiet: nothing is raised anew about what is done."""
    reviewers = Reviewers(service)
    await service.enrol(agency(LE))
    await witness(service)
    service.clock.at = (await reviewers.only()).deadline
    await reviewers.tell()
    await heed(service, OVERDUE)
    await reviewers.answer(WITHHOLD)
    await later(service, days=2)
    assert await repeats(service, OVERDUE) == [0]


async def test_a_danger_told_once_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: were what waits not looked at, the alarm would end with the first page."""
    monkeypatch.setattr(reviews, "imminent", lambda *_: [])
    with pytest.raises(AssertionError):
        await danger_is_told(service)


@pytest.mark.parametrize("story", [overdue_is_told, duty_is_told])
async def test_overdue_once_and_never_again_is_found_out(
    service: Service, story: Callable[[Service], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with what is overdue taken for done, nobody hears of it twice."""
    monkeypatch.setattr(alarm, "_there", lambda *_: alarm.There.DONE)
    with pytest.raises(AssertionError):
        await story(service)
