"""A little identity provider of our own, on a loopback socket: it keeps its promises, or breaks one on request."""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT_ID = "tiprouter-example"
CLIENT_SECRET = "an example secret"


@dataclass
class FakeProvider:
    """What it holds, what it was asked, and how it lies: `lie` changes the claims, `signed` makes another token."""

    now: Callable[[], datetime]
    url: str = ""
    key: ECKey | RSAKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    subject: str = "subject-1"
    signed_in_at: datetime | None = None
    lie: dict[str, Any] = field(default_factory=dict)
    signed: Callable[[dict[str, Any]], str] | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    answer: bytes | None = None
    status: int = 200
    client_keys: Mapping[str, Any] | None = None

    @property
    def algorithm(self) -> str:
        """What it signs with."""
        return "ES256" if isinstance(self.key, ECKey) else "RS256"

    def visit(self, url: str) -> dict[str, str]:
        """A person opens the address and signs in; what their browser is sent back with."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert said["response_type"] == "code"
        assert said["code_challenge_method"] == "S256"
        code = secrets.token_hex(8)
        self.codes[code] = said
        return {"code": code, "state": said["state"], "iss": self.url}

    def token(self, form: dict[str, str], authorization: str | None) -> dict[str, Any] | None:
        """The answer of the token endpoint, or None where the client did not show who it is, or whose code it is."""
        said = self.codes.pop(form.get("code", ""), None)
        if said is None or not self._client_shown(form, authorization):
            return None
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != said["code_challenge"]:
            return None
        if form["redirect_uri"] != said["redirect_uri"]:
            return None
        now = int(self.now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": self.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": said["nonce"],
            "auth_time": now if self.signed_in_at is None else int(self.signed_in_at.timestamp()),
        } | self.lie
        claims = {name: value for name, value in claims.items() if value is not None}
        return {"access_token": "unused", "token_type": "Bearer", "id_token": (self.signed or self.sign)(claims)}

    def sign(self, claims: dict[str, Any]) -> str:
        """An honest ID token."""
        header = {"alg": self.algorithm, "kid": self.key.thumbprint()}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])

    def unsigned(self, claims: dict[str, Any]) -> str:
        """A token that says `none`."""
        parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."

    def by_public_key(self, claims: dict[str, Any]) -> str:
        """A token whose secret is the public key, as HS256."""
        key = OctKey.import_key(json.dumps(self.key.as_dict(private=False)).encode())
        header = {"alg": "HS256", "kid": self.key.thumbprint()}
        return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=["HS256"])

    def by_stranger(self, claims: dict[str, Any]) -> str:
        """A token of somebody else's key under this one's name."""
        header = {"alg": "ES256", "kid": self.key.thumbprint()}
        return jwt.encode(header, claims, ECKey.generate_key("P-256"), algorithms=["ES256"])

    def document(self) -> dict[str, Any]:
        """What discovery says."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "authorization_response_iss_parameter_supported": True,
        } | self.discovery

    def _client_shown(self, form: dict[str, str], authorization: str | None) -> bool:
        if self.client_keys is not None:
            key = ECKey.import_key(dict(self.client_keys))
            said = jwt.decode(form["client_assertion"], key, algorithms=["ES256"]).claims
            return bool(said["iss"] == said["sub"] == CLIENT_ID and said["aud"] == f"{self.url}/token")
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
        return authorization == f"Basic {pair}"


@contextmanager
def serving(provider: FakeProvider) -> Iterator[FakeProvider]:
    """The provider on a free port of loopback."""

    class Desk(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            provider.asked.append((self.path, {}))
            keys = {"keys": [provider.key.as_dict(private=False, kid=provider.key.thumbprint(), use="sig")]}
            self._say({"/.well-known/openid-configuration": provider.document(), "/jwks": keys}.get(self.path))

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(data).items()}
            provider.asked.append((self.path, form))
            self._say(provider.token(form, self.headers.get("authorization")))

        def _say(self, said: dict[str, Any] | None) -> None:
            body = json.dumps(said).encode() if provider.answer is None else provider.answer
            self.send_response(400 if said is None else provider.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    provider.url = provider.url or f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
