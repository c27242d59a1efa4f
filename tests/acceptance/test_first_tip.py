"""The journey of a tip, told as stories on both databases (docs/DISCLOSURE-CYCLE.md)."""

import json

from tests.support.fictional import DANGER, SECRET, agency, grant, person, statement, tip
from tests.support.service import Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.vocabulary import Outcome, RecipientKind, RecordKind
from tiprouter.workflow.consenting import Whose

LE, CPS, PROVIDER = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER


async def test_an_adults_tip_is_withheld_until_she_consents_and_then_delivered(service: Service) -> None:
    """Without consent nothing leaves; a grant decides again and the disclosure is delivered in one attempt."""
    enrolled = await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    assert [one.outcome for one in accepted.assessed.decisions] == [Outcome.WITHHOLD]
    assert await service.claim() == []
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    assert [one.outcome for one in given.decisions] == [Outcome.DISCLOSE]
    (ready,) = await service.deliver()
    data = json.loads(ready.envelope.body.body)["data"]
    assert data["recipient_id"] == enrolled.recipient.id
    assert SECRET in data["statements"][0]["text"]
    assert "immigration" not in data["persons"][0]
    assert await service.claim() == []
    await service.check_house()


async def test_a_child_is_reported_to_every_authority_the_table_names(service: Service) -> None:
    """Texas names police and child protection; both get a report, the provider gets nothing."""
    for kind in (LE, CPS, PROVIDER):
        await service.enrol(agency(kind))
    accepted = await service.accept(tip(person(years=14)))
    outcomes = {one.recipient_id: one.outcome for one in accepted.assessed.decisions}
    assert sorted(outcomes.values()) == [Outcome.REPORT, Outcome.REPORT, Outcome.WITHHOLD]
    assert len(await service.deliver()) == 2
    await service.check_house()


async def test_heard_escalating_violence_sends_the_minimum_at_once(service: Service) -> None:
    """Imminent danger reports incident and location to the police, and no name."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip(violence=DANGER))
    (decision,) = accepted.assessed.decisions
    assert (decision.outcome, decision.categories) == (Outcome.REPORT, ("incident", "location"))
    (ready,) = await service.deliver()
    assert b"Example-p1" not in ready.envelope.body.body
    await service.check_house()


async def test_a_failed_attempt_is_made_again_under_the_same_id(service: Service) -> None:
    """A 500 is retried later with the same webhook-id; success ends it."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=12)))
    (first,) = await service.deliver(AttemptResult.HTTP_ERROR)
    assert await service.claim() == []
    service.clock.forward(minutes=2)
    (second,) = await service.deliver()
    assert first.envelope.webhook_id == second.envelope.webhook_id
    assert (first.attempt.number, second.attempt.number) == (1, 2)
    service.clock.forward(days=3)
    assert await service.claim() == []
    await service.check_house()


async def test_a_withdrawal_stops_what_is_queued_and_recalls_what_arrived(service: Service) -> None:
    """One agency has it, another fails: the withdrawal cancels the second and recalls both may-haves."""
    await service.enrol(agency(LE))
    await service.enrol(agency(LE, "US"))
    accepted = await service.accept(tip())
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    first, second = await service.claim()
    await service.finish(first)
    await service.finish(second, AttemptResult.HTTP_ERROR)
    withdrawal = await service.withdraw(given.consent.id)
    assert (withdrawal.cancelled, withdrawal.in_flight, withdrawal.delivered) == (1, 0, 1)
    recalls = [json.loads(one.envelope.body.body) for one in await service.deliver()]
    assert [one["type"] for one in recalls] == ["disclosure.recalled"] * 2
    assert all(SECRET not in json.dumps(one) for one in recalls)
    await service.check_house()


async def test_a_withdrawal_in_flight_is_not_tried_again_and_the_recall_waits_for_it(service: Service) -> None:
    """While an attempt runs the recall is held back; its failure is final, and then the recall goes."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    (flying,) = await service.claim()
    withdrawal = await service.withdraw(given.consent.id)
    assert withdrawal.in_flight == 1
    assert await service.claim() == []
    assert await service.finish(flying, AttemptResult.HTTP_ERROR) == "cancelled"
    (recall,) = await service.deliver()
    assert json.loads(recall.envelope.body.body)["type"] == "disclosure.recalled"
    await service.check_house()


async def test_consent_that_ran_out_while_waiting_stops_the_next_attempt(service: Service) -> None:
    """Deciding again at the claim sees the expiry: nothing is sent, the delivery is cancelled."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip())
    until = service.clock.at.replace(hour=15, minute=1)
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE, expires_at=until))
    await service.deliver(AttemptResult.HTTP_ERROR)
    service.clock.forward(minutes=30)
    assert await service.claim() == []
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    await service.check_house()


async def test_a_withdrawal_recalls_what_was_sent_while_a_consent_held_that_has_run_out_since(service: Service) -> None:
    """Delivered, then expired and decided again, then withdrawn: the agency still holds it, so it is recalled, once."""
    await service.enrol(agency(LE))
    accepted = await service.accept(tip(person(), kind=RecordKind.CASE, external_id="C-9"))
    until = service.clock.at.replace(hour=16)
    whose = Whose(person_id=accepted.stored.persons[0])
    given = await service.consent(whose, grant(LE, expires_at=until))
    await service.deliver()
    service.clock.forward(hours=2)
    await service.consent(whose, grant(PROVIDER, given_at=service.clock.at, valid_from=service.clock.at))
    assert await service.rows("select state from disclosures") == [("withheld",)]
    assert (await service.withdraw(given.consent.id)).delivered == 1
    (recall,) = await service.deliver()
    assert json.loads(recall.envelope.body.body)["type"] == "disclosure.recalled"
    assert await service.deliver() == []
    await service.check_house()


async def test_a_case_revision_supersedes_what_still_waits(service: Service) -> None:
    """The revised case's disclosure goes out in place of the queued one, later in the same sequence."""
    await service.enrol(agency(CPS))
    child = person(years=13)
    first = tip(child, kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(first, None)
    second = tip(child, kind=RecordKind.CASE, external_id="C-1", statements=(statement("changed"),))
    await service.put_case(second, accepted.stored.revision)
    (ready,) = await service.deliver()
    data = json.loads(ready.envelope.body.body)["data"]
    assert data["sequence"] == 2
    assert "changed" in data["statements"][0]["text"]
    await service.check_house()


async def test_a_worker_that_dies_loses_its_lease_and_the_delivery_is_made_again(service: Service) -> None:
    """After the lease runs out the same delivery is claimed again; the dead worker's late answer changes nothing."""
    await service.enrol(agency(LE))
    await service.accept(tip(person(years=12)))
    (lost,) = await service.claim()
    assert await service.claim() == []
    service.clock.forward(seconds=6)
    (again,) = await service.claim()
    assert again.envelope.webhook_id == lost.envelope.webhook_id
    assert await service.finish(lost, AttemptResult.GONE) == "claimed"
    assert await service.finish(again) == "delivered"
    await service.check_house()


async def test_a_child_whose_duty_finds_nobody_is_told_to_a_human(service: Service) -> None:
    """No recipient at all: the duty is blocked without a recipient, with a deadline and a notice."""
    accepted = await service.accept(tip(person(years=11)))
    (decision,) = accepted.assessed.decisions
    assert (decision.outcome, decision.recipient_id) == (Outcome.DUTY_BLOCKED, None)
    assert decision.deadline is not None
    assert await service.rows("select reason from notices") == [("duty.blocked",)]
    await service.check_house()
