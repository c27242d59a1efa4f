"""What must be so of any bytes by which somebody says who they are, or how much they want? (as `targets.py`)

The client certificate of a proxy, client assertions, ID tokens, session cookies, keys, one-time codes and passwords,
the headers of the limits; and the audit bundle that is handed to outsiders.
"""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import OKPKey
from pydantic import ValidationError
from starlette.requests import Request

from tests.audit.conftest import LOG
from tests.audit.matter_story import DATA, WHOLE
from tests.fuzz.targets import NOW, TARGETS, Target, must
from tiprouter.api import certificates, sessions, strict_json
from tiprouter.api.front import Front
from tiprouter.api.limits import claims_urgency
from tiprouter.api.schemas.clients import ClientWanted
from tiprouter.audit.matter_bundle import BundleFileError, pack, unpack
from tiprouter.audit.matter_verify import verify_bundle
from tiprouter.domain import password
from tiprouter.errors import TiprouterError
from tiprouter.workflow import client_assertions, id_tokens, one_time, presenting
from tiprouter.workflow.client_assertions import RefusedAssertionError
from tiprouter.workflow.id_tokens import Expected, IdTokenError

_KEY: Final = OKPKey.import_key(
    {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    }
)
"""The key of RFC 8037's example, which everybody has."""

_PUBLIC: Final = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "k1"}
_CLIENT, _AUDIENCE, _ISSUER = (
    "clt_01JNAAAAAAAAAAAAAAAAAAAAAA",
    "https://hotline.example/v1/oauth/token",
    "https://id.example",
)
_SECONDS: Final = int(NOW.timestamp())
_ASSERTION: Final = {
    "iss": _CLIENT,
    "sub": _CLIENT,
    "aud": _AUDIENCE,
    "jti": "one",
    "iat": _SECONDS,
    "exp": _SECONDS + 120,
}
_ID_TOKEN: Final = {
    "iss": _ISSUER,
    "sub": "somebody",
    "aud": "tiprouter",
    "nonce": "n1",
    "iat": _SECONDS,
    "exp": _SECONDS + 300,
    "auth_time": _SECONDS,
}
_EXPECTED: Final = Expected(_ISSUER, "tiprouter", "n1")
_SECRET: Final = b"12345678901234567890"
_ENDED: Final = {"exp": _SECONDS - 3_600}


def _signed(claims: dict[str, Any]) -> bytes:
    header = {"alg": "Ed25519", "kid": "k1"}
    return jws.serialize_compact(header, json.dumps(claims), _KEY, algorithms=["Ed25519"]).encode()


def _app(*, secure: bool) -> Any:  # noqa: ANN401 - as much of an application as the readers of a request look at
    return SimpleNamespace(state=SimpleNamespace(office=SimpleNamespace(front=Front(secure=secure))))


_APPS: Final = {secure: _app(secure=secure) for secure in (True, False)}
"""Made once: made for each input, they took most of a run's time."""


def _request(name: bytes, value: bytes, *, secure: bool = True) -> Request:
    app = _APPS[secure]
    headers = [(name, value)]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "app": app})


def certificate(data: bytes) -> None:
    """A proxy's `Client-Cert`: one spelling of some bytes, or none; never from anybody else."""
    scope: dict[str, Any] = {"type": "http", "headers": [(b"client-cert", data)], "client": ("192.0.2.1", 1)}
    trusted = certificates.networks("192.0.2.0/24")
    found = certificates.shown(scope, trusted)
    if found is not None:
        inner = data.decode("latin-1").strip()[1:-1]
        must(found == certificates.thumbprint(base64.b64decode(inner)), "another certificate's thumbprint")
    must(certificates.shown(scope | {"client": ("198.51.100.1", 1)}, trusted) is None, "believed of anybody")
    must(certificates.shown(scope, ()) is None, "believed though nobody is trusted")


def assertion(data: bytes) -> None:
    """A client's assertion: what is accepted says what was signed."""
    text = data.decode("latin-1")
    client_assertions.client_named(text)
    try:
        found = client_assertions.checked(text, _CLIENT, [_PUBLIC], [_AUDIENCE], NOW)
    except RefusedAssertionError:
        return
    must(found.jti == "one", "nobody signed this assertion")
    must(found.expires_at == NOW + timedelta(seconds=120), "nobody signed this end")


def client_keys(data: bytes) -> None:
    """The keys that a client registers."""
    try:
        wanted = ClientWanted.model_validate(strict_json.parse(data))
        kept = client_assertions.registered([key.jwk() for key in wanted.keys])
    except (strict_json.StrictJsonError, ValidationError, TiprouterError):
        return
    must(client_assertions.registered(kept) == kept, "kept, they are other keys")
    must(not any("d" in key for key in kept), "a private key is kept")


def id_token(data: bytes) -> None:
    """A provider's ID token: whoever is let in was named by the provider."""
    try:
        found = id_tokens.identity(data.decode("latin-1"), [_PUBLIC], _EXPECTED, NOW)
    except IdTokenError:
        return
    must(found.subject == "somebody", "nobody signed this token")
    for other in (replace(_EXPECTED, nonce="n2"), replace(_EXPECTED, client_id="another")):
        try:
            id_tokens.identity(data.decode("latin-1"), [_PUBLIC], other, NOW)
        except IdTokenError:
            continue
        must(holds=False, rule="another round's token, or another client's")


def cookie(data: bytes) -> None:
    """A browser's cookies: a session's token by its own name and spelling, or none."""
    for secure, name in ((True, "__Host-tiprouter"), (False, "tiprouter")):
        request = _request(b"cookie", data, secure=secure)
        found = sessions.cookie_token(request)
        sessions.round_of(request)
        if found is not None:
            must(
                found.startswith("ts_") and found.isascii() and len(found) == len("ts_") + 43, "no session is spelt so"
            )
            must(name.encode() in data, "a session by another name")


def key(data: bytes) -> None:
    """An API key: its parts spell it."""
    text = data.decode("latin-1")
    found = presenting.key_parts(text)
    if found is not None:
        must(all(part in text for part in found) and text.isascii(), "it has other parts")


def code(data: bytes) -> None:
    """A one-time code: six digits of a step near now, later than the last; whatever it is typed with."""
    text = data.decode("utf-8", "replace")
    one_time.recovery_digest(text)
    step = one_time.step_of(_SECRET, text, NOW, 0)
    if step is not None:
        must("".join(text.split()) == one_time.code_at(_SECRET, step).decode(), "another code")
        must(one_time.step_of(_SECRET, text, NOW, step) is None, "it counts twice")


def chosen(data: bytes) -> None:
    """A password that somebody chooses: said of its one spelling, whichever is typed."""
    text = data.decode("utf-8", "replace")
    said = password.unfit(text, frozenset({"password"}), ("Example Person", "person@hotline.example"))
    again = password.unfit(password.typed(text), frozenset({"password"}), ("Example Person", "person@hotline.example"))
    must(said == again, "its other spelling is judged otherwise")


def urgency(data: bytes) -> None:
    """`Priority`: urgent only where it says so."""
    if claims_urgency(_request(b"priority", data)):
        must(b"u=0" in data, "nobody said that it is urgent")


def matter(data: bytes) -> None:
    """One matter's audit bundle: one spelling, and only what was signed verifies under the log's key."""
    try:
        files = unpack(data)
    except BundleFileError:
        return
    must(pack(files) == data, "the bundle has two spellings")
    must(files == WHOLE or not verify_bundle(files, LOG.vkey).ok, "nobody signed this bundle")


CALLERS: Final[dict[str, Target]] = {
    "client-certificate": Target(certificate, [b":" + base64.b64encode(b"a certificate") + b":", b"::", b":AAA=:"]),
    "client-assertion": Target(assertion, [_signed(_ASSERTION), _signed(_ASSERTION | _ENDED)]),
    "client-keys": Target(client_keys, [json.dumps({"role": "intake", "keys": [_PUBLIC]}).encode()]),
    "id-token": Target(id_token, [_signed(_ID_TOKEN), _signed(_ID_TOKEN | _ENDED)]),
    "cookie": Target(cookie, [b"__Host-tiprouter=ts_" + b"A" * 43, b"a=b; tiprouter=ts_" + b"_" * 43]),
    "key": Target(key, [b"tr_abcdefgh_" + b"A" * 43]),
    "code": Target(code, [one_time.code_at(_SECRET, _SECONDS // 30), b"123 456", b"ABCD-EFGH-IJKL"]),
    "password": Target(
        chosen, [b"correct horse battery", b"\xef\xbd\x90\xef\xbd\x81ss wide letters", b"Example-2026!"]
    ),
    "priority": Target(urgency, [b"u=0", b"u=3, i", b"u=1;x, u=0 ;y=2"]),
    "audit-bundle": Target(matter, [DATA]),
}
"""Every parser of what callers say of themselves, and of what outsiders verify, by name."""

EVERY: Final = TARGETS | CALLERS
