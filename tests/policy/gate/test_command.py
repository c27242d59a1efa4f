"""What does the command line say of a bundle, and with which exit code?"""

from pathlib import Path

import pytest

from tiprouter.cli import policies
from tiprouter.policy.refusal import BundleError


def test_a_sound_bundle_is_told_step_by_step(capsys: pytest.CaptureFixture[str]) -> None:
    """Every step with its time, then the verdict with the digest; exit code 0."""
    assert policies.check("survivor-led") == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(" ok " in line and line.endswith(" ms)") for line in lines[:-1])
    assert "may be active" in lines[-1]


def test_a_refused_bundle_exits_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """File, line and reason are told; the verdict is plain."""
    (folder / "core.cedar").unlink()
    assert policies.check(str(folder)) == 1
    assert "core.cedar:1: the file is missing" in (said := capsys.readouterr().out)
    assert "must not be active" in said


def test_a_bundle_of_no_name_is_refused() -> None:
    """Neither a folder nor a shipped name."""
    with pytest.raises(BundleError, match="no such bundle"):
        policies.check("unheard-of")


def test_what_changes_is_told_and_what_may_newly_leave_exits_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a script cannot activate what somebody has to approve."""
    assert policies.diff("survivor-led", "tip-sharing") == 1
    assert "newly disclosed: incident, location: 19,416 fact points" in capsys.readouterr().out
    assert policies.diff("tip-sharing", "tip-sharing") == 0
    assert "both decide alike" in capsys.readouterr().out


def test_the_comparison_with_real_cedar_prints_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """At least as many decisions as asked for, and how many differ."""
    assert policies.compare("tip-sharing", 100) == 0
    assert capsys.readouterr().out.startswith("108 Cedar decisions in ")
