"""How is the log kept, carried out of the house and looked after from the command line?"""

# ruff: noqa: PLC0415

import asyncio
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]


def register(app: typer.Typer, audit: typer.Typer) -> None:
    """Add the commands to their groups."""
    app.command("witness")(witness)
    audit.command("export")(export)
    audit.command("recheck")(recheck)
    audit.command("reconcile")(reconcile)
    audit.command("replace-key")(replace_key)


def witness(  # noqa: PLR0913, PLR0917 - one option each
    origin: Annotated[str, typer.Option(help="The origin of the log.")],
    log_vkey: Annotated[list[str], typer.Option(help="The log's verifier key; again for each later one.")],
    state: Annotated[Path, typer.Option(help="File that remembers the checkpoint cosigned last.")],
    key: Annotated[Path, typer.Option(help="File of the witness's key; made on the first start.")],
    name: Annotated[str, typer.Option(help="The witness's name, a URL without scheme that you own.")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Be a witness of a log: cosign what is consistent with all that was cosigned before (C2SP tlog-witness)."""
    from tiprouter.cli import witness as witnessing

    signer = witnessing.signer_of(name, key)
    seen = witnessing.witness_of(origin, log_vkey, signer, state)
    raise typer.Exit(witnessing.run(seen, signer.vkey, origin, host, port))


def export(
    target: Annotated[Path, typer.Argument(help="A folder (grown if it holds this log), or a new file LOG.tar.")],
    data: Data = None,
) -> None:
    """Write the whole log as files that any file server can serve and anyone can verify."""
    from tiprouter import wiring
    from tiprouter.cli import service, sources
    from tiprouter.workflow.publish import bring_up

    settings = service.configured(data=data)

    async def write(folder: Path) -> None:
        async with wiring.open_house(settings, migrate=False) as house:
            await bring_up(house.database, folder, house.signer.vkey)

    if target.suffix == ".tar":
        with tempfile.TemporaryDirectory(prefix="tiprouter-export-") as folder:
            asyncio.run(write(Path(folder)))
            sources.pack(Path(folder), target)
    else:
        asyncio.run(write(target))
    typer.echo(f"Written. Verify it anywhere: tiprouter audit verify {target} --key KEY")


def recheck(data: Data = None) -> None:
    """Hash every entry in the database again and compare it with its tiles and the signed root. Exit 1 if unlike."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import stored_log

    settings = service.configured(data=data)

    async def look() -> int:
        async with wiring.open_house(settings, migrate=False) as house:
            whole = await house.database.read(partial(stored_log.recheck, desk=house.desk, first=house.signer))
            return whole.size

    typer.echo(f"The database's log is what was signed: {asyncio.run(look())} entries.")


def reconcile(data: Data = None) -> None:
    """Count rows and the entries that tell of them; the result goes into the log. Exit 1 when they differ."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.storage.reconciled import Count
    from tiprouter.workflow import log_watch

    settings = service.configured(data=data)

    async def count() -> list[Count]:
        async with wiring.open_house(settings, migrate=False) as house:
            return await log_watch.reconcile(house.database, house.desk, service.BY_HAND)

    counted = asyncio.run(count())
    for one in counted:
        said = "same" if one.rows == one.entries else "DIFFERENT"
        typer.echo(f"{one.what:<18}{one.rows:>12,} rows{one.entries:>12,} entries  {said}")
    raise typer.Exit(any(one.rows != one.entries for one in counted))


def replace_key(data: Data = None) -> None:
    """Let the log's key name its successor in the log; print the new verifier key."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import log_keys

    settings = service.configured(data=data)

    async def replace() -> str:
        async with wiring.open_house(settings, migrate=False) as house:
            return await house.database.write(
                lambda tx: log_keys.replace(tx, house.desk, service.BY_HAND, house.signer)
            )

    typer.echo(asyncio.run(replace()))
