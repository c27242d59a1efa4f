"""How are key-encryption keys rotated, and erasures done again, from the command line?

1. A rotation makes a new key; `rewrap` wraps with it whatever the old ones still wrap. Both may be run while the
   service runs, and again after they were stopped.
2. Ids and numbers are printed, never a key.
"""

# ruff: noqa: PLC0415

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tiprouter.workflow.rekeying import Rewrapped

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]

keys = typer.Typer(help="Key-encryption keys, which wrap every data key.", no_args_is_help=True)
erase = typer.Typer(help="What was erased, and a database from before.", no_args_is_help=True)


@erase.callback()
def erasing() -> None:
    """What was erased, and a database from before."""


@keys.command()
def rotate(data: Data = None) -> None:
    """Make a new key-encryption key, which wraps from now on; the old ones still open what they wrapped."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import rekeying

    settings = service.configured(data=data)

    async def make() -> tuple[str, str]:
        async with wiring.open_house(settings, migrate=False) as house:
            return await house.database.write(lambda tx: rekeying.rotate(tx, house.desk, service.BY_HAND))

    old, new = asyncio.run(make())
    typer.echo(f"{new} wraps from now on, in the place of {old}. Now: tiprouter keys rewrap")


@keys.command()
def rewrap(
    data: Data = None,
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Data keys in one transaction.")] = 200,
) -> None:
    """Wrap with the newest key whatever older ones still wrap. Exit 1 when something could not be opened."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import rekeying

    settings = service.configured(data=data)

    async def run() -> "Rewrapped":
        async with wiring.open_house(settings, migrate=False) as house:
            return await rekeying.rewrap(house.database, house.desk, service.BY_HAND, batch, _progress)

    done = asyncio.run(run())
    typer.echo(f"{done.done:,} re-wrapped, {done.shut:,} could not be opened.")
    raise typer.Exit(bool(done.shut))


@keys.command()
def status(data: Data = None) -> None:
    """Say how many keys each key-encryption key wraps, and whether it can be used. Exit 1 when one cannot."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import rekeying

    settings = service.configured(data=data)

    async def look() -> list[rekeying.Held]:
        async with wiring.open_house(settings, migrate=False) as house:
            return await rekeying.status(house.database, house.desk.vault)

    held = asyncio.run(look())
    for one in held:
        said = "wraps" if one.wraps else "opens" if one.live else "MISSING"
        typer.echo(f"{one.kek_id or '(not noted)':<40}{one.keys:>12,} data keys{one.secrets:>4} secrets  {said}")
    raise typer.Exit(any(not one.live for one in held))


@erase.command()
def again(
    log: Annotated[Path, typer.Option(help="The log's folder as it was before the restore.")],
    data: Data = None,
    key: Annotated[str | None, typer.Option(help="The log's verifier key; else the restored database's own.")] = None,
) -> None:
    """After a restore: erase again whatever the log says was erased. Exit 1 when something could not be opened."""
    from tiprouter import wiring
    from tiprouter.audit.erasures import erasures
    from tiprouter.cli import service
    from tiprouter.workflow import erasing_again

    settings = service.configured(data=data)

    async def run() -> erasing_again.Again:
        async with wiring.open_house(settings, migrate=True) as house:
            told = erasures(log, key or house.signer.vkey)
            return await erasing_again.erase_again(house.database, house.desk, service.BY_HAND, told)

    done = asyncio.run(run())
    typer.echo(f"{done.done:,} erased again, {done.shut:,} could not be opened by anybody here.")
    raise typer.Exit(bool(done.shut))


def _progress(so_far: "Rewrapped") -> None:
    typer.echo(f"{so_far.done:,} re-wrapped so far", err=True)
