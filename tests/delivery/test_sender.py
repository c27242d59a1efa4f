"""Sender, rules 1 to 8: one attempt, one result, and only what redaction made and a key signed."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest

from tiprouter.delivery.schedule import Urgency, next_attempt_at
from tiprouter.delivery.sender import AttemptResult, Envelope, NotRedactedError
from tiprouter.delivery.signing import SigningError
from tiprouter.domain.redaction import Redacted
from tiprouter.errors import ConfigurationError
from tiprouter.receiver import verify

from .receiver_fixture import (
    hang,
    keep_alive,
    reply,
    serve,
)
from .sending import (
    BODY,
    DEADLINE,
    ED25519,
    GONE,
    GRACE,
    HMAC,
    HTTP_ERROR,
    NOW,
    SUCCESS,
    THROTTLED,
    TIMESTAMP,
    attempt,
    envelope,
    redacted,
    sandbox,
    url,
)


async def test_a_delivery_arrives_signed_and_whole() -> None:
    """Rules 1 and 5: the recipient verifies it with either key; nothing is asked for in an encoding."""
    attempted, receiver = await attempt(reply(200, body=b"thank you"))
    assert (attempted.result, attempted.status, attempted.dialled) == (SUCCESS, 200, "127.0.0.1")
    assert attempted.snippet == b"thank you"
    assert 0 <= attempted.duration_ms < 1000 * (DEADLINE + GRACE)
    (request,) = receiver.requests
    assert request.line == "POST /hook HTTP/1.1"
    for key in (ED25519.public(), HMAC.reveal()):
        assert verify(request.headers, request.body, [key], NOW).body == BODY
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert "python" not in request.headers["user-agent"].lower()
    assert not {"cookie", "authorization", "expect"} & set(request.headers)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        *((200, SUCCESS), (201, SUCCESS), (202, SUCCESS), (204, SUCCESS), (299, SUCCESS)),
        *((300, HTTP_ERROR), (304, HTTP_ERROR), (399, HTTP_ERROR), (400, HTTP_ERROR), (404, HTTP_ERROR)),
        *((409, HTTP_ERROR), (410, GONE), (429, THROTTLED), (500, HTTP_ERROR), (502, HTTP_ERROR), (503, THROTTLED)),
        *((504, HTTP_ERROR), (599, HTTP_ERROR), (999, HTTP_ERROR)),
    ],
)
async def test_only_2xx_is_success(status: int, result: AttemptResult) -> None:
    """Rule 4: and 410, 429 and 503 have a meaning of their own."""
    attempted, _ = await attempt(reply(status))
    assert (attempted.result, attempted.status) == (result, status)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Rule 2: otherwise whoever holds the endpoint could send our bytes anywhere."""
    async with serve(reply(200)) as elsewhere:
        attempted, receiver = await attempt(reply(status, headers=f"Location: {url(elsewhere)}\r\n"))
    assert (attempted.result, attempted.status) == (HTTP_ERROR, status)
    assert (receiver.connections, elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("17", 17.0, 17.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 89.0, 90.0),
        ("0", 0.0, 0.0),
        ("-5", None, None),
        ("1000000000", None, None),
        ("soon", None, None),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None, None),
    ],
)
async def test_a_throttle_says_for_how_long(status: int, value: str, low: float | None, high: float | None) -> None:
    """Rule 4: seconds and dates are read; negative, past, absurd and wordy ones are not believed."""
    attempted, _ = await attempt(reply(status, headers=f"Retry-After: {value}\r\n"))
    assert attempted.result is THROTTLED
    if low is None or high is None:
        assert attempted.retry_after_seconds is None
    else:
        assert attempted.retry_after_seconds is not None
        assert low <= attempted.retry_after_seconds <= high
        due = next_attempt_at(Urgency.STANDARD, 1, NOW, NOW + timedelta(days=1), attempted.retry_after_seconds, 0.0)
        assert due is not None
        assert due >= NOW + timedelta(seconds=low)


async def test_a_retry_after_on_another_status_is_not_read() -> None:
    """Rule 4: only a throttle may slow the schedule down."""
    attempted, _ = await attempt(reply(500, headers="Retry-After: 17\r\n"))
    assert attempted.retry_after_seconds is None


async def test_a_long_answer_is_cut_to_the_snippet() -> None:
    """Rule 5: 1,024 bytes are kept, however they arrive."""
    attempted, _ = await attempt(reply(500, body=b"abcd" * 10_000))
    assert attempted.snippet == b"abcd" * 256


async def test_a_connection_is_used_again_and_still_names_its_address() -> None:
    """Rule 8: twelve times cheaper than a new TLS connection."""
    async with serve(keep_alive) as receiver, sandbox() as sender:
        attempts = [await sender.send(envelope(url(receiver))) for _ in range(3)]
    assert {(each.result, each.dialled) for each in attempts} == {(SUCCESS, "127.0.0.1")}
    assert receiver.connections == 1


async def test_a_cookie_is_not_kept() -> None:
    """Rule 2: a recipient cannot mark us."""
    marking = reply(200, headers="Set-Cookie: a=b\r\nConnection: close\r\n")
    async with serve(marking) as receiver, sandbox() as sender:
        for _ in range(2):
            await sender.send(envelope(url(receiver)))
    assert len(receiver.requests) == 2
    assert "cookie" not in receiver.requests[1].headers


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2: a variable set by accident must not reroute disclosures."""
    async with serve(reply(200)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, url(proxy, ""))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        attempted, _ = await attempt(reply(200))
    assert attempted.result is SUCCESS
    assert proxy.connections == 0


async def test_a_netrc_of_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 2: a file in a home folder must not add credentials to disclosures, with or without a proxy beside it."""
    for name in (".netrc", "_netrc", "elsewhere"):
        (tmp_path / name).write_text("default login example password example-not-a-password\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "elsewhere"))
    async with serve(reply(200)) as proxy:
        monkeypatch.setenv("http_proxy", url(proxy, "").replace("//", "//example:example@"))
        attempted, receiver = await attempt(reply(200))
        assert (attempted.result, proxy.connections) == (SUCCESS, 0)
    said = receiver.requests[0].headers
    assert not [name for name in said if "authorization" in name]
    # What a session that listens to its environment does with the same file: the test is not about nothing.
    async with serve(reply(200)) as obeyed, aiohttp.ClientSession(trust_env=True) as session:
        monkeypatch.delenv("http_proxy")
        await session.post(url(obeyed))
    assert "authorization" in obeyed.requests[0].headers


class _LooksRedacted:
    """Has the body, not the origin."""

    body = BODY


@pytest.mark.parametrize("body", [BODY, BODY.decode(), None, _LooksRedacted()])
async def test_what_redaction_did_not_make_is_not_sent(body: Redacted) -> None:
    """Rule 1: not bytes, nor a look-alike."""
    async with serve(reply(200)) as receiver, sandbox() as sender:
        forged = Envelope(url(receiver), "msg_1", TIMESTAMP, body, [HMAC], DEADLINE)
        with pytest.raises(NotRedactedError):
            await sender.send(forged)
    assert receiver.connections == 0


async def test_what_is_not_signed_is_not_sent() -> None:
    """Rule 1: no secret, no request."""
    async with serve(reply(200)) as receiver, sandbox() as sender:
        with pytest.raises(SigningError):
            await sender.send(Envelope(url(receiver), "msg_1", TIMESTAMP, redacted(), [], DEADLINE))
    assert receiver.connections == 0


async def test_a_closed_sender_sends_nothing() -> None:
    """A caller's mistake says so."""
    sender = sandbox()
    with pytest.raises(ConfigurationError):
        await sender.send(envelope("http://127.0.0.1:1/"))
    async with sender:
        pass
    with pytest.raises(ConfigurationError):
        await sender.send(envelope("http://127.0.0.1:1/"))


async def test_a_withdrawal_cancels_an_attempt_at_once() -> None:
    """Rule 6: cancellation is the one thing that is raised, and the connection is gone with it."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await hang(reader, writer)
        gone.set()

    async with serve(wait_for_the_end) as receiver, sandbox() as sender:
        task = asyncio.create_task(sender.send(envelope(url(receiver), timeout_seconds=30)))
        async with asyncio.timeout(5):
            await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(1):
            await gone.wait()


async def test_no_value_shows_what_it_carries() -> None:
    """Rule 6: URLs may hold tokens, bodies hold people."""
    attempted, receiver = await attempt(reply(500, body=b"about Example Person"))
    shown = repr(attempted) + repr(envelope(url(receiver, "/token-5550100")))
    assert "Example Person" not in shown
    assert "token-5550100" not in shown
    assert HMAC.reveal() not in shown
