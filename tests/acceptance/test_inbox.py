"""An office that has no webhook, or wants one that carries ids alone, gets what it may know (workflow/inbox.py)."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.attacks.agreement import entries_of, log_agrees_with_rows
from tests.support.endpoints import change_by_two
from tests.support.fictional import DANGER, agency, grant, person, statement, tip
from tests.support.inbox import LE, consenting_adult, ended_in, office, states
from tests.support.service import OPERATOR, Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recipient import DeliveryMode
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.workflow import enrolment
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.inbox import end_overdue


async def test_an_office_without_a_webhook_pulls_verifies_and_acknowledges(service: Service) -> None:
    """Nobody sends it anything; what it takes is verified like a webhook, and its answer empties its inbox."""
    police = await office(service)
    await consenting_adult(service)
    assert await service.claim() == []
    (listed,) = (await police.shelf()).items
    assert (listed.taken, listed.waits, listed.recalls) == (False, True, None)
    message = await police.take(listed.delivery.id)
    assert message.webhook_id == listed.delivery.id
    assert json.loads(message.body)["type"] == "disclosure.made"
    assert await states(service) == ["delivered"]
    assert await ended_in(service) == [("fetch", "success")]
    (kept,) = (await police.shelf()).items
    assert (kept.taken, kept.waits) == (True, False)
    assert (await police.acknowledge(listed.delivery.id)).disclosure_id == listed.delivery.disclosure_id
    assert await police.listed() == []
    await log_agrees_with_rows(service)


async def test_what_is_pulled_is_what_a_webhook_would_carry(service: Service) -> None:
    """Two agencies of one kind, one pushed to and one pulling: the same content, each under its own key."""
    pushed, pulling = await office(service, DeliveryMode.PUSH), await office(service)
    await consenting_adult(service)
    (ready,) = await service.deliver()
    (waiting,) = await pulling.listed()
    said = [json.loads(body)["data"] for body in (ready.envelope.body.body, (await pulling.take(waiting)).body)]
    for own in ("disclosure_id", "matter_id", "recipient_id"):
        assert said[0].pop(own) != said[1].pop(own)
    assert said[0] == said[1]
    assert ready.recipient_id == pushed.recipient.id


async def test_a_thin_webhook_carries_ids_and_the_agency_pulls_the_rest(service: Service) -> None:
    """Announced is not delivered: only the fetch makes it so, and nothing of the content is in the announcement."""
    police = await office(service, DeliveryMode.THIN)
    await consenting_adult(service)
    (ready,) = await service.deliver()
    said = json.loads(ready.envelope.body.body)
    (waiting,) = (await police.shelf()).items
    assert said["type"] == "disclosure.available"
    assert set(said["data"]) == {
        *("delivery_id", "disclosure_id", "matter_id", "sequence", "recipient_id", "urgency", "deadline"),
    }
    assert said["data"]["delivery_id"] == waiting.delivery.id != ready.envelope.webhook_id
    assert await states(service) == ["announced"]
    assert await service.claim() == []
    message = await police.take(said["data"]["delivery_id"])
    assert json.loads(message.body)["data"]["disclosure_id"] == said["data"]["disclosure_id"]
    assert await states(service) == ["delivered"]
    assert await ended_in(service) == [("announce", "success"), ("fetch", "success")]
    await log_agrees_with_rows(service)


async def test_an_announcement_is_tried_again_with_the_same_bytes_under_the_same_id(service: Service) -> None:
    """Its endpoint was down: the second attempt says word for word the same."""
    await office(service, DeliveryMode.THIN)
    await consenting_adult(service)
    (first,) = await service.deliver(AttemptResult.HTTP_ERROR)
    service.clock.forward(minutes=1)
    (second,) = await service.deliver()
    assert first.envelope.webhook_id == second.envelope.webhook_id
    assert first.envelope.body.body == second.envelope.body.body
    assert await states(service) == ["announced"]


async def test_what_nobody_pulls_is_told_to_a_human_before_it_is_late_and_when_it_is_over(service: Service) -> None:
    """The clock of a disclosure that waits for its agency runs like any other's, announced or not."""
    for mode in (DeliveryMode.PULL, DeliveryMode.THIN):
        await office(service, mode)
    await consenting_adult(service)
    await service.deliver()
    service.clock.forward(hours=20)
    await service.claim()
    reasons = [row[0] for row in await service.rows("select reason from notices order by reason")]
    assert reasons.count("delivery.late") == 2
    service.clock.forward(hours=5)
    assert await service.database.write(lambda tx: end_overdue(tx, service.desk)) == 2
    assert await service.database.write(lambda tx: end_overdue(tx, service.desk)) == 0
    assert await states(service) == ["exhausted", "exhausted"]
    reasons = [row[0] for row in await service.rows("select reason from notices order by reason")]
    assert reasons.count("delivery.exhausted") == 2
    await log_agrees_with_rows(service)


async def test_what_is_past_its_time_is_in_no_inbox_even_before_it_is_ended(service: Service) -> None:
    """Its last microsecond it may still be taken; then it may not, whether or not a worker ended it yet."""
    police = await office(service)
    await consenting_adult(service)
    (waiting,) = (await police.shelf()).items
    service.clock.at = waiting.delivery.deliver_by - timedelta(microseconds=1)
    assert await police.listed() == [waiting.delivery.id]
    service.clock.at = waiting.delivery.deliver_by
    assert await police.listed() == []
    assert await police.fetch(waiting.delivery.id) is None


async def test_imminent_danger_lies_on_top(service: Service) -> None:
    """What was made last is first where somebody is in danger; pages go on where the last one ended."""
    police = await office(service)
    for number in range(3):
        await service.accept(tip(person(f"child{number}", years=12), external_id=f"T-{number}"))
        service.clock.forward(seconds=1)
    await service.accept(tip(person("danger"), external_id="T-9", violence=DANGER))
    whole = (await police.shelf()).items
    assert [one.delivery.urgency.value for one in whole] == ["imminent", "standard", "standard", "standard"]
    made = [one.delivery.created_at for one in whole[1:]]
    assert made == sorted(made)
    first = await police.shelf(limit=2)
    second = await police.shelf(first.after, limit=2)
    assert (first.items, second.items) == (whole[:2], whole[2:])
    assert second.after is None


async def test_a_recall_is_pulled_like_what_it_recalls_and_before_what_follows(service: Service) -> None:
    """She withdraws, the child's report stays: the recall lies in the inbox, the rest once that was taken."""
    police = await office(service)
    accepted = await service.accept(tip(person(), person("child", years=12)))
    given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    (first,) = await police.listed()
    await police.take(first)
    service.clock.forward(seconds=1)
    await service.withdraw(given.consent.id)
    (recall,) = (await police.shelf()).items
    assert recall.recalls is not None
    assert await police.fetch(first) is None
    (later,) = await service.rows("select id from deliveries where sequence = 4")
    assert await police.fetch(later.id) is None
    body = json.loads((await police.take(recall.delivery.id)).body)
    assert (body["type"], body["data"]["sequence"]) == ("disclosure.recalled", 3)
    shelf = (await police.shelf()).items
    assert [(one.delivery.sequence, one.taken) for one in shelf] == [(3, True), (4, False)]
    assert json.loads((await police.take(later.id)).body)["type"] == "disclosure.made"
    await log_agrees_with_rows(service)


async def test_nothing_is_recalled_of_what_was_only_announced(service: Service) -> None:
    """Ids alone were told: the withdrawal cancels, the fetch finds nothing, and no recall tells of a withdrawal."""
    police = await office(service, DeliveryMode.THIN)
    given = await consenting_adult(service)
    await service.deliver()
    (announced,) = await police.listed()
    withdrawn = await service.withdraw(given.consent.id)
    assert (withdrawn.cancelled, withdrawn.in_flight, withdrawn.delivered) == (1, 0, 0)
    assert await police.listed() == []
    assert await police.fetch(announced) is None
    with pytest.raises(NotFoundError):
        await police.acknowledge(announced)
    assert await service.rows("select id from disclosures where recalls is not null") == []
    await log_agrees_with_rows(service)


async def test_what_was_taken_may_be_taken_again_until_it_is_revised(service: Service) -> None:
    """Each time as a new attempt, under the same id and with the same bytes; the newer version takes its place."""
    police = await office(service)
    accepted = await service.put_case(tip(kind=RecordKind.CASE, external_id="C-1"), None)
    await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
    (first,) = await police.listed()
    bodies = set()
    for _ in range(3):
        service.clock.forward(minutes=1)
        message = await police.take(first)
        assert message.webhook_id == first
        bodies.add(message.body)
    assert len(bodies) == 1
    assert await ended_in(service) == [("fetch", "success")] * 3
    await service.check_house()
    accesses = [entry for entry in await entries_of(service) if entry.body.get("what") == "inbox.delivery"]
    assert len(accesses) == 3
    await service.put_case(tip(kind=RecordKind.CASE, external_id="C-1", statements=(statement("more"),)), 1)
    assert await police.fetch(first) is None
    (second,) = await police.listed()
    assert second != first
    await service.check_house()


async def test_an_agency_that_changes_its_mode_loses_nothing(service: Service) -> None:
    """What waited for its webhook lies in its inbox, and what lay in its inbox goes to its webhook."""
    police = await office(service)
    await consenting_adult(service)
    assert await service.claim() == []
    pushed = replace(police.recipient, delivery_mode=DeliveryMode.PUSH, url="https://agency.example/hook")
    await service.database.write(lambda tx: change_by_two(tx, service.desk, pushed, 1))
    await service.tend()
    (ready,) = await service.deliver(AttemptResult.HTTP_ERROR)
    pulls = replace(pushed, delivery_mode=DeliveryMode.PULL, url=None)
    await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, pulls, 2))
    service.clock.forward(minutes=10)
    assert await service.claim() == []
    assert await police.listed() == [ready.delivery_id]
    message = await police.take(ready.delivery_id)
    assert message.body == ready.envelope.body.body
    await log_agrees_with_rows(service)


@pytest.mark.parametrize(
    ("mode", "url"),
    [(DeliveryMode.PULL, "https://agency.example/hook"), (DeliveryMode.PUSH, None), (DeliveryMode.THIN, None)],
)
async def test_an_endpoint_is_there_exactly_where_it_is_needed(
    service: Service, mode: DeliveryMode, url: str | None
) -> None:
    """An agency that only pulls has no address, every other has one: at registration and at every change."""
    wrong = agency(LE, delivery_mode=mode, url=url)
    with pytest.raises(InvalidError) as caught:
        await service.enrol(wrong)
    assert caught.value.pointer == "/url"
    enrolled = await service.enrol(agency(LE))
    changed = replace(enrolled.recipient, delivery_mode=mode, url=url)
    with pytest.raises(InvalidError):
        await service.database.write(lambda tx: enrolment.change(tx, service.desk, OPERATOR, changed, 1))


async def test_an_agency_stored_before_there_were_modes_is_pushed_to(service: Service) -> None:
    """Its stored details do not name a mode; they are read as they were meant."""
    await office(service, DeliveryMode.PUSH)
    (row,) = await service.rows("select details from recipients")
    details = json.loads(row.details) if isinstance(row.details, str) else dict(row.details)
    del details["delivery_mode"]
    text = json.dumps(details)
    cast = f"cast('{text}' as json)" if "postgresql" in service.url else f"'{text}'"
    await service.database.write(lambda tx: tx.exec_driver_sql(f"update recipients set details = {cast}"))  # noqa: S608
    await consenting_adult(service)
    (ready,) = await service.deliver()
    assert json.loads(ready.envelope.body.body)["type"] == "disclosure.made"


async def test_a_pushed_agency_whose_endpoint_is_down_may_pull_meanwhile(service: Service) -> None:
    """Its worker's attempt is in flight: the fetch takes over, and the late answer changes nothing but its attempt."""
    police = await office(service, DeliveryMode.PUSH)
    await consenting_adult(service)
    (ready,) = await service.claim()
    message = await police.take(ready.delivery_id)
    assert (message.webhook_id, message.body) == (ready.envelope.webhook_id, ready.envelope.body.body)
    assert await service.finish(ready, AttemptResult.TIMEOUT) == "delivered"
    assert await states(service) == ["delivered"]
    await log_agrees_with_rows(service)
