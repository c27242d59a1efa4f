"""Whoever looks for somebody calls with an invented tip: it opens nothing of hers, and takes nothing from her."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import BLAMELESS, DANGER, agency, grant, person, statement, tip
from tests.support.service import Service
from tiprouter.domain import facts
from tiprouter.domain.record import Identity, Implicated, Record, Signaler
from tiprouter.domain.vocabulary import (
    Category,
    ConsentState,
    Outcome,
    Perceived,
    Perception,
    RecipientKind,
    Relationship,
)
from tiprouter.workflow.consenting import Whose

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
KINDS = tuple(RecipientKind)
Story = Callable[[Service], Awaitable[None]]


def invented(external_id: str = "T-9", **changes: object) -> Record:
    """What a caller who says that they are her friend tells of her: her reference, and a name to try."""
    her = replace(person("p1"), identity=Identity(first_name="Guessed"), contact=None, health=None, immigration=None)
    told = tip(
        her,
        external_id=external_id,
        signaler=Signaler(Relationship.FAMILY_FRIEND),
        statements=(statement("an invented story"),),
    )
    return replace(told, **changes)  # type: ignore[arg-type] # fields of many types


async def sent(service: Service) -> list[bytes]:
    """Everything that leaves."""
    return [one.envelope.body.body for one in await service.deliver()]


async def it_is_told_to_nobody(service: Service) -> None:
    """There is every kind of agency; of an adult who was not asked none of them hears anything."""
    for kind in KINDS:
        await service.enrol(agency(kind))
    accepted = await service.accept(invented())
    outcomes = {one.outcome for one in accepted.assessed.decisions}
    assert outcomes.isdisjoint({Outcome.REPORT, Outcome.DISCLOSE})
    assert await sent(service) == []
    await log_agrees_with_rows(service)


async def danger_from_hearsay_sends_nobody(service: Service) -> None:
    """Danger that was only told of brings a human, not the police to her door."""
    await service.enrol(agency(LE))
    relayed = replace(DANGER, perceived=Perception.RELAYED)
    accepted = await service.accept(invented(violence=relayed))
    assert [one.outcome for one in accepted.assessed.decisions] == [Outcome.HOLD_REVIEW]
    assert await sent(service) == []


async def it_brings_nothing_of_hers_along(service: Service) -> None:
    """She consented to a shelter once: of the invented tip it learns what the caller said, and nothing that she did."""
    await service.enrol(agency(PROVIDER))
    accepted = await service.accept(tip(person("p1"), statements=(statement("what she told herself"),)))
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(PROVIDER))
    (hers,) = await sent(service)
    assert b"what she told herself" in hers
    again = await service.accept(invented())
    assert again.stored.persons == accepted.stored.persons
    for body in await sent(service):
        assert b"invented" in body
        for word in (b"what she told herself", b"555-0100", b"Example-p1", b"health of"):
            assert word not in body


async def its_accusation_is_its_own(service: Service) -> None:
    """An invented tip accuses the police; the report of a child that is true goes to them all the same."""
    await service.enrol(agency(LE))
    await service.accept(invented(implicated=(Implicated(kind=LE, jurisdiction="US-TX"),)))
    true = await service.accept(tip(person("p2", years=12, guardians=BLAMELESS), external_id="T-2"))
    assert [one.outcome for one in true.assessed.decisions] == [Outcome.REPORT]
    assert len(await sent(service)) == 1


STORIES: tuple[Story, ...] = (
    it_is_told_to_nobody,
    danger_from_hearsay_sends_nobody,
    it_brings_nothing_of_hers_along,
    its_accusation_is_its_own,
)


@pytest.mark.parametrize("story", STORIES)
async def test_an_invented_tip_opens_nothing(service: Service, story: Story) -> None:
    """Each story on both databases."""
    await story(service)


@pytest.mark.parametrize(
    ("story", "name", "fault"),
    [
        (it_is_told_to_nobody, "_consent_states", lambda *_: (ConsentState.GRANTED,) * len(Category)),
        (danger_from_hearsay_sends_nobody, "_perceived", lambda *_: Perceived.FIRST_HAND),
        (its_accusation_is_its_own, "_names", lambda *_: True),
    ],
    ids=["who was not asked has consented", "hearsay was heard", "every agency is accused"],
)
async def test_a_planted_fault_is_found_out(
    service: Service, story: Story, name: str, fault: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the fault in place the story fails."""
    if name == "_names":
        await service.enrol(agency(PROVIDER))
    monkeypatch.setattr(facts, name, fault)
    with pytest.raises(AssertionError):
        await story(service)
