"""The real service is killed with SIGKILL while tips come in and go out; what was answered with 201 arrives."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tiprouter.audit.verify import verify_folder

KILLS_AFTER_SECONDS = (0.15, 0.6, 1.1)
TIPS_EACH = 25


class Sink(http.server.BaseHTTPRequestHandler):
    """Answers 200 and remembers every webhook-id with the disclosure in it."""

    seen: list[tuple[str, str]]

    def do_POST(self) -> None:
        """Take a disclosure."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["webhook-id"], body["data"]["disclosure_id"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        """Say nothing."""


@contextmanager
def sink() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A recipient on loopback; its URL and what it saw."""
    seen: list[tuple[str, str]] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Sink,), {"seen": seen}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", seen
    finally:
        server.shutdown()
        server.server_close()


class Killed:
    """The service as a process of its own on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.folder.parent / "serve.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "tiprouter", "serve", "--sandbox", "--port", "0", "--data", str(self.folder)],
            stderr=log,
            stdout=log,
            env=os.environ | {"PYTHONPATH": "src"},
        )
        log.close()
        before = (self.folder.parent / "serve.log").read_text().count("service.ready")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            text = (self.folder.parent / "serve.log").read_text()
            if text.count("service.ready") > before:
                port = json.loads([line for line in text.splitlines() if "service.ready" in line][-1])["port"]
                self.url = f"http://127.0.0.1:{port}"
                return
            time.sleep(0.02)
        pytest.fail("the service did not start")

    def end(self, number: int) -> int:
        """Send it a signal and wait; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)


def ask(url: str, token: str, key: str, body: dict[str, Any]) -> httpx2.Response:
    """One POST under an Idempotency-Key."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return httpx2.post(url, json=body, headers=headers, timeout=10)


def child_tip(number: int) -> dict[str, Any]:
    """A fictional child's tip, reported to the police."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "source": "hotline-example",
        "external_id": f"K-{number}",
        "signaled_at": now,
        "received_at": now,
        "channel": "phone",
        "language": "en",
        "signaler": {"relationship": "self", "ref": f"k{number}"},
        "exploitation": ["Other"],
        "jurisdictions": [{"code": "US-TX", "reason": "found"}],
        "persons": [{"ref": f"k{number}", "role": "potential_victim", "age": {"years": 14}}],
    }


def prepare(service: Killed, hook: str) -> str:
    """Register the recipient and make an intake credential; its token."""
    operator = (service.folder / "keys" / "first-operator-token").read_text().strip()
    recipient = {
        "name": "Example Police",
        "kind": "law_enforcement",
        "jurisdictions": ["US-TX"],
        "counties": [],
        "url": hook,
        "signature_scheme": "v1a",
        "status": "active",
        "agreement_until": None,
    }
    assert ask(f"{service.url}/v1/recipients", operator, "r", recipient).status_code == 201
    made = ask(f"{service.url}/v1/credentials", operator, "c", {"role": "intake"})
    return str(made.json()["token"])


def push(service: Killed, token: str, first: int) -> set[str]:
    """Send tips until the service is gone; the external ids that were answered with 201."""
    accepted: set[str] = set()
    for number in range(first, first + TIPS_EACH):
        with suppress(httpx2.TransportError):
            answer = ask(f"{service.url}/v1/tips", token, f"t{number}", child_tip(number))
            if answer.status_code == 201:
                accepted.add(answer.json()["id"])
    return accepted


def test_what_was_accepted_before_a_kill_is_delivered_after_it(tmp_path: Path) -> None:
    """Three kills at different moments under load; then every accepted tip is delivered, under one id each."""
    service, accepted = Killed(tmp_path / "data"), set[str]()
    with sink() as (hook, seen):
        service.start()
        token = prepare(service, hook)
        for turn, seconds in enumerate(KILLS_AFTER_SECONDS):
            timer = threading.Timer(seconds, service.end, (signal.SIGKILL,))
            timer.start()
            accepted |= push(service, token, turn * TIPS_EACH)
            timer.join()
            service.start()
        wait_for(lambda: len({disclosure for _, disclosure in seen}) >= len(accepted))
        assert service.end(signal.SIGTERM) == 0
    assert len(accepted) > len(KILLS_AFTER_SECONDS)
    ids_of: dict[str, set[str]] = {}
    for webhook_id, disclosure in seen:
        ids_of.setdefault(disclosure, set()).add(webhook_id)
    assert len(ids_of) >= len(accepted)
    assert Counter(len(ids) for ids in ids_of.values()) == {1: len(ids_of)}
    report = verify_folder(tmp_path / "data" / "log")
    assert report.ok, report.steps


def wait_for(happened: Any) -> None:  # noqa: ANN401 - a question
    """Wait until it has happened, or long enough to be sure that it will not."""
    deadline = time.monotonic() + 20
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert happened()
