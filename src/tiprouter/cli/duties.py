"""What does a bundle's duty table say, and what is doubtful about it, told on the command line?

1. A bundle is named as a shipped one's name or as a folder.
2. `lint` answers 1 when the table is wrong, `show` when it knows no such jurisdiction; doubts alone are no failure.
"""

from collections import Counter

import typer

from tiprouter import wiring
from tiprouter.cli.policies import folder_of
from tiprouter.domain.recipient import NATIONWIDE
from tiprouter.policy import bundle as bundles
from tiprouter.policy import duty_page, duty_words
from tiprouter.policy.duty_lint import Severity, unreliable
from tiprouter.policy.duty_lint import lint as complaints


def lint(name: str) -> int:
    """Print every complaint about a bundle's duty tables, the worst first."""
    found = list(complaints(bundles.load(folder_of(name)).protocol, wiring.now().date()))
    for severity in Severity:
        for complaint in found:
            if complaint.severity is severity:
                typer.echo(f"{severity:7} {complaint.row or complaint.jurisdiction}: {complaint.sentence}")
    counts = Counter(complaint.severity for complaint in found)
    typer.echo(", ".join(f"{counts[severity]} {severity}s" for severity in Severity))
    return 1 if counts[Severity.ERROR] else 0


def page(name: str) -> None:
    """Print the page of a bundle's duty tables, as `docs/duties.md` has it."""
    bundle = bundles.load(folder_of(name))
    typer.echo(duty_page.page(bundle.protocol, bundle.name), nl=False)


def show(name: str, code: str) -> int:
    """Print what a jurisdiction's rows demand, and whether they are relied on today."""
    protocol, code, today = bundles.load(folder_of(name)).protocol, code.upper(), wiring.now().date()
    if code not in protocol.rows and code not in protocol.territories:
        typer.echo(f"neither table knows {code}", err=True)
        return 1
    territory = protocol.territories.get(code)
    typer.echo(f"{code}{'' if territory is None else f' {territory.name}, {territory.zone}'}")
    for row in protocol.rows.get(code, ()):
        mark = "relied on" if protocol.relied_on(row, today) else "not relied on"
        typer.echo(f"{row.id} ({mark}): {duty_words.words(row)}")
        for line in duty_page.details(row, protocol):
            typer.echo(f"  {line}")
    why = None if code == NATIONWIDE else unreliable(code, protocol, today)
    if why is not None:
        typer.echo(f"every child's situation goes to review: {why}")
    return 0
