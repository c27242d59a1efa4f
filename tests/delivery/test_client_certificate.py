"""An agency that wants to see our certificate gets its disclosures, from its registration to its listener's handshake.

The last tests break the code in one place each and see that a story notices.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.support.endpoints import SECOND
from tests.support.fictional import agency, person, tip
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.delivery.sender import Sender
from tiprouter.delivery.trust import Trust
from tiprouter.domain.recipient import Recipient
from tiprouter.receiver import Message, answer_challenge
from tiprouter.receiver.misbehaving.certificates import Authority, Identity, server_tls
from tiprouter.receiver.misbehaving.listening import Receiver, Request, read_request, serve
from tiprouter.receiver.misbehaving.naming import answers
from tiprouter.storage import client_keys
from tiprouter.workflow import endpoint_changes, enrolment, wrapping
from tiprouter.workflow.endpoint_changes import Wish
from tiprouter.workflow.worker import Worker

from .sending import TRUST

HOST: Final = "agency.example"
PATIENCE_SECONDS: Final = 60.0
UNHEARD_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.02
MINE: Final = Authority("Example Authority One")
FIRST, LATER, OTHERS = (MINE.issue(f"{name}.example") for name in ("router", "later", "others"))
SERVER: Final = MINE.issue(HOST)


@dataclass(slots=True)
class Agency:
    """A listener: the certificates it was shown, by webhook-id; it answers challenges with its verification key."""

    receiver: Receiver
    key: str = ""
    shown: list[tuple[bytes | None, str]] = field(default_factory=list)

    @property
    def disclosures(self) -> list[bytes | None]:
        """What was shown with each disclosure."""
        return [certificate for certificate, webhook_id in self.shown if webhook_id.startswith("msg_")]


def der(identity: Identity) -> bytes:
    """The certificate as a handshake shows it."""
    return ssl.PEM_cert_to_DER_cert(identity.chain)


@asynccontextmanager
async def listening(mode: ssl.VerifyMode) -> AsyncIterator[Agency]:
    """An agency that requires a certificate of ours, or would look at one."""
    tls = server_tls(SERVER)
    tls.verify_mode = mode
    tls.load_verify_locations(cadata=MINE.pem)
    found = Agency(Receiver("", 0))

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        found.shown.append((certificate, request.headers["webhook-id"]))
        body = _proof(request, found.key) or b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with serve(act, tls=tls, read=False) as receiver:
        found.receiver = receiver
        yield found


def _proof(request: Request, key: str) -> bytes | None:
    """The answer to a challenge; None for anything else."""
    if b"endpoint.challenge" not in request.body:
        return None
    sent_at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    return answer_challenge(Message(request.headers["webhook-id"], sent_at, request.body), [key])


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[Service]:
    """A service in the sandbox, where endpoints prove themselves, and a worker that delivers by a real sender."""
    async with open_service(f"sqlite:///{folder / 'tiprouter.db'}", folder) as service:
        now: Callable[[], datetime] = partial(datetime.now, UTC)
        service.desk = replace(service.desk, sandbox=True, verify_endpoints=True, now=now, entropy=os.urandom)
        async with Sender(sandbox=True, ssl_context=TRUST, lookup=answers("127.0.0.1")) as sender:
            worker = Worker(service.database, service.desk, sender, places=8)
            running = asyncio.create_task(worker.run())
            try:
                yield service
            finally:
                worker.stop()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def registered(service: Service, at: Agency, identity: Identity | None) -> Recipient:
    """The agency is registered, with what we show it; its endpoint may prove itself from then on."""
    wanted = agency(
        name=f"Example agency {at.receiver.port}",
        url=f"https://{HOST}:{at.receiver.port}/hook",
        authorities=MINE.pem,
        certificate="" if identity is None else identity.chain,
        agreement_until=datetime.now(UTC) + timedelta(days=365),
    )
    key = "" if identity is None else identity.key
    enrolled = await service.database.write(
        lambda tx: enrolment.register(tx, service.desk, OPERATOR, wanted, private_key=key)
    )
    at.key = enrolled.verification_key
    return enrolled.recipient


async def a_child(service: Service, number: int) -> None:
    """A tip about a child: a report to every police agency."""
    now = datetime.now(UTC)
    await service.accept(
        tip(person(f"c{number}", years=12), external_id=f"C-{number}", received_at=now, signaled_at=now)
    )


async def until(true: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait for something; whether it came in time."""
    for _ in range(round(seconds / LOOK_SECONDS)):
        if await true():
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


async def delivered(service: Service, count: int) -> bool:
    """Whether so many deliveries ended well."""
    return len(await service.rows("select id from deliveries where state = 'delivered'")) == count


async def required_and_shown(folder: Path, seconds: float = PATIENCE_SECONDS) -> None:
    """Registered, challenged and sent to over mutual TLS; another agency asked for nothing, and saw nothing."""
    async with listening(ssl.CERT_REQUIRED) as wants, listening(ssl.CERT_OPTIONAL) as asks, working(folder) as service:
        await registered(service, wants, FIRST)
        await registered(service, asks, None)
        await a_child(service, 1)
        assert await until(lambda: delivered(service, 2), seconds)
        assert wants.disclosures == [der(FIRST)]
        assert len(wants.shown) > 1  # the challenge came before it
        assert {certificate for certificate, _ in wants.shown} == {der(FIRST)}
        assert {certificate for certificate, _ in asks.shown} == {None}


async def changed_and_shown(folder: Path) -> None:
    """Two people replace what we show: from then on nothing is shown but the new one."""
    async with listening(ssl.CERT_REQUIRED) as wants, working(folder) as service:
        recipient = await registered(service, wants, FIRST)
        await a_child(service, 1)
        assert await until(lambda: delivered(service, 1))
        wish = Wish(recipient.id, recipient.revision, {"certificate": LATER.chain}, LATER.key)
        made = await service.database.write(lambda tx: endpoint_changes.propose(tx, service.desk, OPERATOR, wish))
        await service.database.write(lambda tx: endpoint_changes.confirm(tx, service.desk, SECOND, made.id))
        await a_child(service, 2)
        assert await until(lambda: delivered(service, 2))
        assert wants.disclosures == [der(FIRST), der(LATER)]


async def test_an_agency_that_requires_our_certificate_is_shown_it_and_nobody_else_is(tmp_path: Path) -> None:
    """The private key goes from the registration, sealed, to the handshake that a real listener demands."""
    await required_and_shown(tmp_path)


async def test_a_certificate_that_two_people_replaced_is_shown_from_then_on(tmp_path: Path) -> None:
    """No connection and no context that the old one opened is used again."""
    await changed_and_shown(tmp_path)


async def test_without_a_certificate_nothing_reaches_an_agency_that_requires_one(tmp_path: Path) -> None:
    """It cannot even be challenged: nothing is sent, nothing is lost, and what waits goes to it still."""
    async with listening(ssl.CERT_REQUIRED) as wants, working(tmp_path) as service:
        await registered(service, wants, None)
        await a_child(service, 1)

        async def refused() -> bool:
            return bool(await service.rows("select id from endpoint_messages where result is not null"))

        assert await until(refused)
        assert wants.shown == []
        assert await service.rows("select state from deliveries") == [("queued",)]


@pytest.mark.parametrize("fault", ["no certificate", "somebody else's key"])
async def test_a_planted_fault_is_found(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: with the certificate left out, or another's key beside it, nothing is delivered."""
    if fault == "no certificate":
        monkeypatch.setattr(wrapping, "Trust", lambda authorities, _certificate, _key: Trust(authorities))
    else:
        monkeypatch.setattr(client_keys, "read", lambda *_: OTHERS.key)
    with pytest.raises(AssertionError):
        await required_and_shown(tmp_path, UNHEARD_SECONDS)


async def test_one_pool_for_all_trusts_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: with the first context used for ever, the old certificate is still shown."""
    monkeypatch.setattr(Trust, "fingerprint", "one for all")
    with pytest.raises(AssertionError):
        await changed_and_shown(tmp_path)
