"""The outside of paging: a real webhook receiver and a real mail server on loopback, and a pager in steps."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.delivery.receiver_fixture import Behaviour, Receiver, reply, serve
from tests.support.fictional import DANGER, agency, person, tip
from tests.support.service import Service
from tests.support.smtp import Post, post_office
from tiprouter.delivery.mail import Mailbox, MailNotifier, MailSecurity
from tiprouter.delivery.notifying import Hook, HookNotifier, Notifier, PageResult
from tiprouter.delivery.sender import Sender
from tiprouter.delivery.signing import Ed25519Secret, generate_ed25519
from tiprouter.domain.notice import PageChannel, Severity
from tiprouter.domain.record import Signaler
from tiprouter.domain.repeating import Routing
from tiprouter.domain.vocabulary import Relationship
from tiprouter.receiver import verify
from tiprouter.workflow.alarm import find_undelivered, repeat_alarms
from tiprouter.workflow.paging import Ready, claim, finish

WEBHOOK, EMAIL = PageChannel
KEY: Ed25519Secret = generate_ed25519(bytes(range(32)))
EVERYTHING = Routing(frozenset(PageChannel), {severity: frozenset(PageChannel) for severity in Severity})


@dataclass
class Outside:
    """Who is paged, and what they saw."""

    service: Service
    receiver: Receiver
    post: Post
    notifiers: Mapping[PageChannel, Notifier]
    behaviour: Behaviour = field(default_factory=lambda: reply(204))

    async def turn(self, service: Service | None = None) -> list[PageResult]:
        """One turn of a pager: claim what is due, send it, write the answers."""
        service = service or self.service
        results: list[PageResult] = []
        for channel in self.notifiers:
            results += [await self.send(ready, service) for ready in await claimed(service, channel)]
        return results

    async def send(self, ready: Ready, service: Service | None = None) -> PageResult:
        """One attempt, and its answer."""
        service = service or self.service
        paged = await self.notifiers[ready.channel].page(ready.call)
        await service.database.write(lambda tx: finish(tx, service.desk, ready, paged))
        return paged.result

    @property
    def hooks(self) -> list[tuple[str, dict[str, Any]]]:
        """What the webhook's receiver got: each id and its data, every signature verified."""
        got = []
        for request in self.receiver.requests:
            verify(request.headers, request.body, [KEY.public()], self.service.clock.at, 10**7)
            got.append((request.headers["webhook-id"], json.loads(request.body)["data"]))
        return got

    @property
    def hooked(self) -> list[str]:
        """The reasons the webhook told."""
        return [data["reason"] for _, data in self.hooks]

    @property
    def mailed(self) -> list[str]:
        """The subjects of the letters."""
        return [str(letter["Subject"]).removeprefix("[tiprouter] ") for letter in self.post.letters]


@asynccontextmanager
async def outside(service: Service, routing: Routing = EVERYTHING) -> AsyncIterator[Outside]:
    """The service pages by both channels, to listeners on loopback."""
    service.desk = replace(service.desk, routing=routing)
    here: list[Outside] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await here[0].behaviour(reader, writer)

    async with serve(behave) as receiver, post_office(Post()) as post, Sender(sandbox=True) as sender:
        mail = MailNotifier(
            Mailbox("127.0.0.1", post.port, MailSecurity.NONE, "router@hotline.example", ("oncall@hotline.example",))
        )
        hook = Hook(f"http://127.0.0.1:{receiver.port}/pages", (KEY,), sandbox=True)
        here.append(Outside(service, receiver, post, {WEBHOOK: HookNotifier(hook, sender), EMAIL: mail}))
        try:
            yield here[0]
        finally:
            mail.close()


async def claimed(service: Service, channel: PageChannel, limit: int = 8) -> list[Ready]:
    """What one channel may send now."""
    return await service.database.write(lambda tx: claim(tx, service.desk, channel, limit))


async def watch(service: Service) -> tuple[int, int]:
    """Do both chores once: how much imminent danger was found undelivered, how many alarms were looked at."""
    found = await service.database.write(lambda tx: find_undelivered(tx, service.desk))
    return found, await service.database.write(lambda tx: repeat_alarms(tx, service.desk))


async def hold(service: Service, number: int = 1) -> None:
    """A tip that the policy leaves to a reviewer, because a professional called: one routine notice an agency."""
    professional = Signaler(Relationship.SERVICE_PROVIDER)
    await service.accept(tip(person(f"p{number}"), external_id=f"H-{number}", signaler=professional))


async def danger(service: Service) -> None:
    """Imminent danger on its way to an agency."""
    await service.enrol(agency())
    await service.accept(tip(violence=DANGER))


async def pages(service: Service) -> list[tuple[str, str, int, str, int]]:
    """Every page: its notice's reason, channel, repeat, state and attempts."""
    rows = await service.rows(
        "select n.reason, p.channel, p.repeat, p.state, p.attempts from pages p join notices n on n.id = p.notice_id "
        "order by p.id"
    )
    return sorted(tuple(row) for row in rows)
