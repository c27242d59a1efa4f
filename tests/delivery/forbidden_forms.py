"""Which spellings of an address or a URL must never lead to a connection? Generated, so that none is forgotten.

`url_forms` are whole URLs; `name_forms` are what a harmless name may turn out to resolve to. `LISTENER` is the address
at which a test listens: every spelling of loopback is one of it, so that a form that got through would be seen.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

LISTENER = "127.9.9.9"
PORT = 8443
METADATA = "169.254.169.254"
PRIVATE = ("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", METADATA, LISTENER, "0.0.0.0", "192.0.0.192")  # noqa: S104 - a form
SPECIAL_V4 = (
    *PRIVATE,
    *("0.1.2.3", "10.255.255.255", "100.127.255.255", "127.0.0.1", "127.255.255.255", "168.63.129.16", "169.254.170.2"),
    *("172.31.255.255", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1"),
    *("192.168.255.255", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
)
SPECIAL_V6 = (
    *("::", "::1", "::2", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:1::1", "2001:2::1", "2001:3::1"),
    *("2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:db8::1", "2002::1", "2620:4f:8000::1"),
    *("3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fec0::1"),
    *("ff02::1", "ff0e::1"),
)


def spellings(address: str) -> Iterator[str]:
    """Yield the ways in which resolvers and URL libraries read an IPv4 address, apart from the plain one."""
    a, b, c, d = (int(part) for part in address.split("."))
    number = int(IPv4Address(address))
    low_16, low_24 = c << 8 | d, b << 16 | c << 8 | d
    yield from (str(number), hex(number), f"0X{number:X}", f"0{number:o}", f"0x{number:016x}")
    yield from (f"{a}.{low_24}", f"{a}.{b}.{low_16}", f"{a:#x}.{low_24:#x}", f"0{a:o}.{b}.{low_16}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"{a:#x}.0{b:o}.{c}.{d}")
    yield from (f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{b}.{c}.{d}.", f"{a}.{b}.{c}.{d}%00", f"{a}%2e{b}%2e{c}%2e{d}")
    yield from (
        f"{a}\u3002{b}\u3002{c}\u3002{d}",
        "".join(chr(0xFEE0 + ord(each)) for each in address),
        f"{a}\uff0e{b}\uff0e{c}\uff0e{d}",
    )
    yield from ("".join(chr(0x2460 + int(each) - 1) if each in "123456789" else each for each in address),)
    yield from ("".join(f"%{ord(each):02x}" for each in address), address.translate(_ARABIC), f"{a + 256}.{b}.{c}.{d}")


def wrapped(address: str) -> Iterator[str]:
    """Yield the IPv6 addresses that hold an IPv4 one, and may be routed to it."""
    number = int(IPv4Address(address))
    for value in (
        0xFFFF << 32 | number,  # mapped
        number,  # compatible
        0xFFFF << 48 | number,  # translated
        0x64_FF9B << 96 | number,  # NAT64
        0x64_FF9B_0001 << 80 | number,  # NAT64 of a network's own
        0x2002 << 112 | number << 80,  # 6to4
        0x2001 << 112 | number << 64 | (number ^ 0xFFFF_FFFF),  # Teredo, as server and as client
        0x2606_4700 << 96 | 0x5EFE << 32 | number,  # ISATAP
        0x2606_4700 << 96 | 0x0200_5EFE << 32 | number,
    ):
        yield str(IPv6Address(value))


def url_forms() -> Iterator[str]:
    """Yield URLs to be refused outside the sandbox."""
    for address in (LISTENER, METADATA):
        for spelt in spellings(address):
            yield f"https://{spelt}:{PORT}/"
    for address in PRIVATE:
        yield f"https://{address}:{PORT}/"
        yield from (f"https://[{each}]:{PORT}/" for each in wrapped(address))
    yield from (f"https://[{each}]:{PORT}/" for each in SPECIAL_V6)
    yield from (f"https://[{each}%25{scope}]:{PORT}/" for each in ("fe80::1", "::1") for scope in ("lo", "eth0", "1"))
    yield f"https://[::ffff:{LISTENER}]:{PORT}/"
    yield f"https://[0:0:0:0:0:ffff:{LISTENER}]:{PORT}/"
    for user in (f"{LISTENER}@agency.example", f"agency.example@{LISTENER}", f"a:b@{LISTENER}", f"@{LISTENER}"):
        yield f"https://{user}:{PORT}/"
    for trick in ("\\@", "\\", "#@", "?@", "%40", "%23@", "%5c@", "\t@", "\n@", " @", "\x00@", ";@", "&@", "/@/../"):
        yield f"https://{LISTENER}:{PORT}{trick}@agency.example/{trick}"
    for name in ("localhost", "LOCALHOST", "LocalHost", "localhost.", "a.localhost", "ip6-localhost", "agency.local"):
        yield f"https://{name}:{PORT}/"
    for name in (
        "vault.internal",
        "metadata.google.internal",
        "x.onion",
        "intranet",
        "agency.example.",
        "agency..example",
    ):
        yield f"https://{name}:{PORT}/"
    for port in (
        "0",
        "22",
        "25",
        "80",
        "444",
        "6379",
        "8080",
        "9443",
        "65536",
        "99999",
        "-1",
        "+443",
        "443x",
        "4 43",
        "",
    ):
        yield f"https://agency.example:{port}/"
    for scheme in ("http", "HTTP", "ftp", "file", "gopher", "dict", "ldap", "ws", "wss", "tftp", "jar", "data", "unix"):
        yield f"{scheme}://{LISTENER}:{PORT}/"
    yield from (f"//{LISTENER}:{PORT}/", f"https:{LISTENER}:{PORT}/", f"https:/{LISTENER}:{PORT}/")
    yield from (f"https:///{LISTENER}:{PORT}/", f"https:\\\\{LISTENER}:{PORT}/", f" https://{LISTENER}:{PORT}/")


def name_forms() -> Iterator[tuple[str, ...]]:
    """Yield what a name may resolve to and still must not be dialled: alone, and before and after a good address."""
    for address in (*SPECIAL_V4, *SPECIAL_V6):
        yield from ((address,), ("1.1.1.1", address), (address, "1.1.1.1"))
    for address in PRIVATE:
        yield from ((each,) for each in wrapped(address))
    yield from (("fe80::1%lo",), ("::1%1",), ("2606:4700::1%eth0",), ("1.1.1.1", "2606:4700::1", LISTENER))


_ARABIC = {ord("0") + digit: chr(0x0660 + digit) for digit in range(10)}
