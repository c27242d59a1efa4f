"""Several processes on one PostgreSQL: some serve, some deliver, one keeps the log, and any of them may die."""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support import postgres
from tests.support.processes import Running, ask, child_tip, prepare, sink, wait_for
from tiprouter.audit.verify import verify_folder

EACH = 10

Process: TypeAlias = Callable[..., Running]


@pytest.fixture
async def url(postgres_url: str) -> AsyncIterator[str]:
    """An empty database."""
    made = await postgres.new_database(postgres_url)
    yield made
    await postgres.drop_database(made)


@pytest.fixture
def process(url: str, tmp_path: Path) -> Iterator[Process]:
    """Make processes, each with a data folder of its own and one key for all; none outlives its test."""
    made: list[Running] = []

    def make(name: str, *words: str) -> Running:
        key = tmp_path / name / "keys" / "kek"
        key.parent.mkdir(parents=True)
        key.touch(mode=0o600)
        key.write_bytes(b"\x0b" * 32)
        made.append(
            Running(tmp_path / name, *words, TIPROUTER_DATABASE_URL=url, TIPROUTER_SANDBOX="1", TIPROUTER_PORT="0")
        )
        return made[-1]

    yield make
    for one in made:
        one.kill()


def accepted(service: Running, token: str, first: int) -> int:
    """Send some tips; how many were answered with 201."""
    answers = [
        ask(f"{service.url}/v1/tips", token, f"t{number}", child_tip(number)) for number in range(first, first + EACH)
    ]
    return sum(answer.status_code == 201 for answer in answers)


def test_the_log_is_kept_by_another_when_its_keeper_dies(process: Process) -> None:
    """Two that serve, one that delivers: tips of both arrive, and the second goes on with the log of the first."""
    first = process("first", "serve", "--no-worker")
    with sink() as (hook, seen):
        first.start()
        token = prepare(first, hook)
        second = process("second", "serve", "--no-worker")
        worker = process("worker", "worker")
        second.start()
        worker.begin()
        wait_for(lambda: "log.standing-by" in second.said)
        assert "log.opened" not in second.said
        assert accepted(first, token, 0) + accepted(second, token, EACH) == 2 * EACH
        wait_for(lambda: len(seen) >= 2 * EACH)
        first.end(signal.SIGKILL)
        wait_for(lambda: "log.opened" in second.said)
        assert accepted(second, token, 2 * EACH) == EACH
        wait_for(lambda: len(seen) >= 3 * EACH)
        assert (second.end(signal.SIGTERM), worker.end(signal.SIGTERM)) == (0, 0)
    assert len({webhook_id for webhook_id, _ in seen}) == 3 * EACH
    before, after = verify_folder(first.folder / "log"), verify_folder(second.folder / "log")
    assert before.ok, before.steps
    assert after.ok, after.steps
    assert (after.size or 0) > (before.size or 0)


def test_a_sequencer_alone_keeps_the_log_of_those_that_only_serve(process: Process) -> None:
    """`serve --no-sequencer` never takes the post; `sequencer` does."""
    first = process("first", "serve", "--no-worker", "--no-sequencer")
    first.start()
    keeper = process("keeper", "sequencer")
    keeper.begin()
    wait_for((keeper.folder / "log" / "checkpoint").exists)
    assert "log.opened" not in first.said
    assert (first.end(signal.SIGTERM), keeper.end(signal.SIGTERM)) == (0, 0)
    assert verify_folder(keeper.folder / "log").ok


def test_two_that_start_at_once_on_an_empty_database_both_serve(process: Process) -> None:
    """The schema, the secrets, the bundle and the first credential are each made once."""
    both = [process("first", "serve"), process("second", "serve")]
    for one in both:
        one.begin()
    wait_for(lambda: all("service.ready" in one.said for one in both), 60)
    assert [one.end(signal.SIGTERM) for one in both] == [0, 0]
    assert sum((one.folder / "keys" / "first-operator-token").exists() for one in both) == 1
