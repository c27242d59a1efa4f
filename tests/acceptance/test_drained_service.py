"""The real service is told to stop while an agency still thinks: what is in flight ends, and nothing new begins."""

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Running, ask, child_tip, prepare, wait_for
from tiprouter.audit.verify import verify_folder

PATIENCE = 60


class Thinking(http.server.BaseHTTPRequestHandler):
    """Remembers every webhook-id and disclosure, and answers when it may."""

    seen: list[tuple[str, str]]
    may_answer: threading.Event

    def do_POST(self) -> None:
        """Take a disclosure, and think."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.headers["webhook-id"], body["data"]["disclosure_id"]))
        self.may_answer.wait(PATIENCE)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        """Say nothing."""


@contextmanager
def thinking() -> Iterator[tuple[str, list[tuple[str, str]], threading.Event]]:
    """An agency that answers when it may; its URL, what it saw, and when it may."""
    seen: list[tuple[str, str]] = []
    may_answer = threading.Event()
    handler = type("There", (Thinking,), {"seen": seen, "may_answer": may_answer})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", seen, may_answer
    finally:
        may_answer.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """The service, one attempt to each agency at a time; it does not outlive the test."""
    running = Running(tmp_path / "data", TIPROUTER_PLACES_EACH="1")
    yield running
    running.kill()


def test_what_is_in_flight_ends_and_nothing_begins(service: Running) -> None:
    """SIGTERM while one answer is awaited and another disclosure waits: the one is recorded, the other goes later."""
    with thinking() as (hook, seen, may_answer):
        service.start()
        token = prepare(service, hook)
        for number in range(2):
            assert ask(f"{service.url}/v1/tips", token, f"t{number}", child_tip(number)).status_code == 201
        wait_for(lambda: seen, PATIENCE)
        ended: list[int] = []
        stopping = threading.Thread(target=lambda: ended.append(service.end(signal.SIGTERM)))
        stopping.start()
        wait_for(lambda: "worker.draining" in service.said, PATIENCE)
        may_answer.set()
        stopping.join(PATIENCE)
        assert ended == [0]
        assert len(seen) == 1
        assert service.said.count('"attempt.finished"') == 1
        service.start()
        wait_for(lambda: len(seen) > 1, PATIENCE)
        assert service.end(signal.SIGTERM) == 0
    assert len({disclosure for _, disclosure in seen}) == len({name for name, _ in seen}) == len(seen) == 2
    report = verify_folder(service.folder / "log")
    assert report.ok, report.steps
