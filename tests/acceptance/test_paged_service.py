"""The real service, set up by its settings alone: it pages, and its log gives nothing away."""

import asyncio
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.delivery.receiver_fixture import reply, serve
from tests.support.processes import Running, ask, child_tip
from tests.support.smtp import PASSWORD, USER, Post, post_office
from tiprouter.delivery.signing import generate_ed25519, generate_hmac
from tiprouter.receiver import verify

KEYS = (generate_ed25519(bytes(range(32))), generate_hmac(bytes(range(24))))
HIDDEN_PATH = "Zyxwv-Path-Secret"


def set_up(patch: pytest.MonkeyPatch, folder: Path, hook: int, mail: int) -> None:
    """The operator's files and settings."""
    for name, text in (("hook", "\n".join(key.reveal() for key in KEYS)), ("mail", PASSWORD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    for name, value in {
        "WEBHOOK_URL": f"http://127.0.0.1:{hook}/{HIDDEN_PATH}",
        "WEBHOOK_SECRET_FILE": str(folder / "hook"),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(mail),
        "SMTP_SECURITY": "none",
        "SMTP_USER": USER,
        "SMTP_PASSWORD_FILE": str(folder / "mail"),
        "MAIL_FROM": "router@hotline.example",
        "MAIL_TO": "oncall@hotline.example, second@hotline.example",
    }.items():
        patch.setenv(f"TIPROUTER_PAGE_{name}", value)


def push(service: Running) -> None:
    """A child's tip whose duty reaches nobody, because no agency is registered."""
    operator = (service.folder / "keys" / "first-operator-token").read_text().strip()
    token = ask(f"{service.url}/v1/credentials", operator, "c", {"role": "intake"}).json()["token"]
    assert ask(f"{service.url}/v1/tips", token, "t", child_tip(1)).status_code == 201


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so, or long enough to be sure that it will not be."""
    for _ in range(1_000):
        if so():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not happen")


async def test_a_service_with_channels_pages_and_keeps_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail at once; the webhook, which fails at first, a little later under the same id; and no log the secrets."""
    service = Running(tmp_path / "data")
    answers = [reply(500), reply(200)]

    async def fail_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (answers.pop(0) if len(answers) > 1 else answers[0])(reader, writer)

    async with serve(fail_once) as receiver, post_office(Post(login=True)) as post:
        set_up(monkeypatch, tmp_path, receiver.port, post.port)
        await asyncio.to_thread(service.start)
        await asyncio.to_thread(push, service)
        await until(lambda: len(receiver.requests) >= 2 and len(post.letters) >= 1)
        assert await asyncio.to_thread(service.end, signal.SIGTERM) == 0
        failed, request = receiver.requests[:2]
    for key in (KEYS[0].public(), KEYS[1].reveal()):
        verify(request.headers, request.body, [key], datetime.now(UTC))
    assert request.headers["webhook-id"] == failed.headers["webhook-id"]
    assert json.loads(request.body)["data"]["reason"] == "duty.blocked"
    assert post.recipients[:2] == ["oncall@hotline.example", "second@hotline.example"]
    lines = service.said
    assert [word for word in ('"email"', '"webhook"', "page.sent", "page.failed") if word not in lines] == []
    secrets = [HIDDEN_PATH, PASSWORD, "hotline.example"] + [key.reveal() for key in KEYS]
    assert [secret for secret in secrets if secret in lines] == []
