"""How do the partner agencies of the demo receive their disclosures?

1. One small HTTP server on loopback; each agency has its own path. It stands for somebody else's software, so it uses
   `tiprouter.receiver` and nothing more of the router.
2. A message counts only if its signature is right under that agency's key; otherwise it answers 401.
3. A message with a webhook-id that was accepted before is answered 200 and not acted on again.
4. A busy agency answers 503 to its first messages, so that retries can be seen.
5. Every request is a line of `receipts.jsonl`, written before it is answered: what came, when, and what became of it.

For fictional data only: the bodies are kept in plain text.
"""

import json
import signal
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tiprouter.receiver import VerificationError, verify

KEYS_FILE = "agency-keys.json"
PORT_FILE = "agency-port"
RECEIPTS_FILE = "receipts.jsonl"
BODY_BYTES_MAX = 1_000_000


class Desks:
    """The agencies' keys, what each has accepted, and the file of receipts."""

    def __init__(self, folder: Path, busy: dict[str, int]) -> None:
        self._folder, self._busy = folder, Counter(busy)
        self._keys: dict[str, str] = {}
        self._accepted: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def receive(self, agency: str, headers: dict[str, str], body: bytes) -> int:
        """Take one message; the status to answer with (rules 2-5)."""
        now = datetime.now(UTC)
        with self._lock:
            receipt: dict[str, Any] = {"at": now.timestamp(), "agency": agency}
            try:
                message = verify(headers, body, [self._key(agency)], now)
            except VerificationError as error:
                return self._write(receipt | {"became": "refused", "reason": str(error)}, 401)
            receipt |= {"webhook_id": message.webhook_id, "body": json.loads(body)}
            if self._busy[agency] > 0:
                self._busy[agency] -= 1
                return self._write(receipt | {"became": "busy"}, 503)
            if (agency, message.webhook_id) in self._accepted:
                return self._write(receipt | {"became": "duplicate"}, 200)
            status = self._write(receipt | {"became": "accepted"}, 200)
            self._accepted.add((agency, message.webhook_id))
            return status

    def _key(self, agency: str) -> str:
        if agency not in self._keys:
            path = self._folder / KEYS_FILE
            self._keys = json.loads(path.read_bytes()) if path.exists() else {}
        return self._keys.get(agency, "")

    def _write(self, receipt: dict[str, Any], status: int) -> int:
        with (self._folder / RECEIPTS_FILE).open("a", encoding="utf-8") as receipts:
            receipts.write(json.dumps(receipt) + "\n")
        return status


class Door(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    desks: Desks

    def do_POST(self) -> None:
        """Receive a message."""
        length = int(self.headers.get("content-length") or 0)
        if length > BODY_BYTES_MAX:
            self._answer(413)
            return
        body = self.rfile.read(length)
        self._answer(self.desks.receive(self.path.strip("/"), dict(self.headers.items()), body))

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own parameter
        """Say nothing: the receipts say it all."""


class Hall(ThreadingHTTPServer):
    """All agencies of one demo."""

    daemon_threads = True
    request_queue_size = 128


def open_hall(folder: Path, busy: dict[str, int]) -> Hall:
    """Listen on a free port of loopback and write its number to `agency-port`."""
    door = type("Door", (Door,), {"desks": Desks(folder, busy)})
    hall = Hall(("127.0.0.1", 0), door)
    temporary = folder / f".{PORT_FILE}.new"
    temporary.write_text(str(hall.server_port))
    temporary.replace(folder / PORT_FILE)
    return hall


def run(folder: Path, busy: list[str]) -> None:
    """Serve until told to stop. `busy` are NAME:COUNT (rule 4)."""
    counts = {name: int(count) for name, _, count in (one.partition(":") for one in busy)}
    hall = open_hall(folder, counts)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hall.serve_forever(poll_interval=0.1)
