"""What happens around every request, whatever becomes of it?"""

import asyncio
import re
from pathlib import Path

import pytest

from tests.api.calling import BODY_BYTES_MAX, MARKER, Api, running, tip
from tests.support.service import open_service
from tiprouter.errors import UnavailableError

REQUEST_ID = re.compile(r"req_[0-9A-HJKMNP-TV-Z]{26}")


async def test_every_answer_has_an_id_and_may_not_be_kept_or_guessed_at(api: Api) -> None:
    """Good, refused, unknown and malformed alike; an id that the caller sends is not looked at."""
    for path, status in (("/healthz", 200), ("/v1/tips", 401), ("/nothing", 404)):
        answer = await api.send(None, "GET", path, headers={"X-Request-Id": MARKER})
        assert answer.status_code == status
        assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_one_line_is_logged_and_it_holds_nothing_of_the_request(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    """Path, query, headers and body may be personal data; the route's template is not."""
    await api.send("intake", "PUT", f"/v1/cases/{MARKER}?{MARKER}=1", tip(source=MARKER), {"User-Agent": MARKER})
    said = capfd.readouterr().out
    assert MARKER not in said
    (line,) = [one for one in said.splitlines() if "request" in one]
    for part in ("method", "PUT", "/v1/cases/{case_id}", "428", "ms", "cal_", "req_"):
        assert part in line


async def test_what_nobody_expected_is_a_500_that_says_nothing(
    api: Api, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The problem is static, the log has the error's class alone, and the server lives on."""

    def broken() -> list[str]:
        raise RuntimeError(MARKER)

    object.__setattr__(api.office, "troubles", broken)
    answer = await api.send(None, "GET", "/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["type"] == "urn:tiprouter:problem:unexpected"
    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    said = "".join(capfd.readouterr())
    assert MARKER not in answer.text + said
    assert "RuntimeError" in said
    assert (await api.send(None, "GET", "/healthz")).json() == {"status": "ok"}


async def test_readyz_names_what_is_down(tmp_path: Path) -> None:
    """A part that stopped, or a database that is closed: 503 with its name; healthz goes on saying ok."""
    troubles: list[str] = []
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    async with open_service(url, tmp_path) as service, running(service, troubles) as api:
        assert (await api.send(None, "GET", "/readyz")).status_code == 200
        troubles.append("sequencer")
        answer = await api.send(None, "GET", "/readyz")
        assert (answer.status_code, answer.json()["down"]) == (503, ["sequencer"])
        assert answer.headers["retry-after"] == "1"
        await service.database.close()
        answer = await api.send(None, "GET", "/readyz")
        assert answer.json()["down"] == ["sequencer", "database"]
        assert (await api.send("intake", "POST", "/v1/tips", tip())).status_code == 503
        assert (await api.send(None, "GET", "/healthz")).status_code == 200


async def _raw(api: Api, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(sent)
    await writer.drain()
    try:
        async with asyncio.timeout(3):
            return await reader.read(65_536)
    finally:
        writer.close()


def _head(api: Api, *lines: str) -> bytes:
    head = [
        "POST /v1/tips HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {api.tokens['intake']}",
        "Idempotency-Key: raw",
        "Content-Type: application/json",
        *lines,
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(api: Api) -> None:
    """The declared length is enough: not one byte of the body is awaited."""
    answer = await _raw(api, _head(api, f"Content-Length: {BODY_BYTES_MAX + 1}"))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(api: Api) -> None:
    """Chunked and endless: refused where it passes the limit."""
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = await _raw(api, _head(api, "Transfer-Encoding: chunked") + chunk * (BODY_BYTES_MAX // 0x8000 + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_caller_who_hangs_up_within_the_body_leaves_nothing(api: Api) -> None:
    """Half a body is no request."""
    before = await api.counts()
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(_head(api, "Content-Length: 1000") + b'{"source":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert (await api.send(None, "GET", "/healthz")).status_code == 200
    assert await api.counts() == before


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999"])
async def test_a_length_that_is_no_length_is_refused(api: Api, length: str) -> None:
    """Whatever reads it first, nothing good comes of it."""
    answer = await _raw(api, _head(api, f"Content-Length: {length}") + b"{}")
    assert answer.split(b" ")[1] in {b"400", b"413"}


async def test_a_refusing_database_is_a_503_and_says_when_to_come_back(api: Api) -> None:
    """UnavailableError from any story: 503 with Retry-After, and the key is free again."""
    office = api.office

    async def refuse(*_args: object, **_options: object) -> None:
        raise UnavailableError(MARKER)

    write = office.database.write
    try:
        object.__setattr__(office.database, "write", refuse)
        answer = await api.send("intake", "POST", "/v1/tips", tip())
    finally:
        object.__setattr__(office.database, "write", write)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert not office.in_flight
