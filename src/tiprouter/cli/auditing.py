"""How does an outsider verify the log from its files alone?

1. Nothing of the service is needed: no database, no network, no key but the log's public one.
2. The key should come from elsewhere. Without one, the folder's own key is believed, and the output says so.
3. `--remember FILE` keeps the last checkpoint that verified. The next time, the log must begin with the one remembered:
   a history that was rewritten in between is found even if all of it was signed anew.
4. The remembered file is written only after everything verified, whole or not at all.
5. An audit bundle of one matter, in a file or unpacked in a folder, is known by its manifest and verified as one.
"""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from tiprouter.audit.checkpoint import Checkpoint, open_checkpoint, read_unverified
from tiprouter.audit.folder import CHECKPOINT, VKEY, read_file, read_tile
from tiprouter.audit.matter_bundle import is_bundle
from tiprouter.audit.note import Verifier
from tiprouter.audit.steps import NOT_REACHED, Report
from tiprouter.audit.succession import entries_in, follow
from tiprouter.audit.trust import TrustError, TrustPolicy
from tiprouter.audit.verify import verify_folder
from tiprouter.cli import matters, sources
from tiprouter.errors import ConfigurationError, TiprouterError

ERASED_SHOWN: Final = 20


def chosen_key(key: str | None, key_file: Path | None) -> str | None:
    """The verifier key given as text or in a file; None when neither was."""
    if key is not None and key_file is not None:
        raise ConfigurationError("Give --key or --key-file, not both.")
    if key_file is None:
        return key
    try:
        return key_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("The key file cannot be read.") from error


def chosen_policy(file: Path | None) -> TrustPolicy | None:
    """The trust policy in a file; None without one. Raises `ConfigurationError`."""
    if file is None:
        return None
    try:
        return TrustPolicy.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("The policy file cannot be read.") from error
    except TrustError as error:
        raise ConfigurationError(f"The policy cannot be read: {error}.") from error


def verify(
    source: Path | str,
    key: str | None,
    remember: Path | None,
    policy: TrustPolicy | None = None,
    token: str | None = None,
) -> int:
    """Verify a folder, a file or a web address, say each step, and remember; the exit code."""
    if key is None and policy is not None and policy.logs:
        key = policy.logs[0].vkey
    if is_bundle(Path(source)):
        return _verify_bundle(Path(source), key, remember, policy)
    with sources.opened(str(source), token) as folder:
        known = None if remember is None else _remembered(remember, key, folder)
        before = read_file(folder, CHECKPOINT)
        report = verify_folder(folder, key, known, datetime.now(UTC), policy)
        show(report, Console())
        if not report.ok:
            return 1
        if remember is not None:
            _remember(remember, report, [before, read_file(folder, CHECKPOINT)])
        return 0


def _verify_bundle(source: Path, key: str | None, remember: Path | None, policy: TrustPolicy | None) -> int:
    """The same for an audit bundle of one matter, which begins no log that could be remembered."""
    if remember is not None:
        raise ConfigurationError("An audit bundle is no whole log: leave --remember out.")
    report = matters.verified(source, key, policy)
    show(report, Console(), "audit bundle")
    return 0 if report.ok else 1


def show(report: Report, console: Console, what: str = "log") -> None:
    """Print the steps, the verdict, and where it failed."""
    for step in report.steps:
        mark = "[green]ok  [/green]" if step.ok else "[red]FAIL[/red]"
        if step.detail == NOT_REACHED:
            mark = "[dim]-   [/dim]"
        console.print(f"{step.number}. {mark} {step.title}: ", end="", highlight=False)
        console.print(step.detail, markup=False, highlight=False, soft_wrap=True)
    if report.where is not None:
        entry = "" if report.where.entry is None else f", entry {report.where.entry}"
        console.print(f"[red]The {what} is not what it should be: {report.where.file}{entry}[/red]", soft_wrap=True)
        return
    said = f"{report.size} entries" if what == "log" else f"under the checkpoint of {report.size} entries"
    console.print(f"[green]The {what} verifies: {said}.[/green]", highlight=False)
    if report.erased:
        more = ", ..." if len(report.erased) > ERASED_SHOWN else ""
        entries = ", ".join(map(str, report.erased[:ERASED_SHOWN])) + more
        console.print(f"Verified, content erased by entry {entries}.", highlight=False, soft_wrap=True)
    if not report.key_given:
        console.print(
            f"The {'folder' if what == 'log' else what}'s own key was believed; give --key to prove more than"
            " self-agreement.",
            soft_wrap=True,
        )


def _remembered(file: Path, key: str | None, folder: Path) -> Checkpoint | None:
    """The checkpoint in the file, signed by the log; None on the first time (rule 3)."""
    note = read_file(file.parent, file.name)
    if note is None:
        return None
    vkey = key if key is not None else (read_file(folder, VKEY) or b"").decode("utf-8", "replace").strip()
    try:
        size = read_unverified(read_file(folder, CHECKPOINT) or b"").size
        keys = follow(Verifier.from_vkey(vkey), entries_in(size, partial(read_tile, folder)))
    except TiprouterError:
        # The verification itself says what is wrong with the folder.
        keys = [] if not vkey else [Verifier.from_vkey(vkey)]
    for one in keys:
        try:
            return open_checkpoint(note, one).checkpoint
        except TiprouterError:
            continue
    raise ConfigurationError("The remembered checkpoint was not signed by this log's key.")


def _remember(file: Path, report: Report, notes: list[bytes | None]) -> None:
    """Keep the note that was verified (rule 4); the log may have grown meanwhile, then the next time keeps it."""
    for note in notes:
        if note is None:
            continue
        seen = read_unverified(note)
        if (seen.size, seen.root) != (report.size, report.root):
            continue
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_bytes(note)
        # If we were to crash here, the older checkpoint would stay remembered: less is proved next time, nothing false.
        temporary.replace(file)
        return
    typer.echo("The log grew meanwhile; the checkpoint remembered is the older one.", err=True)
