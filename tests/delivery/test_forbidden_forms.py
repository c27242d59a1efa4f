"""Addresses, rules 1 to 8, and dialling, rules 1 to 4: no spelling of a forbidden address leads to a connection."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tiprouter.delivery import dialling
from tiprouter.delivery.addresses import check_address
from tiprouter.delivery.sender import Sender
from tiprouter.receiver.misbehaving.acts import reply
from tiprouter.receiver.misbehaving.listening import Receiver, serve
from tiprouter.receiver.misbehaving.naming import answers

from .forbidden_forms import LISTENER, PORT, name_forms, url_forms
from .sending import FORBIDDEN, TRUST, envelope

FORMS_MIN = 300
URLS = sorted(set(url_forms()))
NAMES = sorted(set(name_forms()))


@asynccontextmanager
async def listeners() -> AsyncIterator[list[Receiver]]:
    """Listen where a form that got through would arrive."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serve(reply(200), host=host, port=PORT, read=False))
            for host in (LISTENER, "127.0.0.1", *(["::1"] if socket.has_ipv6 else []))
        ]


def test_there_are_enough_forms(capsys: pytest.CaptureFixture[str]) -> None:
    """At least 300 in all, each once."""
    with capsys.disabled():
        print(f" {len(URLS)} URLs and {len(NAMES)} resolutions are refused", end="")  # noqa: T201 - the figure to cite
    assert len(URLS) + len(NAMES) >= FORMS_MIN


async def test_no_url_that_spells_a_forbidden_address_is_dialled() -> None:
    """Addresses, rules 5, 6 and 8: refused by its spelling; nobody is asked for an address, and nobody is called."""
    asked: list[str] = []

    async def lookup(host: str, port: int) -> list[dialling.AddressInfo]:
        asked.append(f"{host}:{port}")
        return list(await answers(LISTENER)(host, port))

    async with listeners() as listening, Sender(sandbox=False, ssl_context=TRUST, lookup=lookup) as sender:
        for url in URLS:
            attempted = await sender.send(envelope(url))
            assert (url, attempted.result, attempted.dialled) == (url, FORBIDDEN, None)
        await asyncio.sleep(0.02)
        assert not any(each.connections for each in listening)
    assert not asked


async def test_no_name_that_leads_to_a_forbidden_address_is_dialled() -> None:
    """Dialling, rule 1: alone or among good ones, whichever comes first."""
    turns = itertools.cycle(NAMES)

    async def lookup(host: str, port: int) -> list[dialling.AddressInfo]:
        return list(await answers(*next(turns))(host, port))

    async with listeners() as listening, Sender(sandbox=False, ssl_context=TRUST, lookup=lookup) as sender:
        for name in NAMES:
            attempted = await sender.send(envelope(f"https://agency.example:{PORT}/"))
            assert (name, attempted.result, attempted.dialled) == (name, FORBIDDEN, None)
        await asyncio.sleep(0.02)
        assert not any(each.connections for each in listening)


async def test_without_the_checks_after_resolution_the_listener_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a guard that reads the URL alone lets a name through, and these stories see it."""
    monkeypatch.setattr(dialling, "check_address", lambda *_, **__: None)
    async with (
        listeners() as (listening, *_),
        Sender(sandbox=False, ssl_context=TRUST, lookup=answers(LISTENER)) as sender,
    ):
        await sender.send(envelope(f"https://agency.example:{PORT}/"))
        await asyncio.sleep(0.02)
        assert listening.connections == 1


async def test_each_of_the_three_checks_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dialling, rules 1 and 3: with the resolver's check gone the socket still refuses, before a connection is made."""
    check = check_address
    refused: list[str] = []

    def only_at_the_socket(ip: str, **how: bool) -> None:
        refused.append(ip)
        if len(refused) > 1:
            check(ip, sandbox=False)

    monkeypatch.setattr(dialling, "check_address", only_at_the_socket)
    async with (
        listeners() as (listening, *_),
        Sender(sandbox=False, ssl_context=TRUST, lookup=answers(LISTENER)) as sender,
    ):
        attempted = await sender.send(envelope(f"https://agency.example:{PORT}/"))
        assert attempted.result is FORBIDDEN
        assert listening.connections == 0
    assert refused == [LISTENER, LISTENER]
