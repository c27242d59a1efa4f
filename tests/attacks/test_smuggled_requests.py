"""Attack: bytes that two readers take for different requests, or that only one of them would take at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.calling import MARKER, Api, running
from tests.support.service import open_service
from tiprouter.api import headers, wire
from tiprouter.api.headers import FIELDS_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/tips HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The edge on the embedded database."""
    async with open_service(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path) as service, running(service) as found:
        yield found


async def exchanged(api: Api, sent: bytes, *, ends: bool = True) -> bytes:
    """All that is answered; where the service should end the connection, fails when it does not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(sent)
    said = b""
    try:
        async with asyncio.timeout(5 if ends else 0.5):
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65_536):
                    said += chunk
    except TimeoutError:
        assert not ends, said
    finally:
        writer.close()
    return said


async def refused(api: Api, sent: bytes, status: int, slug: str) -> None:
    """One answer, this one, which quotes nothing and is marked like any other; then the connection ends."""
    said = await exchanged(api, sent)
    assert said.count(b"HTTP/1.1 ") == 1, said
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), said
    assert f"urn:tiprouter:problem:{slug}".encode() in body
    lines = {line.split(b":")[0].lower(): line for line in head.split(b"\r\n")[1:]}
    assert lines[b"connection"].lower() == b"connection: close"
    assert {b"x-request-id", b"x-content-type-options", b"content-security-policy", b"cache-control"} <= set(lines)
    assert b"server" not in lines
    assert MARKER.encode() not in said


TWO_WAYS = {
    "length and coding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "coding and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 33\r\n\r\n" + SMUGGLED,
    "the same length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n" + SMUGGLED,
    "a signed length": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "an empty length": POST + b"Content-Length:\r\n\r\n" + SMUGGLED,
    "coding twice": POST + b"Transfer-Encoding: chunked\r\n" + CHUNKED + b"0\r\n\r\n" + SMUGGLED,
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a misspelt coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked and more": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a coding in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"0\r\n\r\n" + SMUGGLED,
    "a folded field": POST + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a folded coding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "bare line feeds": GET.replace(b"\r\n", b"\n") + b"\n" + SMUGGLED,
    "one bare line feed": GET + b"X-A: b\nX-B: c\r\n\r\n" + SMUGGLED,
    "a bare carriage return": GET + b"X-A: b\rX-B: c\r\n\r\n" + SMUGGLED,
    "a space before the colon": POST + b"Content-Length : 0\r\n\r\n" + SMUGGLED,
    "NUL in a field": GET + b"X-A: b\x00c\r\n\r\n" + SMUGGLED,
    "a chunk with a sign": POST + CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk in hexadecimal notation": POST + CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk beyond all numbers": POST + CHUNKED + b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk and a bare line feed": POST + CHUNKED + b"2\n{}\r\n0\r\n\r\n" + SMUGGLED,
    "a lower-case method": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
    "what is no request": MARKER.encode() + b"\r\n\r\n" + SMUGGLED,
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n" + SMUGGLED,
}


async def test_what_can_be_read_in_two_ways_is_read_in_none(api: Api) -> None:
    """One refusal, and nothing behind it is answered."""
    for sent in TWO_WAYS.values():
        await refused(api, sent, 400, "malformed")


async def test_a_broken_body_of_a_known_caller_is_refused_and_makes_nothing(api: Api) -> None:
    """Its route has begun to read: what came is thrown away, and the refusal is the only answer."""
    before = await api.counts()
    known = POST + f"Authorization: Bearer {api.tokens['intake']}\r\nIdempotency-Key: a\r\n".encode()
    typed = known + b"Content-Type: application/json\r\n"
    await refused(api, typed + CHUNKED + b"2\r\n{}\r\nzz\r\n" + SMUGGLED, 400, "malformed")
    assert await api.counts() == before


OTHER = {
    "a target too long": (b"GET /" + b"a" * TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target-too-long"),
    "a query too long": (
        b"GET /healthz?" + b"a" * TARGET_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        414,
        "target-too-long",
    ),
    "too many fields": (GET + b"X-A: b\r\n" * FIELDS_MAX + b"\r\n", 431, "head-too-large"),
    "a field too large": (GET + b"X-A: " + b"b" * HEAD_BYTES_MAX + b"\r\n\r\n", 431, "head-too-large"),
    "an unknown method": (GET.replace(b"GET", b"PURGE") + b"\r\n", 501, "method-unknown"),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 505, "version-unknown"),
    "HTTP/2 in name": (GET.replace(b"HTTP/1.1", b"HTTP/2.0") + b"\r\n", 505, "version-unknown"),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "host"),
    "two hosts": (GET + b"Host: y\r\n\r\n", 400, "host"),
    "a host that is none": (b"GET /healthz HTTP/1.1\r\nHost: x/" + MARKER.encode() + b"\r\n\r\n", 400, "host"),
    "a host with a user": (b"GET /healthz HTTP/1.1\r\nHost: a@x\r\n\r\n", 400, "host"),
    "another host in the target": (b"GET http://y/healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "host"),
    "no path": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400, "host"),
}


async def test_a_head_that_is_too_much_is_refused(api: Api) -> None:
    """Each limit has its status; the connection ends with it."""
    for sent, status, slug in OTHER.values():
        await refused(api, sent, status, slug)


async def test_what_is_unusual_and_clear_is_answered(api: Api) -> None:
    """The control: HTTP/1.0, an absolute target, an empty line before, and as many fields as may be."""
    for sent in (
        GET + b"Connection: close\r\n\r\n",
        GET.replace(b"1.1", b"1.0") + b"\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\r\n" + GET + b"Connection: close\r\n\r\n",
        GET + b"X-A: b\r\n" * (FIELDS_MAX - 2) + b"Connection: close\r\n\r\n",
    ):
        assert (await exchanged(api, sent)).startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_end_is_not_kept_in_memory(api: Api) -> None:
    """One endless field is refused once it is larger than a head may be, long before its time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    said = b""
    with contextlib.suppress(ConnectionError):
        writer.write(GET + b"X-A: ")
        for _ in range(64):
            writer.write(b"b" * 1_024)
            await writer.drain()
            await asyncio.sleep(0.01)
            if writer.is_closing() or reader.at_eof():
                break
        said = await reader.read(65_536)
    writer.close()
    assert said.startswith(b"HTTP/1.1 431 ") or not said
    assert reader.at_eof() or not said


FRAMED = {
    "an extension": b"1;" + b"a" * 20_000 + b"\r\n ",
    "many extensions": b"1;a=b\r\n \r\n" * 5_600,
    "trailers": b"0\r\n" + b"X-A: b\r\n" * 2_100,
}


async def test_a_body_that_is_mostly_framing_is_refused(api: Api) -> None:
    """Chunk extensions and trailers hold nothing that anybody reads: many more of them than of a body are a fault."""
    for number, framing in enumerate(FRAMED.values()):
        known = POST + f"Authorization: Bearer {api.tokens['intake']}\r\nIdempotency-Key: {number}\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(known + b"Content-Type: application/json\r\nExpect: 100-continue\r\n" + CHUNKED)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(framing)
        try:
            async with asyncio.timeout(5):
                said = await reader.read(65_536)
        finally:
            writer.close()
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"problem:malformed" in said


async def test_a_trailer_is_not_believed(api: Api) -> None:
    """A credential that comes after the body is none."""
    token = api.tokens["intake"].encode()
    sent = POST + CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    assert (await exchanged(api, sent, ends=False)).startswith(b"HTTP/1.1 401 ")


async def test_what_comes_after_an_upgrade_is_nobodys_request(api: Api) -> None:
    """The request is answered in HTTP/1.1, the connection ends, and what was behind it is not answered."""
    upgrading = GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SMUGGLED
    assert (await exchanged(api, upgrading)).count(b"HTTP/1.1 200 ") == 1
    websocket = GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    assert not (await exchanged(api, websocket)).startswith(b"HTTP/1.1 101")


async def test_an_earlier_answer_is_given_before_the_connection_ends(api: Api) -> None:
    """Two requests and nonsense in one go: whoever asked properly is answered, in order, and then it ends."""
    said = await exchanged(api, GET + b"\r\n" + SMUGGLED + b"nonsense\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 400 " not in said.split(b"\r\n\r\n")[0]


async def test_only_its_own_names_are_answered_for(api: Api) -> None:
    """A page elsewhere whose name was turned to our address is told nothing; whether the service lives may be asked."""
    object.__setattr__(api.office, "hosts", frozenset({"router.hotline.example"}))
    for path, host, status in (
        ("/nothing", "router.hotline.example", 404),
        ("/nothing", "Router.Hotline.Example:443", 404),
        ("/nothing", "router.hotline.example.", 404),
        ("/nothing", "evil.example", 421),
        ("/nothing", "router.hotline.example.evil.example", 421),
        ("/nothing", "127.0.0.1", 421),
        ("/healthz", "127.0.0.1", 200),
    ):
        answer = await api.send(None, "GET", path, headers={"Host": host})
        assert answer.status_code == status, (path, host)
    await refused(api, b"GET /nothing HTTP/1.0\r\n\r\n", 421, "misdirected")
    await refused(api, b"GET http://evil.example/nothing HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "misdirected")


async def test_methods_are_the_paths_own(api: Api) -> None:
    """405 names them; TRACE is one of those that no path takes, and nothing is sent back by it."""
    answer = await api.send(None, "TRACE", "/v1/tips", headers={"X-Marker": MARKER})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert MARKER not in answer.text


async def test_heads_without_limit_are_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with no limits of heads their stories fail."""
    for name in ("FIELDS_MAX", "HEAD_BYTES_MAX", "TARGET_BYTES_MAX"):
        monkeypatch.setattr(headers, name, 10**9)
    for name in ("too many fields", "a field too large", "a query too long"):
        sent, status, slug = OTHER[name]
        with pytest.raises(AssertionError):
            await refused(api, sent[:-2] + b"Connection: close\r\n\r\n", status, slug)


async def test_framing_without_limit_is_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with any amount of framing taken, its story fails."""
    monkeypatch.setattr(wire, "FRAMING_BYTES_MAX", 10**9)
    with pytest.raises((AssertionError, TimeoutError)):
        await test_a_body_that_is_mostly_framing_is_refused(api)


async def test_hosts_that_are_not_looked_at_are_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: with heads let through as they are, the stories of hosts fail."""
    monkeypatch.setattr(headers, "fault_of", lambda *_: None)
    with pytest.raises(AssertionError):
        await test_only_its_own_names_are_answered_for(api)


async def test_trailers_that_are_kept_are_found_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the tests: a wire that takes trailers for fields lets one more field into a head than it counted."""
    seen = list[bytes]()
    monkeypatch.setattr(wire.Wire, "on_header", lambda self, name, value: seen.append(name))
    await exchanged(api, POST + CHUNKED + b"2\r\n{}\r\n0\r\nX-Trailer: a\r\n\r\n", ends=False)
    assert b"X-Trailer" in seen
