"""Delivered is not acknowledged: who is told when an agency says nothing? (workflow/awaiting.py)"""

from typing import Any

import pytest

from tests.support.fictional import BLAMELESS, DANGER, grant, person, tip
from tests.support.inbox import consenting_adult, office
from tests.support.questioning import ACCEPTED, ASKS, CLOSED, LE, REJECTED, SP, Hotline, entries, police, told
from tests.support.service import Service
from tiprouter.domain.record import Record
from tiprouter.workflow import awaiting
from tiprouter.workflow.consenting import Whose

MISSED, IMMINENT = "acknowledgement.missed", "acknowledgement.missed-imminent"
RECALL = "acknowledgement.missed-recall"


async def awaited(service: Service) -> list[bool]:
    """Which deliveries are still waited for, in order."""
    rows = await service.rows("select acknowledge_by from deliveries order by created_at, sequence")
    return [row.acknowledge_by is not None for row in rows]


async def test_nobody_acknowledges_and_a_human_is_told_once(service: Service) -> None:
    """A day after it arrived, not before, and never again; the log has it with its deadline."""
    hotline = Hotline(service)
    await police(service)
    await told(service)
    assert await awaited(service) == [True]
    service.clock.forward(hours=23, minutes=59)
    assert await hotline.watch() == 0
    service.clock.forward(minutes=1)
    assert [await hotline.watch(), await hotline.watch()] == [1, 0]
    assert await hotline.notices("acknowledgement") == [MISSED]
    (missed,) = await entries(service, "acknowledgement.missed")
    (row,) = await service.rows("select id, disclosure_id from deliveries")
    assert (missed["delivery"], missed["disclosure"]) == (row.id, row.disclosure_id)
    assert await awaited(service) == [False]
    await service.check_house()


async def test_imminent_danger_waits_for_minutes_and_repeats_until_the_agency_speaks(service: Service) -> None:
    """After 15 minutes an imminent notice; a late acknowledgement ends its repeats.

    No shipped policy puts into that lane what no duty wants told; a reviewer's release under another one may.
    """
    agency, hotline = await police(service, kind=SP), Hotline(service)
    accepted = await service.accept(tip())
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(SP))
    await service.database.write(lambda tx: tx.exec_driver_sql("update deliveries set urgency = 'imminent'"))
    await service.deliver()
    assert await service.rows("select id from duties") == []
    service.clock.forward(minutes=14)
    assert await hotline.watch() == 0
    service.clock.forward(minutes=1)
    assert await hotline.watch() == 1
    assert IMMINENT in await hotline.notices()
    alarm = f"select next_at from alarms join notices on notices.id = notice_id where reason = '{IMMINENT}'"  # noqa: S608 - our own name
    assert (await service.rows(alarm))[0].next_at is not None
    await agency.say(ACCEPTED)
    assert (await service.rows(alarm))[0].next_at is None


@pytest.mark.parametrize("status", [ACCEPTED, REJECTED, ASKS, CLOSED])
async def test_any_word_of_the_agency_ends_the_waiting(service: Service, status: Any) -> None:  # noqa: ANN401
    """A rejection and a question are words too."""
    agency, hotline = await police(service), Hotline(service)
    await told(service)
    await agency.say(status, reason="Example", question="Example?")
    assert await awaited(service) == [False]
    service.clock.forward(hours=48)
    await hotline.watch()
    assert MISSED not in await hotline.notices()


async def test_a_word_that_comes_before_our_own_answer_is_written_counts(service: Service) -> None:
    """The agency was faster than the worker: its acknowledgement is there when the delivery is finished."""
    agency, hotline = await police(service), Hotline(service)
    accepted = await consenting_adult(service)
    assert accepted
    (ready,) = await service.claim()
    service.sent.append(ready.envelope)
    await agency.say(ACCEPTED)
    await service.finish(ready)
    service.clock.forward(hours=48)
    await hotline.watch()
    assert MISSED not in await hotline.notices()


async def test_a_withdrawal_ends_the_waiting_and_its_recall_is_waited_for_instead(service: Service) -> None:
    """She took it back: of what she had permitted nobody asks any more, of the recall a human hears a day later."""
    hotline = Hotline(service)
    await police(service)
    given = await told(service)
    await service.withdraw(given.consent.id)
    await service.deliver()
    # It went in the lane of imminent danger; its agency has a day all the same.
    service.clock.forward(hours=23, minutes=59)
    await hotline.watch()
    assert await hotline.notices("acknowledgement") == []
    service.clock.forward(minutes=1)
    assert [await hotline.watch(), await hotline.watch()] == [2, 0]
    assert await hotline.notices("acknowledgement") == [RECALL]
    (missed,) = await entries(service, "acknowledgement.missed")
    (recall,) = await service.rows("select id from disclosures where recalls is not null")
    assert missed["disclosure"] == recall.id
    assert await awaited(service) == [False, False]
    await service.check_house()


@pytest.mark.parametrize("status", [ACCEPTED, REJECTED, ASKS, CLOSED])
async def test_any_word_about_a_recall_ends_its_waiting(service: Service, status: Any) -> None:  # noqa: ANN401
    """The agency says that it has the recall, or why it keeps what it was told: that is a word."""
    agency, hotline = await police(service), Hotline(service)
    given = await told(service)
    await service.withdraw(given.consent.id)
    await service.deliver()
    await agency.say(status, reason="Example", question="Example?")
    service.clock.forward(hours=48)
    await hotline.watch()
    assert await hotline.notices("acknowledgement") == []


async def test_a_recall_is_waited_for_where_a_duty_names_the_agency(service: Service) -> None:
    """A duty asks whether the report was heard; that a word was taken back is the recall's own question."""
    hotline = Hotline(service)
    await police(service)
    accepted = await service.accept(tip(violence=DANGER))
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    await service.deliver()
    await service.withdraw(given.consent.id)
    await service.deliver()
    assert await service.rows("select id from duties where recipient_id is not null") != []
    service.clock.forward(hours=48)
    await hotline.watch()
    assert await hotline.notices("acknowledgement") == [RECALL]


@pytest.mark.parametrize("record", [tip(person(years=12, guardians=BLAMELESS)), tip(violence=DANGER)])
async def test_a_duty_has_its_own_clock(service: Service, record: Record) -> None:
    """What the law wants told, or danger the police, is told of by the duty's own notices, not twice."""
    hotline = Hotline(service)
    await police(service)
    await service.accept(record)
    await service.deliver()
    assert await awaited(service) == [True]
    service.clock.forward(hours=72)
    assert await hotline.watch() == 1
    assert not [one for one in await hotline.notices() if one.startswith("acknowledgement")]


async def test_what_an_agency_pulled_is_waited_for_too(service: Service) -> None:
    """Handed to a connection is not read: the waiting starts when the payload was handed over."""
    small, hotline = await office(service), Hotline(service)
    await consenting_adult(service)
    assert await awaited(service) == [False]
    (waiting,) = await small.listed()
    await small.take(waiting)
    assert await awaited(service) == [True]
    service.clock.forward(hours=24)
    await hotline.watch()
    assert MISSED in await hotline.notices()


async def test_an_answer_to_a_question_is_not_waited_for(service: Service) -> None:
    """The agency asked; it need not say thank you."""
    agency, hotline = await police(service), Hotline(service)
    await told(service)
    await agency.ask()
    await hotline.answer()
    await service.deliver()
    service.clock.forward(hours=48)
    await hotline.watch()
    assert MISSED not in await hotline.notices()


async def test_the_tests_notice_a_clock_that_never_starts(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With delivered taken for acknowledged, nobody would be told."""
    monkeypatch.setattr("tiprouter.workflow.dispatch.awaited", lambda *_: {})
    with pytest.raises(AssertionError):
        await test_nobody_acknowledges_and_a_human_is_told_once(service)


async def test_the_tests_notice_a_clock_beside_the_dutys(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the duty's clock not asked for, people would be told the same twice."""
    monkeypatch.setattr(awaiting, "_owed", lambda *_: False)
    with pytest.raises(AssertionError):
        await test_a_duty_has_its_own_clock(service, tip(person(years=12, guardians=BLAMELESS)))
