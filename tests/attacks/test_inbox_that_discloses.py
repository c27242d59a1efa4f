"""An inbox that shows what may no longer be told, tells it unlogged, or tells it to another agency."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.attacks.agreement import entries_of, log_agrees_with_rows
from tests.attacks.interleaving import interleaved
from tests.support.fictional import grant, person, tip
from tests.support.inbox import LE, Office, consenting_adult, ended_in, office, states
from tests.support.service import INTAKE, OPERATOR, START, Service
from tiprouter.audit.kinds import Kind
from tiprouter.domain.recipient import DeliveryMode, RecipientStatus
from tiprouter.errors import NotFoundError
from tiprouter.storage import deliveries, disclosures, tables
from tiprouter.storage import inbox as lying
from tiprouter.storage.deliveries import Attempt
from tiprouter.workflow import consenting, enrolment, inbox
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Happening
from tiprouter.workflow.inbox import HAND_OVER, Fetched

MODES = [DeliveryMode.PULL, DeliveryMode.THIN, DeliveryMode.PUSH]


async def announced(service: Service, mode: DeliveryMode = DeliveryMode.PULL, **span: float) -> tuple[Office, str, str]:
    """A disclosure lies in an office's inbox, announced if it is in thin mode; its consent and its delivery."""
    police = await office(service, mode)
    given = await consenting_adult(service, timedelta(**span) if span else timedelta(days=9))
    if mode is DeliveryMode.THIN:
        await service.deliver()
    (delivery_id,) = await police.listed()
    return police, given.consent.id, delivery_id


async def nothing_is_told(police: Office, delivery_id: str) -> None:
    """The list is empty, the fetch finds nothing, and no payload was ever on its way."""
    assert await police.listed() == []
    assert await police.fetch(delivery_id) is None
    assert [kind for kind, _ in await ended_in(police.service) if kind != "announce"] == []
    await log_agrees_with_rows(police.service)


@pytest.mark.parametrize("mode", MODES)
async def test_withdrawn_between_the_list_and_the_fetch(service: Service, mode: DeliveryMode) -> None:
    """It was listed when she still consented; what is fetched afterwards is not there."""
    police, consent_id, delivery_id = await announced(service, mode)
    await service.withdraw(consent_id)
    await nothing_is_told(police, delivery_id)
    assert await states(service) == ["cancelled"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_consent_that_ran_out_between_the_announcement_and_the_fetch(
    service: Service, mode: DeliveryMode
) -> None:
    """Nobody decided again in between: the fetch does, and what it cancelled stays so though it told nothing."""
    police, _, delivery_id = await announced(service, mode, hours=1)
    service.clock.at = START + timedelta(hours=1)
    assert await police.fetch(delivery_id) is None
    assert await states(service) == ["cancelled"]
    await nothing_is_told(police, delivery_id)
    causes = [entry.body["cause"] for entry in await entries_of(service) if entry.kind == "disclosure.cancelled"]
    assert causes == ["inbox"]


async def test_a_consent_is_good_for_a_fetch_until_its_last_microsecond(service: Service) -> None:
    """The control of the above."""
    police, _, delivery_id = await announced(service, hours=1)
    service.clock.at = START + timedelta(hours=1, microseconds=-1)
    assert await police.fetch(delivery_id) is not None


async def test_a_list_decides_again_too(service: Service) -> None:
    """That something about a person waits is itself told only while it may be."""
    police, _, delivery_id = await announced(service, hours=1)
    service.clock.at = START + timedelta(hours=1)
    assert await police.listed() == []
    assert await states(service) == ["cancelled"]
    await nothing_is_told(police, delivery_id)


async def test_what_was_taken_is_not_shown_again_after_the_withdrawal(service: Service) -> None:
    """It left lawfully once; after the withdrawal the recall lies there in its place."""
    police, consent_id, delivery_id = await announced(service)
    await police.take(delivery_id)
    service.clock.forward(seconds=1)
    await service.withdraw(consent_id)
    assert await police.fetch(delivery_id) is None
    (recall,) = (await police.shelf()).items
    assert recall.recalls == (await service.rows("select disclosure_id from deliveries where sequence = 1"))[0][0]
    await log_agrees_with_rows(service)


async def test_what_was_taken_is_not_shown_again_after_the_consent_ran_out(service: Service) -> None:
    """A second fetch is a disclosure of its own moment."""
    police, _, delivery_id = await announced(service, hours=1)
    await police.take(delivery_id)
    service.clock.at = START + timedelta(hours=1)
    assert await police.listed() == []
    assert await police.fetch(delivery_id) is None
    assert await ended_in(service) == [("fetch", "success")]


@pytest.mark.parametrize("mode", MODES)
async def test_a_suspended_agency_finds_its_inbox_empty(service: Service, mode: DeliveryMode) -> None:
    """Disclosures and recalls, taken before or not: nothing is there until it is active again."""
    police, consent_id, delivery_id = await announced(service, mode)
    await police.take(delivery_id)
    service.clock.forward(seconds=1)
    await service.withdraw(consent_id)
    (recall,) = await police.listed()
    suspended = replace(police.recipient, status=RecipientStatus.SUSPENDED)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    assert await police.listed() == []
    assert await police.fetch(recall) is None
    assert await police.fetch(delivery_id) is None
    assert not await service.database.read(lambda tx: inbox.stirs(tx, service.desk, police.actor))
    active = replace(suspended, status=RecipientStatus.ACTIVE)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, active, 2))
    assert await police.listed() == [recall]


async def test_an_agency_finds_nothing_of_anothers(service: Service) -> None:
    """Listing, taking and answering: another's delivery is not there, though its id is known."""
    police, _, delivery_id = await announced(service)
    other = await office(service, jurisdictions=("US-CA",))
    assert await other.listed() == []
    assert await other.fetch(delivery_id) is None
    with pytest.raises(NotFoundError):
        await other.acknowledge(delivery_id)
    assert await police.listed() == [delivery_id]


async def test_what_was_never_taken_is_not_answered(service: Service) -> None:
    """An office cannot accept what it only saw listed."""
    police, _, delivery_id = await announced(service)
    with pytest.raises(NotFoundError):
        await police.acknowledge(delivery_id)


async def test_an_error_while_deciding_shows_nothing_and_tells_a_human(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload cannot be opened: it is neither listed nor told, once a human is told, and others still are."""
    police, _, delivery_id = await announced(service)
    await service.accept(tip(person("child", years=12), external_id="T-2"))
    (whole,) = [one for one in (await police.shelf()).items if one.delivery.id != delivery_id]
    broken = b"\x00" * 64
    spelt = f"x'{broken.hex()}'" if service.url.startswith("sqlite") else f"'\\x{broken.hex()}'::bytea"
    sql = f"update disclosures set sealed = {spelt} where id = (select disclosure_id from deliveries where id = '{delivery_id}')"  # noqa: E501, S608 - our own words
    await service.database.write(lambda tx: tx.exec_driver_sql(sql))
    for _ in range(2):
        assert await police.listed() == [whole.delivery.id]
        assert await police.fetch(delivery_id) is None
    told = await service.rows("select subject from notices where reason = 'delivery.held'")
    assert [row.subject for row in told] == [delivery_id]


async def test_killed_between_the_log_and_the_answer(service: Service) -> None:
    """The log knows of the attempt though nobody got anything; how it ended is unknown, and it waits again."""
    police, _, delivery_id = await announced(service)
    assert await police.fetch(delivery_id) is not None
    await logged_before_it_left(service, delivery_id)
    assert await ended_in(service) == [("fetch", None)]
    assert [one.taken for one in (await police.shelf()).items] == [True]
    service.clock.at += HAND_OVER
    await service.claim()
    assert await ended_in(service) == [("fetch", "unknown")]
    (item,) = (await police.shelf()).items
    assert item.waits
    assert (await police.take(delivery_id)).webhook_id == delivery_id
    assert await states(service) == ["delivered"]
    await log_agrees_with_rows(service)


async def logged_before_it_left(service: Service, delivery_id: str) -> None:
    """When the bytes are handed out, their attempt and access are committed."""
    await service.sequencer.drain()
    told = await entries_of(service)
    assert [entry.body["attempt_kind"] for entry in told if entry.kind == Kind.ATTEMPT_STARTED] == ["fetch"]
    assert [entry.body["what"] for entry in told if entry.kind == Kind.ACCESS][-1] == "inbox.delivery"
    assert len(await service.rows(f"select id from attempts where delivery_id = '{delivery_id}'")) == 1  # noqa: S608


async def test_a_fetch_that_is_never_answered_is_late_like_any_other(service: Service) -> None:
    """A fetch that died does not stop the clock: a human is told before the deadline."""
    police, _, delivery_id = await announced(service)
    await police.fetch(delivery_id)
    service.clock.forward(hours=20)
    await service.claim()
    assert [row[0] for row in await service.rows("select reason from notices")].count("delivery.late") == 1


async def test_two_fetches_at_once_both_get_the_payload_and_each_is_logged(service: Service) -> None:
    """Two machines of one office: the same bytes under the same id, two attempts, one delivery."""
    police, _, delivery_id = await announced(service)
    both = await asyncio.gather(police.fetch(delivery_id), police.fetch(delivery_id))
    first, second = (one for one in both if one is not None)
    assert first.body.body == second.body.body
    assert {first.begun.attempt.number, second.begun.attempt.number} == {1, 2}
    for one in sorted((first, second), key=lambda one: one.begun.attempt.number):
        await police.hand_over(one)
    assert await states(service) == ["delivered"]
    assert await ended_in(service) == [("fetch", "success")] * 2
    await log_agrees_with_rows(service)


def fetching(service: Service, police: Office, delivery_id: str) -> Callable[[Connection], Fetched | None]:
    """The story of a fetch."""
    return lambda tx: inbox.fetch(tx, service.desk, police.actor, delivery_id)


@pytest.mark.parametrize("withdrawal_first", [True, False])
async def test_a_fetch_and_a_withdrawal_cut_into_each_other_anywhere(
    two: tuple[Service, Service], *, withdrawal_first: bool
) -> None:
    """On two machines, stopped at every third statement: what is told is recalled, what is not told never is."""
    here, there = two
    police = await office(here)
    more, number = True, 1
    while more:
        accepted = await here.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))
        given = await here.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
        (delivery_id,) = await police.listed()
        here.clock.forward(seconds=1)
        consent_id = given.consent.id
        stories = (
            (
                here.database,
                lambda tx, consent_id=consent_id: consenting.withdraw(tx, here.desk, INTAKE, consent_id, None),
            ),
            (there.database, fetching(there, police, delivery_id)),
        )
        first, second = stories if withdrawal_first else stories[::-1]
        one, other, more = await interleaved(number, first, second)
        withdrawn, fetched = (one, other) if withdrawal_first else (other, one)
        assert not isinstance(withdrawn, BaseException), withdrawn
        assert fetched is None or isinstance(fetched, Fetched), fetched
        here.clock.forward(seconds=1)
        assert await police.fetch(delivery_id) is None
        if fetched is not None:
            await police.hand_over(fetched)
        recalls = [item.delivery.id for item in (await police.shelf()).items]
        assert len(recalls) == (fetched is not None), (number, recalls)
        for recall in recalls:
            await police.take(recall)
            await police.acknowledge(recall)
        number += 3
    await here.check_house()


async def test_a_fetch_that_does_not_decide_again_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the second decision left out, the stories of a consent that ran out fail."""
    monkeypatch.setattr(inbox, "still_permitted", lambda *_: True)
    with pytest.raises(AssertionError):
        await test_a_consent_that_ran_out_between_the_announcement_and_the_fetch(service, DeliveryMode.PULL)


async def test_a_list_without_its_filter_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every row shown as it lies there, the story of the list fails."""
    monkeypatch.setattr(inbox, "_checked", lambda _, item: item)
    with pytest.raises(AssertionError):
        await test_a_list_decides_again_too(service)


async def test_a_fetch_logged_after_the_answer_is_found_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the attempt written when the payload was handed over, the story of the kill fails."""
    held: list[Any] = []
    log = Happening.log

    def later(_: Connection, begun: Sequence[Attempt]) -> None:
        held.extend(begun)

    def quiet(it: Happening, kind: Kind, body: dict[str, Any]) -> None:
        if kind is not Kind.ATTEMPT_STARTED:
            log(it, kind, body)

    monkeypatch.setattr(deliveries, "start", later)
    monkeypatch.setattr(Happening, "log", quiet)
    with pytest.raises(AssertionError):
        await test_killed_between_the_log_and_the_answer(service)
    assert held


async def test_an_inbox_for_whoever_knows_the_id_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the agency left out of the question, the story of another's delivery fails."""
    own: dict[str, Any] = {name: getattr(lying, name) for name in ("record_of", "item")}
    whose = {"id": ""}
    for name, question in own.items():
        monkeypatch.setattr(lying, name, lambda tx, _, one, question=question: question(tx, whose["id"], one))
    enrol = service.enrol

    async def first_one(recipient: Any) -> Any:  # noqa: ANN401 - as the story's own
        enrolled = await enrol(recipient)
        whose["id"] = whose["id"] or enrolled.recipient.id
        return enrolled

    monkeypatch.setattr(service, "enrol", first_one)
    with pytest.raises(AssertionError):
        await test_an_agency_finds_nothing_of_anothers(service)


def made_anew(told: sa.Select[Any]) -> sa.Select[Any]:
    """The question what was told about a record."""
    return told.where(tables.disclosures.c.record_id == sa.bindparam("record"))


async def test_an_announcement_taken_for_the_payload_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was announced counted as told, the withdrawal would tell the agency that a consent was withdrawn."""
    monkeypatch.setattr("tiprouter.storage.disclosures._left", lambda: tables.deliveries.c.attempts > 0)
    # Statements are made once, and this one before: it is made again, and not kept for the tests after this one.
    monkeypatch.setattr("tiprouter.storage.disclosures._told_of", lambda: made_anew(vars(disclosures)["_told"]()))
    police, consent_id, _ = await announced(service, DeliveryMode.THIN)
    await service.withdraw(consent_id)
    assert len(await police.listed()) == 1
