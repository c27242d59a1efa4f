"""The real service is killed with SIGKILL while tips come in and go out; what was answered with 201 arrives."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.support.processes import Running, ask, child_tip, prepare, sink, wait_for
from tiprouter.audit.verify import verify_folder

KILLS_AFTER_SECONDS = (0.15, 0.6, 1.1)
TIPS_EACH = 25


def push(service: Running, token: str, first: int, kill: threading.Timer) -> set[str]:
    """Send tips until the service is gone, which begins with the first 201; the ids that were answered with one."""
    accepted: set[str] = set()
    for number in range(first, first + TIPS_EACH):
        with suppress(httpx2.TransportError):
            answer = ask(f"{service.url}/v1/tips", token, f"t{number}", child_tip(number))
            if answer.status_code == 201:
                accepted.add(answer.json()["id"])
        if len(accepted) == 1 and kill.ident is None:
            kill.start()
    return accepted


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    """The service, not started yet; it does not outlive the test."""
    running = Running(tmp_path / "data")
    yield running
    running.kill()


def test_what_was_accepted_before_a_kill_is_delivered_after_it(service: Running) -> None:
    """Three kills at different moments under load; then every accepted tip is delivered, under one id each."""
    accepted = set[str]()
    with sink() as (hook, seen):
        service.start()
        token = prepare(service, hook)
        for turn, seconds in enumerate(KILLS_AFTER_SECONDS):
            kill = threading.Timer(seconds, service.end, (signal.SIGKILL,))
            accepted |= push(service, token, turn * TIPS_EACH, kill)
            kill.join()
            service.start()
        wait_for(lambda: len({disclosure for _, disclosure in seen}) >= len(accepted))
        assert service.end(signal.SIGTERM) == 0
    assert len(accepted) >= len(KILLS_AFTER_SECONDS)
    ids_of: dict[str, set[str]] = {}
    for webhook_id, disclosure in seen:
        ids_of.setdefault(disclosure, set()).add(webhook_id)
    assert len(ids_of) >= len(accepted)
    assert Counter(len(ids) for ids in ids_of.values()) == {1: len(ids_of)}
    report = verify_folder(service.folder / "log")
    assert report.ok, report.steps
