"""She withdraws while her disclosure is on its way: the attempt is aborted, and how much had left is written down."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.attacks.agreement import entries_of
from tests.delivery.receiver_fixture import Receiver, serve, write
from tests.delivery.sending import TRUST, answers
from tests.support.fictional import agency, grant, person, tip
from tests.support.patience import PATIENCE, until
from tests.support.service import Service
from tiprouter.delivery.dialling import AddressInfo
from tiprouter.delivery.sender import Sender
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.database import open_database
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.worker import Worker

LE = RecipientKind.LAW_ENFORCEMENT
ARRIVED = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class There:
    """An agency that keeps the first request unanswered until its connection is gone."""

    def __init__(self) -> None:
        self.asked, self.gone = asyncio.Event(), asyncio.Event()

    async def act(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait, the first time; say yes to whatever comes later."""
        if self.asked.is_set():
            await write(ARRIVED)(reader, writer)
            return
        self.asked.set()
        try:
            await reader.read()
        finally:
            self.gone.set()


class NoName:
    """A name server that is silent the first time."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        """Where it listens, when asked again."""
        if not self.asked.is_set():
            self.asked.set()
            await asyncio.sleep(3_600)
        return await answers("127.0.0.1")(host, port)


@asynccontextmanager
async def on_its_way(service: Service, there: There, lookup: NoName | None) -> AsyncIterator[tuple[Receiver, str]]:
    """A consented disclosure that a worker is about to deliver; the receiver, and the consent's id."""
    service.desk = replace(service.desk, sandbox=True)
    async with serve(there.act) as receiver, Sender(sandbox=True, ssl_context=TRUST, lookup=lookup) as sender:
        host = receiver.host if lookup is None else "agency.example"
        await service.enrol(agency(LE, url=f"http://{host}:{receiver.port}/hook"))
        accepted = await service.accept(tip(person("p1"), external_id="T-1"))
        given = await service.consent(Whose(person_id=accepted.stored.persons[0]), grant(LE))
        worker = Worker(service.database, service.desk, sender)
        running = asyncio.create_task(worker.run())
        try:
            yield receiver, given.consent.id
        finally:
            worker.stop()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def recalled(service: Service) -> None:
    """Wait until the recall arrived."""
    arrived = """select d.id from deliveries d join disclosures s on s.id = d.disclosure_id
        where s.recalls is not null and d.state = 'delivered'"""
    await until(lambda: service.rows(arrived))


async def aborted(service: Service, sent: str) -> None:
    """The attempt ended so, in the rows and in the log; the delivery stays cancelled."""
    rows = await service.rows(
        """select a.result, a.status, d.state, d.lease from attempts a join deliveries d on d.id = a.delivery_id
        join disclosures s on s.id = d.disclosure_id where s.recalls is null"""
    )
    assert rows == [("aborted", None, "cancelled", None)]
    await service.check_house()
    ended = [entry.body for entry in await entries_of(service) if entry.kind == "attempt.finished"]
    assert [(body["result"], body.get("sent")) for body in ended] == [("aborted", sent), ("success", None)]
    breakers = await service.rows("select state, failures from lines")
    assert {tuple(row) for row in breakers} <= {("closed", 0)}


async def test_what_was_sent_and_not_answered_is_aborted_and_recalled(service: Service) -> None:
    """The agency read it and thinks: its connection is closed, `all` of it had left, and the recall follows."""
    there = There()
    async with on_its_way(service, there, None) as (receiver, consent_id):
        async with asyncio.timeout(PATIENCE):
            await there.asked.wait()
        done = await service.withdraw(consent_id)
        assert (done.cancelled, done.in_flight, done.delivered) == (0, 1, 0)
        async with asyncio.timeout(PATIENCE):
            await there.gone.wait()
        await recalled(service)
        assert [json.loads(one.body)["type"] for one in receiver.requests] == ["disclosure.made", "disclosure.recalled"]
    await aborted(service, "all")


async def test_what_had_not_left_does_not_leave(service: Service) -> None:
    """The name server is silent: `nothing` had left and nothing does; the recall that was made goes, and says an id."""
    there, lookup = There(), NoName()
    there.asked.set()
    async with on_its_way(service, there, lookup) as (receiver, consent_id):
        async with asyncio.timeout(PATIENCE):
            await lookup.asked.wait()
        assert (await service.withdraw(consent_id)).in_flight == 1
        await recalled(service)
        assert [json.loads(one.body)["type"] for one in receiver.requests] == ["disclosure.recalled"]
    await aborted(service, "nothing")


async def test_a_withdrawal_that_nobody_hears_of_is_found_when_the_lease_is_renewed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process wrote it and no bell rings here: the heartbeat finds out."""
    there = There()
    other = open_database(service.url)
    try:
        async with on_its_way(service, there, None) as (_, consent_id):
            async with asyncio.timeout(PATIENCE):
                await there.asked.wait()
            monkeypatch.setattr(Worker, "_look", _looks_at_nothing)
            here, service.database = service.database, other
            await service.withdraw(consent_id)
            service.database = here
            async with asyncio.timeout(PATIENCE):
                await there.gone.wait()
            await recalled(service)
    finally:
        await other.close()
    await aborted(service, "all")


async def test_the_bell_alone_is_enough(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lease is renewed any more: the commit of the withdrawal ends the attempt."""
    monkeypatch.setattr(Worker, "_renew", _looks_at_nothing)
    there = There()
    async with on_its_way(service, there, None) as (_, consent_id):
        async with asyncio.timeout(PATIENCE):
            await there.asked.wait()
        await service.withdraw(consent_id)
        async with asyncio.timeout(PATIENCE):
            await there.gone.wait()
        await recalled(service)


async def _looks_at_nothing(*_: Any) -> None:  # noqa: ANN401 - as the worker's
    return
