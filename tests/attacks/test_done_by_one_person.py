"""One person who replaces a key, exports a matter or rolls a bundle back alone, by whatever they hold.

Each story is told of a house with others in it. Then each defence is taken away, and a story notices.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.attacks.agreement import entries_of
from tests.security.separated import Two, bundle_approved
from tests.support.fictional import agency, person, tip
from tests.support.giving import another, give
from tests.support.governing import COUNSEL, SECOND_COUNSEL
from tests.support.service import Service, open_service
from tests.support.staff import member
from tiprouter import api
from tiprouter.domain.accounts import AccountRole
from tiprouter.domain.second_word_states import ByTwo, SecondWordState
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import bundles, callers, second_words
from tiprouter.storage.second_words import SecondWord
from tiprouter.workflow import exporting, governing, key_rotation, separation
from tiprouter.workflow import second_words as asking
from tiprouter.workflow.credentials import CallerRole, Terms
from tiprouter.workflow.happening import ROUTER, Actor
from tiprouter.workflow.second_words import SecondWordNeededError, WordEndedError
from tiprouter.workflow.separation import OnePersonError, Word
from tiprouter.workflow.standing import StepUpNeededError

THIEF, OTHER, THIRD = another("thief"), another("other"), another("third")
KEEPER: Final = Actor("cal_keeper", "custodian")
AUDITOR, REVIEWER = Actor("cal_auditor", "auditor"), Actor("cal_reviewer", "reviewer")
BY_HAND: Final = Actor("command-line", "operator")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with two operators."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await peopled(service)
        yield service


async def peopled(service: Service) -> None:
    """Two operators, so that nobody is alone."""
    for by in (THIEF, OTHER):
        await give(service, CallerRole.OPERATOR, by=by)


async def told(service: Service, story: Callable[..., Any], *args: object, by: Actor = THIEF) -> Any:  # noqa: ANN401
    """A story of the workflow, told by somebody."""
    return await service.database.write(lambda tx: story(tx, service.desk, by, *args))


async def police(service: Service) -> str:
    """An agency, registered by two."""
    return (await service.enrol(agency())).recipient.id


async def record(service: Service, number: int = 1) -> str:
    """A record that is in the log."""
    stored = (await service.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))).stored
    await service.sequencer.drain()
    return stored.id


async def rotate(service: Service, recipient_id: str, by: Actor = THIEF) -> None:
    """Another key that signs."""
    await told(service, key_rotation.rotate_key, recipient_id, timedelta(), by=by)


async def export(service: Service, record_id: str, by: Actor = AUDITOR) -> bytes:
    """A matter as a file."""
    return await exporting.export(service.database, service.desk, by, record_id)


async def agreed(service: Service, act: ByTwo, subject: str | None, by: Actor = THIEF, with_: Actor = OTHER) -> str:
    """One asks and another says yes; the id of the word."""
    asked = await told(service, asking.ask, act, subject, by=by)
    await told(service, asking.say, asked.id, by=with_)
    return str(asked.id)


async def one_operator_replaces_a_key_alone(service: Service) -> None:
    """Not by asking, not by saying yes to themself: by another operator's word or a custodian's, once for each key."""
    to = await police(service)
    with pytest.raises(SecondWordNeededError):
        await rotate(service, to)
    for who in (OTHER, KEEPER):
        asked = await told(service, asking.ask, ByTwo.KEY, to)
        with pytest.raises(SecondWordNeededError):
            await rotate(service, to)
        with pytest.raises(OnePersonError):
            await told(service, asking.say, asked.id)
        await told(service, asking.say, asked.id, by=who)
        await rotate(service, to)
        with pytest.raises(SecondWordNeededError):
            await rotate(service, to)


async def one_auditor_exports_alone(service: Service) -> None:
    """By a reviewer's word, of that one record; and the file that another export of it makes rests on the word too."""
    mine, others = await record(service), await record(service, 2)
    with pytest.raises(SecondWordNeededError):
        await export(service, mine)
    asked = await told(service, asking.ask, ByTwo.EXPORT, mine, by=AUDITOR)
    with pytest.raises(OnePersonError):
        await told(service, asking.say, asked.id, by=AUDITOR)
    with pytest.raises(SecondWordNeededError):
        await export(service, mine)
    await told(service, asking.say, asked.id, by=REVIEWER)
    for _ in range(2):
        assert await export(service, mine)
    with pytest.raises(SecondWordNeededError):
        await export(service, others)


async def one_of_counsel_rolls_back_alone(service: Service) -> None:
    """By another's word for leaving the bundle that is active, and no other one."""
    before = await service.database.read(bundles.active)
    await bundle_approved(service, Two(COUNSEL, SECOND_COUNSEL, "", 0))
    with pytest.raises(SecondWordNeededError):
        await told(service, governing.roll_back, by=COUNSEL)
    with pytest.raises(InvalidError):
        await told(service, asking.ask, ByTwo.ROLL_BACK, before, by=COUNSEL)
    await agreed(service, ByTwo.ROLL_BACK, None, COUNSEL, OTHER)
    assert (await told(service, governing.roll_back, by=COUNSEL)).row.digest == before


async def a_roll_back_of_what_came_since(service: Service) -> None:
    """A word for leaving one bundle is none for leaving the next."""
    await agreed(service, ByTwo.ROLL_BACK, None)
    await bundle_approved(service, Two(COUNSEL, SECOND_COUNSEL, "", 0))
    with pytest.raises(SecondWordNeededError):
        await told(service, governing.roll_back)


async def they_say_it_by_another_credential_of_theirs(service: Service) -> None:
    """One that they made, one that they hold, one that another operator confirmed: all are the one who asked."""
    to = await police(service)
    asked = await told(service, asking.ask, ByTwo.KEY, to)
    for role in (CallerRole.OPERATOR, CallerRole.CUSTODIAN):
        made, _ = await give(service, role, by=THIEF)
        with pytest.raises(OnePersonError):
            await told(service, asking.say, asked.id, by=Actor(made.id, made.role))
    held = (await member(service, "auditor@hotline.example", AccountRole.AUDITOR)).account
    own, _ = await give(service, CallerRole.AUDITOR, terms=Terms(holder_id=held.id), by=OTHER)
    me = Actor(held.id, "auditor", None, "ses_1", service.clock())
    wanted = await told(service, asking.ask, ByTwo.EXPORT, await record(service), by=me)
    with pytest.raises(OnePersonError):
        await told(service, asking.say, wanted.id, by=Actor(own.id, own.role))


async def who_said_it_does_it(service: Service) -> None:
    """The word is for whoever asked, with whatever of theirs: not for its sayer, and not for a third."""
    to = await police(service)
    await agreed(service, ByTwo.KEY, to)
    for by in (OTHER, THIRD):
        with pytest.raises(SecondWordNeededError):
            await rotate(service, to, by)
    mine, _ = await give(service, CallerRole.OPERATOR, by=THIEF)
    await rotate(service, to, Actor(mine.id, mine.role))


async def an_old_word(service: Service) -> None:
    """A day for a key, an hour for a roll-back, said or not; what is over is neither said nor taken back."""
    to = await police(service)
    said = await agreed(service, ByTwo.KEY, to)
    asked = (await told(service, asking.ask, ByTwo.KEY, to)).id
    service.clock.forward(hours=24)
    with pytest.raises(SecondWordNeededError):
        await rotate(service, to)
    with pytest.raises(WordEndedError):
        await told(service, asking.say, asked, by=OTHER)
    with pytest.raises(WordEndedError):
        await told(service, asking.withdraw, said)
    await bundle_approved(service, Two(COUNSEL, SECOND_COUNSEL, "", 0))
    await agreed(service, ByTwo.ROLL_BACK, None, COUNSEL)
    service.clock.forward(hours=1)
    with pytest.raises(SecondWordNeededError):
        await told(service, governing.roll_back, by=COUNSEL)


async def a_word_that_was_taken_back(service: Service) -> None:
    """Whoever asked, or anybody who could have said it, ends it; what ended is neither said nor used."""
    to = await police(service)
    for by in (THIEF, OTHER, KEEPER):
        word_id = await agreed(service, ByTwo.KEY, to)
        await told(service, asking.withdraw, word_id, by=by)
        with pytest.raises(SecondWordNeededError):
            await rotate(service, to)
        for story in (asking.say, asking.withdraw):
            with pytest.raises(WordEndedError):
                await told(service, story, word_id, by=OTHER)


async def a_word_for_another_thing(service: Service) -> None:
    """Another agency's key, another record, another act; and of what is not there nobody asks."""
    first, second = await police(service), await police(service)
    await agreed(service, ByTwo.KEY, first)
    with pytest.raises(SecondWordNeededError):
        await rotate(service, second)
    mine = await record(service)
    for act, subject in ((ByTwo.KEY, mine), (ByTwo.KEY, None), (ByTwo.ROLL_BACK, mine)):
        with pytest.raises(InvalidError):
            await told(service, asking.ask, act, subject)
    for subject in (first, None):
        with pytest.raises(InvalidError):
            await told(service, asking.ask, ByTwo.EXPORT, subject, by=AUDITOR)


async def a_word_of_another_role(service: Service) -> None:
    """Who keeps keys says nothing of exports, who reviews nothing of keys: to them it is not there."""
    to, mine = await police(service), await record(service)
    key = await told(service, asking.ask, ByTwo.KEY, to)
    file = await told(service, asking.ask, ByTwo.EXPORT, mine, by=AUDITOR)
    for word, by in ((key, REVIEWER), (key, AUDITOR), (key, COUNSEL), (file, OTHER), (file, KEEPER)):
        for story in (asking.say, asking.withdraw):
            with pytest.raises(NotFoundError):
                await told(service, story, word.id, by=by)
        page = await told(service, asking.listed, None, 50, by=by)
        assert word.id not in {one.id for one in page.items}
    for act, subject, by in ((ByTwo.KEY, to, KEEPER), (ByTwo.EXPORT, mine, COUNSEL), (ByTwo.EXPORT, mine, THIEF)):
        with pytest.raises(InvalidError):
            await told(service, asking.ask, act, subject, by=by)


async def a_session_left_open(service: Service) -> None:
    """It says no second word."""
    asked = await told(service, asking.ask, ByTwo.KEY, await police(service))
    account = (await member(service, "operator@hotline.example", AccountRole.OPERATOR)).account
    stale = Actor(account.id, "operator", None, "ses_1", service.clock() - timedelta(minutes=16))
    with pytest.raises(StepUpNeededError):
        await told(service, asking.say, asked.id, by=stale)
    assert await told(service, asking.say, asked.id, by=replace(stale, verified_at=service.clock()))


async def the_other_operator_is_ended(service: Service) -> None:
    """Whoever gets rid of everybody else is not alone by that."""
    to = await police(service)
    for one in await service.database.read(callers.everyone):
        if one.made_by != THIEF.id:
            await service.database.write(partial(callers.revoke, caller_id=one.id, now=service.clock()))
    with pytest.raises(SecondWordNeededError):
        await rotate(service, to)
    await rotate(service, to, BY_HAND)


async def two_who_turn_out_to_be_one(service: Service) -> None:
    """The first start's token says yes to what its owner's own account asked before that was known to be theirs."""
    to = await police(service)
    first, _ = await give(service, CallerRole.OPERATOR, by=ROUTER)
    account = (await member(service, "operator@hotline.example", AccountRole.CUSTODIAN)).account
    me = Actor(account.id, "operator", None, "ses_1", service.clock())
    await agreed(service, ByTwo.KEY, to, me, Actor(first.id, first.role))
    await service.database.write(
        lambda tx: tx.execute(sa.text(f"UPDATE accounts SET role = 'operator' WHERE id = '{account.id}'"))  # noqa: S608 - ours
    )
    with pytest.raises(SecondWordNeededError):
        await rotate(service, to, me)


async def one_word_at_two_places(service: Service) -> None:
    """Used twice at the same moment, it makes one key."""
    to = await police(service)
    await agreed(service, ByTwo.KEY, to)
    done = await asyncio.gather(*(rotate(service, to) for _ in range(4)), return_exceptions=True)
    assert [one for one in done if one is None] == [None]
    assert sum(isinstance(one, SecondWordNeededError) for one in done) == 3


async def nothing_of_it_in_the_log(service: Service) -> None:
    """Asked, said, taken back and done are entries; what was done names the word it rests on, or that one was alone."""
    to, mine = await police(service), await record(service)
    key, file = await agreed(service, ByTwo.KEY, to), await agreed(service, ByTwo.EXPORT, mine, AUDITOR, REVIEWER)
    await rotate(service, to)
    await export(service, mine)
    await export(service, mine, BY_HAND)
    back = (await told(service, asking.ask, ByTwo.KEY, to)).id
    await told(service, asking.withdraw, back)
    await bundle_approved(service, Two(COUNSEL, SECOND_COUNSEL, "", 0))
    roll = await agreed(service, ByTwo.ROLL_BACK, None, COUNSEL)
    await told(service, governing.roll_back, by=COUNSEL)
    await service.check_house()
    said = [(one.kind.value, one.body) for one in await entries_of(service)]
    words = [(kind, body["word"], body["actor"], body.get("proposer")) for kind, body in said if "word" in body]
    assert words == [
        ("word.asked", key, THIEF.id, None),
        ("word.said", key, OTHER.id, THIEF.id),
        ("word.asked", file, AUDITOR.id, None),
        ("word.said", file, REVIEWER.id, AUDITOR.id),
        ("key.created", key, THIEF.id, None),
        ("export.made", file, AUDITOR.id, None),
        ("word.asked", back, THIEF.id, None),
        ("word.withdrawn", back, THIEF.id, None),
        ("word.asked", roll, COUNSEL.id, None),
        ("word.said", roll, OTHER.id, COUNSEL.id),
        ("bundle.activated", roll, COUNSEL.id, None),
    ]
    assert [body["actor"] for kind, body in said if kind == "export.made" and body.get("alone")] == [BY_HAND.id]


STORIES = [
    one_operator_replaces_a_key_alone,
    one_auditor_exports_alone,
    one_of_counsel_rolls_back_alone,
    a_roll_back_of_what_came_since,
    they_say_it_by_another_credential_of_theirs,
    who_said_it_does_it,
    an_old_word,
    a_word_that_was_taken_back,
    a_word_for_another_thing,
    a_word_of_another_role,
    a_session_left_open,
    the_other_operator_is_ended,
    two_who_turn_out_to_be_one,
    one_word_at_two_places,
    nothing_of_it_in_the_log,
]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_it_holds(service: Service, story: Callable[[Service], Awaitable[None]]) -> None:
    """Each of the stories above, on both databases."""
    await peopled(service)
    await story(service)
    await service.check_house()


async def test_who_is_alone_does_it_alone_and_the_log_says_so(tmp_path: Path) -> None:
    """A house begins with one operator; with a custodian, or a second one, beside them it takes two for good."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        await give(service, CallerRole.OPERATOR, by=THIEF)
        to = await police(service)
        await rotate(service, to)
        await service.check_house()
        last = [one.body for one in await entries_of(service) if one.body.get("purpose") == "webhook"][-1]
        assert (last["actor"], last["alone"]) == (THIEF.id, True)
        await member(service, "custodian@hotline.example", AccountRole.CUSTODIAN)
        with pytest.raises(SecondWordNeededError):
            await rotate(service, to)


async def test_the_database_itself_wants_another(service: Service) -> None:
    """Nobody says yes to themself there either, and nothing is said or used by nobody."""
    await peopled(service)
    asked = await told(service, asking.ask, ByTwo.KEY, await police(service))
    for values in ({"said_by": THIEF.id}, {"state": SecondWordState.SAID}, {"state": SecondWordState.USED}):
        with pytest.raises(sa.exc.IntegrityError):
            await service.database.write(partial(second_words.change, word_id=asked.id, **values))


def test_no_route_reaches_the_keys_of_the_machine() -> None:
    """The log's key and the key-encryption keys are replaced on the host: nothing of the edge knows how."""
    (folder,) = api.__path__
    texts = {path: path.read_text() for path in Path(folder).rglob("*.py")}
    assert any("rotate_key" in text for text in texts.values())
    assert [path.name for path, text in texts.items() if "log_keys" in text or "rekeying" in text] == []


def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "word", lambda *_: Word(waits=False, alone=True))


def _whoever_is_left_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    of_role = separation._of_role  # noqa: SLF001 - the defence that is taken away
    monkeypatch.setattr(separation, "_of_role", lambda tx, role, **_: of_role(tx, role, live=True))


def _who_asked_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "require_another", lambda *_: None)


def _credentials_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separation, "behind", lambda _, caller: caller.id)


def _who_said_it_is_compared_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    said = second_words.said
    monkeypatch.setattr(second_words, "said", lambda *args: [replace(one, said_by="cal_nobody") for one in said(*args)])


def _anybody_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said = second_words.said

    def anybodys(*args: Any) -> list[SecondWord]:  # noqa: ANN401 - as the original's
        return [replace(one, asked_by=THIRD.id, said_by="cal_nobody") for one in said(*args)]

    monkeypatch.setattr(second_words, "said", anybodys)


def _it_lasts_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = {act: replace(one, lasts=timedelta(days=400)) for act, one in asking.TERMS.items()}
    monkeypatch.setattr(asking, "TERMS", longer)


def _it_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TERMS", {act: replace(one, once=False) for act, one in asking.TERMS.items()})


def _what_was_asked_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def any_state(tx: Any, act: ByTwo, subject: str, now: object) -> list[SecondWord]:  # noqa: ANN401 - a transaction
        found = [one for one in second_words.page(tx, [act], None, 100) if one.subject == subject]
        del now
        return [replace(one, said_by="cal_nobody", state=SecondWordState.SAID) for one in found]

    monkeypatch.setattr(second_words, "said", any_state)


def _a_word_is_for_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_any_subject(tx: Any, act: ByTwo, _: str, now: object) -> list[SecondWord]:  # noqa: ANN401 - as above
        del now
        return [one for one in second_words.page(tx, [act], None, 100) if one.state is SecondWordState.SAID]

    monkeypatch.setattr(second_words, "said", of_any_subject)


def _every_role_says_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = frozenset(CallerRole)
    wide = {act: replace(one, asks=everybody, says=everybody) for act, one in asking.TERMS.items()}
    monkeypatch.setattr(asking, "TERMS", wide)


def _nobody_is_asked_to_be_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "require_fresh", lambda *_: None)


def _taking_back_takes_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_words, "change", lambda tx, word_id, **values: _unless_withdrawn(tx, word_id, values))


_CHANGE: Final = second_words.change


def _unless_withdrawn(tx: Any, word_id: str, values: dict[str, Any]) -> None:  # noqa: ANN401 - as above
    if values["state"] is not SecondWordState.WITHDRAWN:
        _CHANGE(tx, word_id, **values)


def _what_is_done_names_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    require = asking.require_word
    for place in (exporting, governing, key_rotation):
        monkeypatch.setattr(place, "require_word", lambda *args: dict.fromkeys(require(*args)))


def _one_act_does_not_ask(place: Any) -> Callable[[pytest.MonkeyPatch], None]:  # noqa: ANN401 - a module
    def fault(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(place, "require_word", lambda *_: {})

    fault.__name__ = f"_{place.__name__.split('.')[-1]}_does_not_ask"
    return fault


FAULTS: list[tuple[Callable[[pytest.MonkeyPatch], None], Callable[[Service], Awaitable[None]]]] = [
    (_nobody_is_asked, one_operator_replaces_a_key_alone),
    (_one_act_does_not_ask(key_rotation), one_operator_replaces_a_key_alone),
    (_one_act_does_not_ask(exporting), one_auditor_exports_alone),
    (_one_act_does_not_ask(governing), one_of_counsel_rolls_back_alone),
    (_who_asked_says_it, they_say_it_by_another_credential_of_theirs),
    (_credentials_are_compared, they_say_it_by_another_credential_of_theirs),
    (_who_said_it_is_compared_no_more, two_who_turn_out_to_be_one),
    (_anybody_uses_it, who_said_it_does_it),
    (_whoever_is_left_is_alone, the_other_operator_is_ended),
    (_it_lasts_for_ever, an_old_word),
    (_it_is_used_again, one_operator_replaces_a_key_alone),
    (_it_is_used_again, one_word_at_two_places),
    (_what_was_asked_is_said, one_auditor_exports_alone),
    (_a_word_is_for_anything, a_word_for_another_thing),
    (_a_word_is_for_anything, a_roll_back_of_what_came_since),
    (_every_role_says_everything, a_word_of_another_role),
    (_nobody_is_asked_to_be_fresh, a_session_left_open),
    (_taking_back_takes_nothing_back, a_word_that_was_taken_back),
    (_what_is_done_names_no_word, nothing_of_it_in_the_log),
]


@pytest.mark.parametrize(("fault", "story"), FAULTS, ids=[f"{a.__name__}-{b.__name__}" for a, b in FAULTS])
async def test_a_fault_is_noticed(
    house: Service,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
    story: Callable[[Service], Awaitable[None]],
) -> None:
    """A service without that defence fails the story that is told of it."""
    fault(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await story(house)
