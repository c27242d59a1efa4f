"""Witnesses on real sockets cosign the log while it grows, and their refusal reaches a human."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.fictional import agency, person, tip
from tests.support.service import Service
from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tiprouter.audit.note import Algorithm, Signer, append
from tiprouter.audit.trust import TrustPolicy
from tiprouter.audit.verify import verify_folder
from tiprouter.audit.witness import Submission, Witness
from tiprouter.cli.witness import server_of, signer_of
from tiprouter.errors import ConfigurationError
from tiprouter.storage import treelog
from tiprouter.workflow.witnessing import Witnesses, addresses


@dataclass
class Serving:
    """A witness that listens: its key and its place in the settings."""

    signer: Signer
    setting: str
    url: str


@contextmanager
def serving(service: Service, folder: Path, name: str) -> Iterator[Serving]:
    """A witness of this service's log on a free port; what it knows stays in the folder."""
    signer = signer_of(f"witness.example/{name}", folder / f"{name}.key")
    origin = service.signer.name
    witness = Witness(origin, [service.signer.verifier], signer, folder / f"{name}.state")
    server = server_of(witness, origin, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Serving(signer, f"{url} {signer.vkey}", url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def offered(service: Service, *settings: str) -> None:
    """Offer the newest checkpoint once."""
    asked = Witnesses(service.database, service.desk, service.sequencer, addresses(", ".join(settings)))
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        await asked.offer(client)


async def names_of(service: Service) -> list[str]:
    """Why a human was told."""
    return [row.reason for row in await service.rows("select reason from notices order by id") if "log." in row.reason]


async def test_a_growing_log_is_cosigned_by_a_quorum(service: Service, tmp_path: Path) -> None:
    """Two witnesses cosign at each size, also after being forgotten by the log; one that is away delays nobody."""
    await service.enrol(agency())
    with serving(service, tmp_path, "one") as one, serving(service, tmp_path, "two") as two:
        keys = "".join(f"witness {key.signer.name[-3:]} {key.signer.vkey}\n" for key in (one, two))
        policy = TrustPolicy.parse(f"{keys}group both all one two\nquorum both\n")
        away = f"http://127.0.0.1:1 {Signer('witness.example/away', b'5' * 32, Algorithm.COSIGNATURE).vkey}"
        for number in range(3):
            await service.accept(tip(person(f"p{number}", years=9), external_id=f"T-{number}"))
            await service.check_house()
            assert not verify_folder(service.folder / "log", service.signer.vkey, policy=policy).ok
            # Each time by somebody who knows nothing of the witnesses yet: they say which size they know.
            await offered(service, one.setting, away, two.setting)
            report = verify_folder(service.folder / "log", service.signer.vkey, policy=policy)
            assert report.ok, report.steps
            last = await service.database.read(treelog.last_checkpoint)
            assert last is not None
            assert last.note == (service.folder / "log" / "checkpoint").read_bytes()
            await offered(service, one.setting, two.setting)
            again = await service.database.read(treelog.last_checkpoint)
            assert again == last, "nobody is asked twice"
        assert await names_of(service) == []


async def test_a_witness_that_knows_another_history_is_told_of(service: Service, tmp_path: Path) -> None:
    """It cosigned a larger log, or another one of the same size: no cosignature, and a human is told."""
    await service.enrol(agency())
    whole = await service.check_house()
    assert whole.size is not None
    with serving(service, tmp_path, "one") as one, serving(service, tmp_path, "two") as two:
        for url, size in ((one.url, 1_000), (two.url, whole.size)):
            note = sign_checkpoint(Checkpoint(service.signer.name, size, b"\4" * 32), service.signer)
            answer = httpx2.post(f"{url}/add-checkpoint", content=Submission(0, (), note).encode(), trust_env=False)
            assert answer.status_code == 200
        await offered(service, one.setting, two.setting)
        await offered(service, one.setting, two.setting)
    assert await names_of(service) == ["log.witness-diverged"] * 2
    note = (service.folder / "log" / "checkpoint").read_bytes()
    assert open_checkpoint(note, service.signer.verifier, [one.signer.verifier, two.signer.verifier]).cosignatures == ()


async def test_a_cosignature_by_another_key_is_no_cosignature(service: Service, tmp_path: Path) -> None:
    """What does not verify under the configured key is not added, whoever answers at the address."""
    await service.enrol(agency())
    await service.check_house()
    before = (service.folder / "log" / "checkpoint").read_bytes()
    with serving(service, tmp_path, "one") as one:
        other = Signer(one.signer.name, b"6" * 32, Algorithm.COSIGNATURE)
        await offered(service, f"{one.url} {other.vkey}")
    assert (service.folder / "log" / "checkpoint").read_bytes() == before


async def test_a_witness_that_stays_silent_is_told_of(service: Service) -> None:
    """After an hour without a cosignature a human is told, once."""
    await service.enrol(agency())
    await service.check_house()
    key = Signer("witness.example/away", b"5" * 32, Algorithm.COSIGNATURE).vkey
    asked = Witnesses(service.database, service.desk, service.sequencer, addresses(f"http://127.0.0.1:1 {key}"))
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        await asked.offer(client)
        assert await names_of(service) == []
        service.clock.forward(hours=2)
        for known in asked._known.values():  # noqa: SLF001 - the pause is no part of this story
            known.again_at = 0.0
        await asked.offer(client)
    assert await names_of(service) == ["log.witness-silent"]


def test_the_server_shows_what_it_cosigned_and_refuses_the_rest(tmp_path: Path) -> None:
    """The checkpoint cosigned last stands under the origin's hash; other paths and sizes are refused."""
    log = Signer("log.hotline.example/audit", b"7" * 32)
    witness = Witness(log.name, [log.verifier], signer_of("witness.example/w", tmp_path / "key"), tmp_path / "state")
    assert signer_of("witness.example/w", tmp_path / "key") == signer_of("witness.example/w", tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    server = server_of(witness, log.name, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    shown = f"{url}{server.RequestHandlerClass.shown}"  # type: ignore[attr-defined]  # set by `server_of`
    try:
        with httpx2.Client(trust_env=False) as client:
            assert client.get(shown).status_code == 404
            note = sign_checkpoint(Checkpoint(log.name, 5, b"\4" * 32), log)
            asked = client.post(f"{url}/add-checkpoint", content=Submission(0, (), note).encode())
            assert (asked.status_code, asked.headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert client.get(shown).content == append(note, asked.content)
            stale = client.post(f"{url}/add-checkpoint", content=Submission(0, (), note).encode())
            assert (stale.status_code, stale.headers["content-type"], stale.content) == (
                409,
                "text/x.tlog.size",
                b"5\n",
            )
            large = client.post(f"{url}/add-checkpoint", content=b"x" * 70_000)
            assert (large.status_code, large.headers.get("connection")) == (413, "close")
            assert client.post(f"{url}/elsewhere", content=b"x").status_code == 404
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "setting",
    [
        "https://w.example",
        "http://w.example KEY",
        "ftp://w.example KEY",
        "https://w.example LOG",
        "https://u@w.example KEY",
    ],
)
def test_a_witness_that_cannot_be_asked_is_refused_at_the_start(setting: str) -> None:
    """No key, no TLS outside of loopback, a key of the wrong kind, or a URL with a secret in it."""
    key = Signer("witness.example/w", b"5" * 32, Algorithm.COSIGNATURE).vkey
    log = Signer("witness.example/w", b"5" * 32).vkey
    with pytest.raises(ConfigurationError):
        addresses(setting.replace("KEY", key).replace("LOG", log))
    assert addresses("") == ()
