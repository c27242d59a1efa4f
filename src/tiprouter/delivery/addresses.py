"""May the router open a connection there?

1. An address is judged after resolution, never a host name's spelling alone: every one of `check_address`'s callers
   holds the number that would be dialled.
2. IPv4: every block of the IANA special-purpose registry is refused, those marked "globally reachable" too: no
   agency's endpoint lives in an anycast or relay block. Multicast, reserved and broadcast are refused as well.
3. IPv6: only global unicast, 2000::/3, is allowed, less the blocks the registry carves out of it.
4. An IPv4 address inside an IPv6 one is unwrapped and judged by rule 2: mapped, NAT64 (64:ff9b::/96), ISATAP. The other
   wrappings (compatible, 64:ff9b:1::/48, 6to4, Teredo) are refused whatever they hold.
5. An address with a scope (`%eth0`) or any spelling but the canonical one is refused.
6. Outside the sandbox a URL is https, port 443 or 8443, to a host name of two labels or more; no literal address.
7. In the sandbox (fictional data only) http and every port are allowed, and nothing but loopback is: 127.0.0.0/8, ::1.
8. No URL holds user information, a fragment, control or non-ASCII characters, a backslash, or more than 2,048
   characters; a host whose last label could be read as a number is no name (`127.1`, `0x7f.1`, `2130706433`).
9. The operator's own webhook may live in a private network that the operator names: blocks of RFC 1918, RFC 6598,
   RFC 4193 or loopback, nothing wider. With one named, its URL may hold any port, a local name, or an address in it; it
   is https all the same. No recipient's URL is ever checked with such a network.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and updates), RFC 6052, RFC 5214, RFC 3986.
It does not promise to know a network's own NAT64 prefix or what stands behind a public address: the host's egress rules
must. Errors quote neither the URL nor the address.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from tiprouter.errors import ConfigurationError, TiprouterError

MAX_URL_CHARS = 2_048
MAX_HOST_CHARS = 253
VETTED_MAX = 8_192
PORTS = frozenset({443, 8443})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PORT_MAX = 65_535

FORBIDDEN_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private use
        "100.64.0.0/10",  # shared address space
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # not in the registry: a cloud's host agent on a public number
        "169.254.0.0/16",  # link local, instance metadata
        "172.16.0.0/12",  # private use
        "192.0.0.0/24",  # IETF protocol assignments, 192.0.0.192 among them
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunnelling
        "192.88.99.0/24",  # 6to4 relay anycast, deprecated
        "192.168.0.0/16",  # private use
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, limited broadcast
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
FORBIDDEN_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarking, anycast
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # the upper half of the interface identifier, RFC 5214 section 6.1
_LOW_32 = 0xFFFF_FFFF
_LOOPBACK_V4 = IPv4Network("127.0.0.0/8")
_LOOPBACK_V6 = IPv6Address("::1")

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<name>[a-z0-9.-]{1,253})|\[(?P<v6>[0-9a-f:.]{2,45})\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?)",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
PRIVATE: tuple[IPv4Network | IPv6Network, ...] = (
    *(
        IPv4Network(block)
        for block in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    ),
    *(IPv6Network(block) for block in ("::1/128", "fc00::/7")),
)
Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]
_LOCAL_SUFFIXES = frozenset(
    {"localhost", "local", "internal", "onion"}
)  # never a public endpoint (RFC 6761, 6762, 7686)


class ForbiddenAddressError(TiprouterError):
    """The router does not connect there."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked URL: `url` is its canonical spelling, `host` has no brackets."""

    host: str
    port: int
    scheme: str
    url: str = field(repr=False)


def private_networks(text: str) -> Networks:
    """The blocks of a list such as `10.1.0.0/16, fd00::/8` (rule 9). Raises `ConfigurationError`."""
    found: list[IPv4Network | IPv6Network] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        try:
            network = ip_network(part)
        except ValueError:
            raise ConfigurationError("A private network is a CIDR block such as 10.1.0.0/16.") from None
        if not any(_is_part(network, block) for block in PRIVATE):
            raise ConfigurationError("Only blocks of private networks may be named for the operator's webhook.")
        found.append(network)
    return tuple(found)


def check_address(ip: str, *, sandbox: bool, networks: Networks = ()) -> None:
    """Return if the address may be dialled; raise `ForbiddenAddressError` otherwise. `networks`: rule 9."""
    _vet_address(ip, tuple(networks), sandbox=sandbox)


def check_url(url: str, *, sandbox: bool, networks: Networks = ()) -> Endpoint:
    """Parse a recipient's URL, or raise `ForbiddenAddressError`. `networks`: rule 9.

    The scheme and the host may be in any case and come back in lower case; the rest must be spelt as it will be sent.
    """
    return _vet_url(url, tuple(networks), sandbox=sandbox)


# Each attempt asks the same again, and the answer hangs on nothing but what is given. A refusal is not kept.
@functools.lru_cache(maxsize=VETTED_MAX)
def _vet_address(ip: str, networks: tuple[IPv4Network | IPv6Network, ...], *, sandbox: bool) -> None:
    if not ip.isascii() or "%" in ip:
        raise ForbiddenAddressError("An address with a scope is not dialled.")
    try:
        address = ip_address(ip)
    except ValueError:
        raise ForbiddenAddressError("This is no address.") from None
    if sandbox:
        if not _is_loopback(address):
            raise ForbiddenAddressError("The sandbox connects to loopback only.")
        return
    if any(address in network for network in networks):
        return
    if isinstance(address, IPv6Address):
        _check_v6(address)
    else:
        _check_v4(address)


@functools.lru_cache(maxsize=VETTED_MAX)
def _vet_url(url: str, networks: tuple[IPv4Network | IPv6Network, ...], *, sandbox: bool) -> Endpoint:
    if len(url) > MAX_URL_CHARS:
        raise ForbiddenAddressError("The URL is longer than 2,048 characters.")
    match = _URL.fullmatch(_lower_authority(url))
    if match is None:
        raise ForbiddenAddressError("The URL is not of the form https://host[:port][/path][?query].")
    scheme = match["scheme"]
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if not 0 < port <= _PORT_MAX:
        raise ForbiddenAddressError("The port is out of range.")
    if not sandbox and (scheme != "https" or (port not in PORTS and not networks)):
        raise ForbiddenAddressError("An endpoint is https on port 443 or 8443.")
    host = match["v6"] or match["name"]
    if match["v6"] or _ends_in_number(host):
        _check_literal(host, sandbox=sandbox, networks=networks)
    else:
        _check_name(host, local=sandbox or bool(networks))
    shown_port = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    shown_host = f"[{host}]" if match["v6"] else host
    target = match["target"] if match["target"].startswith("/") else "/" + match["target"]
    return Endpoint(host, port, scheme, f"{scheme}://{shown_host}{shown_port}{target}")


def _check_v4(address: IPv4Address) -> None:
    if any(address in block for block in FORBIDDEN_V4):
        raise ForbiddenAddressError("The address is in a special-purpose block.")


def _check_v6(address: IPv6Address) -> None:
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        _check_v4(IPv4Address(number & _LOW_32))
        return
    if address not in GLOBAL_V6 or any(address in block for block in FORBIDDEN_V6):
        raise ForbiddenAddressError("The address is in a special-purpose block.")
    if (number >> 32) & _LOW_32 in _ISATAP:
        _check_v4(IPv4Address(number & _LOW_32))


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    return address in _LOOPBACK_V4 if isinstance(address, IPv4Address) else address == _LOOPBACK_V6


def _lower_authority(url: str) -> str:
    head, separator, rest = url.partition("://")
    end = min((index for index in (rest.find("/"), rest.find("?")) if index >= 0), default=len(rest))
    return head.lower() + separator + rest[:end].lower() + rest[end:]


def _ends_in_number(host: str) -> bool:
    # What resolvers and URL libraries take for an IPv4 address (WHATWG URL, "ends in a number").
    return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None


def _is_part(network: IPv4Network | IPv6Network, block: IPv4Network | IPv6Network) -> bool:
    return network.version == block.version and network[0] in block and network[-1] in block


def _check_literal(host: str, *, sandbox: bool, networks: Networks) -> None:
    if not sandbox and not networks:
        raise ForbiddenAddressError("An endpoint is a host name, not an address.")
    check_address(host, sandbox=sandbox, networks=networks)
    if str(ip_address(host)) != host:
        raise ForbiddenAddressError("The address is not in its canonical spelling.")


def _check_name(host: str, *, local: bool) -> None:
    labels = host.split(".")
    if len(host) > MAX_HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenAddressError("The host is no host name.")
    if not local and (len(labels) == 1 or labels[-1] in _LOCAL_SUFFIXES):
        raise ForbiddenAddressError("The host name is not a public one.")
