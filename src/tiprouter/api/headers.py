"""What does every answer say to whoever is between us and a person, and what must a head be like to be answered?

1. Each answer, a refusal or an error too, tells browsers to keep nothing, guess nothing, frame nothing, run nothing and
   pass nothing on; a page with a policy of its own (`/docs`) keeps its own. By https it asks for https from then on,
   below our host too where that is said to be ours.
2. It carries an id of ours. What a caller sends as an id is not looked at.
3. A head has at most `FIELDS_MAX` fields and `HEAD_BYTES_MAX` bytes, its target at most `TARGET_BYTES_MAX`.
4. It has one Host that is a name or an address (RFC 9112 section 3.2), and, where names are configured, is one of them
   (421): a page elsewhere that had its name turned to our address learns nothing. Whether the service lives may be
   asked under any name, because what watches it knows addresses only.
5. A target with a host in it (absolute form) must have the same one. Only HTTP/1.0 may leave Host out.
6. A message whose length could be told in two ways is refused: any transfer coding but `chunked`, and any in HTTP/1.0.

The parser refuses more, before anything here is asked: see `api/wire.py`.
"""

import re
from collections.abc import Collection
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

FIELDS_MAX: Final = 64
HEAD_BYTES_MAX: Final = 16_384
TARGET_BYTES_MAX: Final = 4_096
FAULT: Final = "tiprouter.fault"
TARGET: Final = "tiprouter.target"

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
_VERSIONS: Final = frozenset({"1.0", "1.1"})
_ANY_HOST: Final = frozenset({"/healthz", "/readyz"})
_HOST: Final = re.compile(rb"([a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.ASCII | re.IGNORECASE)

SAID: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
DEFAULTS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""Said unless a route says otherwise."""

TRANSPORT: Final = "max-age=31536000"
SUBDOMAINS: Final = "; includeSubDomains"


def mark(headers: MutableHeaders, request_id: str, *, https: bool, subdomains: bool = False) -> None:
    """Say what every answer says (rules 1 and 2)."""
    headers["X-Request-Id"] = request_id
    for name, value in SAID.items():
        headers[name] = value
    for name, value in DEFAULTS.items():
        headers.setdefault(name, value)
    if https:
        headers["Strict-Transport-Security"] = TRANSPORT + (SUBDOMAINS if subdomains else "")


def fault_of(scope: Scope, hosts: Collection[str]) -> str | None:
    """Why nobody's request is made of this head (rules 3 to 6): a slug of `problems.REFUSED`, or None."""
    if FAULT in scope:
        return str(scope[FAULT])
    target, fields, version = scope.get(TARGET, scope["raw_path"]), scope["headers"], scope["http_version"]
    size = sum(len(name) + len(value) for name, value in fields)
    codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
    faults = {
        "method-unknown": scope["method"] not in METHODS,
        "version-unknown": version not in _VERSIONS,
        "target-too-long": len(target) > TARGET_BYTES_MAX,
        "head-too-large": len(fields) > FIELDS_MAX or size > HEAD_BYTES_MAX,
        "malformed": bool(codings) and (codings != [b"chunked"] or version == "1.0"),
    }
    return next((fault for fault, so in faults.items() if so), None) or _fault_of_host(scope, target, hosts)


def _fault_of_host(scope: Scope, target: bytes, hosts: Collection[str]) -> str | None:
    """Rules 4 and 5."""
    sent = [value.lower() for name, value in scope["headers"] if name == b"host"]
    absolute = _ABSOLUTE.match(target)
    if not sent and scope["http_version"] == "1.0" and absolute is None:
        return "misdirected" if hosts and scope["path"] not in _ANY_HOST else None
    match = _HOST.fullmatch(sent[0]) if len(sent) == 1 else None
    if match is None or (absolute is None and not target.startswith(b"/")):
        return "host"
    if absolute is not None and absolute[1].lower() != sent[0]:
        return "host"
    if hosts and match[1].decode().rstrip(".") not in hosts and scope["path"] not in _ANY_HOST:
        return "misdirected"
    return None
