"""Does the bundle decide what people wrote down beforehand?"""

from pathlib import Path

import pytest

from tiprouter.domain.vocabulary import Outcome
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.golden import GoldenRow, golden_rows, mismatches, unpinned
from tiprouter.policy.refusal import BundleError

HEADER = "name,facts,outcome,categories,policies\n"


def test_every_written_decision_is_made(bundle: Bundle, engine: Engine) -> None:
    """The golden table holds, with its categories and every determining policy."""
    assert len(bundle.golden) >= 60
    assert list(mismatches(bundle.golden, engine.rule)) == []


def test_tip_sharing_decides_what_was_written(tip_sharing: Bundle) -> None:
    """The other bundle's own table holds, and each of its policies determines a row."""
    assert list(mismatches(tip_sharing.golden, Engine(tip_sharing).rule)) == []
    assert unpinned(tip_sharing.golden, tip_sharing.notes) == frozenset()


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
    base = "base," + ";".join(_base_cell(bundle)) + ",WITHHOLD,,\n"
    return golden_rows("golden.csv", f"{HEADER}{base}x,{facts},WITHHOLD,,\n")[1]


def _base_cell(bundle: Bundle) -> list[str]:
    plain = {name: value for name, value in bundle.golden[0].facts.plain().items() if name != "consents"}
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


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ("colour=red", "colour is not a fact"),
        ("age=teenager", "age: teenager is not one of"),
        ("usable=yes", "usable must be true or false"),
        ("consent.shoes=granted", "shoes is not one of"),
        ("consent.health=maybe", "maybe is not one of"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused(bundle: Bundle, facts: str, reason: str) -> None:
    """A misspelt fact or value is refused at its line: a row must not silently be about something else."""
    with pytest.raises(BundleError, match=reason) as refused:
        _one(bundle, facts)
    assert (refused.value.file, refused.value.line) == ("golden.csv", 3)
