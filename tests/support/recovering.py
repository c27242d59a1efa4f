"""Deliveries that waited, failed or were lost, and the people who ask for another try."""

from datetime import timedelta
from typing import Any

from tests.attacks.agreement import entries_of
from tests.support.fictional import agency, grant, person, tip
from tests.support.service import OPERATOR, Service
from tiprouter.audit.entry import Entry
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.recovery import Became, Remedy, RetryReason
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.delivery_queries import Filter
from tiprouter.workflow import delivery_inquiry, recovery, replaying
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.delivery_inquiry import Inspected, Standing
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.inbox import end_overdue
from tiprouter.workflow.recovery import Retried, Wish
from tiprouter.workflow.replaying import Plan, Progress

LE = RecipientKind.LAW_ENFORCEMENT
SECOND = Actor("cal_second", "reviewer")
MENDED = Wish(RetryReason.ENDPOINT_MENDED)


async def police(service: Service, **changes: Any) -> Recipient:  # noqa: ANN401 - any field of an agency
    """An agency of police in Texas."""
    return (await service.enrol(agency(LE, **changes))).recipient


async def adult(service: Service, number: int = 1, until: timedelta = timedelta(days=20)) -> Given:
    """A tip by an adult, and her consent to tell the police: one disclosure waits."""
    accepted = await service.accept(tip(person(f"p{number}"), external_id=f"T-{number}"))
    whose = Whose(person_id=accepted.stored.persons[0])
    return await service.consent(whose, grant(LE, expires_at=service.clock.at + until))


async def exhaust_everything(service: Service) -> None:
    """Every attempt fails until trying is over."""
    await service.deliver(AttemptResult.HTTP_ERROR)
    service.clock.forward(hours=25)
    # What waits for its line is claimed by nobody; the chore ends it.
    await service.database.write(lambda tx: end_overdue(tx, service.desk))
    assert await service.claim() == []


async def dead_letter(service: Service, number: int = 1, until: timedelta = timedelta(days=20)) -> tuple[Given, str]:
    """A delivery to the police that never arrived, and the consent it rests on."""
    given = await adult(service, number, until)
    (delivery_id,) = [row.id for row in await service.rows("select id from deliveries where state = 'queued'")]
    await exhaust_everything(service)
    return given, delivery_id


async def retry(service: Service, delivery_id: str, wish: Wish = MENDED, actor: Actor = OPERATOR) -> Retried:
    """Ask for another try of one delivery."""
    return await service.database.write(lambda tx: recovery.retry(tx, service.desk, actor, delivery_id, wish))


async def inspect(service: Service, delivery_id: str, actor: Actor = OPERATOR) -> Inspected:
    """Look at one delivery."""
    return await service.database.write(lambda tx: delivery_inquiry.delivery(tx, service.desk, actor, delivery_id))


async def listed(service: Service, actor: Actor = OPERATOR, **wanted: Any) -> list[Standing]:  # noqa: ANN401 - a filter
    """The deliveries that match, newest first."""
    found = Filter(**wanted)
    page = await service.database.write(
        lambda tx: delivery_inquiry.list_deliveries(tx, service.desk, actor, found, None, 200)
    )
    return list(page.items)


async def dead(service: Service) -> list[str]:
    """The dead letters."""
    return [one.seen.delivery.id for one in await listed(service, dead=True)]


async def would(service: Service, delivery_id: str) -> Remedy | None:
    """What another try of a delivery would do."""
    return (await inspect(service, delivery_id)).standing.remedy


async def logged(service: Service, *kinds: str) -> list[Entry]:
    """The log's entries of these kinds, in order."""
    await service.check_house()
    return [entry for entry in await entries_of(service) if entry.kind in kinds]


def plan(service: Service, recipient: Recipient, *states: DeliveryState, days: float = 10, **changes: Any) -> Plan:  # noqa: ANN401
    """A proposal about the last days."""
    values: dict[str, Any] = {
        "recipient_id": recipient.id,
        "since": service.clock.at - timedelta(days=days),
        "until": None,
        "states": states,
        "reason": RetryReason.ENDPOINT_MENDED,
    }
    return Plan(**values | changes)


async def propose(service: Service, wanted: Plan, actor: Actor = OPERATOR) -> Progress:
    """Propose a replay."""
    return await service.database.write(lambda tx: replaying.propose(tx, service.desk, actor, wanted))


async def confirm(service: Service, replay_id: str, actor: Actor = SECOND) -> Progress:
    """Confirm a replay."""
    return await service.database.write(lambda tx: replaying.confirm(tx, service.desk, actor, replay_id))


async def stop(service: Service, replay_id: str, actor: Actor = SECOND) -> Progress:
    """Stop a replay."""
    return await service.database.write(lambda tx: replaying.stop(tx, service.desk, actor, replay_id))


async def progress(service: Service, replay_id: str) -> Progress:
    """Look at a replay."""
    return await service.database.read(lambda tx: delivery_inquiry.replay(tx, replay_id))


async def slice_of_work(service: Service) -> int:
    """One turn of the chore."""
    return await service.database.write(lambda tx: replaying.work_replays(tx, service.desk))


async def work(service: Service) -> None:
    """Turns of the chore until there is nothing to do."""
    while await slice_of_work(service):
        continue


async def became(service: Service, replay_id: str) -> dict[Became, int]:
    """How many of a replay became what."""
    return dict((await progress(service, replay_id)).became)


async def running(service: Service, count: int) -> tuple[Recipient, str]:
    """A replay of so many dead letters, confirmed by a second person and not yet begun."""
    recipient = await police(service)
    for number in range(count):
        await adult(service, number)
    await exhaust_everything(service)
    replay_id = (await propose(service, plan(service, recipient))).replay.id
    await confirm(service, replay_id)
    return recipient, replay_id
