"""What does the gate say of a policy bundle, told on the command line?

1. A bundle is named as a shipped one's name or as a folder.
2. The answer is the exit code: 0 when the bundle passed, 1 when it did not.
"""

from pathlib import Path

import typer

from tiprouter.policy import bundle as bundles
from tiprouter.policy import files
from tiprouter.policy.gate.check import check as checked
from tiprouter.policy.gate.diff import difference
from tiprouter.policy.gate.differential import differential


def folder_of(name: str) -> Path:
    """The bundle's folder (rule 1). Raises `BundleError`."""
    return Path(name) if Path(name).is_dir() else files.shipped(name)


def check(name: str) -> int:
    """Print the gate's steps for a bundle."""
    report = checked(folder_of(name))
    for step in report.steps:
        mark = "ok    " if step.ok else "FAILED"
        typer.echo(f"{step.number:3} {mark} {step.title}: {step.detail} ({step.seconds * 1000:.0f} ms)")
    verdict = "may be active" if report.passed else "must not be active"
    typer.echo(f"{report.name} {report.digest or '(unread)'}: {verdict}; {report.seconds:.2f} s")
    return 0 if report.passed else 1


def diff(before: str, after: str) -> int:
    """Print what would change if one bundle took another's place; exit 1 when anything may newly leave."""
    found = difference(bundles.load(folder_of(before)), bundles.load(folder_of(after)))
    typer.echo(f"from {found.before} to {found.after}")
    for change in found.changes:
        typer.echo(f"{change.kind}: {', '.join(change.questions)}: {change.points:,} fact points")
        for situation in change.situations:
            typer.echo(f"  {situation.points:>9,}  {situation.words}")
        if change.untold:
            typer.echo(f"  {change.untold:>9,}  in further situations")
    if not found.changes:
        typer.echo("both decide alike at every fact point")
    return 1 if found.discloses else 0


def compare(name: str, decisions: int) -> int:
    """Print how many real Cedar decisions agree with the compiled text that the proofs are about."""
    found = differential(bundles.load(folder_of(name)), decisions)
    typer.echo(f"{found.decisions:,} Cedar decisions in {found.seconds:.1f} s: {found.differing} differ")
    for line in found.told:
        typer.echo(f"  {line}")
    return 1 if found.differing else 0
