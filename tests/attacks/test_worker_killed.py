"""The process is killed at any statement: nothing acknowledged is lost, nothing leaves untold, all of it arrives.

Not tested: power loss. SIGKILL leaves the page cache; what `synchronous=FULL` adds would need a machine to cut.
"""

import asyncio
import multiprocessing
import os
import shutil
import signal
import sys
from collections import Counter
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import pytest

from tests.attacks.agreement import entries_of, log_agrees_with_rows
from tests.attacks.hearing import Agency, hearing
from tests.attacks.pipeline import ACKNOWLEDGED, AGENCIES, DONE, POINTS, STUCK, TIPS, Life, live
from tests.attacks.pipeline_faults import FAULTS
from tests.support import postgres
from tests.support.embedded import prepared
from tests.support.service import START, Clock, open_service
from tiprouter.audit.entry import Entry, parse
from tiprouter.storage.database import Transaction, open_database

EVERY = int(os.environ.get("TIPROUTER_CRASH_EVERY", "0"))
"""Set to 1 to be killed at every single point: minutes instead of seconds."""


DISCLOSURES = len(AGENCIES) + 1
"""The child is reported to both agencies, the danger to the police; the adult without consent to nobody."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.attacks.preloaded"])


def begin_forking() -> None:
    """Start the server that forks them, once; it finds what this process finds, or it would preload nothing."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()


async def lived(life: Life) -> int | None:
    """Live in a process of its own; its exit code."""
    begin_forking()
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
    if postgres_url is None:
        await prepared(url)
    return url


async def delivered(url: str) -> set[str]:
    """What is delivered, as the database has it."""
    database = open_database(url)
    try:
        rows = await database.read(
            lambda tx: list(tx.exec_driver_sql("select id from deliveries where state = 'delivered'"))
        )
        return {row.id for row in rows}
    finally:
        await database.close()


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


async def check_after_the_kill(life: Life, agency: Agency) -> None:
    """Acknowledged tips are there, and what is done is; what was received has its attempt's entry and a decision."""
    told = await entries_so_far(life.url)
    accepted = [entry for entry in told if entry.kind == "record.accepted"]
    assert len(accepted) >= len(lines(life, ACKNOWLEDGED)), "acknowledged and lost"
    permitted = {entry.body["decision"] for entry in told if entry.body.get("outcome") in ("REPORT", "DISCLOSE")}
    made = {entry.body["delivery"]: entry.body["decisions"] for entry in told if entry.kind == "disclosure.made"}
    started = {entry.body["delivery"] for entry in told if entry.kind == "attempt.started"}
    for webhook_id in agency.ids:
        assert webhook_id in started, "sent before it was told"
        because = made[webhook_id]
        assert isinstance(because, list)
        assert because
        assert permitted.issuperset(because), "sent without a decision"
    assert await delivered(life.url) >= set(lines(life, DONE)), "done and not written"


async def check_at_the_end(life: Life, agency: Agency, kills: int) -> None:
    """All three tips, each lawful disclosure received under one id, and no other; the log is whole.

    Received at least once, and once more for a kill at most, in the same words; each attempt has its end and entries.
    """
    assert set(agency.ids) == agency.bodies.keys()
    assert {len(words) for words in agency.bodies.values()} == {1}, "other words under the same id"
    async with open_service(life.url, life.folder, Clock(START)) as service:
        await log_agrees_with_rows(service)
        assert (await service.rows("select count(*) from records"))[0][0] == len(TIPS), "not the tips that came in"
        stored = await service.rows("select id, state from deliveries")
        assert {row.state for row in stored} == {"delivered"}, "stranded"
        assert set(agency.ids) == {row.id for row in stored}, "not what is stored"
        assert max(Counter(agency.ids).values()) <= 1 + kills, "sent again for no reason"
        assert len(stored) == DISCLOSURES, "a disclosure is lost"
        per = await service.rows("select count(*) from deliveries group by record_id, recipient_id")
        assert {row[0] for row in per} == {1}
        made = await service.rows("select id, delivery_id, number, result from attempts order by number")
        done = sorted(row.delivery_id for row in made if row.result == "success")
        assert done == sorted(agency.bodies), "delivered once each"
        told = [entry.body for entry in await entries_of(service) if entry.kind == "attempt.finished"]
        ends = Counter((str(body["attempt"]), str(body["result"])) for body in told)
        assert ends == Counter((row.id, row.result) for row in made), "an attempt's end is untold"
        for delivery_id in agency.bodies:
            numbers = [row.number for row in made if row.delivery_id == delivery_id]
            assert numbers == list(range(1, len(numbers) + 1))


async def killed_and_resumed(life: Life, agency: Agency) -> bool:
    """One life cut short and one that goes on; whether it was cut short at all."""
    agency.forget()
    code = await lived(life)
    assert code in (0, -signal.SIGKILL), (life.folder / STUCK).read_text()
    await agency.settled()
    await check_after_the_kill(life, agency)
    assert await lived(replace(life, kill_at=0, seconds_later=60)) == 0, "it cannot go on"
    await agency.settled()
    await check_at_the_end(life, agency, int(code != 0))
    return code != 0


async def points_of(postgres_url: str | None, folder: Path, agency: Agency) -> list[str]:
    """The points of a whole life."""
    life = Life(await fresh(postgres_url, folder), folder, agency.url)
    agency.forget()
    assert await lived(life) == 0
    await agency.settled()
    await check_at_the_end(life, agency, 0)
    return lines(life, POINTS)[0].split(",")


def chosen(names: list[str], step: int) -> list[int]:
    """Every so many statements, and every commit and step around the sending, or some of those."""
    numbered = list(enumerate(names, start=1))
    special = [number for number, name in numbered if name != "statement"]
    return sorted({*range(1, len(names) + 1, EVERY or step), *special[:: 1 if EVERY else step // 12 + 1]})


async def killed_at_each(postgres_url: str | None, folder: Path, step: int, shard: tuple[int, int]) -> None:
    """This shard's part of the chosen points, each in a database of its own."""
    async with hearing() as agency:
        points = chosen(await points_of(postgres_url, folder / "whole", agency), step)
        mine, killed = points[shard[0] :: shard[1]], 0
        for number in mine:
            place = folder / str(number)
            url = await fresh(postgres_url, place)
            killed += await killed_and_resumed(Life(url, place, agency.url, number), agency)
            if postgres_url is not None:
                await postgres.drop_database(url)
            shutil.rmtree(place)
    # The last points may not be reached again: ids are random, and with them the order of some statements.
    assert killed >= 0.8 * len(mine)


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


REFUSED = "assert 1 in"  # the process ends by itself: the database committed nothing without its entry
UNTOLD, STRANDED, NOT_STORED = "sent before it was told", "stranded", "not what is stored"
NOT_WRITTEN, END_UNTOLD = "done and not written", "an attempt's end is untold"

FOUND = {
    "accepted_in_memory": ("accepted:1", "acknowledged and lost"),
    "another_body": ("sent:1", "other words under the same id"),
    "another_id": ("sent:1", NOT_STORED),
    "answer_in_memory": ("finished:1", NOT_WRITTEN),
    "answers_lost_in_the_batch": ("finished:3", NOT_WRITTEN),
    "answers_untold": ("finished:3", END_UNTOLD),
    "attempt_after_sending": ("sent:1", "attempt.started"),
    "attempt_left_open": ("sent:1", END_UNTOLD),
    "claimed_by_nobody": ("sent:1", STRANDED),
    "counted_anew": ("sent:1", "it cannot go on"),
    "dead_counts_as_done": ("sent:1", "delivered once each"),
    "dead_waits_for_a_day": ("sent:1", STRANDED),
    "end_untold": ("sent:1", END_UNTOLD),
    "entries_apart": ("sent:1", REFUSED),
    "entries_taken_out_first": ("taken out:2", UNTOLD),
    "entry_after_sending": ("sent:1", REFUSED),
    "leases_for_ever": ("sent:1", STRANDED),
    "nobody_takes_over": ("sent:1", STRANDED),
    "queued_in_memory": ("accepted:2", "a disclosure is lost"),
    "results_apart": ("finished:1", NOT_WRITTEN),
    "told_again_is_new": ("sent:1", "not the tips that came in"),
    "told_before_it_is_sent": ("finished:1", NOT_STORED),
}
"""Where each is killed, near its fault, and what is found."""


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_a_planted_fault_is_found(tmp_path: Path, fault: str) -> None:
    """The test of the test: of defects that a crash brings to light, each is found out by the same checks."""
    place = tmp_path / "killed"
    point, why = FOUND[fault]
    async with hearing() as agency:
        life = Life(await fresh(None, place), place, agency.url, point, fault=fault)
        with pytest.raises(AssertionError, match=why):
            await killed_and_resumed(life, agency)


async def test_without_a_fault_nothing_is_found_there(tmp_path: Path) -> None:
    """Killed at the same points, the product holds: what is found above is the fault."""
    points = sorted({point for point, _ in FOUND.values()} - {"taken out:2"})
    async with hearing() as agency:
        for number, point in enumerate(points):
            place = tmp_path / str(number)
            assert await killed_and_resumed(Life(await fresh(None, place), place, agency.url, point), agency)
