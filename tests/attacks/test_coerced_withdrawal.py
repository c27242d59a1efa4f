"""Somebody makes her take her consent back: nothing more leaves by it, and it silences nothing else."""

import json
from collections.abc import Awaitable, Callable

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import BLAMELESS, DANGER, SECRET, agency, grant, person, tip
from tests.support.service import INTAKE, Service
from tiprouter.domain.record import Record
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import Grantor, RecipientKind
from tiprouter.errors import ConflictError
from tiprouter.workflow import consenting
from tiprouter.workflow.consenting import Whose

LE = RecipientKind.LAW_ENFORCEMENT
Story = Callable[[Service], Awaitable[None]]


async def taken_back(service: Service, record: Record, **said: object) -> str:
    """An agency, a record, a consent, and its withdrawal a minute later; the person's id."""
    await service.enrol(agency(LE))
    accepted = await service.accept(record)
    person_id = accepted.stored.persons[0]
    given = await service.consent(Whose(person_id=person_id), grant(LE, **said))
    service.clock.forward(minutes=1)
    await service.withdraw(given.consent.id)
    return person_id


async def a_child_is_reported_all_the_same(service: Service) -> None:
    """Whoever is beside the child takes the consent back: the duty never rested on it."""
    await taken_back(service, tip(person(years=12, guardians=BLAMELESS)), grantor=Grantor.BOTH)
    (report,) = await service.deliver()
    assert json.loads(report.envelope.body.body)["type"] == "disclosure.made"
    await log_agrees_with_rows(service)


async def danger_is_told_all_the_same(service: Service) -> None:
    """She is in danger and says on the telephone that nobody may be told: the police hear where, and not who she is."""
    await taken_back(service, tip(violence=DANGER))
    bodies = [one.envelope.body.body for one in await service.deliver()]
    assert bodies
    assert all(b"Example-p1" not in body and b"555-0100" not in body for body in bodies)
    await log_agrees_with_rows(service)


async def she_may_say_it_again(service: Service) -> None:
    """Later and alone she consents again, and says so at another moment: it counts."""
    person_id = await taken_back(service, tip())
    assert await service.deliver() == []
    service.clock.forward(hours=3)
    again = await service.consent(
        Whose(person_id=person_id), grant(LE, given_at=service.clock.at, valid_from=service.clock.at)
    )
    assert again.consent.life is ConsentPhase.PENDING
    service.clock.forward(minutes=11)
    await service.database.write(lambda tx: consenting.confirm(tx, service.desk, INTAKE, again.consent.id, None))
    assert len(await service.deliver()) == 1


async def the_recall_tells_nothing_more(service: Service) -> None:
    """What had arrived is recalled; the recall holds nothing of her, whoever reads it."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    (told,) = await service.deliver()
    assert SECRET.encode() in told.envelope.body.body
    service.clock.forward(minutes=1)
    await service.withdraw(given.consent.id)
    (recall,) = await service.deliver()
    for word in (SECRET, "Example-p1", "555-0100", accepted.stored.persons[0]):
        assert word.encode() not in recall.envelope.body.body
    await log_agrees_with_rows(service)


STORIES: tuple[Story, ...] = (
    a_child_is_reported_all_the_same,
    danger_is_told_all_the_same,
    she_may_say_it_again,
    the_recall_tells_nothing_more,
)


@pytest.mark.parametrize("story", STORIES)
async def test_a_withdrawal_under_duress_silences_nothing_else(service: Service, story: Story) -> None:
    """Each story on both databases."""
    await story(service)


async def cancels_everything(self: Service, consent_id: str) -> None:
    """A withdrawal that stops whatever waits, not what rested on it."""
    await self.database.write(lambda tx: consenting.withdraw(tx, self.desk, INTAKE, consent_id, None))
    await self.database.write(lambda tx: tx.exec_driver_sql("update deliveries set state = 'cancelled'"))


@pytest.mark.parametrize(
    ("story", "where", "name", "fault"),
    [
        (a_child_is_reported_all_the_same, Service, "withdraw", cancels_everything),
        (danger_is_told_all_the_same, Service, "withdraw", cancels_everything),
        (she_may_say_it_again, consenting, "confirmed", lambda one, _: one),
    ],
    ids=["a withdrawal stops a report", "a withdrawal stops danger", "who withdrew is never heard again"],
)
async def test_a_planted_fault_is_found_out(
    service: Service, story: Story, where: object, name: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the fault in place the story fails."""
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, ValueError, ConflictError)):
        await story(service)
