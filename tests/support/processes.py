"""Processes of the real service, a recipient on loopback, and fictional tips for them."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2


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


class Running:
    """A process of the service: `words` are its command, `settings` what its environment says besides."""

    def __init__(self, folder: Path, *words: str, **settings: str) -> None:
        self.folder, self.url = folder, ""
        self._words, self._settings = words or ("serve", "--sandbox", "--port", "0"), settings
        self._log = folder.parent / f"{folder.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What it logged, over all its lives."""
        return self._log.read_text() if self._log.exists() else ""

    def begin(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                [sys.executable, "-m", "tiprouter", *self._words, "--data", str(self.folder)],
                stderr=log,
                stdout=log,
                env=os.environ | {"PYTHONPATH": "src"} | self._settings,
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        before = self.said.count("service.ready")
        self.begin()
        wait_for(lambda: self.said.count("service.ready") > before, 90)
        port = json.loads([line for line in self.said.splitlines() if "service.ready" in line][-1])["port"]
        self.url = f"http://127.0.0.1:{port}"

    def end(self, number: int) -> int:
        """Send it a signal and wait; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def kill(self) -> None:
        """Make sure that it is gone, whatever became of it."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGKILL)


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


def prepare(service: Running, hook: str) -> str:
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


def wait_for(happened: Callable[[], object], seconds: float = 20) -> None:
    """Wait until it has happened, or long enough to be sure that it will not."""
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happened()
