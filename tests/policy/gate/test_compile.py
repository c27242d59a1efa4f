"""Does the compiler say what Cedar says, word for word, and does it refuse what it does not know?"""

import re
from pathlib import Path

import cedarpy
import pytest

from tests.policy.facts_strategy import facts, numbered
from tiprouter.policy.bundle import Bundle, load
from tiprouter.policy.engine import Engine
from tiprouter.policy.gate.differential import differential
from tiprouter.policy.gate.opinion import SecondOpinion
from tiprouter.policy.questions import QUESTIONS, entities_for, requests_for
from tiprouter.policy.refusal import BundleError

OVERFLOW = "9223372036854775807 + 1 > 0"
MISSING = 'Recipient::"elsewhere".usable'
ACTING = 'action in [Action::"minimum", Action::"report"]'

# Conditions of every modelled kind, those that err among them.
CONDITIONS = [
    OVERFLOW,
    f"principal.usable && {OVERFLOW}",
    f"principal.usable || {OVERFLOW}",
    f"{OVERFLOW} || true",
    f"!({OVERFLOW})",
    f"if principal.usable then resource.fresh else {OVERFLOW}",
    f"if {OVERFLOW} then true else true",
    f'(if {OVERFLOW} then resource.age else resource.age) == AgeBand::"adult"',
    f"resource.fresh == ({OVERFLOW})",
    "-(-9223372036854775807 - 1) > 0",
    "9223372036854775807 * 2 == 3",
    "1 + 2 * 3 - 4 == 3 && 1 < 2 && 2 <= 2 && !(2 > 3) && 3 >= 3 && -1 < 0",
    MISSING,
    f"resource.fresh && {MISSING}",
    '!(Recipient::"elsewhere" has usable)',
    'Recipient::"recipient".usable',
    'principal == Recipient::"recipient"',
    '!(principal in Recipient::"elsewhere")',
    "principal has kind && resource has age && context has consent",
    "context has any_granted && context.any_granted",
    'action == Action::"review" && !context.any_granted',
    'principal is Recipient && resource is Person in Person::"person"',
    'principal is Recipient && !(principal is Recipient in Recipient::"elsewhere")',
    "resource.fresh == principal.usable",
    "resource.fresh != principal.usable",
    'resource.age != AgeBand::"adult"',
    "resource.immediate == resource.escalating",
    "resource.immediate == principal.in_jurisdiction",
    '[Role::"witness", Role::"signaler"].contains(resource.role)',
    '[Role::"witness"].containsAll([Role::"witness"]) && ![Role::"witness"].isEmpty()',
    "[1, 2].containsAny([2, 3])",
    'resource.role in [Role::"witness", Role::"dependant"]',
    ACTING,
    'action == Action::"report" || action == Action::"health"',
    f'if {ACTING} then resource.age == AgeBand::"minor" else context.consent == Consent::"granted"',
    '(if principal.usable then resource.immediate else Answer::"no") == Answer::"yes"',
    "if true then true else (1 < 2)",
    '"a" == "a" && "a" != "b"',
]  # fmt: skip

UNMODELLED = [
    ('"xyz" like "x*"', "like"),
    ('ip("127.0.0.1").isLoopback()', "operator"),
    ('[resource.age].contains(AgeBand::"minor")', "a set with a fact in it"),
    ("{age: 1}.age == 1", "Record"),
    ('action != Action::"review" && context == {consent: Consent::"granted"}', "context as a whole"),
    ('decimal("1.5").lessThan(decimal("2.5"))', "operator"),
]  # fmt: skip


def _with(folder: Path, effect: str, *conditions: str) -> Bundle:
    odd = [
        f'\n\n@id("tenant.odd-{number}")\n@basis("Odd.")\n@cite("None")\n'
        f"{effect} (principal, action, resource)\nwhen {{ {condition} }};\n"
        for number, condition in enumerate(conditions)
    ]
    (folder / "odd.cedar").write_text("".join(odd))
    return load(folder)


def _erring(result: cedarpy.AuthzResult) -> frozenset[str]:
    return frozenset(name for error in result.diagnostics.errors for name in re.findall(r"policy `([^`]+)`", error))


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_every_construct_means_what_it_means_to_cedar(folder: Path, effect: str) -> None:
    """Each of many odd conditions is satisfied, not satisfied or in error exactly where real Cedar says so."""
    odd = _with(folder, effect, *CONDITIONS)
    second, schema = SecondOpinion(odd.policies), odd.parsed.schema
    satisfied, erred = set[str](), set[str]()
    for number in range(60):
        store = cedarpy.Entities.from_json_str(entities_for(numbered(number)), schema)
        results = cedarpy.is_authorized_batch(requests_for(numbered(number)), odd.parsed.policies, store, schema)
        for question, result, other in zip(QUESTIONS, results, second.answers(numbered(number)), strict=True):
            cedar = (result.allowed, frozenset(result.diagnostics.reasons), _erring(result))
            assert cedar == (other.allowed, other.policies, other.errors), (question, numbered(number))
            satisfied |= other.policies
            erred |= other.errors
    odd_ones = {f"tenant.odd-{number}" for number in range(len(CONDITIONS))}
    assert odd_ones <= satisfied | erred, "a condition that never holds and never errs compares nothing"
    assert len(erred) >= 10


@pytest.mark.parametrize(("condition", "reason"), UNMODELLED)
def test_what_is_not_modelled_is_refused_where_it_stands(folder: Path, condition: str, reason: str) -> None:
    """File, line and construct are named; nothing is passed over, and nothing is decided meanwhile."""
    try:
        odd = _with(folder, "forbid", condition)
    except BundleError as refused:
        pytest.fail(f"Cedar's own validator refuses it, so it tests nothing here: {refused}")
    with pytest.raises(BundleError, match=reason) as refused_by_gate:
        SecondOpinion(odd.policies)
    assert (refused_by_gate.value.file, refused_by_gate.value.line) == ("odd.cedar", 3)
    assert "tenant.odd-0" in refused_by_gate.value.reason
    assert Engine(odd).rule(facts()).errors == ("second-opinion",)


@pytest.mark.parametrize("name", ["bundle", "tip_sharing"])
def test_real_cedar_agrees_with_the_compiled_text(name: str, request: pytest.FixtureRequest) -> None:
    """More than five thousand real decisions, spread over the whole space: not one differs."""
    found = differential(request.getfixturevalue(name), 5_000)
    assert found.decisions >= 5_000
    assert (found.differing, found.told) == (0, ())


def test_a_difference_would_be_told(bundle: Bundle, tip_sharing: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that read other policies than Cedar is found, in words."""
    second = SecondOpinion(tip_sharing.policies)
    monkeypatch.setattr("tiprouter.policy.gate.differential.SecondOpinion", lambda _: second)
    found = differential(bundle, 3_600)
    assert found.differing > 0
    assert any("Cedar denies by" in told or "Cedar allows by" in told for told in found.told)
    assert all("person: " in told and "recipient: " in told for told in found.told)
