"""Agencies that differ in nothing that decides are decided about once; those that differ never are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.service import START, Service, open_service
from tiprouter.domain.recipient import RecipientStatus
from tiprouter.domain.record import Implicated
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.workflow import assess
from tiprouter.workflow.consenting import Whose

LE, SHELTER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER


async def outcomes(service: Service) -> dict[str, str]:
    """What stands, by recipient."""
    rows = await service.rows("select recipient_id, outcome from decisions where current")
    return {row[0]: row[1] for row in rows}


async def alike(service: Service, kind: RecipientKind) -> tuple[str, str]:
    """Two agencies that differ in their ids alone."""
    first, second = [await service.enrol(agency(kind)) for _ in range(2)]
    return first.recipient.id, second.recipient.id


async def test_the_shelter_that_she_named_is_told_and_its_like_is_not(service: Service) -> None:
    """A consent by name is for that one."""
    named, other = await alike(service, SHELTER)
    accepted = await service.accept(tip())
    consent = replace(grant(SHELTER), kinds=(), recipients=(named,))
    await service.consent(Whose(person_id=accepted.stored.persons[0]), consent)
    assert await outcomes(service) == {named: "DISCLOSE", other: "WITHHOLD"}
    assert [one.recipient_id for one in await service.deliver()] == [named]


async def test_the_police_that_are_accused_get_nothing_and_their_like_get_the_report(service: Service) -> None:
    """Accused by name, and only that one."""
    accused, other = await alike(service, LE)
    await service.accept(tip(person(years=12, guardians=BLAMELESS), implicated=(Implicated(recipient_id=accused),)))
    assert await outcomes(service) == {accused: "DUTY_BLOCKED", other: "REPORT"}
    assert [one.recipient_id for one in await service.deliver()] == [other]


async def test_a_decision_holds_until_its_own_agencys_agreement_ends(service: Service) -> None:
    """Two shelters alike but for when their agreements end: each is decided again at its own end."""
    ends = [START + timedelta(days=days) for days in (2, 3)]
    first, second = [(await service.enrol(agency(SHELTER, agreement_until=end))).recipient.id for end in ends]
    accepted = await service.accept(tip())
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(SHELTER))
    assert {one.recipient_id: one.valid_until for one in given.decisions} == dict(
        zip((first, second), ends, strict=True)
    )
    service.clock.forward(days=2)
    assert await service.revisit() == 1
    assert await outcomes(service) == {first: "WITHHOLD", second: "DISCLOSE"}


async def test_a_suspended_agency_is_not_like_the_others(service: Service) -> None:
    """Status decides."""
    suspended = (await service.enrol(agency(SHELTER, status=RecipientStatus.SUSPENDED))).recipient.id
    active = (await service.enrol(agency(SHELTER))).recipient.id
    accepted = await service.accept(tip())
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(SHELTER))
    assert await outcomes(service) == {suspended: "WITHHOLD", active: "DISCLOSE"}


_verdicts = assess._Alike.verdicts  # noqa: SLF001 - what a fault is planted in

FAULTS: dict[str, tuple[str, object, Callable[[Service], Awaitable[None]]]] = {
    "a-consent-by-name-is-for-all": (
        "tiprouter.workflow.assess._named",
        lambda _: frozenset(),
        test_the_shelter_that_she_named_is_told_and_its_like_is_not,
    ),
    "an-accusation-by-name-is-of-nobody": (
        "tiprouter.workflow.assess._named",
        lambda _: frozenset(),
        test_the_police_that_are_accused_get_nothing_and_their_like_get_the_report,
    ),
    "no-agreement-ends": (
        "tiprouter.workflow.assess._Alike.verdicts",
        lambda one, recipient: _verdicts(one, replace(recipient, agreement_until=START + timedelta(days=9))),
        test_a_decision_holds_until_its_own_agencys_agreement_ends,
    ),
}
"""A way to take unlike agencies for alike, and the story that must notice."""


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Service]:
    """A service on the embedded database: a fault is the same on either."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service:
        yield service


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_planted_fault_is_found_out(fault: str, embedded: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with a promise broken, the story of that promise fails."""
    target, instead, story = FAULTS[fault]
    monkeypatch.setattr(target, instead)
    with pytest.raises(AssertionError):
        await story(embedded)
