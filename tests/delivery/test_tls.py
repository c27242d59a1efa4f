"""Sender, rules 3, 6 and 7: a receiver proves its name before it gets a byte."""

import ssl
import time
from pathlib import Path

import pytest

from tiprouter.delivery.sender import Sender
from tiprouter.errors import ConfigurationError

from .receiver_fixture import (
    certificate,
    reply,
    serve,
    server_tls,
    write,
)
from .sending import (
    CONNECTION_ERROR,
    DEADLINE,
    GRACE,
    SUCCESS,
    TIMEOUT,
    TLS_ERROR,
    answers,
    envelope,
    sandbox,
    sleep,
    trusting,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the certificates a place."""
    return tmp_path_factory.mktemp("certificates")


async def test_tls_with_a_trusted_certificate_keeps_the_name(folder: Path) -> None:
    """Rule 7: SNI, certificate check and Host are for the name, the connection goes to the checked address."""
    path = certificate(folder, "agency.example")
    names: list[str | None] = []
    tls = server_tls(path)
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with (
        serve(reply(200), tls=tls) as receiver,
        Sender(sandbox=True, ssl_context=trusting(path), lookup=answers("127.0.0.1")) as sender,
    ):
        attempted = await sender.send(envelope(f"https://agency.example:{receiver.port}/", timeout_seconds=2))
    assert (attempted.result, attempted.dialled) == (SUCCESS, "127.0.0.1")
    assert names == ["agency.example"]
    assert receiver.requests[0].headers["host"] == f"agency.example:{receiver.port}"


@pytest.mark.parametrize("harm", ["self-signed", "another name", "plain HTTP"])
async def test_tls_that_does_not_verify_sends_nothing(folder: Path, harm: str) -> None:
    """Rule 7: no byte of the body goes to somebody who cannot prove their name."""
    path = certificate(folder, "agency.example")
    trust = None if harm == "self-signed" else trusting(path)
    name = "other.example" if harm == "another name" else "agency.example"
    tls = None if harm == "plain HTTP" else server_tls(path)
    async with (
        serve(reply(200) if tls else write(b"HTTP/1.1 400 No\r\n\r\n"), tls=tls, read=tls is not None) as receiver,
        Sender(sandbox=True, ssl_context=trust, lookup=answers("127.0.0.1")) as sender,
    ):
        attempted = await sender.send(envelope(f"https://{name}:{receiver.port}/", timeout_seconds=2))
    assert attempted.result is TLS_ERROR
    assert attempted.status is None
    assert not receiver.requests


async def test_a_receiver_that_wants_a_certificate_of_ours_fails_plainly(folder: Path) -> None:
    """Rule 6: such a receiver resets the connection, which may overtake the alert that says why."""
    path = certificate(folder, "agency.example")
    tls = server_tls(path)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(path)
    async with (
        serve(reply(200), tls=tls) as receiver,
        Sender(sandbox=True, ssl_context=trusting(path), lookup=answers("127.0.0.1")) as sender,
    ):
        attempted = await sender.send(envelope(f"https://agency.example:{receiver.port}/", timeout_seconds=2))
    assert attempted.result in {TLS_ERROR, CONNECTION_ERROR}
    assert not receiver.requests


async def test_a_tls_handshake_that_never_comes_is_left_in_time() -> None:
    """Rule 3: the deadline covers TLS."""
    async with (
        serve(sleep, read=False) as receiver,
        sandbox(answers("127.0.0.1")) as sender,
    ):
        begun = time.monotonic()
        attempted = await sender.send(envelope(f"https://agency.example:{receiver.port}/"))
        assert time.monotonic() - begun < DEADLINE + GRACE
    assert attempted.result is TIMEOUT


async def test_an_expired_certificate_is_refused(folder: Path) -> None:
    """Rule 7: trust that has ended is none."""
    path = certificate(folder, "expired.example", days=1)
    async with (
        serve(reply(200), tls=server_tls(path)) as receiver,
        Sender(sandbox=True, ssl_context=trusting(path), lookup=answers("127.0.0.1")) as sender,
    ):
        attempted = await sender.send(envelope(f"https://expired.example:{receiver.port}/", timeout_seconds=2))
    assert attempted.result is TLS_ERROR
    assert not receiver.requests


def test_a_context_that_does_not_verify_is_refused() -> None:
    """Rule 7: there is no flag to skip verification, nor a way to smuggle one in."""
    careless, optional, nameless, old = (ssl.create_default_context() for _ in range(4))
    careless.check_hostname = nameless.check_hostname = False
    careless.verify_mode, optional.verify_mode = ssl.CERT_NONE, ssl.CERT_OPTIONAL
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    for context in (careless, optional, nameless, old):
        with pytest.raises(ConfigurationError):
            Sender(sandbox=True, ssl_context=context)
