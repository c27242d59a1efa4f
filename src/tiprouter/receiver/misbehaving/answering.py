"""Which answers are well-formed HTTP and still not what a sender hopes for?"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TypeAlias

from tiprouter.receiver.misbehaving.acts import OK, gzip_bomb, in_turn, reply, reset_after, write
from tiprouter.receiver.misbehaving.listening import Act, keep_alive

Named: TypeAlias = dict[str, tuple[str, Callable[[], Act]]]

# What every cloud answers instance metadata on, in one spelling or another.
METADATA = {
    301: "http://169.254.169.254/latest/meta-data/",
    302: "http://[fd00:ec2::254]/latest/meta-data/",
    303: "http://metadata.google.internal/computeMetadata/v1/",
    307: "http://100.100.100.200/latest/meta-data/",
    308: "http://168.63.129.16/machine?comp=goalstate",
}
_UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: example\r\nConnection: upgrade\r\n\r\n"
LATER = datetime(2099, 1, 1, tzinfo=UTC)
RETRY_AFTER = {
    "seconds": "17",
    "date": format_datetime(LATER, usegmt=True),
    "negative": "-5",
    "absurd": "1" + "0" * 40,
    "garbage": "soon, or \x80 later",
    "missing": "",
}


def _throttles(name: str, status: int) -> Named:
    def replying(value: str) -> Callable[[], Act]:
        return lambda: reply(status, headers=f"Retry-After: {value}\r\n" if value else "")

    return {
        f"{name}-{kind}": (f"{status} with a Retry-After of kind: {kind}.", replying(value))
        for kind, value in RETRY_AFTER.items()
    }


def _redirects() -> Named:
    def replying(status: int, target: str) -> Callable[[], Act]:
        return lambda: reply(status, headers=f"Location: {target}\r\n")

    return {
        f"redirect-{status}": (f"{status} to a cloud's metadata service.", replying(status, target))
        for status, target in METADATA.items()
    }


ACTS: Named = {
    "ok": ("200, as it should be.", lambda: reply(200, headers="Connection: close\r\n", body=b"thank you")),
    "no-content": ("204 without a body.", lambda: keep_alive),
    "gone": ("410: the endpoint was taken away.", lambda: reply(410)),
    "server-error": ("500 with a body.", lambda: reply(500, body=b"sorry")),
    "upgrade-101": ("101: the connection is to be something else.", lambda: write(_UPGRADE)),
    "set-cookie": (
        "200 that would leave a cookie.",
        lambda: reply(200, headers="Set-Cookie: a=b; Path=/\r\nConnection: close\r\n"),
    ),
    "gzip-bomb": (
        "200 whose 20 kB unpack to 20 MB.",
        lambda: reply(200, headers="Content-Encoding: gzip\r\n", body=gzip_bomb()),
    ),
    "encoding-lie": (
        "200 that calls plain text gzip.",
        lambda: reply(200, headers="Content-Encoding: gzip\r\n", body=b"plain text"),
    ),
    "encoding-unknown": (
        "200 in an encoding that nobody has heard of.",
        lambda: reply(200, headers="Content-Encoding: example\r\n", body=b"?"),
    ),
    "flapping": (
        "503, then a reset, then 500, and well from the fourth connection on.",
        lambda: in_turn([reply(503), reset_after(b""), reply(500), write(OK)]),
    ),
    "continue-then-ok": ("100 that nobody asked for, then 200.", lambda: write(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)),
    "status-999": ("A status beyond all classes.", lambda: reply(999)),
    **_redirects(),
    **_throttles("throttle", 429),
    **_throttles("unavailable", 503),
}
