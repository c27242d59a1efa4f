"""Would a page reach anybody, and does the operator learn it when not? (cli/paging.py)"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.support.smtp import Post, post_office
from tiprouter import wiring
from tiprouter.cli import paging
from tiprouter.delivery.notifying import Paged, PageResult
from tiprouter.delivery.signing import generate_hmac
from tiprouter.domain.notice import PageChannel
from tiprouter.receiver import verify
from tiprouter.settings import Settings

SECRET = generate_hmac(bytes(range(24))).reveal()


@contextmanager
def pager(status: int) -> Iterator[tuple[int, list[tuple[dict[str, str], bytes]]]]:
    """The operator's webhook on loopback: its port, and what came."""
    came: list[tuple[dict[str, str], bytes]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append((dict(self.headers.items()), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield server.server_port, came
    server.shutdown()
    server.server_close()
    serving.join()


def settings(folder: Path, port: int, **changes: Any) -> Settings:  # noqa: ANN401 - any setting
    """A sandbox whose webhook is on loopback."""
    file = folder / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    hook = {"page_webhook_url": f"http://127.0.0.1:{port}/page", "page_webhook_secret_file": str(file)}
    return Settings(data=folder / "data", sandbox=True, **hook | changes)


def test_a_test_page_says_that_it_is_one_and_is_signed_like_a_real_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receiver verifies it with the code it has; nothing but a line is left behind here."""
    with pager(200) as (port, came):
        assert paging.test(settings(tmp_path, port)) == 0
    ((headers, body),) = came
    now = wiring.now()
    told = json.loads(verify(headers, body, [SECRET], now).body)["data"]
    assert (told["reason"], told["severity"]) == ("paging.test", "routine")
    assert told["what_happened"].startswith("This is a test")
    assert capsys.readouterr().out == "webhook: sent, answered 200\n"
    assert not (tmp_path / "data").exists()


def test_a_channel_that_fails_is_told_and_the_other_is_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each; exit code 1, because somebody would not have been reached."""
    mail = {
        "page_smtp_host": "127.0.0.1",
        "page_smtp_port": 9,
        "page_smtp_security": "none",
        "page_mail_from": "router@hotline.example",
        "page_mail_to": "oncall@hotline.example",
    }
    with pager(503) as (port, _):
        assert paging.test(settings(tmp_path, port, **mail)) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "webhook: not sent: throttled, answered 503"
    assert said[1].startswith("email: not sent: ")
    assert "hotline.example" not in "".join(said)


async def test_a_test_letter_arrives(tmp_path: Path) -> None:
    """By the real mail sender; its subject says what it is."""
    async with post_office(Post()) as post:
        mail: dict[str, Any] = {
            "page_smtp_host": "127.0.0.1",
            "page_smtp_port": post.port,
            "page_smtp_security": "none",
            "page_mail_from": "router@hotline.example",
            "page_mail_to": "oncall@hotline.example",
        }
        done = await paging.send(Settings(data=tmp_path, **mail))
    assert {channel: paged.result for channel, paged in done.items()} == {PageChannel.EMAIL: PageResult.SENT}
    (letter,) = post.letters
    assert letter["Subject"] == "[tiprouter] routine: paging.test"
    assert "This is a test" in letter.get_content()


def test_without_a_channel_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is paged, and that is a failure of the test."""
    assert paging.test(Settings(data=tmp_path)) == 1
    assert capsys.readouterr().out.startswith("No channel is configured")


def test_the_command_is_there(tiprouter: CommandLine) -> None:
    """From outside: one line, exit code 1, no traceback."""
    done = tiprouter("page", "test")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("No channel is configured")


def test_the_tests_notice_a_failure_taken_for_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every attempt counted as sent, a dead channel would pass."""
    sent = Paged(PageResult.SENT, "success", 200)

    async def hopeful(_: Settings) -> dict[PageChannel, Paged]:
        return dict.fromkeys(PageChannel, sent)

    monkeypatch.setattr(paging, "send", hopeful)
    with pytest.raises(AssertionError):
        test_a_channel_that_fails_is_told_and_the_other_is_tried(tmp_path, capsys)
