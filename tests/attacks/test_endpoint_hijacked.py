"""Somebody takes an agency's name or address away: what do they get, and is anything lost?

The service, its sender and both machines are real, on loopback. That no forbidden address is dialled in any spelling is
in tests/delivery/test_forbidden_forms.py, that no one person moves an endpoint in test_endpoint_taken_over.py.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tests.support.fictional import agency, person, tip
from tests.support.service import Service
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.delivery.sender import Sender
from tiprouter.receiver import verify
from tiprouter.receiver.misbehaving.acts import reply
from tiprouter.receiver.misbehaving.certificates import Authority, Identity, server_tls
from tiprouter.receiver.misbehaving.listening import Receiver, serve
from tiprouter.receiver.misbehaving.naming import AddressInfo, answers
from tiprouter.workflow.dispatch import finish

HOST: Final = "agency.example"
EVERYBODYS, AGENCYS, THIEFS = (Authority(f"Example Authority {name}") for name in ("One", "Two", "Three"))


@dataclass
class Scene:
    """An agency's machine and a thief's, at one name and port; `leads` is the address the name has now."""

    service: Service
    home: Receiver
    thief: Receiver
    sender: Sender
    leads: str = "127.0.0.1"
    key: str = ""

    async def turn(self) -> list[tuple[AttemptResult, str | None]]:
        """Send what is due now, as a worker does, and write what came of it; each result, and what was dialled."""
        found = []
        for ready in await self.service.claim():
            attempted = await self.sender.send(ready.envelope)
            ended = partial(finish, desk=self.service.desk, ready=ready, attempted=attempted)
            await self.service.database.write(ended)
            found.append((attempted.result, attempted.dialled))
        return found

    async def states(self) -> list[str]:
        """Where the deliveries are."""
        return [row[0] for row in await self.service.rows("select state from deliveries order by id")]


@asynccontextmanager
async def scene(service: Service, home: Identity, thief: Identity, authorities: str = "") -> AsyncIterator[Scene]:
    """An agency is registered by its name, with a report about a child on its way."""
    service.desk = replace(service.desk, sandbox=True)
    trust = ssl.create_default_context(cadata=EVERYBODYS.pem)
    here: list[Scene] = []

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        return await answers(here[0].leads)(host, port)

    async with (
        serve(reply(204), tls=server_tls(home)) as at_home,
        serve(reply(204), host="127.0.0.2", port=at_home.port, tls=server_tls(thief)) as elsewhere,
        Sender(sandbox=True, ssl_context=trust, lookup=lookup) as sender,
    ):
        here.append(Scene(service, at_home, elsewhere, sender))
        enrolled = await service.enrol(agency(url=f"https://{HOST}:{at_home.port}/hook", authorities=authorities))
        here[0].key = enrolled.verification_key
        await service.accept(tip(person(years=12)))
        yield here[0]


async def lost_nothing(at: Scene) -> None:
    """The name leads home again: the agency gets its report, once, signed."""
    at.leads = "127.0.0.1"
    at.service.clock.forward(minutes=45)
    assert await at.turn() == [(AttemptResult.SUCCESS, at.leads)]
    assert await at.states() == ["delivered"]
    (request,) = at.home.requests
    assert verify(request.headers, request.body, [at.key], at.service.clock.at)
    await at.service.check_house()


async def test_whoever_has_the_name_without_a_certificate_is_told_nothing(service: Service) -> None:
    """The name leads to a thief's machine: it is dialled, and sees not one byte of a request; people are told."""
    async with scene(service, EVERYBODYS.issue(HOST), THIEFS.issue(HOST)) as at:
        at.leads = "127.0.0.2"
        for _ in range(5):
            assert await at.turn() == [(AttemptResult.TLS_ERROR, at.leads)]
            service.clock.forward(hours=3)
        assert at.thief.requests == []
        assert {"endpoint.failing"} <= {row[0] for row in await service.rows("select reason from notices")}
        await lost_nothing(at)


async def test_a_certificate_of_the_worlds_is_not_that_of_an_agency_with_an_authority_of_its_own(
    service: Service,
) -> None:
    """The thief had an authority that everybody believes certify the name to them; the agency registered its own."""
    async with scene(service, AGENCYS.issue(HOST), EVERYBODYS.issue(HOST), AGENCYS.pem) as at:
        at.leads = "127.0.0.2"
        assert await at.turn() == [(AttemptResult.TLS_ERROR, at.leads)]
        assert at.thief.requests == []
        await lost_nothing(at)


async def test_a_name_turned_inside_calls_nobody_and_waits(service: Service) -> None:
    """The machine's neighbours, its cloud's metadata, an embedded address: nothing is dialled, nothing is given up."""
    async with scene(service, EVERYBODYS.issue(HOST), THIEFS.issue(HOST)) as at:
        for address in ("169.254.169.254", "10.0.0.7", "::ffff:10.0.0.7"):
            at.leads = address
            assert await at.turn() == [(AttemptResult.FORBIDDEN_ADDRESS, None)]
            assert await at.states() == ["retrying"]
            service.clock.forward(minutes=15)
        await lost_nothing(at)
