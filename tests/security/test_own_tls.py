"""Does the edge speak TLS itself as `wiring/tls.py` says? Real sockets, certificates made here."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from tests.api.calling import BODY_BYTES_MAX, until
from tests.support.papers import DAY, Authority, Papers
from tests.support.processes import Running
from tests.support.service import OPERATOR, Service, open_service
from tiprouter.api.office import Office
from tiprouter.api.patience import Patience
from tiprouter.errors import ConfigurationError
from tiprouter.settings import Settings
from tiprouter.wiring.edge import GRACE_SECONDS, Edge, listen
from tiprouter.wiring.tls import LOOK_SECONDS, Shown, shown_by
from tiprouter.workflow import credentials
from tiprouter.workflow.credentials import CallerRole, Terms

ROOT = Path(__file__).parents[2]
HERE = "127.0.0.1"
PATIENCE = Patience(head_seconds=0.5, body_seconds=0.7)
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who vouches for the service."""
    return Authority(tmp_path)


@pytest.fixture
def papers(authority: Authority) -> Papers:
    """What the service shows."""
    return authority.papers(HERE)


@dataclass
class Speaking:
    """An edge that speaks TLS."""

    service: Service
    port: int
    shown: Shown

    async def ask(self, context: ssl.SSLContext, path: str = "/healthz", **headers: str) -> httpx2.Response:
        """One request on a connection of its own."""
        base = f"https://{HERE}:{self.port}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, verify=context, timeout=10) as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def connected(self, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection after its handshake."""
        return await asyncio.open_connection(HERE, self.port, ssl=context, limit=1 << 16)

    async def key(self, bound_to: str) -> str:
        """An intake's API key that is bound to a certificate."""
        made = await self.service.database.write(
            lambda tx: credentials.make(
                tx, self.service.desk, OPERATOR, CallerRole.INTAKE, None, Terms(certificate=bound_to)
            )
        )
        return str(made[1])


def settings_of(papers: Papers, **more: object) -> Settings:
    """A service that speaks TLS on a free port."""
    files = {"tls_certificate_file": str(papers.certificate), "tls_key_file": str(papers.key)}
    return Settings.model_validate({"port": 0} | files | more)


@asynccontextmanager
async def speaking(folder: Path, settings: Settings, patience: Patience = PATIENCE) -> AsyncIterator[Speaking]:
    """The edge as `serve` opens it, with the whole application behind it."""
    async with open_service(f"sqlite:///{folder / 'tiprouter.db'}", folder) as service:
        office = Office(service.database, service.desk, BODY_BYTES_MAX, list, patience, https=settings.https)
        with listen(settings) as listener:
            edge = Edge(settings, office, listener, None)
            serving = asyncio.create_task(edge.serve())
            try:
                await until(lambda: edge.started and edge.servers)
                assert listener.shown is not None
                yield Speaking(service, listener.socket.getsockname()[1], listener.shown)
            finally:
                edge.stop()
                await serving


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_believes_the_authority_is_answered(
    tmp_path: Path, authority: Authority, papers: Papers, version: ssl.TLSVersion
) -> None:
    """Rule 1: by TLS 1.2 and by 1.3, with forward secrecy; browsers are asked to keep to https."""
    async with speaking(tmp_path, settings_of(papers)) as edge:
        context = authority.believed()
        context.minimum_version = context.maximum_version = version
        answer = await edge.ask(context)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        _, writer = await edge.connected(context)
        cipher = writer.get_extra_info("cipher")[0]
        assert cipher.startswith("ECDHE-" if version is ssl.TLSVersion.TLSv1_2 else "TLS_")
        writer.close()
        with pytest.raises(httpx2.ConnectError):
            await edge.ask(ssl.create_default_context())


def unsound(authority: Authority, ciphers: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A caller who would take anything, and offers only this."""
    context = authority.believed()
    context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_what_is_unsound_is_not_spoken(tmp_path: Path, authority: Authority, papers: Papers) -> None:
    """Rule 1: no TLS 1.1, no CBC, and without TLS no answer at all."""
    async with speaking(tmp_path, settings_of(papers)) as edge:
        cbc = "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"
        for offer in (("ALL:@SECLEVEL=0", ssl.TLSVersion.TLSv1_1), (cbc, ssl.TLSVersion.TLSv1_2)):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await edge.connected(unsound(authority, *offer))
        sound = unsound(authority, "ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0", ssl.TLSVersion.TLSv1_2)
        _, taken = await edge.connected(sound)  # so that it is the offer that was refused
        taken.close()
        reader, writer = await asyncio.open_connection(HERE, edge.port)
        writer.write(HEAD + b"\r\n")
        assert b"HTTP" not in await all_of(reader)
        writer.close()


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """What comes until the service closes; fails when it never does."""
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        async with asyncio.timeout(10):
            while part := await reader.read(1 << 16):
                said += part
    return said


async def test_who_is_slow_under_tls_is_dropped_too(tmp_path: Path, authority: Authority, papers: Papers) -> None:
    """A handshake that never begins or never ends, a head that never ends, an answer that nobody takes."""
    async with speaking(tmp_path, settings_of(papers)) as edge:
        for first in (b"", b"\x16\x03\x01\x02\x00\x01\x00"):
            reader, writer = await asyncio.open_connection(HERE, edge.port)
            writer.write(first)
            assert await all_of(reader) == b""
            writer.close()
        reader, writer = await edge.connected(authority.believed())
        writer.write(HEAD)
        assert await all_of(reader) == b""
        writer.close()
        _, writer = await edge.connected(authority.believed())
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of asyncio's own
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            async with asyncio.timeout(10):
                while True:
                    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
                    await writer.drain()
                    await asyncio.sleep(0.05)
        writer.transport.abort()
        assert (await edge.ask(authority.believed())).status_code == 200


def replaced(old: Papers, new: Papers, *, key_too: bool = True) -> None:
    """Put new papers where the old ones are."""
    shutil.copy(new.certificate, old.certificate)
    if key_too:
        shutil.copy(new.key, old.key)


async def test_renewed_papers_are_taken_without_a_restart(tmp_path: Path, authority: Authority, papers: Papers) -> None:
    """Rule 3: the next connection is shown the new ones, one that is open goes on; half a renewal changes nothing."""

    async def shown_now() -> bytes | None:
        _, writer = await edge.connected(authority.believed())
        der: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return der

    async with speaking(tmp_path, settings_of(papers), Patience(5, 5)) as edge:
        first, new = await shown_now(), authority.papers(HERE)
        reader, writer = await edge.connected(authority.believed())
        assert edge.shown.look() is False
        replaced(papers, new, key_too=False)
        assert edge.shown.look() is False
        assert await shown_now() == first
        papers.certificate.write_text("-----BEGIN CERTI")
        assert edge.shown.look() is False
        assert await shown_now() == first
        replaced(papers, new)
        assert edge.shown.look() is True
        assert await shown_now() not in {first, None}
        writer.write(HEAD + b"Connection: close\r\n\r\n")
        assert (await all_of(reader)).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize("by_rsa", [True, False])
async def test_another_type_of_key_takes_the_place_of_the_former(
    tmp_path: Path, authority: Authority, *, by_rsa: bool
) -> None:
    """Rule 3: OpenSSL keeps a pair for each type, and would go on showing an ended one to who prefers it."""
    old, new = (authority.papers(HERE, by_rsa=one) for one in (not by_rsa, by_rsa))
    async with speaking(tmp_path, settings_of(old)) as edge:
        replaced(old, new)
        assert edge.shown.look() is True
        context = authority.believed()
        context.check_hostname = False  # so that no name is sent, by which the certificate might be chosen
        _, writer = await edge.connected(context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        assert der == ssl.PEM_cert_to_DER_cert(new.certificate.read_text())


async def test_an_answer_is_whole_on_a_connection_that_closes(
    tmp_path: Path, authority: Authority, papers: Papers
) -> None:
    """The goodbye of TLS waits for the answer before it, as long as for any answer."""
    async with speaking(tmp_path, settings_of(papers), Patience(0.5, 10)) as edge:
        reader, writer = await edge.connected(authority.believed())
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of asyncio's own
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(1.5)
        writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        head, _, body = (await all_of(reader)).partition(b"\r\n\r\n")
        sent = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == sent
        writer.close()


async def test_who_says_no_goodbye_does_not_hold_up_a_stop(
    tmp_path: Path, authority: Authority, papers: Papers
) -> None:
    """An idle caller who never answers `close_notify`: the log is brought up to date before a stop's time is over."""
    async with speaking(tmp_path, settings_of(papers), Patience(30, 30)) as edge:
        idle = await asyncio.to_thread(socket.create_connection, (HERE, edge.port))
        spoken = await asyncio.to_thread(authority.believed().wrap_socket, idle, server_hostname=HERE)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < GRACE_SECONDS - 1
    spoken.close()


async def test_the_files_are_looked_at_while_it_runs(
    tmp_path: Path, authority: Authority, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 3: nobody has to tell it."""
    assert LOOK_SECONDS <= 60
    monkeypatch.setattr("tiprouter.wiring.tls.LOOK_SECONDS", 0.05)
    new = authority.papers(HERE)
    async with speaking(tmp_path, settings_of(papers)) as edge:
        replaced(papers, new)
        for _ in range(200):
            _, writer = await edge.connected(authority.believed())
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.close()
            if der == ssl.PEM_cert_to_DER_cert(new.certificate.read_text()):
                return
            await asyncio.sleep(0.05)
        pytest.fail("the former certificate is still shown")


async def test_a_bound_key_wants_the_certificate_of_its_own_connection(
    tmp_path: Path, authority: Authority, papers: Papers
) -> None:
    """Rule 4 (RFC 8705): the one it is bound to opens; none, another one, or a header that says so does not."""
    of_callers = Authority(tmp_path, "Fictional Authority of Callers")
    crm, other = of_callers.papers("crm.example"), of_callers.papers("other.example")
    settings = settings_of(papers, tls_client_authorities_file=str(of_callers.file))
    async with speaking(tmp_path, settings) as edge:
        bearer = f"Bearer {await edge.key(crm.thumbprint)}"
        opened = await edge.ask(crm.shown_by(authority.believed()), "/v1/tips", Authorization=bearer)
        assert opened.status_code == 200
        claimed = f":{_base64(crm)}:"
        for context in (authority.believed(), other.shown_by(authority.believed())):
            assert (await edge.ask(context)).status_code == 200
            for headers in ({}, {"Client_Cert": claimed}):
                refused = await edge.ask(context, "/v1/tips", Authorization=bearer, **headers)
                assert refused.status_code == 401


def _base64(papers: Papers) -> str:
    return "".join(papers.certificate.read_text().splitlines()[1:-1])


async def test_a_certificate_of_somebody_else_begins_no_connection(
    tmp_path: Path, authority: Authority, papers: Papers
) -> None:
    """Rule 4: what is shown was verified, or there is no request; one that ended is none either."""
    of_callers, elsewhere = Authority(tmp_path, "Callers"), Authority(tmp_path, "Elsewhere")
    settings = settings_of(papers, tls_client_authorities_file=str(of_callers.file))
    ended = of_callers.papers("crm.example", begins=-3 * DAY, ends=-DAY)
    async with speaking(tmp_path, settings) as edge:
        for stranger in (elsewhere.papers("crm.example"), ended):
            with pytest.raises((httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError)):
                await edge.ask(stranger.shown_by(authority.believed()))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_comes_back_is_who_they_were(
    tmp_path: Path, authority: Authority, papers: Papers, version: ssl.TLSVersion
) -> None:
    """Rule 4: 1.3 resumes nothing; a session of 1.2 that is resumed goes on with the certificate that it began with."""
    of_callers = Authority(tmp_path, "Fictional Authority of Callers")
    crm = of_callers.papers("crm.example")
    async with speaking(tmp_path, settings_of(papers, tls_client_authorities_file=str(of_callers.file))) as edge:
        key = await edge.key(crm.thumbprint)
        for context, status in ((crm.shown_by(authority.believed()), 200), (authority.believed(), 401)):
            context.minimum_version = context.maximum_version = version
            came_back, answers = await asyncio.to_thread(_twice, context, edge.port, key)
            assert came_back is (version is ssl.TLSVersion.TLSv1_2)
            assert answers == [status, status]


def _twice(context: ssl.SSLContext, port: int, key: str) -> tuple[bool, list[int]]:
    """Whether a second connection goes on with the first one's session, and both answers; asyncio cannot ask."""
    answers, session, reused = list[int](), None, False
    head = f"GET /v1/tips HTTP/1.1\r\nHost: {HERE}\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    for _ in range(2):
        with (
            socket.create_connection((HERE, port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=HERE, session=session) as line,
        ):
            line.sendall(head.encode())
            answers.append(int(line.recv(1 << 16).split()[1]))
            session, reused = line.session, bool(line.session_reused)
    return reused, answers


BROKEN = {
    "no key": {"tls_key_file": ""},
    "no certificate": {"tls_certificate_file": ""},
    "another's key": {"tls_key_file": "OTHER"},
    "a file that is not there": {"tls_certificate_file": "/nonexistent"},
    "authorities that are none": {"tls_client_authorities_file": "KEY"},
    "authorities without a certificate": {
        "tls_key_file": "",
        "tls_certificate_file": "",
        "tls_client_authorities_file": "AUTHORITY",
    },
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_shown_keeps_the_service_from_starting(
    authority: Authority, papers: Papers, change: dict[str, str]
) -> None:
    """Rule 2."""
    places = {"OTHER": str(authority.papers(HERE).key), "KEY": str(papers.key), "AUTHORITY": str(authority.file)}
    settings = settings_of(papers).model_copy(update={name: places.get(value, value) for name, value in change.items()})
    assert shown_by(settings_of(papers)) is not None
    with pytest.raises(ConfigurationError):
        shown_by(settings)


def test_a_key_that_others_may_read_keeps_the_service_from_starting(papers: Papers) -> None:
    """Rule 1."""
    papers.key.chmod(0o640)
    with pytest.raises(ConfigurationError, match="0600"):
        shown_by(settings_of(papers))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_phrase(papers: Papers) -> None:
    """Rule 2: OpenSSL would ask a terminal, and the service would wait there."""
    key = serialization.load_pem_private_key(papers.key.read_bytes(), None)
    papers.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"fictional phrase"),
        )
    )
    with pytest.raises(ConfigurationError, match="not encrypted"):
        shown_by(settings_of(papers))


def healthy(port: str, files: dict[str, str]) -> int:
    """What the image's own question for health comes to."""
    (asked,) = re.findall(r"HEALTHCHECK (?:.*\\\n)*\s*CMD (\[.*\])", (ROOT / "Dockerfile").read_text())
    _, *words = json.loads(asked)
    environment = os.environ | {"TIPROUTER_PORT": port} | files
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=False).returncode  # noqa: S603 - as the image asks


async def test_serve_speaks_tls_from_its_first_answer(tmp_path: Path, authority: Authority, papers: Papers) -> None:
    """The whole service in a process of its own, stopped in time by a signal."""
    files = {
        "TIPROUTER_TLS_CERTIFICATE_FILE": str(papers.certificate),
        "TIPROUTER_TLS_KEY_FILE": str(papers.key),
    }
    served = Running(tmp_path / "data", **files)
    await asyncio.to_thread(served.start)
    try:
        base = served.url.replace("http:", "https:")
        async with httpx2.AsyncClient(base_url=base, trust_env=False, verify=authority.believed()) as client:
            assert (await client.get("/readyz")).status_code == 200
            assert await asyncio.to_thread(healthy, served.url.rpartition(":")[2], files) == 0
            assert await asyncio.to_thread(healthy, served.url.rpartition(":")[2], {}) != 0
            said = (await client.get("/.well-known/oauth-authorization-server")).json()
            assert said["issuer"].startswith("https://")
    finally:
        assert await asyncio.to_thread(served.end, signal.SIGTERM) == 0
    ready = [json.loads(line) for line in served.said.splitlines() if "service.ready" in line]
    assert len(ready) == 1
