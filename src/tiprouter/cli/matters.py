"""How does one matter leave the house as a file, and how is such a file verified, from the command line?

1. A bundle is made on the database by whoever has it, or fetched from the service by an auditor, under their own token
   and another person's word (`cli/second_words.py`). Either is logged like every export.
2. It is verified from the file alone, or from the folder into which it was unpacked, as any log is
   (`cli/auditing.py`): no database, no network, no key but the log's public one.
3. A file is written whole or not at all, for its owner's eyes, and never over another one. That it can be written is
   seen before anything is asked for, lest the log tell of an export that nobody has.
"""

# ruff: noqa: PLC0415

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from tiprouter.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from tiprouter.audit.steps import Report
    from tiprouter.audit.trust import TrustPolicy
    from tiprouter.cli.deliveries import Door

FETCH_SECONDS: Final = 300
"""A matter may be long, and it is signed while somebody waits."""

Data = Annotated[Path | None, typer.Option(help="Folder for the embedded database, keys and the log's files.")]


def register(audit: typer.Typer) -> None:
    """Add the command to its group."""
    audit.command("bundle")(bundle)
    audit.command("fetch")(fetch)


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

    async def make() -> bytes:
        async with wiring.open_house(settings, migrate=False) as house:
            return await exporting.export(house.database, house.desk, service.BY_HAND, record)

    with _new_file(out) as file:
        size = file.write(asyncio.run(make()))
    _say(out, size)


def fetch(
    record: Annotated[str, typer.Argument(help="The record's id: tip_... or case_...")],
    out: Annotated[Path, typer.Option(help="The new file, such as MATTER.zip.")],
    *,
    grant: Annotated[str | None, typer.Option(help="A grant of yours: with what people wrote, as openings.")] = None,
    url: Annotated[str, typer.Option(help="Where the service answers.")] = "http://127.0.0.1:8080",
    token_file: Annotated[Path | None, typer.Option(help="File of your token; else TIPROUTER_TOKEN holds it.")] = None,
) -> None:
    """Fetch a matter's audit bundle from the service, once another person said yes: `second-words ask export`."""
    from tiprouter.cli.deliveries import Door

    door = Door(url, token_file)
    with _new_file(out) as file:
        size = file.write(_fetched(door, record, grant))
    _say(out, size)


def _fetched(door: "Door", record: str, grant: str | None) -> bytes:
    """The bundle's bytes. Raises `RefusedError`, `UnavailableError`, `ConfigurationError` for an id that is none."""
    import httpx2

    from tiprouter.audit.matter_bundle import MEDIA_TYPE
    from tiprouter.cli.deliveries import refusal

    if not re.fullmatch("(tip|case)_[0-9A-Z]{26}", record):
        raise ConfigurationError("A record's id is tip_... or case_...")
    headers = {"Authorization": f"Bearer {door.token()}"}
    query = {} if grant is None else {"grant": grant}
    try:
        with httpx2.Client(base_url=door.url, trust_env=False, timeout=FETCH_SECONDS) as client:
            answer = client.get(f"/v1/matters/{record}/audit-bundle", params=query, headers=headers)
        if answer.is_success and answer.headers.get("content-type") == MEDIA_TYPE:
            return answer.content
        said = {} if answer.is_success else dict(answer.json())
    except (httpx2.HTTPError, ValueError, TypeError) as error:
        raise UnavailableError("The service does not answer.") from error
    raise refusal(said) if said else UnavailableError("What answers is not the service.")


@contextmanager
def _new_file(out: Path) -> Iterator[BinaryIO]:
    """A file that is there once it is whole (rule 3). Raises `ConfigurationError`."""
    if out.exists():
        raise ConfigurationError("There is a file of this name already.")
    temporary = out.with_name(f".{out.name}.new")
    try:
        opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise ConfigurationError("The file cannot be written.") from error
    try:
        with os.fdopen(opened, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink()
        raise
    # If we were to crash here, a hidden file would stay behind, and the log would tell of a bundle that nobody has.
    temporary.replace(out)


def _say(out: Path, size: int) -> None:
    typer.echo(f"Written: {size} bytes. Verify it anywhere: tiprouter audit verify {out} --key KEY")


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
