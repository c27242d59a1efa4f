"""How does one matter leave the house as a file, and how is such a file verified, from the command line?

1. A bundle is made on the database, logged like every export, and written whole or not at all; never over another file.
2. It is verified from the file alone, or from the folder into which it was unpacked, as any log is
   (`cli/auditing.py`): no database, no network, no key but the log's public one.
"""

# ruff: noqa: PLC0415

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiprouter.errors import ConfigurationError

if TYPE_CHECKING:
    from tiprouter.audit.trust import TrustPolicy
    from tiprouter.audit.verify import Report

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]


def register(audit: typer.Typer) -> None:
    """Add the command to its group."""
    audit.command("bundle")(bundle)


def bundle(
    record: Annotated[str, typer.Argument(help="The record's id: tip_... or case_...")],
    out: Annotated[Path, typer.Option(help="The new file, such as MATTER.zip.")],
    data: Data = None,
) -> None:
    """Write what the log says of one matter, with proofs, signed: an audit bundle that anyone can verify."""
    from tiprouter import wiring
    from tiprouter.cli import service
    from tiprouter.workflow import exporting

    settings = service.configured(data=data)
    if out.exists():
        raise ConfigurationError("There is a file of this name already.")

    async def make() -> bytes:
        async with wiring.open_house(settings, migrate=False) as house:
            return await exporting.export(house.database, house.desk, service.BY_HAND, record)

    made = asyncio.run(make())
    temporary = out.with_name(f".{out.name}.new")
    temporary.write_bytes(made)
    # If we were to crash here, a hidden file would stay behind, and the log would tell of a bundle that nobody has.
    temporary.replace(out)
    typer.echo(f"Written: {len(made)} bytes. Verify it anywhere: tiprouter audit verify {out} --key KEY")


def verified(source: Path, key: str | None, policy: "TrustPolicy | None") -> "Report":
    """The report on a bundle in a file or folder (rule 2)."""
    from tiprouter.audit import matter_bundle, matter_verify

    try:
        files = matter_bundle.read_folder(source) if source.is_dir() else matter_bundle.unpack(source.read_bytes())
    except matter_bundle.BundleFileError as fault:
        return matter_verify.unreadable(fault)
    except OSError as error:
        raise ConfigurationError("The bundle cannot be read.") from error
    return matter_verify.verify_bundle(files, key, datetime.now(UTC), policy)
