"""How does an agency or an auditor become a witness of the log, with one command?

1. The witness listens on one port for `POST /add-checkpoint`, and shows what it cosigned last, with its cosignature, at
   `GET /<hex sha256 of the origin>/checkpoint` (C2SP tlog-witness). What it cosigns is decided in `audit/witness.py`.
2. Its key is made on the first start, in a file that only its owner reads, and its verifier key is printed: the log's
   operator needs it, and whoever verifies with a policy.
3. It speaks plain HTTP and listens on loopback unless told otherwise: in front of it belongs a proxy that speaks TLS.
"""

import base64
import hashlib
import http.server
import os
import signal
import threading
import time
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final

import typer

from tiprouter.audit.note import Algorithm, NoteError, Signer, Verifier, decode_base64
from tiprouter.audit.witness import REQUEST_BYTES_MAX, TEXT_TYPE, Answer, Witness
from tiprouter.errors import ConfigurationError, TiprouterError

IDLE_SECONDS: Final = 10
_SEED_BYTES: Final = 32


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one connection; `witness` and `shown` (the path of the last checkpoint) are set by `server_of`."""

    witness: ClassVar[Witness]
    shown: ClassVar[str]
    timeout = IDLE_SECONDS
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Rule 1."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self._answer(Answer(HTTPStatus.NOT_FOUND, b"there is nothing here\n"))
        elif not (length.isascii() and length.isdigit()):
            self._answer(Answer(HTTPStatus.LENGTH_REQUIRED, b"the length of the request is missing\n"))
        elif int(length) > REQUEST_BYTES_MAX:
            self._answer(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"the request is too large\n"))
        else:
            body = self.rfile.read(int(length))
            try:
                answer = self.witness.add_checkpoint(body, int(time.time()))
            except (OSError, TiprouterError) as error:
                # What cannot be remembered is not signed.
                typer.echo(f"witness: {type(error).__name__}: the state file cannot be used", err=True)
                answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"the witness cannot remember\n")
            self._answer(answer)

    def do_GET(self) -> None:
        """The checkpoint cosigned last."""
        note = self.witness.latest() if self.path == self.shown else None
        if note is None:
            self._answer(Answer(HTTPStatus.NOT_FOUND, b"there is nothing here\n"))
        else:
            self._answer(Answer(HTTPStatus.OK, note, TEXT_TYPE))

    def _answer(self, answer: Answer) -> None:
        self.close_connection = self.close_connection or answer.status != HTTPStatus.OK
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")  # or the caller asks its next question where nobody listens
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what it did shows in its state file."""


def server_of(witness: Witness, origin: str, host: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server that is bound and not yet serving. Raises `ConfigurationError` when the address cannot be had."""
    shown = f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"
    handler = type("Here", (Handler,), {"witness": witness, "shown": shown})
    try:
        return http.server.ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise ConfigurationError("The address to listen on is taken or not this machine's.") from error


def signer_of(name: str, key: Path) -> Signer:
    """The witness's key; made on first use (rule 2). Raises `ConfigurationError` for a file that holds none."""
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(key, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(base64.b64encode(os.urandom(_SEED_BYTES)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
    try:
        return Signer(name, decode_base64(key.read_text(encoding="ascii").strip()), Algorithm.COSIGNATURE)
    except (OSError, ValueError, NoteError) as error:
        raise ConfigurationError("The key file of the witness cannot be read, or its name cannot be one.") from error


def witness_of(origin: str, log_vkeys: list[str], signer: Signer, state: Path) -> Witness:
    """A witness that remembers. Raises `ConfigurationError` for keys that are none, or a damaged state file."""
    try:
        witness = Witness(origin, [Verifier.from_vkey(vkey) for vkey in log_vkeys], signer, state)
        witness.latest()
    except TiprouterError as error:
        raise ConfigurationError(f"The witness cannot start: {error}.") from error
    return witness


def run(witness: Witness, vkey: str, origin: str, host: str, port: int) -> int:
    """Witness until a signal; `vkey` is the witness's own. The exit code."""
    server = server_of(witness, origin, host, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    typer.echo(f"verifier key: {vkey}")
    typer.echo(f"listening: http://{host}:{server.server_port}/add-checkpoint")
    with server:
        server.serve_forever(poll_interval=0.1)
    return 0
