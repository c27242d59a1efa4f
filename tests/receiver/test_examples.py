"""The example receivers are run, on real servers, and our own sender delivers to them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from joserfc.jwk import OKPKey
from werkzeug.serving import make_server

from tests.delivery.sending import BODY, ED25519, HMAC, redacted, sandbox
from tiprouter.delivery.attempts import AttemptResult, Envelope
from tiprouter.delivery.encryption import encrypt, parse_key
from tiprouter.delivery.signing import headers
from tiprouter.receiver import Desk, Received
from tiprouter.receiver.examples import fastapi_app, flask_app

KEY = OKPKey.generate_key("X25519")
PRIVATE, PUBLIC = (json.dumps(KEY.as_dict(private=private)) for private in (True, False))
ME = "rcp_example1"


class Store:
    """Keeps messages, and fails when told to."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.failing = False

    def __call__(self, message: Received) -> None:
        """Keep one."""
        if self.failing:
            raise OSError
        self.kept.append(message.body)


def desk() -> Desk:
    """Return a desk that reads encrypted messages."""
    return Desk([ED25519.public()], private_keys=[PRIVATE], recipient_id=ME)


def fastapi_server(store: Store) -> tuple[int, Callable[[], None]]:
    """Run the FastAPI example; its port, and how to stop it."""
    config = uvicorn.Config(fastapi_app.build(desk(), store), "127.0.0.1", 0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return server.servers[0].sockets[0].getsockname()[1], stop


def flask_server(store: Store) -> tuple[int, Callable[[], None]]:
    """Run the Flask example; its port, and how to stop it."""
    server = make_server("127.0.0.1", 0, flask_app.build(desk(), store))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return server.server_port, stop


@pytest.fixture(params=[fastapi_server, flask_server], ids=["FastAPI", "Flask"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[int, Store]]:
    """Run one of the examples."""
    store = Store()
    port, stop = request.param(store)
    yield port, store
    stop()


def envelope(port: int, *, at: int = 0, webhook_id: str = "dlv_1", signed: bool = True) -> Envelope:
    """Return an envelope, made `at` seconds from now."""
    now = datetime.now(UTC)
    key = parse_key(PUBLIC, now)
    body = encrypt(redacted(), key, recipient_id=ME, webhook_id=webhook_id)
    secret = ED25519 if signed else HMAC
    return Envelope(f"http://127.0.0.1:{port}/hook", webhook_id, int(now.timestamp()) + at, body, [secret], 5.0)


async def test_an_example_receives_once_what_is_delivered_twice(place: tuple[int, Store]) -> None:
    """Desk, rules 1 to 3: encrypted, verified, stored once, and the second attempt is answered 2xx."""
    port, store = place
    async with sandbox() as sender:
        for at in (0, 1):
            assert (await sender.send(envelope(port, at=at))).status == 204
    assert store.kept == [BODY]


async def test_an_example_that_cannot_store_gets_the_message_again(place: tuple[int, Store]) -> None:
    """Desk, rule 2: what was not done is new when it comes again."""
    port, store = place
    store.failing = True
    async with sandbox() as sender:
        assert (await sender.send(envelope(port))).result is AttemptResult.HTTP_ERROR
    store.failing = False
    async with sandbox() as sender:
        assert (await sender.send(envelope(port, at=1))).status == 204
    assert store.kept == [BODY]


async def test_an_example_refuses_what_is_not_the_routers(place: tuple[int, Store]) -> None:
    """Desk, rule 4: another key, an old message, and a replay are 401, and nothing is stored."""
    port, store = place
    async with sandbox() as sender:
        for wrong in (envelope(port, signed=False), envelope(port, at=-900)):
            assert (await sender.send(wrong)).status == 401
        assert not store.kept
        once = envelope(port)
        assert [(await sender.send(once)).status for _ in range(2)] == [204, 401]
    assert len(store.kept) == 1


def test_the_examples_start_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As their first line says."""
    (tmp_path / "keys").write_text(PRIVATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIPROUTER_KEYS", f"{ED25519.public()} {HMAC.reveal()}")
    monkeypatch.setenv("TIPROUTER_PRIVATE_KEYS", "keys")
    monkeypatch.setenv("TIPROUTER_RECIPIENT", ME)
    assert fastapi_app.create_app().routes
    now = datetime.now(UTC)
    sent = headers("dlv_1", int(now.timestamp()), BODY, [HMAC])
    monkeypatch.delenv("TIPROUTER_PRIVATE_KEYS")
    assert flask_app.create_app().test_client().post("/hook", data=BODY, headers=sent).status_code == 204
    assert (tmp_path / "dlv_1.json").read_bytes() == BODY
