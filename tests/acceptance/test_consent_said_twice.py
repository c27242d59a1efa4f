"""A person widens, confirms, narrows and takes back what they consented to; on both databases."""

from datetime import timedelta

import pytest

from tests.attacks.agreement import entries_of
from tests.support.fictional import agency, grant, tip
from tests.support.service import INTAKE, START, Service
from tiprouter.domain.consent import Choice
from tiprouter.domain.subject_states import ConsentPhase
from tiprouter.domain.vocabulary import Category, RecipientKind
from tiprouter.domain.widening import TooEarlyError
from tiprouter.workflow import consenting, receipts
from tiprouter.workflow.consenting import Given, Narrower, NothingToConfirmError, Whose, Withdrawal, WithdrawnError

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
LATER = timedelta(minutes=10)


async def confirm(service: Service, consent_id: str) -> Given:
    """The person says it again."""
    return await service.database.write(lambda tx: consenting.confirm(tx, service.desk, INTAKE, consent_id, None))


async def narrow(service: Service, consent_id: str, **less: object) -> Withdrawal:
    """The person takes something out."""
    narrower = Narrower(**less)  # type: ignore[arg-type] # names of its own fields
    return await service.database.write(
        lambda tx: consenting.narrow(tx, service.desk, INTAKE, consent_id, None, narrower)
    )


async def outcomes(service: Service) -> list[tuple[str, ...]]:
    """The outcomes that stand, by kind of recipient."""
    query = (
        "select recipients.kind, outcome from decisions join recipients on recipients.id = recipient_id"
        " where current order by recipients.kind"
    )
    return [tuple(row) for row in await service.rows(query)]


async def a_person(service: Service) -> Whose:
    """Two agencies, one tip; the person behind it."""
    await service.enrol(agency(LE))
    await service.enrol(agency(PROVIDER))
    accepted = await service.accept(tip())
    return Whose(person_id=accepted.stored.persons[0])


async def test_a_widened_consent_counts_from_its_confirmation_on(service: Service) -> None:
    """The shelter knows; the police learn it only after the person has said so twice, ten minutes apart."""
    whose = await a_person(service)
    await service.consent(whose, grant(PROVIDER))
    assert await outcomes(service) == [("law_enforcement", "WITHHOLD"), ("service_provider", "DISCLOSE")]
    wider = await service.consent(whose, grant(LE, PROVIDER, given_at=START, valid_from=START))
    assert wider.consent.life is ConsentPhase.PENDING
    assert await outcomes(service) == [("law_enforcement", "WITHHOLD"), ("service_provider", "DISCLOSE")]
    assert len(await service.deliver()) == 1
    service.clock.forward(minutes=10, microseconds=-1)
    with pytest.raises(TooEarlyError):
        await confirm(service, wider.consent.id)
    service.clock.forward(microseconds=1)
    said = await confirm(service, wider.consent.id)
    assert (said.revision, said.consent.life) == (2, ConsentPhase.STANDING)
    assert await outcomes(service) == [("law_enforcement", "DISCLOSE"), ("service_provider", "DISCLOSE")]
    assert len(await service.deliver()) == 1
    with pytest.raises(NothingToConfirmError):
        await confirm(service, wider.consent.id)
    assert ("consent.pending",) in [tuple(row) for row in await service.rows("select reason from notices")]
    await service.check_house()
    kinds = [entry.kind.value for entry in await entries_of(service) if entry.kind.value.startswith("consent.")]
    assert kinds == ["consent.granted", "consent.pending", "consent.confirmed"]


async def test_narrowing_is_immediate_and_recalls(service: Service) -> None:
    """The police were told everything; they may know of the incident only: recalled, and told that alone."""
    whose = await a_person(service)
    given = await service.consent(whose, grant(LE))
    await service.deliver()
    less = await narrow(service, given.consent.id, categories=(Category.INCIDENT,))
    assert (less.delivered, less.given.revision) == (1, 2)
    rows = await service.rows("select recalls is null as made, categories from disclosures order by sequence")
    assert [bool(row.made) for row in rows] == [True, False, True]
    assert "identity" not in str(rows[-1].categories)
    bodies = [one.envelope.body.body for one in [*await service.deliver(), *await service.deliver()]]
    assert len(bodies) == 2
    assert b"Example-p1" not in bodies[1]
    stored = await service.rows("select id, state from consents order by revision")
    assert [tuple(row) for row in stored] == [
        (given.consent.id, "standing"),
        (f"{given.consent.id}~2", "narrowed"),
    ]
    await service.check_house()


async def test_a_refusal_takes_back_what_was_granted(service: Service) -> None:
    """Somebody who says no, rather than that they withdraw, is heard the same: cancelled, recalled, nothing waits."""
    whose = await a_person(service)
    await service.consent(whose, grant(LE))
    await service.deliver()
    waiting = await service.consent(whose, grant(LE, PROVIDER, given_at=START, valid_from=START))
    no = grant(
        choice=Choice.REFUSE,
        purposes=(),
        categories=(),
        expires_at=None,
        informed=False,
        given_at=START,
        valid_from=START,
    )
    await service.consent(whose, no)
    assert {outcome for _, outcome in await outcomes(service)} == {"WITHHOLD"}
    recalls = await service.rows("select id from disclosures where recalls is not null")
    assert len(recalls) == 1
    service.clock.forward(hours=1)
    with pytest.raises(NothingToConfirmError):
        await confirm(service, waiting.consent.id)
    with pytest.raises(WithdrawnError):
        await service.withdraw(waiting.consent.id)
    await service.check_house()


async def test_a_consent_may_be_limited_to_places(service: Service) -> None:
    """What she said for Texas tells nobody in Texas of what happened in California too, and the receipt says so."""
    await service.enrol(agency(LE, "US-TX"))
    await service.enrol(agency(PROVIDER, "US-TX", "US-CA"))
    both = tuple(type(tip().jurisdictions[0])(code, tip().jurisdictions[0].reason) for code in ("US-TX", "US-CA"))
    accepted = await service.accept(tip(jurisdictions=both))
    given = await service.consent(
        Whose(person_id=accepted.stored.persons[0]), grant(LE, PROVIDER, jurisdictions=("US-TX",))
    )
    assert await outcomes(service) == [("law_enforcement", "DISCLOSE"), ("service_provider", "WITHHOLD")]
    (row,) = await service.rows("select facts from decisions where current and outcome = 'WITHHOLD'")
    assert "out_of_scope" in str(row.facts)
    made = await service.database.write(lambda tx: receipts.receipt(tx, service.desk, INTAKE, given.consent.id))
    assert made.consent.jurisdictions == ("US-TX",)


async def test_a_receipt_tells_a_consents_life_and_names_nobody(service: Service) -> None:
    """Given, confirmed, narrowed, withdrawn: each with its time; the person is a pseudonym."""
    whose = await a_person(service)
    await service.consent(whose, grant(PROVIDER))
    wider = (
        await service.consent(whose, grant(LE, PROVIDER, given_at=START, valid_from=START, witness="Example Witness"))
    ).consent.id
    for story in (confirm(service, wider), narrow(service, wider, kinds=(LE,)), service.withdraw(wider)):
        service.clock.forward(minutes=10)
        await story
    made = await service.database.write(lambda tx: receipts.receipt(tx, service.desk, INTAKE, wider))
    assert [event.occasion.value for event in made.events] == ["given", "confirmed", "narrowed", "withdrawn"]
    assert [event.at for event in made.events] == [START + number * LATER for number in range(4)]
    assert str(whose.person_id) not in repr((made.id, made.principal, made.events))
    await service.check_house()
    accesses = [entry.body for entry in await entries_of(service) if entry.kind.value == "access"]
    assert [entry["what"] for entry in accesses] == ["receipt"]
