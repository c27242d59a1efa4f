"""What is decided again by itself, because time passed or an agency came? (workflow/revisit.py)"""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from tests.support.fictional import BLAMELESS, agency, grant, person, tip
from tests.support.service import OPERATOR, START, Service
from tiprouter.domain.recipient import RecipientStatus
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.records import Stored
from tiprouter.workflow import enrolment
from tiprouter.workflow.assess import assess
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.happening import Happening

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
MIDNIGHT_IN_EL_PASO = START.replace(hour=7)  # where the days of Texas begin last


async def outcomes(service: Service) -> list[str]:
    """The outcomes that stand."""
    return [row[0] for row in await service.rows("select outcome from decisions where current order by outcome")]


async def causes(service: Service) -> list[str]:
    """Why each decision was made, in the order in which they were."""
    return [row[0] for row in await service.rows("select cause from decisions order by decided_at, id")]


async def test_a_consent_that_begins_tomorrow_discloses_tomorrow(service: Service) -> None:
    """Nobody touches the record: at the moment the consent begins, and not before, it is decided and queued."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE, valid_from=START + timedelta(days=1)))
    service.clock.at = START + timedelta(days=1, microseconds=-1)
    assert await service.revisit() == 0
    assert await outcomes(service) == ["WITHHOLD"]
    service.clock.at = START + timedelta(days=1)
    assert await service.revisit() == 1
    assert await outcomes(service) == ["DISCLOSE"]
    assert (await causes(service))[-1] == "time.passed"
    assert len(await service.deliver()) == 1
    assert await service.revisit() == 0
    await service.check_house()


async def test_a_consent_that_ran_out_is_told_to_nobody_and_stops_what_waits(service: Service) -> None:
    """The queued disclosure is cancelled when the consent ends, not when somebody next tries to send it."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    await service.consent(whose, grant(LE, expires_at=START + timedelta(hours=1)))
    service.clock.at = START + timedelta(hours=1)
    assert await service.revisit() == 1
    assert await outcomes(service) == ["WITHHOLD"]
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    await service.check_house()


async def test_a_child_comes_of_age_at_local_midnight(service: Service) -> None:
    """The report to the authorities ends with the birthday in the last zone of Texas; it was made before."""
    await service.enrol(agency(LE))
    born = date(START.year - 18, START.month, START.day) + timedelta(days=1)
    await service.accept(tip(person(years=None, age=Age(date_of_birth=born), guardians=BLAMELESS)))
    assert await outcomes(service) == ["REPORT"]
    service.clock.at = MIDNIGHT_IN_EL_PASO + timedelta(days=1, microseconds=-1)
    assert await service.revisit() == 0
    service.clock.at = MIDNIGHT_IN_EL_PASO + timedelta(days=1)
    assert await service.revisit() == 1
    assert await outcomes(service) == ["WITHHOLD"]


async def test_an_agency_that_comes_later_gets_what_waited_for_it(service: Service) -> None:
    """A child's duty found nobody; the first authority that registers is told without anybody asking."""
    await service.accept(tip(person(years=12)))
    assert await outcomes(service) == ["DUTY_BLOCKED"]
    await service.enrol(agency(LE))
    await service.enrol(agency(CPS))
    assert await service.revisit() == 1
    assert await outcomes(service) == ["REPORT", "REPORT"]
    assert len(await service.deliver()) == 2
    await service.check_house()


async def test_a_part_of_a_duty_that_reaches_nobody_is_told_to_a_human(service: Service) -> None:
    """Nobody knows who harms this child; were it a caregiver, Texas wants child protection told, and none is there."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=12)))
    assert await outcomes(service) == ["DUTY_BLOCKED", "REPORT"]
    (blocked,) = await service.rows("select policies, recipient_id from decisions where outcome = 'DUTY_BLOCKED'")
    assert "duty.no-recipient" in str(blocked.policies)
    assert "duty.us-tx.caregiver" in str(blocked.policies)
    assert blocked.recipient_id is None
    assert ("duty.blocked",) in [tuple(row) for row in await service.rows("select reason from notices")]


async def test_an_agency_that_is_suspended_stops_what_waits_for_it(service: Service) -> None:
    """The change makes the record due; deciding it again cancels the delivery and finds the duty blocked."""
    enrolled = await service.enrol(agency(LE))
    await service.accept(tip(person(years=12, guardians=BLAMELESS)))
    suspended = replace(enrolled.recipient, status=RecipientStatus.SUSPENDED)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    assert await service.revisit() == 1
    assert await outcomes(service) == ["DUTY_BLOCKED"]
    assert await service.rows("select state from deliveries") == [("cancelled",)]


async def test_a_record_that_cannot_be_decided_is_told_and_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect while one record is decided again stops neither the others nor a later try."""
    await service.enrol(agency(LE))
    for number in range(2):
        accepted = await service.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))
        whose = Whose(person_id=accepted.stored.persons[0])
        await service.consent(whose, grant(LE, valid_from=START + timedelta(days=1)))
    first = (await service.rows("select id from records order by id"))[0][0]

    def broken(it: Happening, stored: Stored, cause: str) -> object:
        if stored.id == first:
            raise RuntimeError
        return assess(it, stored, cause)

    service.clock.at = START + timedelta(days=1)
    monkeypatch.setattr("tiprouter.workflow.revisit.assess", broken)
    assert await service.revisit() == 2
    assert await outcomes(service) == ["DISCLOSE", "WITHHOLD"]
    assert ("record.undecided",) in [tuple(row) for row in await service.rows("select reason from notices")]
    assert await service.revisit() == 0
    monkeypatch.undo()
    service.clock.forward(minutes=1)
    assert await service.revisit() == 1
    assert await outcomes(service) == ["DISCLOSE", "DISCLOSE"]
