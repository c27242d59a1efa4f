"""How do the partner agencies of the demo receive their disclosures?

1. One small HTTP server on loopback; each agency has its own path. It stands for somebody else's software, so it uses
   `tiprouter.receiver` and nothing more of the router.
2. A message counts only if its signature is right under that agency's key; otherwise it answers 401.
3. A message with a webhook-id that was accepted before is answered 200 and not acted on again.
4. A busy agency answers 503 to its first messages, so that retries can be seen.
5. Every request is a line of `receipts.jsonl`, written before it is answered: what came, when, and what became of it.
6. `tiprouter agency --behaviour NAME` is another agency: one that misbehaves in one way of
   `tiprouter.receiver.misbehaving`, for whoever wants to see what the router, or their own sender, makes of it.
7. A challenge is answered with its proof, and is no receipt.

For fictional data only: the bodies are kept in plain text.
"""

import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import typer

from tiprouter.receiver import VerificationError, answer_challenge, verify
from tiprouter.receiver.misbehaving import BEHAVIOURS, opened

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

    def receive(self, agency: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Take one message; the status and the body to answer with (rules 2-5 and 7)."""
        now = datetime.now(UTC)
        with self._lock:
            receipt: dict[str, Any] = {"at": now.timestamp(), "agency": agency}
            try:
                message = verify(headers, body, [self._key(agency)], now)
            except VerificationError as error:
                return self._write(receipt | {"became": "refused", "reason": str(error)}, 401), b""
            if (proof := answer_challenge(message, [self._key(agency)])) is not None:
                return 200, proof
            receipt |= {"webhook_id": message.webhook_id, "body": json.loads(body)}
            if self._busy[agency] > 0:
                self._busy[agency] -= 1
                return self._write(receipt | {"became": "busy"}, 503), b""
            if (agency, message.webhook_id) in self._accepted:
                return self._write(receipt | {"became": "duplicate"}, 200), b""
            status = self._write(receipt | {"became": "accepted"}, 200)
            self._accepted.add((agency, message.webhook_id))
            return status, b""

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
            self._answer(413, b"")
            return
        body = self.rfile.read(length)
        self._answer(*self.desks.receive(self.path.strip("/"), dict(self.headers.items()), body))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

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


def list_behaviours() -> None:
    """Print every behaviour and what it means (rule 6)."""
    for name, behaviour in BEHAVIOURS.items():
        typer.echo(f"{name:<26}{behaviour.meaning}")


def misbehave(name: str, port: int, authority_file: Path | None) -> int:
    """Listen on loopback with one behaviour until told to stop (rule 6); the exit code: 2 for a name there is not.

    The URL is the first line printed. With `authority_file` the certificate to trust is written there, if there is TLS.
    """
    if name not in BEHAVIOURS:
        typer.echo("There is no such behaviour; --behaviours lists them.", err=True)
        return 2
    asyncio.run(_misbehave(name, port, authority_file))
    return 0


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def _write(path: Path, text: str) -> None:
    path.write_text(text)


async def _misbehave(name: str, port: int, authority_file: Path | None) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    async with opened(name, port=port) as place:
        if authority_file is not None and place.authority is not None:
            _write(authority_file, place.authority.pem)
        _say(place.url)
        _say(BEHAVIOURS[name].meaning)
        await stop.wait()
        _say(f"{place.receiver.connections} connections, {len(place.receiver.requests)} requests")
