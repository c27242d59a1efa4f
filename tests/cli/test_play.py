"""Does the demo tell two answers apart only where they tell something? (cli/play.py)"""

import itertools
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

import pytest

from tiprouter.cli.play import _ACTS, Company, Played
from tiprouter.cli.scenes import scenes

COUNTED: Final = itertools.count(1)


class Answering(BaseHTTPRequestHandler):
    """Answers 404 with what is left of a budget; `/there` says one header more."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(404)
        self.send_header("RateLimit", f'"read";r={next(COUNTED)};t=1')
        if self.path == "/there":
            self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def company() -> Iterator[Company]:
    """A caller of a server that answers as above."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        company = Company(f"http://127.0.0.1:{server.server_port}", "a-token")
        try:
            yield company
        finally:
            company.close()
            server.shutdown()


@pytest.mark.parametrize(("path", "apart"), [("/absent", False), ("/there", True)])
def test_a_budget_that_was_spent_is_no_difference_and_any_other_header_is(
    company: Company, path: str, *, apart: bool
) -> None:
    """What is left of the caller's own budget differs between any two answers; what exists must not show."""
    played = Played(scenes()[0])
    _ACTS["ask"]({"as": "operator", "ask": path, "like_as": "operator", "like": "/absent"}, played, company)
    assert bool(played.wrong) is apart
