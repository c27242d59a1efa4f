"""Does each benchmark run, and say all that it promises? (cli/benches.py, and one module each)

Nothing here looks at how fast anything was: a figure is there, and of the right kind.
"""

import gc
import json
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tiprouter.cli import bench_house, withdrawal_bench
from tiprouter.cli.deliver_bench import shapes
from tiprouter.cli.withdrawal_bench import Shape
from tiprouter.errors import ConfigurationError

MACHINE = {"cores", "python", "database", "load"}


def figures(tiprouter: CommandLine, *arguments: object) -> list[dict[str, Any]]:
    """The rows of a benchmark that ended well."""
    done = tiprouter("bench", *arguments, "--json")
    assert done.returncode in {0, 1}, done.stderr
    said = json.loads(done.stdout)
    assert said["machine"].keys() == MACHINE
    rows: list[dict[str, Any]] = said["rows"]
    return rows


def test_deliveries_are_measured_beside_the_bare_limit(tiprouter: CommandLine) -> None:
    """A row for each shape; everything that was to arrive at a live endpoint did."""
    rows = figures(tiprouter, "deliver", "--endpoints", "2", "--dead", "0,50", "--deliveries", 4)
    assert [(row["endpoints"], row["dead %"]) for row in rows] == [(2, 0), (2, 50)]
    for row in rows:
        assert (row["deliveries"], row["left"]) == (4, 0)
        assert min(row[name] for name in ("per second", "bare", "CPU ms each", "bare CPU ms", "p50 ms at half")) > 0
        assert row["p50 ms at half"] <= row["p99 ms at half"]


def test_tips_are_followed_to_their_agencies(tiprouter: CommandLine) -> None:
    """A row for each shape; every live agency of every tip's county had it, at the most and one by one."""
    rows = figures(tiprouter, "journey", "--endpoints", "1,5", "--dead", "0,50", "--tips", 3)
    assert [(row["endpoints"], row["dead %"]) for row in rows] == [(1, 0), (1, 50), (5, 0), (5, 50)]
    for row in rows:
        assert (row["tips"], row["left"]) == (3, 0)
        assert min(row[name] for name in ("tips per second", "CPU ms a tip", "accept p50 ms", "MB")) > 0
        assert 0 < row["delivered p50 ms"] <= row["delivered p99 ms"]
        assert row["deliveries per second"] >= row["tips per second"]


def test_a_withdrawal_is_measured_by_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each shape, and one for where its time went; whatever waited was cancelled."""
    assert withdrawal_bench.run(None, 1, (Shape("US-TX", 2, 1, 1), Shape("US-CA", 2, 1, 2))) in {0, 1}
    gc.unfreeze()  # the bench keeps what is loaded from the collector, which other tests in this process need
    first, parts, second, _ = capsys.readouterr().out.splitlines()
    assert "2 agencies x 1 record(s) of 1 person(s)" in first
    assert "2 cancelled" in first
    assert "2 cancelled" in second
    assert [part.split()[0] for part in parts.split(",")] == ["sql", "decision", "log", "other", "commit", "computed"]


def test_a_killed_workers_deliveries_are_timed_each(tiprouter: CommandLine) -> None:
    """One kill, two deliveries: both are attempted again, and the longest wait decides the exit code."""
    (row,) = figures(tiprouter, "resume", "--rounds", 1, "--in-flight", 2)
    assert (row["rounds"], row["in flight"], row["target s"]) == (1, 2, 5.0)
    assert 0 < row["median s"] <= row["max s"]


def test_tips_are_measured_beside_a_bare_endpoint_and_bare_commits(tiprouter: CommandLine) -> None:
    """Every tip is taken by the real edge; a row for it and for each of the two limits."""
    edge, bare, commits = figures(tiprouter, "intake", "--callers", 2, "--tips", 4)
    for row in (edge, bare):
        assert row["per second"] > 0
        assert 0 < row["p50 ms alone"] <= row["p99 ms alone"]
        assert 0 < row["p50 ms at half"] <= row["p99 ms at half"]
    assert edge["times tips"] == 1.0
    assert commits["per second"] > 0


def test_the_same_story_is_told_with_and_without_its_entries(tiprouter: CommandLine) -> None:
    """A tip's record and eight decisions; a consent's own entry and what follows it: each beside the same without."""
    tip, consent = figures(tiprouter, "entry", "--rounds", 3)
    assert (tip["story"], tip["entries"], consent["story"]) == ("tip", 9, "consent")
    assert consent["entries"] > 8
    for row in (tip, consent):
        for of in ("", "CPU "):
            some, none = row[f"{of}ms with"], row[f"{of}ms without"]
            assert min(some, none) > 0
            assert row[f"{of}slower %"] == pytest.approx(100 * (some / none - 1), abs=1)


def test_slow_callers_are_timed_beside_their_deadlines_and_honest_ones(tiprouter: CommandLine) -> None:
    """A row for each kind of slow caller, all of them dropped, and one each for the honest, alone and beside."""
    chosen = ("--slow", 11, "--rate", 2, "--head-seconds", 0.5, "--body-seconds", 1, "--rounds", 2)
    head, body, answer, alone, beside = figures(tiprouter, "slow-callers", *chosen)
    assert [row["count"] for row in (head, body, answer)] == [10, 10, 2]
    for row in (head, body, answer):
        assert row["deadline s"] <= row["first s"] <= row["last s"] < 60
    for row in (alone, beside):
        assert 0 < row["p50 ms"] <= row["p99 ms"]
        assert row["own p99 ms"] >= 0
        assert row["service cpu s"] > 0


@pytest.mark.parametrize(("endpoints", "dead"), [("0", "0"), ("1", "100"), ("many", "0"), (",".join("1" * 13), "0")])
def test_shapes_that_cannot_be_measured_are_refused(endpoints: str, dead: str) -> None:
    """No endpoint, none alive, no number, or more shapes than there are places for."""
    with pytest.raises(ConfigurationError):
        shapes(endpoints, dead)


def test_a_table_names_the_machine_and_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """For people: a line about the machine, a head, a row for each."""
    machine = {"cores": 2, "python": "3.11.0", "database": "sqlite 3.40.1", "load": 7.5}
    bench_house.tell(machine, [{"what": "tips", "per second": 1234.5}], as_json=False)
    first, head, row = capsys.readouterr().out.splitlines()
    assert "2 cores" in first
    assert "load average 7.5" in first
    assert head.split() == ["what", "per", "second"]
    assert row.split() == ["tips", "1,234.5"]


def test_the_log_is_measured_beside_its_bare_limits(tiprouter: CommandLine) -> None:
    """A line for each size, every figure there; and what hashing and inserting the same bytes alone cost."""
    done = tiprouter("bench", "log", "--entries", 10_300)
    assert done.returncode == 0, done.stderr
    hashing, inserting, head, *lines = done.stdout.splitlines()
    assert float(hashing.removeprefix("SHA-256 of an entry alone:").removesuffix("us")) > 0
    clock, cpu = inserting.removeprefix("insert of an entry alone:").removesuffix("us").split("us, CPU")
    assert min(float(clock), float(cpu)) > 0
    assert head.split()[0] == "entries"
    rows = [[float(one.replace(",", "")) for one in line.split()] for line in lines]
    assert [row[0] for row in rows] == [10_000, 10_300]
    for _, per_second, clock_us, cpu_us, start, p50, p99, proof_cpu in rows:
        assert min(per_second, clock_us, cpu_us, start, p50, proof_cpu) > 0
        assert p50 <= p99
