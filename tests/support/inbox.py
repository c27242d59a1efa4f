"""An agency without a webhook, or with one that carries ids alone, told by its stories."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.support.fictional import agency, grant, tip
from tests.support.service import Service
from tiprouter.domain.recipient import DeliveryMode, Recipient
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind
from tiprouter.receiver import Message, verify
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.inbox import Place
from tiprouter.workflow import inbox
from tiprouter.workflow.consenting import Given, Whose
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.inbox import Fetched, Shelf

LE = RecipientKind.LAW_ENFORCEMENT


@dataclass
class Office:
    """A small agency with its credential and the key it verifies with."""

    service: Service
    recipient: Recipient
    key: str

    @property
    def actor(self) -> Actor:
        """Whom the service sees."""
        return Actor("cal_office", "agency", self.recipient.id)

    async def shelf(self, after: Place | None = None, limit: int = 50) -> Shelf:
        """Open the inbox."""
        return await self.service.database.write(
            lambda tx: inbox.open_inbox(tx, self.service.desk, self.actor, after, limit)
        )

    async def listed(self) -> list[str]:
        """The deliveries in the inbox."""
        return [one.delivery.id for one in (await self.shelf()).items]

    async def fetch(self, delivery_id: str) -> Fetched | None:
        """Take one payload, without its being handed over."""
        return await self.service.database.write(lambda tx: inbox.fetch(tx, self.service.desk, self.actor, delivery_id))

    async def hand_over(self, fetched: Fetched) -> str:
        """The payload reached its connection."""
        return await self.service.database.write(lambda tx: inbox.handed_over(tx, self.service.desk, fetched))

    async def take(self, delivery_id: str) -> Message:
        """Take one payload to its end, and verify it as a webhook is verified."""
        fetched = await self.fetch(delivery_id)
        assert fetched is not None
        await self.hand_over(fetched)
        return self.verified(fetched)

    def verified(self, fetched: Fetched) -> Message:
        """The message, if its signature is right."""
        return verify(fetched.headers, fetched.body.body, [self.key], self.service.clock.at)

    async def acknowledge(self, delivery_id: str) -> Acknowledgement:
        """Say that it was accepted."""
        words = Words(case_number="EX-1")
        made, _ = await self.service.database.write(
            lambda tx: inbox.answer(
                tx, self.service.desk, self.actor, delivery_id, AcknowledgementStatus.ACCEPTED, words
            )
        )
        return made


async def office(service: Service, mode: DeliveryMode = DeliveryMode.PULL, **changes: Any) -> Office:  # noqa: ANN401
    """An agency of police in Texas in this delivery mode."""
    url = None if mode is DeliveryMode.PULL else "https://agency.example/hook"
    enrolled = await service.enrol(agency(LE, delivery_mode=mode, url=url, **changes))
    return Office(service, enrolled.recipient, enrolled.verification_key)


async def consenting_adult(service: Service, until: timedelta = timedelta(days=9)) -> Given:
    """A tip by an adult, and her consent to tell the police; a disclosure waits."""
    accepted = await service.accept(tip())
    whose = Whose(person_id=accepted.stored.persons[0])
    return await service.consent(whose, grant(LE, expires_at=service.clock.at + until))


async def states(service: Service) -> list[str]:
    """Where the deliveries are, in the order in which they were made."""
    return [row[0] for row in await service.rows("select state from deliveries order by created_at, sequence")]


async def ended_in(service: Service) -> list[tuple[str, str | None]]:
    """The kinds and results of the attempts, in order."""
    sql = "select kind, result from attempts order by started_at, number"
    return [(row.kind, row.result) for row in await service.rows(sql)]
