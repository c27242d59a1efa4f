"""Which client certificate did the caller show, to us or to the proxy in front? (RFC 9440, RFC 8705)

1. A `Client-Cert` header is believed of the peers that the operator named, and of nobody else: from any other peer it
   is as if it were not there. The peer is the other end of the connection, whatever a header says about it.
2. It is one structured-field byte sequence (RFC 9651 section 3.3.5): the certificate's DER bytes. Anything else shows
   no certificate; so do two headers.
3. Here a certificate is its SHA-256 (x5t#S256). That it is valid, and that the caller has its key, the proxy has seen
   to.
4. Where TLS ends here (`wiring/tls.py`) the caller's is the one of the connection itself, verified in its handshake. A
   named proxy that shows one of its own shows nobody else's by that: its caller's is in the header, or there is none.

Not promised: that a trusted proxy strips what its own callers send under this name. It must (RFC 9440 section 2.4).
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

from tiprouter.errors import ConfigurationError

Networks: TypeAlias = Collection[IPv4Network | IPv6Network]

CONNECTED: Final = "tiprouter.certificate"
"""Where a request's scope has the connection's own (rule 4)."""

_BYTES: Final = re.compile(r":([A-Za-z0-9+/]{1,16384}={0,2}):", re.ASCII)


def networks(listed: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and CIDR blocks with commas between. Raises `ConfigurationError`."""
    try:
        return tuple(ip_network(one.strip()) for one in listed.split(",") if one.strip())
    except ValueError:
        raise ConfigurationError("TIPROUTER_TRUSTED_PROXIES lists addresses and CIDR blocks.") from None


def thumbprint(der: bytes) -> str:
    """A certificate's x5t#S256: SHA-256 of its DER bytes, base64url (RFC 8705 section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def of_connection(transport: asyncio.BaseTransport) -> str | None:
    """The thumbprint of what the other end of a connection showed in its handshake (rule 4)."""
    tls = transport.get_extra_info("ssl_object")
    der = None if tls is None else tls.getpeercert(binary_form=True)
    return None if der is None else thumbprint(der)


def shown(scope: Scope, trusted: Networks) -> str | None:
    """The thumbprint of the caller's certificate, by a trusted proxy's word or by the connection (rules 1, 2, 4)."""
    if not is_trusted(scope, trusted):
        own: str | None = scope.get(CONNECTED)
        return own
    sent = Headers(scope=scope).getlist("client-cert")
    if len(sent) != 1:
        return None
    found = _BYTES.fullmatch(sent[0].strip())
    try:
        return None if found is None else thumbprint(base64.b64decode(found[1], validate=True))
    except binascii.Error:
        return None


def is_trusted(scope: Scope, trusted: Networks) -> bool:
    """Whether the other end of the connection is a trusted proxy (rule 1)."""
    peer = scope.get("client")
    if not trusted or peer is None:
        return False
    try:
        address = ip_address(peer[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in trusted)
