"""Does the log survive that its sequencer is killed under load? (`python -m tests.audit.killing` kills 40 times)"""

import asyncio
from pathlib import Path

from tests.audit.killing import found, killed
from tests.support import postgres


def test_killed_lives_lose_and_double_nothing_on_sqlite(tmp_path: Path) -> None:
    """Every committed entry is in the log once, without a gap, under checkpoints that continue each other."""
    size, wrong = killed(f"sqlite:///{tmp_path / 'tiprouter.db'}", tmp_path, 4)
    assert (size > 0, wrong) == (True, [])


def test_killed_lives_lose_and_double_nothing_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """The same with a server that survives the process."""
    url = asyncio.run(postgres.new_database(postgres_url, migrated=True))
    size, wrong = killed(url, tmp_path, 3)
    assert (size > 0, wrong) == (True, [])
    asyncio.run(postgres.drop_database(url))


async def test_a_loss_is_found(tmp_path: Path) -> None:
    """The test of the test: an entry whose transaction was said to be committed, and which is nowhere, is missed."""
    url = f"sqlite:///{tmp_path / 'tiprouter.db'}"
    size, wrong = await asyncio.to_thread(killed, url, tmp_path, 1)
    assert (size > 0, wrong) == (True, [])
    with (tmp_path / "committed").open("a") as file:
        file.write("123456789\n")
    _, _, wrong = await found(url, tmp_path, None)
    assert wrong == ["an entry that was committed is lost"]
