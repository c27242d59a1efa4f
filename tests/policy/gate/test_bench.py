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
    monkeypatch.setattr("tiprouter.cli.bench.OTHERS", 90)
    monkeypatch.setattr("tiprouter.cli.bench.shipped_names", lambda: ["tip-sharing"])
    bench.run()
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"[0-9]+([.,][0-9]+)*", "N", line.split(": ")[0]) for line in lines] == [
        "machine",
        "policy check tip-sharing",
        "policy check, all bundles",
        "sweep alone",
        "decision, nothing remembered",
        "decision, facts never seen, after N others",
        "decision, remembered",
        "N recipients, nothing remembered",
        "N recipients, facts never seen, after N others",
        "second opinion alone",
    ]
    assert "97,977,600 points" in lines[3]
    assert "(60 different facts)" in lines[4]
    assert "after 90 others" in lines[5]


def test_what_is_said_to_be_unseen_is(bundle: Bundle) -> None:
    """Before the timed decisions an engine has decided all the others and none of those; forgetting leaves nothing."""
    facts, others = list(bench.facts_of(bundle, 20)), list(bench.facts_of(bundle, 30, 20))
    assert not set(facts) & set(others)
    seasoned = bench._having_decided(bundle, others)  # noqa: SLF001 - what is timed
    before = seasoned.stats()
    for one in facts:
        seasoned.rule(one)
    assert (before.size, seasoned.stats().size, seasoned.stats().hits) == (30, 50, 0)
    empty = bench._ready(bundle, facts)  # noqa: SLF001 - what is timed
    assert (empty.stats().size, empty.stats().sayings) == (0, 0)


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
