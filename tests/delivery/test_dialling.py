"""Rules 1 to 5: the address that was checked is the address that is dialled."""

import asyncio
import time
from collections.abc import Sequence

import aiohttp
import pytest

from tests.support.patience import PATIENCE
from tiprouter.delivery import dialling
from tiprouter.delivery.addresses import ForbiddenAddressError
from tiprouter.delivery.dialling import AddressInfo, CheckedResolver, checked_request
from tiprouter.delivery.flight import CURRENT
from tiprouter.delivery.sender import CONNECTIONS_TRIED_MAX, Sender, open_session

from .receiver_fixture import (
    hang,
    keep_alive,
    reply,
    serve,
    write,
)
from .sending import (
    BODY,
    CONNECTION_ERROR,
    DEADLINE,
    EVERYWHERE,
    FORBIDDEN,
    GRACE,
    OK_HEAD,
    SUCCESS,
    TIMEOUT,
    TRUST,
    answers,
    envelope,
    sandbox,
    url,
)


async def test_a_name_that_does_not_exist() -> None:
    """Sender, rule 6: nothing was dialled, and the result says so."""
    async with sandbox() as sender:
        attempted = await sender.send(envelope("http://nonexistent.invalid:8080/", timeout_seconds=10))
    assert (attempted.result, attempted.dialled) == (CONNECTION_ERROR, None)


async def test_a_name_server_that_hangs_is_left_in_time() -> None:
    """Rule 5, and sender, rule 3: the deadline covers DNS."""
    async with sandbox(answers("127.0.0.1", delay_seconds=30)) as sender:
        begun = time.monotonic()
        attempted = await sender.send(envelope("http://slow.example:8080/"))
        assert time.monotonic() - begun < DEADLINE + GRACE
    assert (attempted.result, attempted.dialled) == (TIMEOUT, None)


LOOPBACKS = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


@pytest.mark.parametrize(
    "address", [*LOOPBACKS, "10.0.0.1", "169.254.169.254", "fd00:ec2::254", "192.0.0.192", "fe80::1%lo"]
)
async def test_outside_the_sandbox_a_name_that_leads_inside_is_not_dialled(address: str) -> None:
    """Rule 1: one bad address is enough; nothing connects, and nothing is noted as dialled."""
    async with serve(reply(200), host="127.9.9.9", port=8443) as receiver:
        for mixed in ([address], ["1.1.1.1", address], [address, "1.1.1.1"]):
            async with Sender(sandbox=False, ssl_context=TRUST, lookup=answers(*mixed)) as sender:
                attempted = await sender.send(envelope("https://agency.example:8443/"))
            assert (attempted.result, attempted.dialled) == (FORBIDDEN, None)
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.9.9.9", "localhost", "2131298569", "0x7f090909", "127.9.2313", "0177.9.9.9", "127.9.9.9.", "[::1]"),
        *("[::ffff:127.9.9.9]", "[::ffff:7f09:909]", "127.9.9.9@agency.example", "agency.example@127.9.9.9"),
    ],
)
async def test_outside_the_sandbox_a_url_that_spells_loopback_is_not_dialled(host: str) -> None:
    """Addresses, rules 6 and 8: a listener on that very address and port sees no connection."""
    async with (
        serve(reply(200), host="127.9.9.9", port=8443) as receiver,
        Sender(sandbox=False, ssl_context=TRUST) as sender,
    ):
        for scheme in ("http", "https"):
            attempted = await sender.send(envelope(f"{scheme}://{host}:8443/"))
            assert (attempted.result, attempted.dialled) == (FORBIDDEN, None)
    assert receiver.connections == 0


async def test_a_forbidden_url_is_not_even_looked_up() -> None:
    """Addresses, rule 6: a name server learns nothing, and nothing goes out in the clear."""

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        raise AssertionError((host, port))

    async with Sender(sandbox=False, ssl_context=TRUST, lookup=lookup) as sender:
        for target in ("http://agency.example/", "https://agency.example:9443/", "https://intranet/", "rubbish", ""):
            assert (await sender.send(envelope(target))).result is FORBIDDEN


async def test_the_sandbox_never_leaves_the_machine() -> None:
    """Addresses, rule 7: fictional data does not go to a real agency either."""
    async with sandbox(answers("1.1.1.1")) as sender:
        for target in ("https://agency.example/", "https://1.1.1.1/", "http://10.0.0.1/"):
            assert (await sender.send(envelope(target))).result is FORBIDDEN
    assert CURRENT.get() is None


async def test_a_name_that_changes_its_mind_is_looked_up_again() -> None:
    """Rule 1: the answer of the last attempt is not trusted for the next connection (rebinding)."""
    minds = iter(["127.0.0.1", "10.0.0.1"])

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        return await answers(next(minds))(host, port)

    closing = write(OK_HEAD + b"Connection: close\r\n\r\n")
    async with serve(closing) as receiver, sandbox(lookup) as sender:
        target = f"http://agency.example:{receiver.port}/"
        results = [(await sender.send(envelope(target))).result for _ in range(2)]
    assert results == [SUCCESS, FORBIDDEN]


async def test_a_name_that_moves_takes_its_kept_connections_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: busy connections that never idle are given up for where the name leads now, however many there are."""
    monkeypatch.setattr(dialling, "RECENT_SECONDS", 0.0)
    leads = ["127.0.0.2"]

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        return await answers(*leads)(host, port)

    async with serve(keep_alive, host=EVERYWHERE) as receiver, sandbox(lookup) as sender:
        target = envelope(f"http://agency.example:{receiver.port}/", timeout_seconds=PATIENCE)
        together = await asyncio.gather(*(sender.send(target) for _ in range(6)))
        assert (await sender.send(target)).dialled == "127.0.0.2"
        kept = receiver.connections
        assert kept > CONNECTIONS_TRIED_MAX
        leads[:] = ["127.0.0.3"]
        moved = await sender.send(target)
        assert (moved.result, moved.dialled, receiver.connections) == (SUCCESS, "127.0.0.3", kept + 1)
        leads[:] = ["10.0.0.1"]
        assert (await sender.send(target)).result is FORBIDDEN
        leads[:] = []
        assert (await sender.send(target)).result is CONNECTION_ERROR
    assert {one.result for one in together} == {SUCCESS}
    assert receiver.connections == kept + 1


async def test_a_name_is_not_asked_for_at_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 4: an answer serves the kept connection for a moment; an address in place of a name is never asked for."""
    monkeypatch.setattr(dialling, "RECENT_SECONDS", 3_600.0)
    asked: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(host)
        return await answers("127.0.0.1")(host, port)

    async with serve(keep_alive) as receiver, sandbox(lookup) as sender:
        for host in ("agency.example", "127.0.0.1"):
            for _ in range(3):
                assert (await sender.send(envelope(f"http://{host}:{receiver.port}/"))).result is SUCCESS
    assert (asked, receiver.connections) == (["agency.example"], 2)


async def test_a_second_address_is_tried_when_the_first_is_silent() -> None:
    """Rule 2: the checked addresses are all used, and the one that answered is noted."""
    lookup = answers("127.0.0.2", "127.0.0.3")
    async with serve(reply(200), host="127.0.0.3") as receiver, sandbox(lookup) as sender:
        attempted = await sender.send(envelope(f"http://agency.example:{receiver.port}/", timeout_seconds=2))
    assert (attempted.result, attempted.dialled) == (SUCCESS, "127.0.0.3")


async def test_many_attempts_at_once_do_not_mix() -> None:
    """Rule 2: each attempt notes its own address, whatever runs beside it."""
    addresses = [f"127.0.1.{number}" for number in range(1, 21)]

    async def lookup(host: str, port: int) -> Sequence[AddressInfo]:
        return await answers(f"127.0.1.{host.split('.', maxsplit=1)[0].removeprefix('n')}")(host, port)

    async with serve(reply(200), host=EVERYWHERE) as receiver, sandbox(lookup) as sender:
        attempts = await asyncio.gather(
            *(
                sender.send(envelope(f"http://n{number}.example:{receiver.port}/", timeout_seconds=5))
                for number in range(1, 21)
            )
        )
    assert [each.dialled for each in attempts] == addresses
    assert CURRENT.get() is None


async def test_a_literal_address_meets_the_socket_guard() -> None:
    """Rule 3: the HTTP library asks no resolver about a literal, so the socket refuses it."""
    async with serve(reply(200)) as receiver, open_session(TRUST, answers("127.0.0.1"), sandbox=False) as session:
        for host in ("127.0.0.1", "agency.example"):
            with pytest.raises(ForbiddenAddressError):
                await session.post(f"http://{host}:{receiver.port}/")
    assert receiver.connections == 0


async def test_no_byte_is_written_to_a_peer_that_was_not_checked() -> None:
    """Rule 4: even if a connection came to be without the other guards."""
    resolver = CheckedResolver(answers("127.0.0.1"), sandbox=False)
    async with serve(hang, read=False) as receiver:
        async with aiohttp.ClientSession(request_class=checked_request(resolver, sandbox=False)) as session:
            with pytest.raises(ForbiddenAddressError):
                await session.post(url(receiver), data=BODY)
        await asyncio.sleep(0.02)
    assert (receiver.connections, receiver.requests) == (1, [])
