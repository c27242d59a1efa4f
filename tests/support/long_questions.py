"""How long does the first page of each question take on a long history, and by which indexes?

Run as a program: `python -m tests.support.long_questions 100000 [postgresql]` makes so many decisions, as many
disclosures, and prints a line for each question: milliseconds (median and best of nine, of the page's reading alone,
after one that is not counted, in which other work on the machine is), the median of the processors' milliseconds here
and in the database, rows, and the indexes that the database says it uses, or which tables it reads whole. On SQLite, or
on a PostgreSQL that is started for it, where ten million are made within the hour (`tests/support/long_postgres.py`)
and need 40 GB of disk. A URL names an empty database of a server whose superuser it is; with `0` for how many, one that
is filled already.

More words: a number, after so many seconds of which no more is filled; `plans` prints every statement's whole plan.
"""

import asyncio
import contextlib
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from tests.support import long_postgres, postgres
from tests.support.long_history import lengthen
from tests.support.service import START, Service, open_service
from tiprouter import ids
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.quarter import Quarter
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Basis, Outcome, RecipientKind, RecordKind
from tiprouter.storage import log_mentions, quarters, timeliness, withheld
from tiprouter.storage.database import Database, Transaction, open_database
from tiprouter.storage.log_mentions import Sought
from tiprouter.storage.log_reasons import Besides
from tiprouter.storage.searches import Search
from tiprouter.storage.tables import decisions, recipients
from tiprouter.workflow.searching import decisions_found, disclosures_found

DAY: Final = 86_400_000_000
DAYS: Final = timedelta(days=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
REPORTED_MAX: Final = 1_000_000
"""Reports read whole periods: beyond so many they are not asked."""

AGENCIES: Final = 40
"""Of each kind; the second one has half as much as the first."""

MATTERS: Final = """
INSERT INTO matters (id, record_id, recipient_id, sequence)
SELECT 'mat_' || substr(id, 5), record_id, recipient_id, 1 FROM decisions
"""
DISCLOSURES: Final = """
INSERT INTO disclosures (id, matter_id, sequence, record_id, revision, recipient_id, categories, decisions,
    sealed, digest, content_digest, made_at)
SELECT 'dis_' || substr(id, 5), 'mat_' || substr(id, 5), 1, record_id, 1, recipient_id, categories, {named},
    {nothing}, '', '', decided_at FROM decisions
"""
DELIVERIES: Final = """
INSERT INTO deliveries (id, disclosure_id, matter_id, sequence, record_id, recipient_id, urgency, state, attempts,
    next_at, deadline, deliver_by, basis, created_at, finished_at)
SELECT 'msg_' || substr(id, 5), 'dis_' || substr(id, 5), 'mat_' || substr(id, 5), 1, record_id, recipient_id,
    'standard', CASE WHEN {chance} < 2 THEN 'exhausted' WHEN {chance} < 2 THEN 'queued' ELSE 'delivered' END, 1,
    decided_at, decided_at + {day}, decided_at + {day}, '', decided_at,
    decided_at + CASE WHEN {chance} < 2 THEN 2 * {day} ELSE 1000000 END FROM decisions
"""
WORDS: Final = {
    "sqlite": {"named": "json_array(id)", "nothing": "X''", "chance": "abs(random()) % 100"},
    "postgresql": {
        "named": "json_build_array(id)",
        "nothing": "''::bytea",
        "chance": "floor(random() * 100)",
    },
}


def filling(dialect: str) -> list[str]:
    """A disclosure and its delivery for each decision, some late, some that never arrived."""
    return [one.format(day=DAY, **WORDS[dialect]) for one in (MATTERS, DISCLOSURES, DELIVERIES)]


def settle(tx: Transaction) -> None:
    """Police is of Texas."""
    place = recipients.update().where(recipients.c.kind == RecipientKind.LAW_ENFORCEMENT)
    tx.execute(place.values(details={"jurisdictions": ["US-TX"]}))


@dataclass(frozen=True, slots=True)
class Known:
    """One of each thing that a question may name; `middle` is a moment half way through."""

    decision: str
    record: str
    person: str
    recipient: str
    bundle: str
    middle: datetime


def questions(known: Known) -> dict[str, tuple[Any, Search]]:
    """Every filter by itself, and some together."""
    alike = {
        "everything": Search(),
        "since": Search(since=known.middle),
        "until": Search(until=known.middle),
        "record": Search(record_id=known.record),
        "jurisdiction": Search(jurisdiction="US-TX"),
        "recipient": Search(recipient_id=known.recipient),
        "recipient kind": Search(recipient_kind=RecipientKind.CLEARINGHOUSE),
        "record kind": Search(record_kind=RecordKind.TIP),
        "no such record kind": Search(record_kind=RecordKind.CASE),
        "policy": Search(policy="core.consent"),
        "no such policy": Search(policy="no.such"),
        "basis": Search(basis=Basis.DANGER),
        "outcome": Search(outcome=Outcome.HOLD_REVIEW),
        "rare outcome": Search(outcome=Outcome.HOLD_ERROR),
        "bundle": Search(bundle=known.bundle),
        "no such bundle": Search(bundle="0" * 64),
        "kind, outcome, policy": Search(
            recipient_kind=RecipientKind.LAW_ENFORCEMENT, outcome=Outcome.REPORT, policy="no.such"
        ),
    }
    found: dict[str, tuple[Any, Search]] = {f"decisions: {name}": (decisions_found, one) for name, one in alike.items()}
    found["decisions: person"] = decisions_found, Search(person_id=known.person)
    found |= {f"decisions: {one.value}": (decisions_found, Search(lateness=one)) for one in Lateness}
    found["decisions: current"] = decisions_found, Search(current=True)
    found["decisions: not current"] = decisions_found, Search(current=False)
    found |= {f"disclosures: {name}": (disclosures_found, one) for name, one in alike.items()}
    found |= {f"disclosures: {one.value}": (disclosures_found, Search(lateness=one)) for one in Lateness}
    for state in (DeliveryState.DELIVERED, DeliveryState.EXHAUSTED, DeliveryState.QUEUED, DeliveryState.CANCELLED):
        found[f"disclosures: {state.value}"] = disclosures_found, Search(state=state)
    found["disclosures: late, recipient"] = (
        disclosures_found,
        Search(lateness=Lateness.LATE, recipient_id=known.recipient),
    )
    return found


def entry_questions(known: Known) -> dict[str, Sought]:
    """Every filter of the log's entries by itself, and some together."""
    bundle, recipient = known.bundle, known.recipient
    return {
        "everything": Sought(),
        "upward": Sought(upward=True),
        "kind": Sought(kinds=("decision",)),
        "no such kind": Sought(kinds=("review.confirmed",)),
        "three kinds": Sought(kinds=("decision", "access", "notice")),
        "period": Sought(since=known.middle, until=known.middle + timedelta(seconds=10)),
        "since": Sought(since=known.middle),
        "period, kind": Sought(kinds=("decision",), since=known.middle, until=known.middle + timedelta(seconds=10)),
        "period, no such kind": Sought(kinds=("notice",), since=known.middle - DAYS, until=known.middle),
        "record": Sought(ids=(known.record,)),
        "decision": Sought(ids=(known.decision,)),
        "disclosure": Sought(ids=("dis_" + known.decision[4:],)),
        "delivery": Sought(ids=("msg_" + known.decision[4:],)),
        "recipient": Sought(ids=(recipient,)),
        "no such id": Sought(ids=("dec_" + 26 * "0",)),
        "actor class": Sought(members=(("actor_class", "router"),)),
        "bundle": Sought(members=(("bundle", bundle),)),
        "outcome": Sought(members=(("outcome", Outcome.HOLD_ERROR.value),)),
        "recipient, outcome": Sought(ids=(recipient,), members=(("outcome", Outcome.HOLD_ERROR.value),)),
        "outcome, period": Sought(
            members=(("outcome", Outcome.DISCLOSE.value),), since=known.middle, until=known.middle + timedelta(hours=1)
        ),
        "bundle, kind": Sought(kinds=("decision",), members=(("bundle", bundle),)),
        "jurisdiction": Sought(besides=Besides(jurisdiction="US-TX")),
        "recipient kind": Sought(besides=Besides(recipient_kind=RecipientKind.CLEARINGHOUSE)),
        "policy": Sought(besides=Besides(policy="core.consent")),
        "no such policy": Sought(besides=Besides(policy="no.such")),
        "basis": Sought(besides=Besides(basis=Basis.DANGER)),
        "late": Sought(besides=Besides(lateness=Lateness.LATE, now=known.middle)),
        "nobody's": Sought(actor="nobody"),
        "the router's": Sought(actor="tiprouter"),
        "never": Sought(besides=Besides(lateness=Lateness.NEVER, now=known.middle)),
        "bundle, no such kind": Sought(kinds=("review.confirmed",), members=(("bundle", bundle),)),
    }


def timed(tx: Transaction, ask: Callable[[Transaction], Any]) -> tuple[str, Any, list[str]]:
    """The median and the best of nine after one, the median of the processors' time, the last answer, its plans."""
    answer, watch = ask(tx), busy(tx)
    spent, worked = [], []
    for _ in range(9):
        began, before = time.perf_counter(), watch()
        answer = ask(tx)
        worked.append(1_000 * (watch() - before))
        spent.append(1_000 * (time.perf_counter() - began))
    told = f"{statistics.median(spent):7.1f} ms {min(spent):7.1f} {statistics.median(worked):7.1f} CPU"
    return told, answer, plans(tx, ask)


def busy(tx: Transaction) -> Callable[[], float]:
    """Seconds that a processor worked, here and for us in the database's own process where that runs beside."""
    if tx.dialect.name == "sqlite":
        return time.process_time
    ran = Path("/proc", str(tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()), "schedstat")
    if not ran.is_file():
        return time.process_time
    return lambda: time.process_time() + int(ran.read_text().split()[0]) / 1e9


def plans(tx: Transaction, ask: Callable[[Transaction], Any]) -> list[str]:
    """What the database says of how it runs each statement."""
    seen: list[tuple[str, Any]] = []

    def listen(_one: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        seen.append((statement, parameters))

    sa.event.listen(tx, "before_cursor_execute", listen)
    ask(tx)
    sa.event.remove(tx, "before_cursor_execute", listen)
    explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    return [str(row[-1]) for one, given in seen for row in tx.exec_driver_sql(explain + one, given)]


def indexes(tx: Transaction, ask: Callable[[Transaction], Any]) -> list[str]:
    """The indexes that its statements' plans name, and the tables that they read whole."""
    return named_in(plans(tx, ask))


def named_in(lines: Sequence[str]) -> list[str]:
    """The indexes that plans name, and the tables that they read whole."""
    named = re.compile(r"(?:INDEX|Index Scan using|Index Only Scan using|on) (ix_\w+|sqlite_autoindex_\w+|pk_\w+)")
    whole = re.compile(r"(SCAN \w+$|SCAN \w+ (?!USING|VIRTUAL)|Seq Scan on \w+)")
    return sorted({one for line in lines for one in named.findall(line) + whole.findall(line) if "anon" not in one})


async def _asked(database: Database, known: Known, now: datetime, *, whole: bool) -> None:
    """A line for each question; `whole` prints its plans too."""
    asks: dict[str, Callable[[Transaction], Any]] = {}
    for name, (found, wanted) in questions(known).items():
        asks[name] = partial(found, wanted=wanted, after=None, limit=50, now=now)
    for name, sought in entry_questions(known).items():
        asks[f"entries: {name}"] = partial(log_mentions.found, sought=sought, after=None, limit=50)
    for name, ask in asks.items():
        spent, page, lines = await database.read(partial(timed, ask=ask))
        places = f" {len(page.indexes):4} places" if hasattr(page, "indexes") else ""
        _say(f"{name:40} {spent} {len(page.rows):4} rows{places}  {' '.join(named_in(lines))}")
        if whole:
            _say("\n".join(f"        {line}" for line in lines))


async def _made(service: Service, count: int, seconds: float) -> None:
    """Make the history, on PostgreSQL from a few true ones."""
    cloned = not service.url.startswith("sqlite")
    await lengthen(service, long_postgres.TRUE if cloned else count, min(count, 100_000) // 10, agencies=AGENCIES)
    await service.sequencer.drain()
    await service.database.write(settle)
    if cloned:
        await long_postgres.multiply(service.url, count, filling("postgresql"), seconds)
        return
    for statement in (*filling("sqlite"), "ANALYZE"):
        await service.database.write(partial(_run, statement=statement))


def _run(tx: Transaction, statement: str) -> None:
    tx.exec_driver_sql(statement)


def _known(tx: Transaction) -> tuple[Known, datetime]:
    """What the decision half way through names, and the moment after the last one."""
    first, last = tx.execute(sa.select(sa.func.min(decisions.c.id), sa.func.max(decisions.c.id))).one()
    ends = tx.execute(sa.select(decisions.c.decided_at).where(decisions.c.id.in_((first, last)))).scalars()
    begun, ended = sorted(ends)
    middle = begun + (ended - begun) / 2
    names = ("id", "record_id", "person_id", "recipient_id", "bundle")
    query = sa.select(*(decisions.c[name] for name in names)).order_by(decisions.c.id).limit(1)
    one = tx.execute(query.where(decisions.c.id >= ids.mint("dec", middle, bytes(ids.RANDOM_BYTES)))).one()
    return Known(one.id, one.record_id, one.person_id, one.recipient_id, one.bundle, middle), ended + timedelta(hours=1)


async def _report(database: Database, now: datetime) -> None:
    since, until = START - timedelta(days=1), now + timedelta(days=1)
    reports: dict[str, Callable[[Transaction], Any]] = {
        "timeliness": lambda tx: timeliness.summed(timeliness.spans(tx, since, until)),
        "duties": partial(timeliness.kept, since=since, until=until, now=now),
        "withheld": partial(withheld.counted, since=since, until=until),
        "quarter": partial(quarters.counted, quarter=Quarter.of(START), now=now),
    }
    for name, report in reports.items():
        began = time.perf_counter()
        await database.read(report)
        _say(f"{name:40} {1_000 * (time.perf_counter() - began):7.0f} ms")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def ask(url: str, *, whole: bool, reports: bool) -> None:
    """Ask every question of a database that is filled."""
    database = open_database(url)
    try:
        known, now = await database.read(_known)
        await _asked(database, known, now, whole=whole)
        if reports:
            await _report(database, now)
    finally:
        await database.close()


async def _main(count: int, where: str = "sqlite", *more: str) -> None:
    seconds = next((float(one) for one in more if one.isdecimal()), 1e9)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        url = where if ":" in where else f"sqlite:///{folder}/tiprouter.db"
        if where == "postgresql":
            server = running.enter_context(postgres.server())
            if server is None:
                sys.exit(postgres.WHY_NOT)
            url = await postgres.new_database(server)
        if count:
            async with open_service(url, Path(folder)) as service:
                began = time.perf_counter()
                await _made(service, count, seconds)
                _say(f"{count:,} decisions and as many disclosures in {time.perf_counter() - began:.0f} s")
        await ask(url, whole="plans" in more, reports=0 < count <= REPORTED_MAX)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:]))
