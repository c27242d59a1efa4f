"""Does the benchmark run what it says, and print a figure for each?"""

import re
from dataclasses import replace
from typing import Any

import pytest

from tiprouter.cli import bench
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.policy.bundle import Bundle


def test_every_figure_is_printed_with_its_label(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few decisions and one bundle here; what is run is the same each time, so the labels are."""
    monkeypatch.setattr("tiprouter.cli.bench.DECISIONS", 60)
    monkeypatch.setattr("tiprouter.cli.bench.shipped_names", lambda: ["tip-sharing"])
    bench.run()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"[0-9]+([.,][0-9]+)*", "N", line.split(": ")[0]) for line in lines] == [
        "machine",
        "policy check tip-sharing",
        "policy check, all bundles",
        "sweep alone",
        "decision, uncached",
        "decision, cached",
        "N recipients, uncached",
        "second opinion alone",
    ]
    assert "48,988,800 points" in lines[3]
    assert "(60 different facts)" in lines[4]


def test_what_is_decided_is_different_and_toward_every_kind(bundle: Bundle) -> None:
    """No fact is asked twice, or it would be remembered; children with a duty name a row of the table."""
    facts = list(bench.facts_of(bundle, 2_000))
    assert len(set(facts)) == 2_000
    assert {one.rows for one in facts} == {(), (min(bundle.slices),)}
    some = list(bench.recipients_of(facts[0]))
    assert len(set(some)) == bench.RECIPIENTS
    assert {one.recipient_kind for one in some} == set(RecipientKind)
    same: dict[str, Any] = {name: getattr(facts[0], name) for name in bench.RECIPIENT_FACTS}
    assert {replace(one, **same) for one in some} == {facts[0]}
