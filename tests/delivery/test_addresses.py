"""Addresses, rules 1 to 8: what may never be dialled, in every spelling we know."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.delivery.addresses import (
    FORBIDDEN_V4,
    FORBIDDEN_V6,
    MAX_URL_CHARS,
    Endpoint,
    ForbiddenAddressError,
    check_address,
    check_url,
)

FORBIDDEN = [
    # rule 2: the IPv4 registry, first, last and famous addresses of its blocks
    *(
        str(ipaddress.IPv4Address(0)),
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
    ),
    *("127.0.0.1", "127.0.0.2", "127.255.255.255", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.0.192"),
    *("192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *("255.255.255.254", "255.255.255.255"),
    # rule 3: IPv6 outside global unicast, and the blocks carved out of it
    *("::", "::1", "::2", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1", "2001:1::1", "2001:2::1", "2001:3::1"),
    *("2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff:ffff::1", "2001:db8::1", "2002::1", "2620:4f:8000::1"),
    *("3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1"),
    *("fec0::1", "ff00::1", "ff02::1", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # rule 4: IPv4 inside IPv6
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::ffff:192.0.0.192"),
    *("::127.0.0.1", "::7f00:1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:808:808"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::c000:c0", "64:ff9b:1::808:808"),
    *("2002:a9fe:a9fe::", "2002:7f00:1::1", "2002:808:808::1", "2001:0:808:808::f5ff:fffe"),
    *("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:a9fe:a9fe", "2606:4700:0:0:200:5efe:10.0.0.1"),
    # rule 5: scopes and spellings
    *(
        "fe80::1%eth0",
        "::1%lo",
        "2606:4700::1%1",
        "8.8.8.8%1",
        "08.8.8.8",
        "8.8.8",
        "134744072",
        "0x8.8.8.8",
        "8.8.8.8 ",
    ),
    *("", " ", "8.8.8.8\n", "[2606:4700::1]", "\uff18.8.8.8", "dns.example", "8.8.8.8/32", "::ffff:008.8.8.8"),
]
ALLOWED = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.1", "168.63.129.15", "169.253.255.255", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0"),
    *("192.88.98.255", "198.17.255.255", "198.20.0.0", "203.0.114.0", "223.255.255.255"),
    *(
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700:4700::1111",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ),
    *("::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700::5efe:808:808"),
]

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def test_the_list_is_long_enough() -> None:
    """At least 60 forms, each once."""
    assert len(set(FORBIDDEN)) == len(FORBIDDEN) > 60


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_special_address_is_never_dialled(address: str) -> None:
    """Rules 2 to 5; the sandbox makes no exception but for its two loopbacks."""
    with pytest.raises(ForbiddenAddressError) as refused:
        check_address(address, sandbox=False)
    assert not address.strip() or address not in str(refused.value)
    if not address.startswith("127.") and address != "::1":
        with pytest.raises(ForbiddenAddressError):
            check_address(address, sandbox=True)


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_next_to_a_special_one_is_dialled(address: str) -> None:
    """Rules 2 to 4: the blocks end where the registry says. In the sandbox even these are refused (rule 7)."""
    check_address(address, sandbox=False)
    with pytest.raises(ForbiddenAddressError):
        check_address(address, sandbox=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1"])
def test_the_sandbox_dials_loopback(address: str) -> None:
    """Rule 7: a demonstration needs nothing but this machine."""
    check_address(address, sandbox=True)


@given(st.sampled_from(FORBIDDEN_V4), st.floats(0, 1, exclude_max=True))
def test_no_address_of_a_forbidden_block_gets_through_in_any_wrapping(block: ipaddress.IPv4Network, at: float) -> None:
    """Rules 2 and 4: bare, mapped, NAT64, compatible, 6to4, local NAT64, Teredo, ISATAP."""
    inner = block[int(at * block.num_addresses)]
    number = int(inner)
    wrapped = [
        0xFFFF << 32 | number,
        0x64_FF9B << 96 | number,
        0x64_FF9B_0001 << 80 | number,
        number,
        0x2002 << 112 | number << 80,
        0x2001 << 112 | number << 64 | (number ^ 0xFFFF_FFFF),
        0x2606_4700 << 96 | 0x5EFE << 32 | number,
        0x2606_4700 << 96 | 0x0200_5EFE << 32 | number,
    ]
    for spelling in (str(inner), *(str(ipaddress.IPv6Address(value)) for value in wrapped)):
        with pytest.raises(ForbiddenAddressError):
            check_address(spelling, sandbox=False)


@given(st.ip_addresses())
def test_whatever_python_knows_to_be_special_is_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Rules 2 and 3: our tables are stricter than the standard library's, never looser, wrapped or not."""
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in NAT64):
        address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if not address.is_global or address.is_multicast or address.is_reserved:
        with pytest.raises(ForbiddenAddressError):
            check_address(str(address), sandbox=False)


@given(st.sampled_from(FORBIDDEN_V6), st.integers(0, 2**128 - 1))
def test_no_address_of_a_forbidden_ipv6_block_gets_through(block: ipaddress.IPv6Network, offset: int) -> None:
    """Rule 3: the blocks carved out of global unicast."""
    with pytest.raises(ForbiddenAddressError):
        check_address(str(block[offset % block.num_addresses]), sandbox=False)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (
            "https://hooks.agency.example/in?x=1",
            Endpoint("hooks.agency.example", 443, "https", "https://hooks.agency.example/in?x=1"),
        ),
        ("https://agency.example", Endpoint("agency.example", 443, "https", "https://agency.example/")),
        ("https://agency.example:443/", Endpoint("agency.example", 443, "https", "https://agency.example/")),
        ("https://agency.example:8443/a", Endpoint("agency.example", 8443, "https", "https://agency.example:8443/a")),
        ("HTTPS://Agency.EXAMPLE/Path", Endpoint("agency.example", 443, "https", "https://agency.example/Path")),
        (
            "https://xn--bcher-kva.example?q",
            Endpoint("xn--bcher-kva.example", 443, "https", "https://xn--bcher-kva.example/?q"),
        ),
        ("https://1a.2b.example/@%20", Endpoint("1a.2b.example", 443, "https", "https://1a.2b.example/@%20")),
    ],
)
def test_an_agencys_url_is_read(url: str, endpoint: Endpoint) -> None:
    """Rule 6: and written in one canonical way."""
    assert check_url(url, sandbox=False) == endpoint


BAD_ANYWHERE = [
    *(
        "",
        "https://",
        "https:///path",
        "agency.example",
        "//agency.example/",
        "https:agency.example",
        "https:/a.example",
    ),
    *("ftp://a.example/", "file:///etc/hosts", "gopher://a.example/", "javascript:1", "httpss://a.example/"),
    *("https://user@a.example/", "https://user:word@a.example/", "https://a.example@b.example/", "https://@a.example/"),
    *("https://a.example/#x", "https://a.example#", "https://a.example\\@b.example/", "https://a.example\\b"),
    *(
        "https://a.example /",
        " https://a.example/",
        "https://a.example/\n",
        "https://a.exa\tmple/",
        "https://a.example/\x00",
    ),
    *(
        "https://a.example/\r\nX: 1",
        "https://a.example/ x",
        "https://é.example/",
        "https://a.example/é",
        "https://a。example/",
    ),
    *("https://a_b.example/", "https://-a.example/", "https://a-.example/", "https://a..example/", "https://.example/"),
    *(
        "https://a.example./",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://a%2eexample/",
    ),
    *(
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:/",
        "https://a.example:+443/",
        "https://a.example:443x/",
    ),
    *("https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://0x7f000001/", "https://017700000001/"),
    *("https://127.0.1/", "https://127.0.0.1./", "https://0177.0.0.1/", "https://127.0.0.01/", "https://a.example.0x/"),
    *(
        "https://a.1/",
        "https://[::1%25lo]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[0:0::1]/",
    ),
    *(
        "https://[v1.x]/",
        "https://[]/",
        "https://[::1/",
        "https://::1/",
        "https://169.254.169.254/",
        "https://8.8.8.8/",
    ),
    *("https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://0/", "https://0.0.0.0/", "https://[::]/"),
    *(
        "https://a.example/<x>",
        "https://a.example/{x}",
        'https://a.example/"',
        "https://a.example/|",
        "https://a.example/^",
    ),
    "https://a.example/" + "x" * MAX_URL_CHARS,
]


@pytest.mark.parametrize("url", BAD_ANYWHERE)
@pytest.mark.parametrize("sandbox", [False, True])
def test_a_url_that_two_parsers_could_read_differently_is_refused(url: str, sandbox: bool) -> None:  # noqa: FBT001 - a table column
    """Rule 8, with and without the sandbox; the error quotes nothing."""
    with pytest.raises(ForbiddenAddressError) as refused:
        check_url(url, sandbox=sandbox)
    assert "example" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/", "https://a.example:80/", "https://a.example:22/", "https://a.example:8080/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://8.8.8.8/", "https://[2606:4700::1]/", "https://localhost/"),
        *("https://localhost:8443/", "https://x.localhost/", "https://printer.local/", "https://a.internal/"),
        *("https://a.onion/", "https://intranet/"),
    ],
)
def test_outside_the_sandbox_only_public_names_over_https(url: str) -> None:
    """Rule 6: two ports, no literal address, no local name."""
    with pytest.raises(ForbiddenAddressError):
        check_url(url, sandbox=False)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:8000/x", Endpoint("127.0.0.1", 8000, "http", "http://127.0.0.1:8000/x")),
        ("http://127.0.0.1:80", Endpoint("127.0.0.1", 80, "http", "http://127.0.0.1/")),
        ("http://[::1]:9/", Endpoint("::1", 9, "http", "http://[::1]:9/")),
        ("https://localhost:1/", Endpoint("localhost", 1, "https", "https://localhost:1/")),
        ("http://agency.example:8000/", Endpoint("agency.example", 8000, "http", "http://agency.example:8000/")),
    ],
)
def test_the_sandbox_reads_plain_http_and_every_port(url: str, endpoint: Endpoint) -> None:
    """Rule 7: a name is allowed here, its addresses are judged when they are known."""
    assert check_url(url, sandbox=True) == endpoint


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-zA-Z0-9.:@\[\]%\\-]{1,30}[/?#]?.{0,10}", fullmatch=True))
def test_no_text_breaks_the_reader(url: str) -> None:
    """Rule 8: an endpoint or a refusal, and an accepted URL reads the same when read again."""
    for sandbox in (False, True):
        try:
            endpoint = check_url(url, sandbox=sandbox)
        except ForbiddenAddressError:
            continue
        assert check_url(endpoint.url, sandbox=sandbox) == endpoint
