"""How long does the first page of each question take on a long history, and by which indexes?

Run as a program: `python -m tests.support.long_questions 100000 [postgresql+asyncpg://...]` makes so many decisions, as
many disclosures, and prints a line for each question: milliseconds (median of five, of the page's reading alone), rows,
and the indexes that the database says it uses. Without a URL in SQLite.
"""

import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from tests.support.long_history import lengthen
from tests.support.service import START, Service, open_service
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.quarter import Quarter
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Outcome, RecipientKind, RecordKind
from tiprouter.storage import log_mentions, quarters, timeliness, withheld
from tiprouter.storage.database import Transaction
from tiprouter.storage.log_mentions import Sought
from tiprouter.storage.searches import Search
from tiprouter.storage.tables import recipients
from tiprouter.workflow.searching import decisions_found, disclosures_found

DAY: Final = 86_400_000_000
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


def fill(tx: Transaction) -> None:
    """A disclosure and its delivery for each decision, some late, some that never arrived; police is of Texas."""
    place = recipients.update().where(recipients.c.kind == RecipientKind.LAW_ENFORCEMENT)
    tx.execute(place.values(details={"jurisdictions": ["US-TX"]}))
    for statement in (MATTERS, DISCLOSURES, DELIVERIES):
        tx.exec_driver_sql(statement.format(day=DAY, **WORDS[tx.dialect.name]))


def questions(bundle: str, recipient: str) -> dict[str, tuple[Any, Search]]:
    """Every filter by itself, and some together."""
    alike = {
        "everything": Search(),
        "since": Search(since=START + timedelta(seconds=50)),
        "until": Search(until=START + timedelta(seconds=50)),
        "jurisdiction": Search(jurisdiction="US-TX"),
        "recipient": Search(recipient_id=recipient),
        "recipient kind": Search(recipient_kind=RecipientKind.CLEARINGHOUSE),
        "record kind": Search(record_kind=RecordKind.TIP),
        "no such record kind": Search(record_kind=RecordKind.CASE),
        "basis": Search(basis="core.consent"),
        "no such basis": Search(basis="no.such"),
        "outcome": Search(outcome=Outcome.HOLD_REVIEW),
        "bundle": Search(bundle=bundle),
        "no such bundle": Search(bundle="0" * 64),
        "kind, outcome, basis": Search(
            recipient_kind=RecipientKind.LAW_ENFORCEMENT, outcome=Outcome.REPORT, basis="no.such"
        ),
    }
    found: dict[str, tuple[Any, Search]] = {f"decisions: {name}": (decisions_found, one) for name, one in alike.items()}
    found |= {f"disclosures: {name}": (disclosures_found, one) for name, one in alike.items()}
    found |= {f"disclosures: {one.value}": (disclosures_found, Search(lateness=one)) for one in Lateness}
    found["disclosures: exhausted"] = disclosures_found, Search(state=DeliveryState.EXHAUSTED)
    return found


def entry_questions(bundle: str, recipient: str, record: str) -> dict[str, Sought]:
    """Every filter of the log's entries by itself, and some together."""
    return {
        "everything": Sought(),
        "upward": Sought(upward=True),
        "kind": Sought(kinds=("decision",)),
        "no such kind": Sought(kinds=("review.confirmed",)),
        "three kinds": Sought(kinds=("decision", "access", "notice")),
        "period": Sought(since=START + timedelta(seconds=50), until=START + timedelta(seconds=60)),
        "record": Sought(ids=(record,)),
        "recipient": Sought(ids=(recipient,)),
        "no such id": Sought(ids=("dec_" + 26 * "0",)),
        "actor class": Sought(members=(("actor_class", "router"),)),
        "bundle": Sought(members=(("bundle", bundle),)),
        "outcome": Sought(members=(("outcome", Outcome.HOLD_ERROR.value),)),
        "recipient, outcome": Sought(ids=(recipient,), members=(("outcome", Outcome.HOLD_ERROR.value),)),
        "bundle, no such kind": Sought(kinds=("review.confirmed",), members=(("bundle", bundle),)),
    }


def timed(tx: Transaction, ask: Callable[[Transaction], Any]) -> tuple[float, Any, list[str]]:
    """The median of five, the last answer, and the indexes of the statements of one."""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        answer = ask(tx)
        spent.append(1_000 * (time.perf_counter() - began))
    return statistics.median(spent), answer, indexes(tx, ask)


def indexes(tx: Transaction, ask: Callable[[Transaction], Any]) -> list[str]:
    """What the database says of each statement: the indexes it names, and the tables it reads whole."""
    seen: list[tuple[str, Any]] = []

    def listen(_one: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        seen.append((statement, parameters))

    sa.event.listen(tx, "before_cursor_execute", listen)
    ask(tx)
    sa.event.remove(tx, "before_cursor_execute", listen)
    explain = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    lines = [str(row[-1]) for one, given in seen for row in tx.exec_driver_sql(explain + one, given)]
    named = re.compile(r"(?:INDEX|Index Scan using|Index Only Scan using|on) (ix_\w+|sqlite_autoindex_\w+|pk_\w+)")
    whole = re.compile(r"(SCAN \w+$|SCAN \w+ (?!USING|VIRTUAL)|Seq Scan on \w+)")
    return sorted({one for line in lines for one in named.findall(line) + whole.findall(line) if "anon" not in one})


async def _measure(service: Service, count: int) -> None:
    began = time.perf_counter()
    await lengthen(service, count, count // 10)
    await service.sequencer.drain()
    await service.database.write(fill)
    await service.database.write(lambda tx: tx.exec_driver_sql("ANALYZE"))
    _say(f"{count:,} decisions and as many disclosures in {time.perf_counter() - began:.0f} s")
    (bundle, recipient), *_ = await service.rows("SELECT bundle, recipient_id FROM decisions LIMIT 1")
    now = service.clock.at
    for name, (found, wanted) in questions(bundle, recipient).items():
        ask = partial(found, wanted=wanted, after=None, limit=50, now=now)
        spent, page, used = await service.database.read(partial(timed, ask=ask))
        _say(f"{name:40} {spent:7.1f} ms {len(page.rows):4} rows {len(page.indexes):4} places  {' '.join(used)}")
    (record,) = (await service.rows("SELECT record_id FROM decisions LIMIT 1"))[0]
    for name, sought in entry_questions(bundle, recipient, record).items():
        asked = partial(log_mentions.found, sought=sought, after=None, limit=50)
        spent, found_rows, used = await service.database.read(partial(timed, ask=asked))
        _say(f"entries: {name:31} {spent:7.1f} ms {len(found_rows.rows):4} rows  {' '.join(used)}")
    since, until = START - timedelta(days=1), now + timedelta(days=1)
    reports: dict[str, Callable[[Transaction], Any]] = {
        "timeliness": lambda tx: timeliness.summed(timeliness.spans(tx, since, until)),
        "duties": partial(timeliness.kept, since=since, until=until, now=now),
        "withheld": partial(withheld.counted, since=since, until=until),
        "quarter": partial(quarters.counted, quarter=Quarter.of(START), now=now),
    }
    for name, report in reports.items():
        began = time.perf_counter()
        await service.database.read(report)
        _say(f"{name:40} {1_000 * (time.perf_counter() - began):7.0f} ms")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _main(count: int, url: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_service(url or f"sqlite:///{folder}/tiprouter.db", Path(folder)) as service:
            await _measure(service, count)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:]))
