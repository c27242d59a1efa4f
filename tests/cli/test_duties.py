"""The duty tables on the command line: doubts are told, a wrong table fails, one place can be looked up."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tiprouter import wiring
from tiprouter.cli import duties
from tiprouter.policy.files import shipped

BUNDLE = "survivor-led"


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day on which the shipped rows were verified."""
    monkeypatch.setattr(wiring, "now", lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))


def test_doubts_are_no_failure(verified: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: warnings and notes are told, the worst first, and the answer is 0."""
    assert duties.lint(BUNDLE) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("0 errors, ")
    kinds = [line.split()[0] for line in lines[:-1]]
    assert kinds == sorted(kinds, reverse=True)
    assert "warning US-GU: every child's situation goes to review with the clock running: us-gu has no source" in lines
    assert "note    us-ca: only a person can discharge it: telephone" in lines


def test_a_wrong_table_fails(verified: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules 1 and 2: a folder with a row that was verified tomorrow answers 1 and says which."""
    folder = Path(shutil.copytree(shipped(BUNDLE), tmp_path / "bundle"))
    table = (folder / "duties.csv").read_text()
    lines = table.splitlines()
    wrong = [line.replace("2026-11-21", "2026-11-22") if line.startswith("us-wy,") else line for line in lines]
    (folder / "duties.csv").write_text("\n".join([*wrong, ""]))
    assert duties.lint(str(folder)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "error   us-wy: it says it was verified on 2026-11-22"
    assert lines[-1].startswith("1 errors, ")


def test_one_place_is_told_in_words(verified: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Every row of it, what stands behind each, and whether it is relied on; small letters will do."""
    assert duties.show(BUNDLE, "us-ca") == 0
    told = capsys.readouterr().out
    assert told.startswith("US-CA California, America/Los_Angeles\n")
    assert "us-ca (relied on): The situation of a child is reported immediately to child protection or law" in told
    assert "A report in writing follows within 36 hours of receiving the information." in told
    assert "us-ca.csec (not relied on): " in told
    assert "  Binds child welfare agencies, not the hotline.\n" in told
    assert "  Law: Cal. Penal Code 11166(a); 11165.9.\n" in told
    assert "goes to review" not in told


def test_a_place_that_goes_to_review_says_so(verified: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Guam's row has no source."""
    assert duties.show(BUNDLE, "US-GU") == 0
    assert capsys.readouterr().out.endswith("every child's situation goes to review: us-gu has no source\n")


def test_the_nation_has_rows_and_no_zone(verified: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Its rows say nothing of any state's law, so it is no review either."""
    assert duties.show(BUNDLE, "US") == 0
    told = capsys.readouterr().out
    assert told.startswith("US\nus.federal-land (not relied on): ")
    assert "goes to review" not in told


def test_an_unknown_place_is_a_failure(verified: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Rule 2: a slip of the pen is no empty answer."""
    assert duties.show(BUNDLE, "US-XX") == 1
    assert capsys.readouterr().err == "neither table knows US-XX\n"


def test_the_page_is_printed_as_it_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """What the command prints can be written to the document as it is."""
    duties.page(BUNDLE)
    assert capsys.readouterr().out == (Path(__file__).parents[2] / "docs" / "duties.md").read_text()
