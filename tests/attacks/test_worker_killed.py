"""The process is killed at any statement: nothing acknowledged is lost, nothing leaves untold, all of it arrives.

Not tested: power loss. SIGKILL leaves the page cache; what `synchronous=FULL` adds would need a machine to cut.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attacks.agreement import log_agrees_with_rows
from tests.attacks.pipeline import ACKNOWLEDGED, AGENCIES, POINTS, RECEIVED, STUCK, TIPS, Life, live
from tests.support import postgres
from tests.support.service import START, Clock, open_service
from tiprouter.audit.entry import Entry, parse
from tiprouter.storage import migrations
from tiprouter.storage.database import Transaction, open_database

EVERY = int(os.environ.get("TIPROUTER_CRASH_EVERY", "0"))
"""Set to 1 to be killed at every single point: minutes instead of seconds."""

DISCLOSURES = len(AGENCIES) + 1
"""The child is reported to both agencies, the danger to the police; the adult without consent to nobody."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.attacks.preloaded"])


async def lived(life: Life) -> int | None:
    """Live in a process of its own; its exit code."""
    process = _processes.Process(target=live, args=(life,))
    process.start()
    await asyncio.to_thread(process.join, 60)
    return process.exitcode


def lines(life: Life, name: str) -> list[str]:
    """What the outside world saw."""
    path = life.folder / name
    return path.read_text().splitlines() if path.exists() else []


async def fresh(postgres_url: str | None, folder: Path) -> str:
    """An empty migrated database; without a schema there is nothing to lose yet."""
    os.makedirs(folder)  # noqa: PTH103 - in a test nothing else waits for this loop
    url = (
        f"sqlite:///{folder / 'tiprouter.db'}"
        if postgres_url is None
        else await postgres.new_database(postgres_url, migrated=True)
    )
    await migrations.migrate(url)
    return url


async def entries_so_far(url: str) -> list[Entry]:
    """What is told so far: in the tree, and on its way there."""

    def look(tx: Transaction) -> list[bytes]:
        rows = [*tx.exec_driver_sql("select entry from log_entries"), *tx.exec_driver_sql("select entry from outbox")]
        return [bytes(row.entry) for row in rows]

    database = open_database(url)
    try:
        return [parse(entry) for entry in await database.read(look)]
    finally:
        await database.close()


async def check_after_the_kill(life: Life) -> None:
    """Acknowledged tips are there; whatever was received has its attempt's entry and a decision that permits it."""
    told = await entries_so_far(life.url)
    accepted = [entry for entry in told if entry.kind == "record.accepted"]
    assert len(accepted) >= len(lines(life, ACKNOWLEDGED))
    permitted = {entry.body["decision"] for entry in told if entry.body.get("outcome") in ("REPORT", "DISCLOSE")}
    made = {entry.body["delivery"]: entry.body["decisions"] for entry in told if entry.kind == "disclosure.made"}
    started = {entry.body["delivery"] for entry in told if entry.kind == "attempt.started"}
    for webhook_id in lines(life, RECEIVED):
        assert webhook_id in started, "sent before it was told"
        because = made[webhook_id]
        assert isinstance(because, list)
        assert because
        assert permitted.issuperset(because), "sent without a decision"


async def check_at_the_end(life: Life) -> None:
    """All three tips, each lawful disclosure received under one id at least once and no other, and the log is whole."""
    received = Counter(lines(life, RECEIVED))
    async with open_service(life.url, life.folder, Clock(START)) as service:
        await log_agrees_with_rows(service)
        assert (await service.rows("select count(*) from records"))[0][0] == len(TIPS)
        stored = await service.rows("select id, state from deliveries")
        assert {row.state for row in stored} == {"delivered"}
        assert received.keys() == {row.id for row in stored}
        assert len(stored) == DISCLOSURES
        per = await service.rows("select count(*) from deliveries group by record_id, recipient_id")
        assert {row[0] for row in per} == {1}


async def killed_and_resumed(life: Life) -> bool:
    """One life cut short and one that goes on; whether it was cut short at all."""
    code = await lived(life)
    assert code in (0, -signal.SIGKILL), (life.folder / STUCK).read_text()
    await check_after_the_kill(life)
    assert await lived(replace(life, kill_at=0, seconds_later=60)) == 0
    await check_at_the_end(life)
    return code != 0


async def points_of(postgres_url: str | None, folder: Path, fault: str = "") -> list[str]:
    """The points of a whole life."""
    life = Life(await fresh(postgres_url, folder), folder, fault=fault)
    assert await lived(life) == 0
    await check_at_the_end(life)
    return lines(life, POINTS)[0].split(",")


def chosen(names: list[str], step: int) -> list[int]:
    """Every so many statements, and every commit and step around the sending, or some of those."""
    numbered = list(enumerate(names, start=1))
    special = [number for number, name in numbered if name != "statement"]
    return sorted({*range(1, len(names) + 1, EVERY or step), *special[:: 1 if EVERY else step // 12 + 1]})


async def killed_at_each(postgres_url: str | None, folder: Path, step: int, shard: tuple[int, int]) -> None:
    """This shard's part of the chosen points, each in a database of its own."""
    points = chosen(await points_of(postgres_url, folder / "whole"), step)
    killed = 0
    for number in points[shard[0] :: shard[1]]:
        place = folder / str(number)
        url = await fresh(postgres_url, place)
        killed += await killed_and_resumed(Life(url, place, number))
        if postgres_url is not None:
            await postgres.drop_database(url)
    # The last points may not be reached again: ids are random, and with them the order of some statements.
    assert killed >= 0.8 * len(points[shard[0] :: shard[1]])


@pytest.mark.parametrize("shard", range(4))
async def test_a_kill_anywhere_loses_and_leaks_nothing_on_sqlite(tmp_path: Path, shard: int) -> None:
    """A quarter of the chosen points each: killed there, started again, and everything holds."""
    await killed_at_each(None, tmp_path, 31, (shard, 4))


@pytest.mark.parametrize("shard", range(2))
async def test_a_kill_anywhere_loses_and_leaks_nothing_on_postgresql(
    tmp_path: Path, postgres_url: str, shard: int
) -> None:
    """The same, with the server surviving the process, at fewer points."""
    await killed_at_each(postgres_url, tmp_path, 83, (shard, 2))


@pytest.mark.parametrize("fault", ["entry after sending", "entries apart"])
async def test_a_planted_fault_is_found(tmp_path: Path, fault: str) -> None:
    """The test of the test: an entry written after the sending, or apart from what it tells of, is found out."""
    names = await points_of(None, tmp_path / "whole", fault)
    sends = [number for number, name in enumerate(names, start=1) if name == "sent"]
    place = tmp_path / "killed"
    life = Life(await fresh(None, place), place, sends[0], fault=fault)
    assert await lived(life) == -signal.SIGKILL
    with pytest.raises(AssertionError, match="before it was told"):
        await check_after_the_kill(life)
