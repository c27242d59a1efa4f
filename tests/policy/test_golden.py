"""Does the bundle decide what people wrote down beforehand?"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tiprouter.domain.duty import Span
from tiprouter.domain.outcome import UNNAMED_SIGNALER, Notice, Ruling
from tiprouter.domain.vocabulary import Category, Outcome, SpanUnit
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.golden import GoldenRow, golden_rows, mismatches, obligations, unpinned
from tiprouter.policy.refusal import BundleError

HEADER = "name,facts,outcome,categories,policies,obligations\n"


def test_every_written_decision_is_made(bundle: Bundle, engine: Engine) -> None:
    """The golden table holds, with its categories and every determining policy."""
    assert len(bundle.golden) >= 60
    assert list(mismatches(bundle.golden, engine.rule)) == []


def test_tip_sharing_decides_what_was_written(tip_sharing: Bundle) -> None:
    """The other bundle's own table holds, and each of its policies determines a row."""
    assert list(mismatches(tip_sharing.golden, Engine(tip_sharing).rule)) == []
    assert unpinned(tip_sharing.golden, tip_sharing.notes) == frozenset()


def test_every_kind_of_obligation_is_pinned(bundle: Bundle, tip_sharing: Bundle) -> None:
    """A deadline, a notice, a call and a report in writing are each written down, of one row of law and of two."""
    for each in (bundle, tip_sharing):
        words = {word.partition("=")[0] for row in each.golden for word in row.obligations}
        assert words == {"by", "notice", "call", "written"}
        assert {1, 2} <= {len(row.facts.rows) for row in each.golden}
        assert any(UNNAMED_SIGNALER in row.policies for row in each.golden)


def test_every_policy_and_outcome_is_pinned(bundle: Bundle) -> None:
    """Each policy determines a row, and each outcome that a policy can lead to is written down."""
    assert unpinned(bundle.golden, bundle.notes) == frozenset()
    assert {row.outcome for row in bundle.golden} == set(Outcome) - {Outcome.HOLD_ERROR}


def test_an_unpinned_policy_is_named(bundle: Bundle) -> None:
    """A policy that determines no row is reported by its id."""
    assert unpinned(bundle.golden, [*bundle.notes, "tenant.new"]) == {"tenant.new"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("guards.cedar", 'unless { principal.kind == RecipientKind::"service_provider" };', ";"),
        ("core.cedar", "resource.fresh\n", "!resource.fresh\n"),
        ("tenant.cedar", 'resource.reporter != Relationship::"self"', 'resource.reporter == Relationship::"self"'),
    ],
)
def test_a_changed_bundle_breaks_the_table(folder: Path, file: str, old: str, new: str) -> None:
    """An edit that changes decisions is found, and the row is named with its line."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    changed = load(folder)
    found = list(mismatches(changed.golden, Engine(changed).rule))
    assert found
    assert all(line.startswith("line ") for line in found)


def _one(bundle: Bundle, facts: str) -> GoldenRow:
    base = "base," + ";".join(_base_cell(bundle)) + ",WITHHOLD,,,\n"
    return golden_rows("golden.csv", f"{HEADER}{base}x,{facts},WITHHOLD,,,\n")[1]


def _base_cell(bundle: Bundle) -> list[str]:
    plain = {name: value for name, value in bundle.golden[0].facts.plain().items() if name not in ("consents", "rows")}
    words = {name: str(value).lower() if isinstance(value, bool) else value for name, value in plain.items()}
    return [*(f"{name}={word}" for name, word in words.items()), "consent=not_asked"]


def test_a_row_states_only_what_differs(bundle: Bundle) -> None:
    """`consent` sets every category, `consent.<category>` one, and everything else is the base row's."""
    row = _one(bundle, "role=witness;consent=granted;consent.health=refused")
    assert row.facts.role == "witness"
    assert row.facts.plain()["consents"] == dict.fromkeys(
        ["incident", "location", "identity", "contact", "immigration", "signaler_identity"], "granted"
    ) | {"health": "refused"}
    assert row.facts.recipient_kind == bundle.golden[0].facts.recipient_kind


def test_a_row_names_the_duty_rows_that_are_asked(bundle: Bundle) -> None:
    """In the order written; none where none is stated, because no row of the base is anybody's but its own."""
    assert _one(bundle, "rows=us-ca us-tx;age=minor").facts.rows == ("us-ca", "us-tx")
    assert _one(bundle, "age=minor").facts.rows == ()
    assert bundle.golden[0].facts.rows == ()


def test_a_row_of_no_duty_is_decided_by_nobody(bundle: Bundle, engine: Engine) -> None:
    """A golden row whose duty row was renamed breaks, and says that nothing could be decided."""
    gone = replace(_one(bundle, "age=minor;duty=required;rows=us-gone"), outcome=Outcome.REPORT)
    (found,) = mismatches([gone], engine.rule)
    assert "decided HOLD_ERROR |  | policy.error" in found


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("core.cedar", '@notify_subject("when_safe")', '@notify_subject("required")'),
        ("core.cedar", '@deadline("PT15M")', '@deadline("PT16M")'),
        ("core.cedar", '@notify_subject("when_safe")', '@notify_subject("when_safe")\n@channel("oral")'),
        ("core.cedar", '@notify_subject("when_safe")', '@notify_subject("when_safe")\n@written("9d")'),
        ("duties.csv", ",,telephone,36h,", ",,any,36h,"),
        ("duties.csv", ",36h,received,always,", ",37h,received,always,"),
    ],
)
def test_a_changed_obligation_breaks_the_table(folder: Path, file: str, old: str, new: str) -> None:
    """Deadline, notice, call and writing are written decisions too, not only who is told what."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    changed = load(folder)
    assert list(mismatches(changed.golden, Engine(changed).rule))


def test_obligations_are_what_a_ruling_owes(engine: Engine) -> None:
    """The earliest deadline, the notice, the call and every report in writing; what is not owed is left out."""
    owed = Ruling(
        permitted=frozenset({Category.INCIDENT}),
        report=True,
        review=False,
        policies=("x.y",),
        within=(timedelta(hours=2), timedelta(minutes=15)),
        written=(Span(36, SpanUnit.HOURS), Span(3, SpanUnit.BUSINESS_DAYS)),
        call=True,
        notice=Notice.WHEN_SAFE,
    )
    assert list(obligations(owed)) == ["by=15m", "notice=when_safe", "call", "written=36h", "written=3bd"]
    nothing = replace(owed, within=(), written=(), call=False, notice=Notice.NOT_REQUIRED)
    assert list(obligations(nothing)) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("colour=red", "colour is not a fact"),
        ("age=teenager", "age: teenager is not one of"),
        ("usable=yes", "usable must be true or false"),
        ("consent.shoes=granted", "shoes is not one of"),
        ("consent.health=maybe", "maybe is not one of"),
        ("row=us-ca", "row is not a fact"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(bundle: Bundle, facts: str, reason: str) -> None:
    """A misspelt fact or value is refused at its line: a row must not silently be about something else."""
    with pytest.raises(BundleError, match=reason) as refused:
        _one(bundle, facts)
    assert (refused.value.file, refused.value.line) == ("golden.csv", 3)
