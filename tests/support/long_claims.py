"""What does it cost to claim a batch, with a long history of finished deliveries and with none?

Run as a program: `python -m tests.support.long_claims 1000000 [postgresql]` claims a batch of `LIVE` due deliveries in
a database with no history, adds so many finished ones (each with its record, matter, disclosure and attempt, copies of
a true one under other ids) and claims the same batch again; on SQLite, or on a PostgreSQL that is started for it. With
`0`, the URL of a database that `long_questions` filled and the folder of its keys, the batch is claimed there and in an
empty one beside it; what that history left queued is meanwhile delivered.

1. A claim is the worker's own transaction (`workflow/dispatch.py`), all of it but its commit, taken back each time: so
   each round claims the same deliveries and finds what the one before found.
2. Counted is the processor's time, here and in the database's own process: the machine may do other work.
3. The plan of each statement that reads or changes what was there is printed once, as it is with the history.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import sqlalchemy as sa

from tests.support import postgres
from tests.support.fictional import agency, person, tip
from tests.support.long_questions import busy, named_in
from tests.support.service import CHEAP, LIBRARY, ORIGIN, Clock, Service, bundle, open_service, room
from tiprouter.audit.note import Signer
from tiprouter.domain.record import Jurisdiction, Record
from tiprouter.domain.vocabulary import JurisdictionReason, RecipientKind
from tiprouter.storage.codec import to_plain
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import Transaction, open_database
from tiprouter.storage.tables import recipients
from tiprouter.storage.vault import FileKeyProvider, Vault
from tiprouter.workflow.dispatch import claim
from tiprouter.workflow.happening import Desk
from tiprouter.workflow.publish import Sequencer

LIVE: Final = 50
ROUNDS: Final = 25
AT_ONCE: Final = 100_000
PLACE: Final = "US-CA"
"""Where the live batch is: a history's agencies are of Texas, so that nothing of the batch is for them."""

COPIED: Final = ("data_keys", "records", "matters", "disclosures", "deliveries", "log_told", "attempts")
_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE n(n) AS (SELECT {low} UNION ALL SELECT n + 1 FROM n WHERE n < {high})",
    "postgresql": "WITH n(n) AS (SELECT generate_series({low}, {high}))",
}
_SPELT: Final = {"sqlite": "printf('%026d', n.n)", "postgresql": "lpad(n.n::text, 26, '0')"}
_EMPTY: Final = {"sqlite": "X''", "postgresql": "''::bytea"}

_ENDED: Final = (
    "CREATE TABLE long_queued AS SELECT id FROM deliveries WHERE state = 'queued'",
    "UPDATE deliveries SET state = 'delivered' WHERE state = 'queued'",
    "VACUUM (ANALYZE) deliveries",
)
_AGAIN: Final = (
    "UPDATE deliveries SET state = 'delivered', finished_at = created_at, warn_at = NULL WHERE state = 'queued'",
    "UPDATE deliveries SET state = 'queued' WHERE id IN (SELECT id FROM long_queued)",
    "DROP TABLE long_queued",
    "VACUUM (ANALYZE) deliveries",
)


def _tip(service: Service, number: int) -> Record:
    """A child's, of this moment: nobody is to be told yet that its report is late."""
    now = service.clock.at
    return tip(
        person("c1", years=14),
        external_id=f"L-{os.urandom(4).hex()}-{number}",
        jurisdictions=(Jurisdiction(PLACE, JurisdictionReason.FOUND),),
        signaled_at=now,
        received_at=now,
    )


async def prepare(service: Service, *, finished: bool) -> None:
    """An agency; where it is asked for, one delivery that arrived; and so many that are due."""
    await service.enrol(agency(RecipientKind.LAW_ENFORCEMENT, PLACE))
    if finished:
        await service.accept(_tip(service, 0))
        await service.deliver()
    for number in range(1, LIVE + 1):
        await service.accept(_tip(service, number))


def claimed(tx: Transaction, service: Service) -> int:
    """Claim the batch and take it back (rule 1); how many were claimed."""
    with tx.begin_nested() as undone:
        ready = claim(tx, service.desk, room(LIVE, LIVE))
        undone.rollback()
    return len(ready)


def measured(tx: Transaction, service: Service) -> tuple[float, float, list[str]]:
    """Milliseconds of processor for a claim, median and least, and its plans (rules 2, 3)."""
    spent, watch = [], busy(tx)
    claimed(tx, service)
    for _ in range(ROUNDS):
        before = watch()
        count = claimed(tx, service)
        spent.append(1_000 * (watch() - before))
        if count != LIVE:
            raise RuntimeError(f"{count} were claimed")
    return statistics.median(spent), min(spent), plans(tx, service)


def plans(tx: Transaction, service: Service) -> list[str]:
    """What the database says of how it runs each statement of a claim."""
    seen: dict[str, Any] = {}

    def listen(_one: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        seen.setdefault(statement, parameters[0] if isinstance(parameters, list) else parameters)

    sa.event.listen(tx, "before_cursor_execute", listen)
    claimed(tx, service)
    sa.event.remove(tx, "before_cursor_execute", listen)
    explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    reads = {one: given for one, given in seen.items() if one.lstrip().startswith(("SELECT", "WITH", "UPDATE"))}
    return [str(row[-1]) for one, given in reads.items() for row in tx.exec_driver_sql(explain + one, given)]


def lengthen(tx: Transaction, low: int, high: int) -> None:
    """Add finished deliveries of these numbers, with all that is kept of each."""
    dialect = tx.dialect.name
    tables = (
        "SELECT d.record_id, d.record_id, d.matter_id, d.disclosure_id, d.id, a.id, a.id FROM deliveries d, attempts a"
    )
    latest = f"{tables} WHERE a.delivery_id = d.id AND d.state = 'delivered' ORDER BY d.id DESC LIMIT 1"
    true = tx.exec_driver_sql(latest).one()
    for name, one in zip(COPIED, true, strict=True):
        table = metadata.tables[name]
        names = ", ".join(f'"{column.name}"' for column in table.c)
        values = ", ".join(_value(column, dialect) for column in table.c)
        numbers = _NUMBERS[dialect].format(low=low, high=high)
        add = f"SELECT {values} FROM {name} o CROSS JOIN n WHERE o.{table.primary_key.columns[0].name} = '{one}'"  # noqa: S608 - our own names
        if dialect == "sqlite":
            tx.exec_driver_sql(f"INSERT INTO {name} ({names}) {numbers} {add}")
        else:
            tx.exec_driver_sql(f"{numbers} INSERT INTO {name} ({names}) {add}")


def _value(column: sa.Column[Any], dialect: str) -> str:
    """What a column of a copy holds: ids of its own, nothing sealed, else what the true one holds."""
    name = column.name
    if name in {"id", "owner", "subject", "record_id", "matter_id", "disclosure_id", "delivery_id", "external"}:
        return f'substr(o."{name}", 1, 4) || {_SPELT[dialect]}'
    return _EMPTY[dialect] if name == "sealed" and not column.nullable else f'o."{name}"'


async def _lengthened(service: Service, count: int) -> None:
    for low in range(1, count + 1, AT_ONCE):
        await service.database.write(partial(lengthen, low=low, high=min(count, low + AT_ONCE - 1)))


def _analysed(tx: Transaction) -> None:
    tx.exec_driver_sql("ANALYZE")


async def _measured(service: Service, what: str) -> tuple[float, list[str]]:
    await service.database.write(_analysed)
    median, least, lines = await service.database.write(lambda tx: measured(tx, service))
    finished = await service.rows("SELECT count(*) FROM deliveries WHERE finished_at IS NOT NULL")
    _say(f"{what:12} {finished[0][0]:>12,} finished  claim of {LIVE}: {median:6.2f} ms CPU, least {least:6.2f}")
    return median, lines


def _told(none: float, long: float, lines: Sequence[str]) -> None:
    _say(f"with history / with none: {long / none:.2f}")
    _say(f"indexes: {' '.join(named_in(lines))}")
    _say("\n".join(f"        {line}" for line in lines))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def compare(url: str, folder: Path, count: int) -> None:
    """The same batch in the same database, before the history and with it."""
    async with open_service(url, folder) as service:
        await prepare(service, finished=True)
        none, _ = await _measured(service, "none")
        await _lengthened(service, count)
        _told(none, *await _measured(service, "history"))


async def beside(url: str, folder: Path, filled: Path) -> None:
    """The batch in a database that is filled, whose keys stand in `filled`, and in an empty one beside it."""
    async with open_service(await postgres.new_database(url.rpartition("/")[0]), folder) as service:
        await prepare(service, finished=False)
        none, _ = await _measured(service, "none")
    await _tell(url, *_ENDED)
    try:
        _told(none, *await _filled(url, filled))
    finally:
        await _tell(url, *_AGAIN)


async def _filled(url: str, folder: Path) -> tuple[float, list[str]]:
    """Without a sequencer: such a history's log is in no tile, and it would refuse to start."""
    database, vault = open_database(url), Vault(FileKeyProvider(folder / "keys" / "kek", os.urandom), os.urandom)
    try:
        blind, seed = await database.write(
            lambda tx: (vault.secret(tx, "blind-index"), vault.secret(tx, "log-signing"))
        )
        LIBRARY.keep(bundle())
        clock = Clock()
        desk = Desk(clock, os.urandom, vault, LIBRARY, blind, sandbox=False, verify_endpoints=False, secret_cost=CHEAP)
        signer = Signer(ORIGIN, seed)
        sequencer = Sequencer(database, desk, signer, folder / "log")
        service = Service(url, folder, database, desk, clock, sequencer, signer)
        latest = await service.rows("SELECT max(decided_at) FROM decisions")
        clock.forward(microseconds=latest[0][0] - clock.at.timestamp() * 1e6, hours=1)
        known = await database.write(_readable)
        try:
            await prepare(service, finished=False)
        finally:
            await database.write(partial(_as_they_were, known=known))
        return await _measured(service, "history")
    finally:
        await database.close()


def _readable(tx: Transaction) -> dict[str, Any]:
    """Let whoever decides read the agencies of such a history: of another place; what they were."""
    known = {row.id: row.details for row in tx.execute(sa.select(recipients.c.id, recipients.c.details))}
    _as_they_were(tx, {one: to_plain(replace(agency(RecipientKind.LAW_ENFORCEMENT, "US-NY"), id=one)) for one in known})
    return known


def _as_they_were(tx: Transaction, known: dict[str, Any]) -> None:
    for one, details in known.items():
        tx.execute(recipients.update().where(recipients.c.id == one).values(details=details))


async def _tell(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _main(count: int, where: str = "sqlite", keys: str = "") -> None:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as running:
        folder = Path(temporary)
        if count == 0:
            await beside(where, folder, Path(keys))
            return
        url = f"sqlite:///{folder}/tiprouter.db"
        if where == "postgresql":
            server = running.enter_context(postgres.server())
            if server is None:
                sys.exit(postgres.WHY_NOT)
            url = await postgres.new_database(server)
        await compare(url, folder, count)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:]))
