"""How is the service run and tended from the command line?

1. Settings come from the environment, then from options; one that cannot be read is named, never quoted.
2. What prints a secret (a token) prints it to standard output, once, and logs nothing.
3. Every change made here is a story like any other, and leaves its audit entry.
"""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer

from tiprouter import wiring
from tiprouter.api import documentation
from tiprouter.api.app import assemble
from tiprouter.cli import logs
from tiprouter.errors import ConfigurationError
from tiprouter.policy import bundle as bundles
from tiprouter.policy import files
from tiprouter.settings import Settings
from tiprouter.storage import migrations
from tiprouter.workflow import credentials
from tiprouter.workflow.happening import Actor

BY_HAND = Actor("command-line", "operator")
OPENAPI_FILE = Path(__file__).resolve().parents[3] / "openapi" / "openapi.json"


def configured(**options: object) -> Settings:
    """The settings, options over environment (rule 1). Raises `ConfigurationError`."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValueError as error:
        # pydantic's own text quotes the value; the names are enough to find it.
        problems: list[dict[str, Any]] = getattr(error, "errors", list)()
        wanted = "; ".join(_wanted(str(problem["loc"][0])) for problem in problems)
        raise ConfigurationError(f"These settings cannot be read: {wanted}.") from None
    logs.configure(settings.log_level)
    return settings


def _wanted(name: str) -> str:
    """A setting's name, and what it should have been."""
    field = Settings.model_fields.get(name)
    return f"TIPROUTER_{name.upper()}" + (f" ({field.description})" if field else "")


def serve(settings: Settings, *, worker: bool, sequencer: bool) -> int:
    """Run the service until a signal; the exit code."""
    return wiring.run(lambda: wiring.serve(settings, worker=worker, sequencer=sequencer))


def work(settings: Settings) -> int:
    """Run a worker until a signal; the exit code."""
    return wiring.run(lambda: _until_told(settings, wiring.work))


def keep(settings: Settings) -> int:
    """Keep the log until a signal; the exit code."""
    return wiring.run(lambda: _until_told(settings, wiring.keep))


async def _until_told(settings: Settings, part: Callable[[Settings, asyncio.Event], Awaitable[None]]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await part(settings, stopping)


def migrate(settings: Settings, revision: str) -> None:
    """Bring the database to a revision and say which it has."""
    wiring.make_folder(settings)
    asyncio.run(migrations.migrate(settings.url, revision))
    typer.echo(f"The database has schema {migrations.head() if revision == 'head' else revision}.")


def openapi(*, check: bool) -> int:
    """Print the API's document, or compare it with the repository's copy; the exit code."""
    text = documentation.text(assemble())
    if not check:
        typer.echo(text, nl=False)
        return 0
    kept = OPENAPI_FILE.read_text(encoding="utf-8") if OPENAPI_FILE.exists() else ""
    if kept == text:
        typer.echo("openapi/openapi.json is what the API promises.")
        return 0
    typer.secho(
        "openapi/openapi.json is not what the API promises; write it anew: ./tiprouter openapi > openapi/openapi.json",
        err=True,
        fg="red",
    )
    return 1


def print_key(settings: Settings) -> None:
    """Print the log's verifier key."""
    typer.echo(asyncio.run(wiring.vkey(settings)))


def create_credential(settings: Settings, role: str, recipient: str | None) -> None:
    """Make a credential; print its id, role and token (rules 2 and 3)."""
    try:
        wanted = credentials.CallerRole(role)
    except ValueError:
        roles = ", ".join(one.value for one in credentials.CallerRole)
        raise ConfigurationError(f"A credential's role is one of {roles}.") from None
    caller, token = asyncio.run(
        wiring.tell(settings, lambda tx, desk: credentials.make(tx, desk, BY_HAND, wanted, recipient))
    )
    typer.echo(json.dumps({"id": caller.id, "role": caller.role, "token": token}))


def revoke_credential(settings: Settings, credential_id: str) -> None:
    """End a credential. Raises `NotFoundError`."""
    asyncio.run(wiring.tell(settings, lambda tx, desk: credentials.revoke(tx, desk, BY_HAND, credential_id)))
    typer.echo("Ended.")


def show_policy(settings: Settings) -> None:
    """Print the bundle and its policies."""
    from rich.console import Console  # noqa: PLC0415 - a start does not wait for it
    from rich.table import Table  # noqa: PLC0415 - as above

    bundle = bundles.load(settings.bundle_path or files.shipped(settings.bundle))
    console = Console()
    console.print(f"{bundle.name} {bundle.version}: {bundle.summary}", highlight=False)
    console.print(f"digest {bundle.digest}", highlight=False, soft_wrap=True)
    table = Table("policy", "effect", "layer", "basis", "cite", "deadline")
    for note in bundle.notes.values():
        deadline = "" if note.deadline is None else str(note.deadline)
        table.add_row(note.id, note.effect.value, note.layer.value, note.basis, note.cite, deadline)
    console.print(table)
