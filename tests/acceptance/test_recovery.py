"""What is done about one delivery that waited, failed or was lost (workflow/recovery.py)."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.endpoints import change_by_two
from tests.support.fictional import grant, statement, tip
from tests.support.inbox import office
from tests.support.recovering import (
    LE,
    SECOND,
    adult,
    dead,
    dead_letter,
    exhaust_everything,
    inspect,
    listed,
    logged,
    police,
    retry,
    would,
)
from tests.support.service import OPERATOR, Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recipient import DeliveryMode, RecipientStatus
from tiprouter.domain.recovery import Became, Remedy, RetryReason, WaitsFor
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Outcome, RecordKind
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow import enrolment, erasing
from tiprouter.workflow.breaking import tend_lines
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.recovery import NotRetriedError, Wish

REVIEWER = SECOND


async def the_one(service: Service) -> str:
    """The only delivery there is."""
    ((delivery_id,),) = await service.rows("select id from deliveries")
    return str(delivery_id)


async def test_a_dead_letter_is_decided_again_and_arrives(service: Service) -> None:
    """It is listed; another try makes a new delivery of the same matter, later in its sequence; then it is no more."""
    recipient = await police(service)
    _, old_id = await dead_letter(service)
    assert await dead(service) == [old_id]
    retried = await retry(service, old_id)
    assert (retried.again.became, retried.again.outcomes) == (Became.SENT, (Outcome.DISCLOSE,))
    assert await dead(service) == []
    (ready,) = await service.deliver()
    assert ready.delivery_id == ready.envelope.webhook_id == retried.again.made_id != old_id
    one = (await inspect(service, old_id)).standing.seen.delivery
    other = (await inspect(service, ready.delivery_id)).standing.seen.delivery
    assert (one.state, other.state) == (DeliveryState.EXHAUSTED, DeliveryState.DELIVERED)
    assert (one.matter_id, one.recipient_id) == (other.matter_id, recipient.id)
    assert one.sequence < other.sequence
    await log_agrees_with_rows(service)


async def test_who_asked_and_why_is_kept_and_logged(service: Service) -> None:
    """The entry names the caller, the reason and what became of it, and commits to the note without telling it."""
    await police(service)
    _, old_id = await dead_letter(service)
    wish = Wish(RetryReason.OTHER, "Example note about nobody.")
    retried = await retry(service, old_id, wish)
    (entry,) = await logged(service, "delivery.retried")
    told = {name: entry.body[name] for name in ("retry", "delivery", "reason", "state", "became", "made", "actor")}
    assert told == {
        "retry": retried.retry.id,
        "delivery": old_id,
        "reason": "other",
        "state": "exhausted",
        "became": "sent",
        "made": retried.again.made_id,
        "actor": OPERATOR.id,
    }
    assert len(str(entry.body["commitment"])) == 64
    assert [note for _, note in (await inspect(service, old_id, REVIEWER)).retries] == ["Example note about nobody."]
    assert [note for _, note in (await inspect(service, old_id, OPERATOR)).retries] == [None]
    assert all(b"about nobody" not in bytes(row.sealed) for row in await service.rows("select sealed from retries"))


async def test_other_needs_a_note(service: Service) -> None:
    """A reason that says nothing is no reason."""
    await police(service)
    _, old_id = await dead_letter(service)
    with pytest.raises(InvalidError) as refused:
        await retry(service, old_id, Wish(RetryReason.OTHER))
    assert refused.value.pointer == "/note"
    assert await service.rows("select id from retries") == []


async def test_one_that_waits_is_due_at_once_and_otherwise_as_it_was(service: Service) -> None:
    """Its next try was a while away; now a worker takes it, under the id it always had."""
    await police(service)
    await adult(service)
    (first,) = await service.deliver(AttemptResult.HTTP_ERROR)
    assert await service.claim() == []
    found = await inspect(service, first.delivery_id)
    assert (found.standing.waits, found.standing.remedy) == (WaitsFor.NEXT_TRY, Remedy.TRY_NOW)
    retried = await retry(service, first.delivery_id)
    assert (retried.again.became, retried.again.made_id) == (Became.DUE, None)
    assert (await inspect(service, first.delivery_id)).standing.waits is WaitsFor.WORKER
    (again,) = await service.deliver()
    assert again.envelope.webhook_id == first.envelope.webhook_id
    await log_agrees_with_rows(service)


async def test_one_whose_endpoint_was_gone_is_sent_to_where_it_moved(service: Service) -> None:
    """410 ends a delivery; when the agency has another endpoint, a person asks for another try there."""
    recipient = await police(service)
    await adult(service)
    (gone,) = await service.deliver(AttemptResult.GONE)
    moved = replace(recipient, url="https://moved.example/hook")
    await service.database.write(lambda tx: change_by_two(tx, service.desk, moved, 1))
    assert await dead(service) == [gone.delivery_id]
    await retry(service, gone.delivery_id, Wish(RetryReason.ENDPOINT_MOVED))
    await service.database.write(partial(tend_lines, desk=service.desk))
    (ready,) = await service.deliver()
    assert ready.envelope.url == "https://moved.example/hook"
    assert await dead(service) == []


async def test_one_to_an_endpoint_that_is_gone_waits_for_its_line(service: Service) -> None:
    """Another try is made and waits until the agency's entry says where: a person's word opens no line."""
    await police(service)
    await adult(service)
    (gone,) = await service.deliver(AttemptResult.GONE)
    made = (await retry(service, gone.delivery_id)).again.made_id
    assert made is not None
    assert await service.deliver() == []
    found = await inspect(service, made)
    assert (found.standing.waits, found.standing.remedy) == (WaitsFor.LINE, Remedy.TRY_NOW)


async def test_what_an_agency_lost_is_sent_again_under_an_id_of_its_own(service: Service) -> None:
    """A receiver that keeps ids would throw a second message under the first one's away."""
    await police(service)
    await adult(service)
    (first,) = await service.deliver()
    assert await would(service, first.delivery_id) is Remedy.SEND_ANEW
    service.clock.forward(hours=1)
    retried = await retry(service, first.delivery_id, Wish(RetryReason.RECIPIENT_LOST_IT))
    (second,) = await service.deliver()
    assert second.envelope.webhook_id == retried.again.made_id != first.envelope.webhook_id
    assert await would(service, first.delivery_id) is Remedy.REPLACED
    with pytest.raises(NotRetriedError):
        await retry(service, first.delivery_id)
    await log_agrees_with_rows(service)


async def test_what_may_no_longer_leave_is_withheld_with_the_outcome(service: Service) -> None:
    """The consent ran out since: nothing is made, the answer and the log say so, and it is a dead letter no more."""
    await police(service)
    _, old_id = await dead_letter(service, until=timedelta(hours=24))
    retried = await retry(service, old_id)
    assert (retried.again.became, retried.again.outcomes) == (Became.WITHHELD, (Outcome.WITHHOLD,))
    assert await service.rows("select state from deliveries") == [("exhausted",)]
    assert await service.claim() == []
    assert await dead(service) == []
    await log_agrees_with_rows(service)


async def test_a_cancelled_one_is_not_tried_again(service: Service) -> None:
    """It was cancelled because it may not be told; the refusal says why, and nothing has changed."""
    await police(service)
    given = await adult(service)
    delivery_id = await the_one(service)
    await service.withdraw(given.consent.id)
    with pytest.raises(NotRetriedError) as refused:
        await retry(service, delivery_id)
    assert refused.value.why is Remedy.CANCELLED
    assert await service.rows("select state from deliveries") == [("cancelled",)]
    assert await service.rows("select id from retries") == []


async def test_one_in_flight_and_one_at_its_agency_cannot_be_hurried(service: Service) -> None:
    """Another try of either would do nothing, and is refused."""
    there = await office(service, DeliveryMode.PULL)
    await adult(service)
    waiting = await the_one(service)
    assert (await inspect(service, waiting)).standing.waits is WaitsFor.AGENCY
    with pytest.raises(NotRetriedError) as refused:
        await retry(service, waiting)
    assert refused.value.why is Remedy.AT_AGENCY
    await there.fetch(waiting)
    assert (await inspect(service, waiting)).standing.waits is WaitsFor.ANSWER
    with pytest.raises(NotRetriedError) as refused:
        await retry(service, waiting)
    assert refused.value.why is Remedy.IN_FLIGHT


async def test_one_that_waits_behind_another_says_behind_which(service: Service) -> None:
    """A recall never overtakes what it recalls; whoever looks sees what it waits for."""
    await police(service)
    given = await adult(service)
    (ready,) = await service.claim()
    await service.withdraw(given.consent.id)
    ((recall,),) = await service.rows("select id from deliveries where sequence = 2")
    found = await inspect(service, recall)
    assert (found.standing.waits, found.earlier) == (WaitsFor.EARLIER, ready.delivery_id)
    await service.finish(ready)
    assert (await inspect(service, recall)).earlier is None


async def test_a_recall_to_a_suspended_agency_says_so(service: Service) -> None:
    """Somebody must know that it is the agency's standing that is in the way."""
    recipient = await police(service)
    given = await adult(service)
    await service.deliver()
    await service.withdraw(given.consent.id)
    suspended = replace(recipient, status=RecipientStatus.SUSPENDED)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, suspended, 1))
    ((recall,),) = await service.rows("select id from deliveries where sequence = 2")
    assert (await inspect(service, recall)).standing.waits is WaitsFor.SUSPENDED_RECIPIENT


async def test_a_recall_that_never_arrived_is_made_again(service: Service) -> None:
    """Nobody withdraws twice so that it is sent twice: a person asks, and the new one says what the old one said."""
    await police(service)
    given = await adult(service)
    await service.deliver()
    await service.withdraw(given.consent.id)
    await exhaust_everything(service)
    (recall,) = await dead(service)
    retried = await retry(service, recall)
    assert retried.again.became is Became.SENT
    assert await dead(service) == []
    (ready,) = await service.deliver()
    assert ready.delivery_id == retried.again.made_id
    first, second = await service.rows("select recalls from disclosures where recalls is not null")
    assert first == second
    assert await would(service, recall) is Remedy.REPLACED
    await log_agrees_with_rows(service)


async def test_a_dead_letter_that_was_revised_since_is_none(service: Service) -> None:
    """What the case says now stands in its place: that is what is tried again."""
    await police(service)
    case = tip(kind=RecordKind.CASE, external_id="C-1")
    accepted = await service.put_case(case, None)
    await service.consent(
        Whose(person_id=accepted.stored.persons[0]), grant(LE, expires_at=service.clock.at + timedelta(days=20))
    )
    old_id = await the_one(service)
    await exhaust_everything(service)
    assert await dead(service) == [old_id]
    await service.put_case(replace(case, statements=(statement("says more"),)), 1)
    assert await dead(service) == []
    assert await would(service, old_id) is Remedy.REPLACED
    with pytest.raises(NotRetriedError):
        await retry(service, old_id)


async def test_deliveries_are_listed_by_what_is_asked_for(service: Service) -> None:
    """State, agency, record, disclosure, urgency, result of the last attempt, and when it was made."""
    recipient = await police(service)
    _, old_id = await dead_letter(service)
    await adult(service, 2)
    everything = await listed(service)
    new, old = (one.seen for one in everything)
    assert old.delivery.id == old_id
    for wanted in (
        {"state": DeliveryState.EXHAUSTED},
        {"record_id": old.delivery.record_id},
        {"disclosure_id": old.delivery.disclosure_id},
        {"result": "http_error"},
        {"until": new.delivery.created_at},
    ):
        assert [one.seen.delivery.id for one in await listed(service, **wanted)] == [old_id], wanted
    assert [one.seen.delivery.id for one in await listed(service, since=new.delivery.created_at)] == [new.delivery.id]
    assert len(await listed(service, recipient_id=recipient.id, urgency=old.delivery.urgency)) == 2
    assert await listed(service, recipient_id="rcp_none") == []
    assert {entry.body["what"] for entry in await logged(service, "access")} == {"deliveries"}


async def test_a_delivery_that_is_not_there(service: Service) -> None:
    """Neither looked at nor tried."""
    for ask in (inspect, retry):
        with pytest.raises(NotFoundError):
            await ask(service, "msg_none")


async def test_one_whose_record_was_erased_is_not_sent_and_its_note_is_gone(service: Service) -> None:
    """Nothing can be decided about what nobody can read."""
    await police(service)
    _, old_id = await dead_letter(service, until=timedelta(hours=24))
    await retry(service, old_id, Wish(RetryReason.OTHER, "Example note about nobody."))
    ((record_id,),) = await service.rows("select id from records")
    for actor in (REVIEWER, replace(REVIEWER, id="cal_third")):
        await service.database.write(partial(erasing.erase_record, desk=service.desk, actor=actor, record_id=record_id))
    assert [note for _, note in (await inspect(service, old_id, REVIEWER)).retries] == [None]
    with pytest.raises(ErasedError):
        await retry(service, old_id)
