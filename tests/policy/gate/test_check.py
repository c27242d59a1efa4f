"""Do the shipped bundles pass the gate, and does each law stop the bundle that would break it?"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import tiprouter
from tiprouter.policy.bundle import load
from tiprouter.policy.files import shipped
from tiprouter.policy.gate import laws
from tiprouter.policy.gate.check import ALL, GateReport, check, examined
from tiprouter.policy.gate.extras import GateUnavailableError, extra
from tiprouter.policy.gate.proofs import Prover, stated, swept
from tiprouter.policy.gate.space import SIZE

ANY = '@id("tenant.any")\n@basis("Careless.")\n@cite("None")\n'
EVERYTHING = f'{ANY}permit (principal, action in Action::"disclose", resource);\n'

# Which law stops which careless edit: the file, its text and another, the law, words of the counterexample.
BROKEN = [
    ("guards.cedar", "when { principal.implicated };", "when { false };", laws.implicated, "accused by the record"),
    ("guards.cedar", "unless { principal.usable };", "unless { true };", laws.suspended, "suspended"),
    ("guards.cedar", 'in_jurisdiction != Answer::"yes"', 'in_jurisdiction == Answer::"no"', laws.elsewhere, "unknown"),
    (
        "guards.cedar",
        'forbid (principal, action == Action::"immigration", resource)\nunless {',
        ('forbid (principal, action == Action::"immigration", resource)\nunless { context.consent == '
        'Consent::"granted" ||'),
        laws.immigration,
        "an authority is told",
    ),
    (
        "guards.cedar",
        'action == Action::"signaler_identity", resource)\nunless {',
        'action == Action::"signaler_identity", resource)\nunless { principal.usable ||',
        laws.signaler_identity,
        "without consent",
    ),
    (
        "guards.cedar",
        'resource.reporter != Relationship::"self" &&\n     context.consent == Consent::"not_asked"',
        'resource.reporter != Relationship::"self"',
        laws.adults,
        "the police are told of an adult without a reason",
    ),
    (
        "guards.cedar",
        'when { resource.age == AgeBand::"unknown" && resource.role',
        'when { resource.age == AgeBand::"unknown" && resource.fresh && resource.role',
        laws.unknown_age,
        "nobody knows the age",
    ),
    (
        "guards.cedar",
        'when { principal.kind == RecipientKind::"service_provider" }',
        'when { principal.kind == RecipientKind::"service_provider" && principal.agreement && resource.fresh }',
        laws.providers,
        "recipient: service provider",
    ),
    (
        "core.cedar",
        'permit (principal, action == Action::"report", resource)\nwhen {\n  resource.age',
        'permit (principal, action == Action::"report", resource)\nwhen {\n  principal.usable && resource.age',
        laws.duties_speak,
        "a duty is not reported",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        (f'{ANY}forbid (principal, action == Action::"incident", resource) when {{ resource.reporter == '
        'Relationship::"family_friend" };\n// The disputed'),
        laws.duties_arrive,
        "signaled by: family friend",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        (f'{ANY}forbid (principal, action == Action::"health", resource) when {{ context.consent == '
        'Consent::"granted" && resource.age == AgeBand::"minor" };\n'
        f'{ANY.replace("any", "other")}permit (principal, action == Action::"health", resource);\n// The disputed'),
        laws.removing_consent,
        "would not with it",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        (f'{ANY}permit (principal, action == Action::"review", resource) when {{ context.consent == '
        'Consent::"granted" };\n// The disputed'),
        laws.removing_consent,
        "once the incident's consent is gone",
    ),
    (
        "tenant.cedar",
        'resource.role == Role::"alleged_trafficker" && resource.basis == Basis::"none"',
        'resource.role == Role::"alleged_trafficker" && resource.basis == Basis::"none" && resource.fresh',
        laws.below_ceiling,
        "person: alleged trafficker",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        (f'{ANY}forbid (principal, action in Action::"disclose", resource) when {{ resource.reporter == '
        'Relationship::"unknown" && resource.age == AgeBand::"adult" };\n// The disputed'),
        laws.above_floor,
        "it does not leave",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        f'{ANY}permit (principal, action == Action::"review", resource);\n// The disputed',
        laws.above_floor,
        "a review nobody promised holds it back",
    ),
    (
        "tenant.cedar",
        "// The disputed",
        (f'{ANY}forbid (principal, action == Action::"health", resource) when {{ resource.fresh && '
        "9223372036854775807 + 1 > 0 };\n// The disputed"),
        laws.no_policy_errs,
        "tenant.any errs and is skipped",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def reports() -> dict[str, GateReport]:
    """What the gate says of the shipped bundles."""
    return {name: check(shipped(name)) for name in ("survivor-led", "tip-sharing")}


@pytest.mark.parametrize("name", ["survivor-led", "tip-sharing"])
def test_a_shipped_bundle_may_be_active(
    name: str, reports: dict[str, GateReport], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step passes, numbered from one, over the whole space; how long it took is printed."""
    report = reports[name]
    assert [step for step in report.steps if not step.ok] == []
    assert report.passed
    assert [step.number for step in report.steps] == list(range(1, len(report.steps) + 1))
    assert {law for law in ALL if not any(laws.title(law) in step.title for step in report.steps)} == {
        laws.guards_below_ceiling  # told within the ceiling's step
    }
    assert report.points == SIZE >= 1_000_000
    assert report.digest == load(shipped(name)).digest
    with capsys.disabled():
        # The figure is for whoever runs the tests.
        print(f"\n{name}: {len(report.steps)} steps, {report.points:,} points, {report.seconds:.2f} s")  # noqa: T201


def test_whose_forbids_hold_the_ceiling_is_told(reports: dict[str, GateReport]) -> None:
    """Where third-party tips are forwarded the guards alone hold it; where they are withheld the tenant helps."""
    title = laws.title(laws.below_ceiling)
    told = {name: next(step.detail for step in report.steps if step.title == title) for name, report in reports.items()}
    assert "the tenant's forbids are needed" in told["survivor-led"]
    assert "the guards alone hold it" in told["tip-sharing"]


@pytest.mark.parametrize(
    ("file", "old", "new", "law", "words"),
    BROKEN,
    ids=[f"{row[3].__name__}-{row[4]}" for row in BROKEN],
)
def test_a_careless_edit_is_stopped_by_its_law(
    folder: Path, file: str, old: str, new: str, law: laws.Law, words: str
) -> None:
    """Proof and sweep both refute it, and the counterexample is a situation in words."""
    text = (folder / file).read_text()
    assert old in text, "the story no longer changes anything"
    (folder / file).write_text(text.replace(old, new, 1))
    found = stated(load(folder), [law])
    proof, look = Prover(found).refute(law), swept(found).broken[law]
    assert proof is not None
    assert words in str(look)
    assert " points) when person: " in str(look)
    assert " when person: " in str(proof)


def test_a_permit_for_everything_passes_no_guard(folder: Path) -> None:
    """The strongest promise: whatever a tenant permits, no guard's law and not the ceiling is broken.

    Only rule 11 objects: with everything permitted, a consent whose review holds all back would, once gone, let go.
    """
    (folder / "careless.cedar").write_text(EVERYTHING)
    settings = folder / "bundle.toml"
    settings.write_text(settings.read_text().replace('third_party = "withheld"', 'third_party = "own"'))
    (failed,) = [step for step in examined(load(folder), golden=False) if not step.ok]
    assert failed.title == laws.title(laws.removing_consent)
    assert "it leaves once the incident's consent is gone" in failed.detail


def test_a_proof_that_the_sweep_contradicts_passes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods that disagree prove nothing, whichever of them says that all is well."""
    guards = folder / "guards.cedar"
    guards.write_text(guards.read_text().replace("when { principal.implicated };", "when { false };"))
    monkeypatch.setattr("tiprouter.policy.gate.check.swept", lambda found: swept(replace(found, breaches={})))
    failed = {step.title: step.detail for step in examined(load(folder), golden=False) if not step.ok}
    assert "the proof and the sweep disagree: " in failed[f"By the guards alone, {laws.title(laws.implicated)}"]


def test_a_policy_that_never_matches_is_named(folder: Path) -> None:
    """Cedar's validator passes it; whoever wrote it believes it guards."""
    (folder / "idle.cedar").write_text(
        f'{ANY}forbid (principal, action == Action::"health", resource)\n'
        'when { resource.age == AgeBand::"minor" && resource.age == AgeBand::"adult" };\n'
    )
    (failed,) = [step for step in examined(load(folder), golden=False) if not step.ok]
    assert (failed.title, failed.detail) == ("Every policy can match", "never true: tenant.any")


def test_a_forbid_that_reaches_a_report_is_named(folder: Path) -> None:
    """A duty must not be silenced by a tenant's forbid."""
    (folder / "silent.cedar").write_text(
        f"{ANY}forbid (principal, action, resource) when {{ principal.implicated }};\n"
    )
    failed = [step for step in examined(load(folder), golden=False) if not step.ok]
    assert "a duty could be silenced by tenant.any" in [step.detail for step in failed]
    assert laws.title(laws.duties_speak) in [step.title for step in failed]


def test_what_the_gate_does_not_model_it_does_not_pass(folder: Path) -> None:
    """It is refused with file, line and construct, and the check ends."""
    (folder / "odd.cedar").write_text(
        f'\n{ANY}forbid (principal, action == Action::"health", resource)\n'
        'when { [resource.age].contains(AgeBand::"minor") };\n'
    )
    report = check(folder)
    assert not report.passed
    assert report.steps[-1].detail.startswith("odd.cedar:2: tenant.any: the gate does not model a set with a fact")
    assert len(report.steps) == 2


def test_a_bundle_that_cannot_be_read_fails_where_it_is_wrong(folder: Path) -> None:
    """File, line and reason; nothing else is tried."""
    (folder / "tenant.cedar").write_text("permit (principal, action, resource);\n")
    report = check(folder)
    assert (report.passed, report.digest, len(report.steps)) == (False, None, 1)
    assert report.steps[0].detail == "tenant.cedar:1: the policy has no @id"


def test_a_golden_row_that_is_decided_otherwise_fails(folder: Path) -> None:
    """The row is named; so is a policy that determines none."""
    golden = folder / "golden.csv"
    golden.write_text(golden.read_text().replace("adult withdrew,consent=withdrawn", "adult withdrew,consent=granted"))
    (folder / "more.cedar").write_text(
        f'{ANY}permit (principal, action == Action::"report", resource) when {{ false }};'
    )
    last = check(folder).steps[-1]
    assert not last.ok
    assert "adult withdrew" in last.detail
    assert "tenant.any determines no row" in last.detail


def test_without_the_extra_packages_nothing_is_activated() -> None:
    """One clear line; the check is refused, not passed, and the service itself needs neither package."""
    with pytest.raises(GateUnavailableError, match="extra packages are missing: nothing is activated"):
        extra("no_such_package_for_the_gate")
    story = (
        "import sys; sys.modules['z3'] = None\n"
        "from tiprouter.policy.bundle import load\n"
        "from tiprouter.policy.files import shipped\n"
        "from tiprouter.policy.engine import Engine\n"
        "Engine(load(shipped('tip-sharing')))\n"
        "assert 'numpy' not in sys.modules\n"
        "from tiprouter.policy.gate.check import check\n"
        "check(shipped('tip-sharing'))\n"
    )
    ran = subprocess.run(  # noqa: S603 - this interpreter, this story
        [sys.executable, "-c", story],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(tiprouter.__file__).parents[1])},
    )
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("nothing is activated (install tiprouter[gate])")
