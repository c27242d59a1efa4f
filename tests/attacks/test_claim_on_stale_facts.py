"""It was permitted when it was queued; by the time it would be sent it no longer is."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeAlias

import pytest

from tests.attacks.agreement import entries_of
from tests.support.endpoints import moved
from tests.support.fictional import BLAMELESS, DANGER, agency, grant, person, tip
from tests.support.service import OPERATOR, START, Service, bundle
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Age
from tiprouter.domain.vocabulary import Outcome, RecipientKind
from tiprouter.workflow import dispatch, enrolment
from tiprouter.workflow.consenting import Whose

LE, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.SERVICE_PROVIDER
MIDNIGHT_IN_EL_PASO = START.replace(hour=7)  # where the days of Texas begin last
Change: TypeAlias = Callable[[Recipient], Recipient]


async def queued_by_consent(
    service: Service, kind: RecipientKind = LE, until: timedelta = timedelta(days=9)
) -> Recipient:
    """One agency, one adult's tip, her consent: one disclosure waits."""
    enrolled = await service.enrol(agency(kind, agreement_until=START + timedelta(days=5)))
    accepted = await service.accept(tip())
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(kind, expires_at=START + until))
    assert [one.outcome for one in given.decisions] == [Outcome.DISCLOSE]
    return enrolled.recipient


async def change(service: Service, recipient: Recipient) -> None:
    """Change an agency's entry."""
    expected = recipient.revision
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, recipient, expected))


async def nothing_leaves(service: Service) -> None:
    """A claim finds nothing, the delivery is over, no attempt is written, and the log says why."""
    assert await service.claim() == []
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    assert await service.rows("select id from attempts") == []
    await service.check_house()
    causes = [entry.body["cause"] for entry in await entries_of(service) if entry.kind == "disclosure.cancelled"]
    assert causes == ["dispatch"]


async def test_a_consent_that_ran_out_in_the_queue(service: Service) -> None:
    """Its last microsecond is still consent; the moment of its end is not."""
    await queued_by_consent(service, until=timedelta(hours=1))
    service.clock.at = START + timedelta(hours=1)
    await nothing_leaves(service)


async def test_a_consent_is_good_until_its_last_microsecond(service: Service) -> None:
    """The control of the above: just before the end the disclosure leaves."""
    await queued_by_consent(service, until=timedelta(hours=1))
    service.clock.at = START + timedelta(hours=1, microseconds=-1)
    assert len(await service.claim()) == 1


async def test_an_agreement_that_ended_in_the_queue(service: Service) -> None:
    """A provider without an agreement in force gets nothing, whatever was queued before."""
    await queued_by_consent(service, PROVIDER)
    service.clock.at = START + timedelta(days=5)
    await service.database.write(
        lambda tx: tx.exec_driver_sql("update deliveries set deliver_by = deliver_by + 1000000000000")
    )
    await nothing_leaves(service)


async def test_violence_that_is_no_longer_fresh(service: Service) -> None:
    """What was heard a day ago is no longer imminent danger: the queued report without consent is not sent."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip(violence=DANGER))
    assert [one.outcome for one in accepted.assessed.decisions] == [Outcome.REPORT]
    fresh = bundle().protocol.violence_fresh
    assert DANGER.observed_at is not None
    service.clock.at = DANGER.observed_at + fresh - timedelta(microseconds=1)
    still = await service.claim()
    if still:
        await service.finish(still[0], AttemptResult.HTTP_ERROR)
        service.clock.at = DANGER.observed_at + fresh + timedelta(minutes=1)
        assert await service.claim() == []
        assert await service.rows("select count(*) from attempts") == [(1,)]
    assert await service.rows("select state from deliveries") in ([("cancelled",)], [("exhausted",)])
    await service.check_house()


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, status=RecipientStatus.SUSPENDED),
        lambda one: replace(one, jurisdictions=("US-CA",)),
        lambda one: replace(one, kind=RecipientKind.SERVICE_PROVIDER, agreement_until=None),
    ],
    ids=["suspended", "moved", "another-kind"],
)
async def test_an_agency_that_is_no_longer_the_one_that_was_consented_to(service: Service, changed: Change) -> None:
    """Suspended, serving another state, or of another kind since: what waits for it is not sent."""
    recipient = await queued_by_consent(service)
    await change(service, changed(recipient))
    await nothing_leaves(service)


async def test_an_agency_that_only_moved_its_endpoint_still_gets_it_there(service: Service) -> None:
    """The control of the above: a change that touches no fact lets the disclosure leave, to the new address."""
    recipient = await queued_by_consent(service)
    await moved(service, replace(recipient, url="https://new.example/hook"), recipient.revision)
    (ready,) = await service.claim()
    assert ready.envelope.url == "https://new.example/hook"


async def test_a_child_who_turned_eighteen_in_the_queue(service: Service) -> None:
    """The duty ends with the birthday, once that day has begun in all of Texas; an adult needs her own consent."""
    await service.enrol(agency(LE))
    born = date(START.year - 18, START.month, START.day) + timedelta(days=1)
    accepted = await service.accept(tip(person(years=None, age=Age(date_of_birth=born), guardians=BLAMELESS)))
    assert [one.outcome for one in accepted.assessed.decisions] == [Outcome.REPORT]
    birthday = MIDNIGHT_IN_EL_PASO + timedelta(days=1)
    service.clock.at = birthday
    await nothing_leaves(service)


async def test_a_child_on_the_eve_of_her_birthday_is_still_reported(service: Service) -> None:
    """The control of the above: a microsecond earlier it is still a child's report."""
    await service.enrol(agency(LE))
    born = date(START.year - 18, START.month, START.day) + timedelta(days=1)
    await service.accept(tip(person(years=None, age=Age(date_of_birth=born), guardians=BLAMELESS)))
    service.clock.at = MIDNIGHT_IN_EL_PASO + timedelta(days=1, microseconds=-1)
    assert len(await service.claim()) == 1


async def test_a_claim_that_does_not_decide_again_is_found_out(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the tests: with the second decision left out, the first story above fails."""
    monkeypatch.setattr(dispatch, "still_permitted", lambda *_: True)
    await queued_by_consent(service, until=timedelta(hours=1))
    service.clock.at = START + timedelta(hours=1)
    with pytest.raises(AssertionError):
        await nothing_leaves(service)


async def test_two_people_change_one_agency_at_once(two: tuple[Service, Service]) -> None:
    """Both read the same revision: one change is stored, the other is refused, and neither is overwritten unseen."""
    here, there = two
    enrolled = await here.enrol(agency(LE))
    answers = await asyncio.gather(
        *(change(one, replace(enrolled.recipient, name=name)) for one, name in ((here, "One"), (there, "Other"))),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError", "NoneType"]
