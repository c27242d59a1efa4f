"""Deliveries are claimed and finished together: what is wrong with one of them is nobody else's."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.service import START, Clock, Service, open_service, room
from tiprouter.audit.entry import EntryError
from tiprouter.audit.kinds import Kind
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import deliveries, stopwatch
from tiprouter.storage.deliveries import Delivery
from tiprouter.workflow import dispatch
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.dispatch import Ready, claim, finish_all
from tiprouter.workflow.gathering import Gathered
from tiprouter.workflow.happening import Happening

ARRIVED = Attempted(AttemptResult.SUCCESS, 200, None, 5, "203.0.113.9", b"ok")


async def children(service: Service, count: int) -> None:
    """So many tips, each about another child: a report to every police agency."""
    for number in range(count):
        child = person(f"c{number}", years=12, guardians=BLAMELESS)
        await service.accept(tip(child, external_id=f"C-{number}"))


async def one_cannot_be_told(service: Service, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> str:
    """Three deliveries, and no entry of this kind can be written about one of them; its id."""
    await service.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    await children(service, 3)
    odd: str = (await service.rows("select max(id) from deliveries"))[0][0]
    log = Happening.log

    def broken(it: Happening, of: Kind, body: dict[str, Any]) -> None:
        if of is kind and body["delivery"] == odd:
            raise EntryError
        log(it, of, body)

    monkeypatch.setattr(Happening, "log", broken)
    return odd


async def the_others_leave(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three claimed together, one's attempt cannot be told: two leave, the third is held, and a human is told."""
    odd = await one_cannot_be_told(service, monkeypatch, Kind.ATTEMPT_STARTED)
    ready = await service.claim()
    assert len(ready) == 2
    assert odd not in {one.delivery_id for one in ready}
    assert await service.rows("select subject from notices where reason = 'delivery.held'") == [(odd,)]
    assert await service.rows("select count(*) from attempts") == [(2,)]
    assert await service.rows("select count(*) from deliveries where lease is not null") == [(2,)]
    await log_agrees_with_rows(service)


async def test_an_attempt_that_cannot_be_told_is_not_made_and_the_others_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written for all of them is undone, and each is written by itself."""
    await the_others_leave(service, monkeypatch)


async def test_an_end_that_cannot_be_told_is_not_written_and_the_others_are(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers are durable, the third is its own error, and its lease stays."""
    odd = await one_cannot_be_told(service, monkeypatch, Kind.ATTEMPT_FINISHED)
    ended = [(one, ARRIVED) for one in await service.claim()]
    states = await service.database.write(lambda tx: finish_all(tx, service.desk, ended))
    assert sorted(str(state) for state in states if isinstance(state, str)) == ["delivered", "delivered"]
    assert sum(isinstance(state, EntryError) for state in states) == 1
    assert await service.rows("select id from deliveries where lease is not null") == [(odd,)]
    assert await service.rows("select count(*) from attempts where finished_at is null") == [(1,)]
    await log_agrees_with_rows(service)


async def statements_of_a_life(service: Service) -> int:
    """How many statements it takes to claim and to finish all that waits."""
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    def story(tx: Any) -> list[Ready]:  # noqa: ANN401 - a transaction
        with stopwatch.listening(count, lambda: None):
            ready = claim(tx, service.desk, room())
            finish_all(tx, service.desk, [(one, ARRIVED) for one in ready])
        return ready

    assert await service.database.write(story)
    return counted


async def test_many_take_no_more_statements_than_a_few(service: Service) -> None:
    """Three deliveries or twelve: as many statements, so that a delivery costs what it must and no more."""
    await service.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    await children(service, 1)
    await statements_of_a_life(service)  # the line is made
    found = []
    for count in (3, 12):
        for number in range(count):
            child = person(f"d{count}-{number}", years=12, guardians=BLAMELESS)
            await service.accept(tip(child, external_id=f"D-{count}-{number}"))
        found.append(await statements_of_a_life(service))
    assert found[0] == found[1]
    await service.check_house()


async def the_stale_one_is_decided_again(service: Service) -> None:
    """Of two claimed together, one rests on a consent that ended while it waited: the other one leaves."""
    await service.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    for ref, until in (("p1", timedelta(hours=1)), ("p2", timedelta(days=30))):
        accepted = await service.accept(tip(person(ref), external_id=f"T-{ref}"))
        whose = Whose(person_id=accepted.stored.persons[0])
        await service.consent(whose, grant(RecipientKind.LAW_ENFORCEMENT, expires_at=START + until))
    service.clock.forward(hours=1)
    (ready,) = await service.claim()
    assert b"Example-p2" in ready.envelope.body.body
    await service.check_house()


async def test_what_changed_is_decided_again_beside_what_did_not(service: Service) -> None:
    """Rule 1 of a claim holds for each of those that are claimed together."""
    await the_stale_one_is_decided_again(service)


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nothing has ever changed": lambda patch: patch.setattr(Gathered, "rests_on_today", lambda *_: True),
    "none by itself": lambda patch: patch.setattr(dispatch, "_claim_one", lambda *_: None),
    "leased in words alone": lambda patch: patch.setattr(deliveries, "claim_all", _takes_all),
}


def _takes_all(_tx: object, wanted: list[tuple[Delivery, str]], _until: object) -> set[str]:
    return {delivery.id for delivery, _ in wanted}


async def _stale(service: Service, _: pytest.MonkeyPatch) -> None:
    await the_stale_one_is_decided_again(service)


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_planted_fault_is_found(fault: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - a path
    """The tests of the tests: with the fault in, the story that is about it fails."""
    PLANTED[fault](monkeypatch)
    story = _stale if fault == "nothing has ever changed" else the_others_leave
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path, Clock(START)) as service:
        with pytest.raises((AssertionError, ValueError)):
            await story(service, monkeypatch)
