"""A Transit engine on loopback: HashiCorp Vault's calls, answers and refusals, with real AES-GCM behind them."""

import base64
import http.server
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROLE, SECRET = "example-role", "example-secret"


@dataclass
class Engine:
    """What the server holds, what it was asked, and how it misbehaves."""

    keys: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    tokens: set[str] = field(default_factory=lambda: {"example-token"})
    namespace: str = ""
    url: str = ""
    asked: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    delay_seconds: float = 0.0

    def answer(self, method: str, path: str, headers: Any, body: dict[str, str]) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - the server's headers
        """Status and body of one call."""
        self.asked.append(f"{method} {path}")
        time.sleep(self.delay_seconds)
        if self.statuses:
            return self.statuses.pop(0), {"errors": []}
        if path == "/v1/auth/approle/login":
            return self._signed_in(body)
        if headers.get("X-Vault-Token") not in self.tokens or headers.get("X-Vault-Namespace", "") != self.namespace:
            return 403, {"errors": ["permission denied"]}
        return self._transit(path, body)

    def _transit(self, path: str, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        match path.removeprefix("/v1/transit/").split("/"):
            case ["encrypt", "tiprouter"]:
                return self._encrypt(body)
            case ["decrypt", "tiprouter"]:
                return self._decrypt(body)
            case ["keys", "tiprouter", "rotate"]:
                self.keys.append(os.urandom(32))
                return 204, {}
            case ["keys", "tiprouter"]:
                return 200, {"data": {"latest_version": len(self.keys), "min_decryption_version": 1}}
            case _:
                return 404, {"errors": []}

    def _signed_in(self, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if body != {"role_id": ROLE, "secret_id": SECRET}:
            return 400, {"errors": ["invalid role or secret ID"]}
        token = base64.b64encode(os.urandom(12)).decode()
        self.tokens.add(token)
        return 200, {"auth": {"client_token": token, "lease_duration": 60}}

    def _encrypt(self, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        nonce, plain = os.urandom(12), base64.b64decode(body["plaintext"])
        sealed = AESGCM(self.keys[-1]).encrypt(nonce, plain, base64.b64decode(body["associated_data"]))
        return 200, {"data": {"ciphertext": f"vault:v{len(self.keys)}:{base64.b64encode(nonce + sealed).decode()}"}}

    def _decrypt(self, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        _, version, data = body["ciphertext"].split(":")
        try:
            sealed = base64.b64decode(data, validate=True)
            key = AESGCM(self.keys[int(version[1:]) - 1])
            plain = key.decrypt(sealed[:12], sealed[12:], base64.b64decode(body["associated_data"]))
        except (InvalidTag, IndexError, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}


@contextmanager
def transit() -> Iterator[Engine]:
    """A server with one key `tiprouter`."""
    engine = Engine()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

        def do_GET(self) -> None:
            self._answer({})

        def _answer(self, asked: dict[str, str]) -> None:
            status, told = engine.answer(self.command, self.path, self.headers, asked)
            body = b"" if status == 204 else json.dumps(told).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                return  # whoever asked did not wait

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    engine.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
