"""Does the bench of everything run the real processes on both databases, beside the limits?

(cli/all_bench.py, rules 1-7; cli/bench_fleet.py, rules 1-3; cli/bench_postgres.py, rules 1-3)

Nothing here looks at how fast anything was: a figure is there, and of the right kind.
"""

import json

import pytest

from tests.support import postgres
from tiprouter.cli import all_bench, bench_postgres
from tiprouter.errors import ConfigurationError

SMALL = {"ENTRIES": 50, "FSYNCS": 3, "BARE": 20, "QUESTIONS": 2, "_COMMIT_SECONDS": 1}


def test_every_figure_is_there_beside_its_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite by one process, PostgreSQL by one and by two; every tip taken and delivered, each figure with its part."""
    if postgres.binaries() is None:
        pytest.skip(postgres.WHY_NOT)
    for name, value in SMALL.items():
        monkeypatch.setattr(all_bench, name, value)
    assert all_bench.run(2, [1, 2], as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    rows = said["service"]
    assert [(row["database"], row["processes"]) for row in rows] == [
        ("sqlite", 1),
        ("postgresql", 1),
        ("postgresql", 2),
    ]
    for row in rows:
        assert (row["refused"], row["left"]) == (0, 0)
        for name in (
            "tips accepted",
            "tips delivered",
            "deliveries",
            "decisions",
            "log entries",
            "auditor p50 ms",
            "MB",
        ):
            assert row[name] > 0
        for name in ("answered", "delivered"):
            assert 0 < row[f"{name} p50 ms at half"] <= row[f"{name} p99 ms at half"]
        assert row["deliveries"] == pytest.approx(4 * row["tips delivered"], rel=0.1)
        assert row["decisions"] == pytest.approx(8 * row["tips delivered"], rel=0.1)
    limits = {row["limit"]: row["per second"] for row in said["limits"]}
    assert len(limits) == 5
    assert min(limits.values()) > 0
    for part in said["parts of the limits"]:
        assert part["part"] == pytest.approx(part["per second"] / limits[part["limit"]], abs=0.05, rel=0.1)
    assert [row["database"] for row in said["log alone"]] == ["sqlite", "postgresql"]


def test_without_a_postgresql_the_rest_is_measured_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule 7."""
    for name, value in SMALL.items():
        monkeypatch.setattr(all_bench, name, value)
    monkeypatch.setattr(bench_postgres, "found", lambda: None)
    assert all_bench.run(2, [1, 4], as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert [row["database"] for row in said["service"]] == ["sqlite"]
    assert said["machine"]["PostgreSQL"].startswith("left out")


@pytest.mark.parametrize("counts", ["", "3", "1,", "1,two"])
def test_other_numbers_of_processes_are_refused(counts: str) -> None:
    """One, two or four."""
    with pytest.raises(ConfigurationError):
        all_bench.counts_of(counts)
