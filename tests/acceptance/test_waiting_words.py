"""Is the house told that somebody waits for another person's word, for as long as anybody can say it?"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.delivery.receiver_fixture import reply
from tests.support.fictional import SECRET, agency, tip
from tests.support.giving import another, give
from tests.support.governing import COUNSEL
from tests.support.paging import outside, pages
from tests.support.service import Service
from tiprouter.delivery.notifying import PageResult
from tiprouter.domain.redaction import stamp
from tiprouter.domain.second_word_states import ByTwo
from tiprouter.storage.second_words import SecondWord
from tiprouter.workflow import key_rotation, second_words
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor

FIRST, SECOND = another("first"), another("second")
AUDITOR = Actor("cal_auditor", "auditor")


async def told(service: Service, story: Callable[..., Any], *args: object, by: Actor = FIRST) -> Any:  # noqa: ANN401 - the story's
    """A story of the workflow, told by somebody."""
    return await service.database.write(lambda tx: story(tx, service.desk, by, *args))


async def asked(service: Service) -> dict[ByTwo, SecondWord]:
    """A key, an export and a roll-back that each wait for another person, in a house of two operators."""
    for by in (FIRST, SECOND):
        await give(service, CallerRole.OPERATOR, by=by)
    to = (await service.enrol(agency())).recipient.id
    await service.accept(tip())
    ((record,),) = await service.rows("select id from records")
    words = {}
    for act, subject, by in (
        (ByTwo.KEY, to, FIRST),
        (ByTwo.EXPORT, record, AUDITOR),
        (ByTwo.ROLL_BACK, None, COUNSEL),
    ):
        service.clock.forward(seconds=1)
        words[act] = await told(service, second_words.ask, act, subject, by=by)
    return words


async def test_each_that_begins_to_wait_is_told_with_its_end_and_where_to_look(service: Service) -> None:
    """Rule 7: a roll-back's is urgent, the others routine; ids and fixed sentences, and nothing of whom it is about."""
    async with outside(service) as out:
        words = await asked(service)
        await out.turn()
        hooks = {data["subject"]: data for _, data in out.hooks if data["reason"].startswith("word.")}
        assert {act: (hooks[one.id]["reason"], hooks[one.id]["severity"]) for act, one in words.items()} == {
            ByTwo.KEY: ("word.asked", "routine"),
            ByTwo.EXPORT: ("word.asked", "routine"),
            ByTwo.ROLL_BACK: ("word.asked-roll-back", "urgent"),
        }
        for one in words.values():
            said = hooks[one.id]
            assert said["look_at"] == f"/v1/second-words/{one.id}"
            assert (said["deadline"], said["due_at"]) == (stamp(one.until), stamp(one.until))
        everything = [str(hooks[one.id]) for one in words.values()]
        everything += [one.as_string() for one in out.post.letters if "word.asked" in one.as_string()]
        assert len(everything) == 6
        for other in (SECRET, words[ByTwo.KEY].subject, words[ByTwo.EXPORT].subject, FIRST.id, AUDITOR.id):
            assert other not in "".join(everything)
        assert f"urgent: {hooks[words[ByTwo.ROLL_BACK].id]['reason']}" in out.mailed
    await log_agrees_with_rows(service)


async def _said(service: Service, words: dict[ByTwo, SecondWord]) -> None:
    for act, by in ((ByTwo.KEY, SECOND), (ByTwo.EXPORT, COUNSEL), (ByTwo.ROLL_BACK, SECOND)):
        await told(service, second_words.say, words[act].id, by=by)


async def _done(service: Service, words: dict[ByTwo, SecondWord]) -> None:
    await told(service, second_words.say, words[ByTwo.KEY].id, by=SECOND)
    await told(service, key_rotation.rotate_key, words[ByTwo.KEY].subject, timedelta())
    await told(service, second_words.withdraw, words[ByTwo.EXPORT].id, by=COUNSEL)
    await told(service, second_words.withdraw, words[ByTwo.ROLL_BACK].id, by=COUNSEL)


async def _lapsed(service: Service, words: dict[ByTwo, SecondWord]) -> None:
    service.clock.at = max(one.until for one in words.values())


@pytest.mark.parametrize("ended", [_said, _done, _lapsed], ids=["said", "used-or-taken-back", "over"])
async def test_nobody_is_paged_for_what_waits_no_more(
    service: Service, ended: Callable[[Service, dict[ByTwo, SecondWord]], Awaitable[None]]
) -> None:
    """What did not get through is settled when the word was said, used or taken back, or its time is over."""
    async with outside(service) as out:
        out.behaviour = reply(500)
        words = await asked(service)
        assert PageResult.FAILED in await out.turn()
        await ended(service, words)
        out.behaviour, before = reply(204), len(out.hooks)
        service.clock.forward(hours=24)
        while await out.turn():
            pass
        assert [data["reason"] for _, data in out.hooks[before:] if data["reason"].startswith("word.")] == []
        rows = [one for one in await pages(service) if one[0].startswith("word.") and one[1] == "webhook"]
        assert [one[3] for one in rows] == ["given_up"] * 3
    await log_agrees_with_rows(service)


async def test_what_waits_is_paged_until_it_gets_through(service: Service) -> None:
    """The control of the above: what can still be said is tried again."""
    async with outside(service) as out:
        out.behaviour = reply(500)
        await asked(service)
        await out.turn()
        out.behaviour = reply(204)
        service.clock.forward(minutes=1)
        await out.turn()
        rows = [one for one in await pages(service) if one[0].startswith("word.") and one[1] == "webhook"]
        assert [one[3] for one in rows] == ["sent"] * 3


async def test_the_list_of_what_waits_ends_with_the_waiting(service: Service) -> None:
    """Newest first; what is over or said is not among it, and is among all."""
    words = await asked(service)

    async def waiting() -> list[str]:
        page = await service.database.write(
            lambda tx: second_words.listed(tx, service.desk, COUNSEL, None, 50, waiting=True)
        )
        return [one.id for one in page.items]

    assert await waiting() == [words[ByTwo.ROLL_BACK].id, words[ByTwo.EXPORT].id]
    service.clock.at = words[ByTwo.ROLL_BACK].until
    assert await waiting() == [words[ByTwo.EXPORT].id]
    await told(service, second_words.say, words[ByTwo.EXPORT].id, by=COUNSEL)
    assert await waiting() == []
    everything = await told(service, second_words.listed, None, 50, by=COUNSEL)
    assert len(everything.items) == 2
