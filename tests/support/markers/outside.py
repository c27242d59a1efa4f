"""Who is outside: agencies on loopback that behave and misbehave, the operator's webhook, and a mail server.

1. What an agency answers holds markers: in the body, in a head, in where a redirect leads, in what is no HTTP at all.
2. Everything that comes in is kept with its heads; which of it may hold somebody's words is told by `tells_of_people`.
"""

import asyncio
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.markers.sowing import Sowing
from tests.support.smtp import Post, post_office

SLOW_SECONDS: Final = 3.0
WAYS: Final = ("well", "failing", "elsewhere", "no-http", "huge", "slow")
DISCLOSURES: Final = ("disclosure.made", "disclosure.answered")
ANSWERED: Final = "what endpoints answer"
QUIET: Final = ("ids-only", "wrapped", "page")
"""What is sent here holds nobody's words: ids alone, what only the agency can read, pages."""


@dataclass
class Came:
    """One request that an endpoint got."""

    way: str
    head: bytes
    body: bytes

    @property
    def tells_of_people(self) -> bool:
        """Whether it is a disclosure in the clear to its recipient: what all this is for."""
        return self.way not in QUIET and kind_of(self.body) in DISCLOSURES


@dataclass
class Outside:
    """Everybody out there, and what they were sent."""

    sowing: Sowing
    url: str = ""
    came: list[Came] = field(default_factory=list)
    post: Post = field(default_factory=Post)
    calm: bool = True
    """Whether everything runs, so that whatever an agency answers is kept."""


def kind_of(body: bytes) -> str:
    """The type of a message; empty where it is none."""
    try:
        return str(json.loads(body).get("type", ""))
    except (ValueError, AttributeError):
        return ""


@contextmanager
def outside(sowing: Sowing) -> Iterator[Outside]:
    """All of them, on loopback."""
    here = Outside(sowing)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (_Endpoint,), {"here": here}))
    server.daemon_threads = True
    here.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    closing = threading.Event()
    office = threading.Thread(target=lambda: asyncio.run(_mail(here.post, closing)), daemon=True)
    office.start()
    while not here.post.port:
        time.sleep(0.01)
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        closing.set()
        office.join(10)


async def _mail(post: Post, closing: threading.Event) -> None:
    async with post_office(post):
        await asyncio.to_thread(closing.wait)


class _Endpoint(http.server.BaseHTTPRequestHandler):
    here: Outside

    def do_POST(self) -> None:
        """Answer as this way wants it (rule 1)."""
        way = self.path.strip("/").split("/")[0]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.here.came.append(Came(way, f"{self.requestline}\n{self.headers}".encode(), body))
        kept = self.here.sowing.open("what endpoints answer while things break")
        if self.here.calm:
            kept = self.here.sowing.kept(ANSWERED, "attempts")
        dropped = self.here.sowing.refused("heads of what endpoints answer")
        match way:
            case "failing":
                self._answer(500, f"{kept('said')} cannot take {body.decode(errors='replace')}")
            case "elsewhere":
                self._answer(302, kept("said"), Location=f"http://127.0.0.1/{dropped('location')}")
            case "no-http":
                self.wfile.write(f"{self.here.sowing.open('what is no HTTP')('said')}\r\n\r\n".encode())
            case "huge":
                self._answer(200, self.here.sowing.open("answers too large")("said") * 40_000)
            case "slow":
                time.sleep(SLOW_SECONDS)
                self._answer(200, self.here.sowing.open("answers that come late")("said"))
            case "page":
                self._answer(200, "")
            case _:
                self._answer(200, kept("said"), **{"X-Said": dropped("head")})

    def _answer(self, status: int, text: str, **heads: str) -> None:
        body = text.encode()
        try:
            self.send_response(status)
            for name, value in (heads | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # whoever asked is gone: killed, or had enough

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        """Say nothing."""


def letters(post: Post) -> bytes:
    """Every mail with its heads."""
    return b"\n".join(one.as_bytes() for one in post.letters)
