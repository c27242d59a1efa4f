"""On which service, with whose records, and of which machine are the benchmarks' figures?

1. The service is put together as `wiring` does, with the sandbox's rules (http on loopback) and no pace, on a temporary
   SQLite file or on an empty PostgreSQL database of its own.
2. Everybody and everything is invented: agencies of service in one place, and people who call for themselves, whose
   consent covers all of them.
3. Each report names the machine, and how busy it was when the figures were taken: on a shared one they are worse.
"""

import json
import os
import platform
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Final

import typer

from tiprouter import wiring
from tiprouter.cli import logs
from tiprouter.domain.consent import Choice, Consent
from tiprouter.domain.recipient import Recipient, RecipientStatus, SignatureScheme
from tiprouter.domain.record import Age, Jurisdiction, Person, Record, Signaler, Statement
from tiprouter.domain.vocabulary import (
    Answer,
    Category,
    Channel,
    ConsentMethod,
    Exploitation,
    Grantor,
    JurisdictionReason,
    Purpose,
    RecipientKind,
    RecordKind,
    Relationship,
    Role,
)
from tiprouter.policy import bundle as bundles
from tiprouter.policy.files import shipped
from tiprouter.settings import Settings
from tiprouter.storage.bundles import active
from tiprouter.storage.database import Transaction
from tiprouter.wiring import House
from tiprouter.workflow import enrolment, governing, intake
from tiprouter.workflow.happening import Actor

BENCH: Final = Actor("benchmark", "operator")
PLACES: Final = tuple(f"US-{code}" for code in ("TX", "CA", "NY", "FL", "WA", "OR", "NV", "AZ", "CO", "UT", "NM", "OK"))
"""Each shape of a benchmark has a place, so that it meets nobody of an earlier one."""

MILLI: Final = 1e3


def settings_of(folder: str, database_url: str) -> Settings:
    """The settings of a measured service (rule 1)."""
    return Settings(
        data=Path(folder),
        database_url=database_url,
        sandbox=True,
        rate_each=0,
        reads_per_minute=0,
        writes_per_minute=0,
        port=0,
        log_level="error",
    )


@asynccontextmanager
async def opened(database_url: str, kept: Path | None = None) -> AsyncIterator[House]:
    """A house in a temporary folder, or in one that is kept, with a bundle in force (rule 1)."""
    # Attempts that hang when a shape is over are cut off, which a worker would log as an error.
    logs.configure("critical")
    with nullcontext(str(kept)) if kept else tempfile.TemporaryDirectory(prefix="tiprouter-bench-") as folder:
        async with wiring.open_house(settings_of(folder, database_url), migrate=True) as house:
            bundle, report = bundles.load(shipped("survivor-led")), {"passed": True, "by": "release"}
            if await house.database.read(active) is None:
                await house.database.write(lambda tx: governing.install(tx, house.desk, bundle, report))
            yield house


def enrol(
    house: House,
    place: str,
    urls: Sequence[str],
    tx: Transaction,
    apart: timedelta = timedelta(),
    county: str | None = None,
) -> list[str]:
    """Register an agency of the place, or of one county there, for each URL; their ids (rule 2).

    Their agreements end this far apart.
    """
    until = house.desk.now() + timedelta(days=1)
    made = []
    for number, url in enumerate(urls):
        wanted = Recipient(
            id="",
            name=f"Example provider {number}",
            kind=RecipientKind.SERVICE_PROVIDER,
            jurisdictions=(place,),
            counties=() if county is None else (county,),
            url=url,
            scheme=SignatureScheme.ED25519,
            status=RecipientStatus.ACTIVE,
            agreement_until=until + number * apart,
            revision=0,
        )
        made.append(enrolment.register(tx, house.desk, BENCH, wanted).recipient.id)
    return made


def accept(house: House, record: Record, tx: Transaction) -> str:
    """A tip; the id of its first person."""
    return intake.accept_tip(tx, house.desk, BENCH, record).stored.persons[0]


def tip(house: House, place: str, external_id: str, refs: Sequence[str]) -> Record:
    """A tip by the first of these persons, about all of them (rule 2)."""
    now = house.desk.now()
    return Record(
        kind=RecordKind.TIP,
        source="hotline-example",
        external_id=external_id,
        signaled_at=now,
        received_at=now,
        channel=Channel.PHONE,
        language="en",
        signaler=Signaler(Relationship.SELF, ref=refs[0]),
        exploitation=(Exploitation.FORCED_LABOUR,),
        jurisdictions=(Jurisdiction(place, JurisdictionReason.FOUND),),
        persons=tuple(Person(one, Role.POTENTIAL_VICTIM, Age(years=29)) for one in refs),
        statements=tuple(Statement("an invented statement", (one,), Category.INCIDENT) for one in refs),
    )


def consent(house: House) -> Consent:
    """A grant of everything to agencies of service (rule 2)."""
    now = house.desk.now()
    return Consent(
        id="",
        person_id="",
        choice=Choice.GRANT,
        grantor=Grantor.SELF,
        guardian_implicated=Answer.NO,
        recipients=(),
        kinds=(RecipientKind.SERVICE_PROVIDER,),
        purposes=(Purpose.SERVICES,),
        categories=tuple(Category),
        method=ConsentMethod.VERBAL,
        informed=True,
        given_at=now,
        valid_from=now,
        expires_at=now + timedelta(days=30),
    )


async def machine_of(house: House) -> dict[str, object]:
    """The machine, as it is now (rule 3)."""

    def version(tx: Transaction) -> str:
        return ".".join(str(part) for part in tx.dialect.server_version_info or ())

    return {
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "database": f"{house.settings.url.partition(':')[0]} {await house.database.read(version)}",
        "load": round(os.getloadavg()[0], 2),
    }


def tell(machine: Mapping[str, object], rows: Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print the machine and a table, or both as one JSON object."""
    if as_json:
        typer.echo(json.dumps({"machine": machine, "rows": rows}, indent=2))
        return
    typer.echo(
        f"machine: {machine['cores']} cores, Python {machine['python']}, {machine['database']},"
        f" load average {machine['load']} at the start; a short run, and what else ran here counts"
    )
    _table(rows)


def tell_all(
    machine: Mapping[str, object], tables: Mapping[str, Sequence[Mapping[str, object]]], *, as_json: bool
) -> None:
    """Print what is known of the machine and every table that has a row, or all of it as one JSON object."""
    if as_json:
        typer.echo(json.dumps({"machine": machine, **tables}, indent=2))
        return
    typer.echo("; ".join(f"{name}: {value}" for name, value in machine.items()))
    for name, rows in tables.items():
        if rows:
            typer.echo(f"\n{name}")
            _table(rows)


def _table(rows: Sequence[Mapping[str, object]]) -> None:
    lines = [list(rows[0]), *([_spelt(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies; of none, zero."""
    return sorted(values)[int(part * (len(values) - 1))] if values else 0.0


def _spelt(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
