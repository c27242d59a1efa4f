"""How is a PostgreSQL filled with ten million disclosures, their decisions, deliveries and log, within the hour?

1. Some thousand true ones are made as the router makes them; every further block is those rows again, an hour later,
   with the ids that they would have had then: an id's first ten digits are its time, and the others stay as they are.
   Few agencies have most, as in life, and stay the same ones in every block.
2. Some blocks at a time, by one statement for each table, made from its columns; business rows and the log beside each
   other. So whoever has no more time stops between two parts (`seconds`) and has a shorter history that is whole.
   Indexes are dropped before and made anew at the end.
3. The entries of whole bundles are repeated with the words that they name, so that the log's questions find them. They
   are in no tile: a log made so can be questioned, never proved.

Only for measuring: foreign keys are not looked at while it fills, which takes a superuser's session, and nothing waits
for the disk.
"""

import asyncio
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import sqlalchemy as sa

from tiprouter import ids
from tiprouter.storage.columns import Moment
from tiprouter.storage.log_mentions import BUNDLE
from tiprouter.storage.tables import decisions, deliveries, disclosures, persons, records

TRUE: Final = 5_632
"""So many decisions are made truly; those that the entries of `BUNDLES` bundles tell of are repeated."""

BUNDLES: Final = 20
EVERY: Final = timedelta(hours=1)
AT_ONCE: Final = 20
"""Blocks that a statement repeats."""

BUSINESS: Final = (records, persons, decisions, disclosures, deliveries)
"""Matters stay the true ones: no question reads them."""

_HOUR: Final = EVERY // timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = slice(4, 14)
_STAYS: Final = ("recipient_id",)
_ENTRIES: Final = """
INSERT INTO log_entries ("index", kind, "at", entry)
SELECT e."index" + t.block * {size}, e.kind, e."at" + t.block * {hour},
    convert_to(replace(overlay(e.spelt placing
        to_char(timestamp '1970-01-01' + (e."at" + t.block * {hour}) * interval '1 microsecond',
                'YYYY-MM-DD"T"HH24:MI:SS.MS') from 8 for 23), t.was, t.is), 'UTF8')
FROM long_times t JOIN long_entries e ON e.was = t.was WHERE t.block BETWEEN {low} AND {high}
ORDER BY 1
"""
_WORDS: Final = """
INSERT INTO log_mentions (word, bundle)
SELECT CASE WHEN w.was IS NULL THEN w.word ELSE overlay(w.word placing t.is from 6 for 10) END,
    w.bundle + t.block * {bundles}
FROM long_times t JOIN long_words w ON coalesce(w.was, '{first}') = t.was WHERE t.block BETWEEN {low} AND {high}
ORDER BY 1, 2
"""
_SPANS: Final = """
INSERT INTO log_spans (bundle, first_at, last_at)
SELECT s.bundle + b * {bundles}, s.first_at + b * {hour}, s.last_at + b * {hour}
FROM log_spans s CROSS JOIN generate_series({low}, {high}) b WHERE s.bundle BETWEEN 1 AND {bundles}
"""
LOG: Final = {"log_entries": _ENTRIES, "log_mentions": _WORDS, "log_spans": _SPANS}


async def multiply(url: str, count: int, made: Sequence[str], seconds: float = 1e9) -> timedelta:
    """Repeat a service's decisions until they are `count`; `made`: statements that make what rests on them.

    No part is begun after so many seconds. Returns how much later the last one is.
    """
    connection, beside = [await _connected(url) for _ in range(2)]
    try:
        first, true = await _templates(connection, made)
        blocks = max(1, -(-count // true) - 1)
        await _times(connection, blocks)
        indexes = await _unindexed(connection)
        numbers = {"size": BUNDLES * BUNDLE, "hour": _HOUR, "bundles": BUNDLES, "first": first}
        began, low = time.perf_counter(), 1
        while low <= blocks and time.perf_counter() - began < seconds:
            part = {"low": low, "high": min(blocks, low + AT_ONCE - 1)}
            business = [_again(table).format(**part) for table in BUSINESS]
            log = [one.format(**numbers, **part) for one in LOG.values()]
            await asyncio.gather(_run(connection, business), _run(beside, log))
            low = part["high"] + 1
            _say(f"{low * true:,} of each in {time.perf_counter() - began:.0f} s")
        await asyncio.gather(_run(connection, indexes[::2]), _run(beside, indexes[1::2]))
        await connection.execute("DROP TABLE long_times, long_entries, long_words")
        await _run(connection, [f"DROP TABLE long_{table.name}" for table in BUSINESS])
        await connection.execute("REINDEX TABLE log_mentions")
        await connection.execute("VACUUM (ANALYZE)")
        _say(f"{len(indexes)} indexes and the statistics in {time.perf_counter() - began:.0f} s")
        return (low - 1) * EVERY
    finally:
        await connection.close()
        await beside.close()


async def _connected(url: str) -> Any:  # noqa: ANN401 - asyncpg's connection
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'; SET jit = off")
    return connection


async def _run(connection: Any, statements: Sequence[str]) -> None:  # noqa: ANN401 - asyncpg's connection
    for statement in statements:
        await connection.execute(statement)


async def _templates(connection: Any, made: Sequence[str]) -> tuple[str, int]:  # noqa: ANN401 - asyncpg's connection
    """Only decisions whose entries are repeated stay (rule 3); the first time of them, and how many they are."""
    low, high = BUNDLE, (BUNDLES + 1) * BUNDLE
    rows = await connection.fetch(
        'SELECT "index", kind, entry FROM log_entries WHERE "index" >= $1 AND "index" < $2', low, high
    )
    named: list[list[str]] = [re.findall(r'"(dec_\w{26})"', row["entry"].decode()) for row in rows]
    if len(rows) < high - low or not all(named):
        raise RuntimeError("There are too few true decisions to repeat.")
    decided = [one[0] for row, one in zip(rows, named, strict=True) if row["kind"] == "decision"]
    await connection.execute(
        "CREATE UNLOGGED TABLE long_entries AS SELECT \"index\", kind, \"at\", ''::text AS spelt, ''::text AS was"
        " FROM log_entries LIMIT 0"
    )
    await connection.execute(
        "INSERT INTO long_entries SELECT e.index, e.kind, e.at, convert_from(e.entry, 'UTF8'), d.was FROM log_entries e"
        " JOIN unnest($1::bigint[], $2::text[]) AS d(at_index, was) ON d.at_index = e.index",
        [row["index"] for row in rows],
        [one[0][_TIME] for one in named],
    )
    await connection.execute('DELETE FROM log_entries WHERE "index" >= $1', high)
    await connection.execute("DELETE FROM log_mentions WHERE bundle > $1", BUNDLES)
    await connection.execute("DELETE FROM log_spans WHERE bundle > $1", BUNDLES)
    await connection.execute("DELETE FROM decisions WHERE id <> ALL(SELECT unnest($1::text[]))", decided)
    await connection.execute(
        "CREATE UNLOGGED TABLE long_words AS SELECT word, bundle,"
        " CASE WHEN word ~ '^\"(dec|tip)_' THEN substr(word, 6, 10) END AS was FROM log_mentions WHERE bundle >= 1"
    )
    await _run(connection, made)
    for table in BUSINESS:
        await connection.execute(
            f"CREATE UNLOGGED TABLE long_{table.name} AS SELECT *, substr(id, 5, 10) AS was FROM {table.name}"  # noqa: S608 - our own names
        )
    return min(one[_TIME] for one in decided), len(decided)


async def _times(connection: Any, blocks: int) -> None:  # noqa: ANN401 - asyncpg's connection
    """How the time of each true id is spelt in every block."""
    rows = await connection.fetch("SELECT DISTINCT substr(id, 5, 10) AS was, decided_at FROM decisions")
    await connection.execute('CREATE UNLOGGED TABLE long_times (block bigint, was text, "is" text)')
    spelt = [
        (block, row["was"], _spelt(row["decided_at"] + block * _HOUR)) for block in range(1, blocks + 1) for row in rows
    ]
    await connection.copy_records_to_table("long_times", records=spelt)
    await connection.execute("CREATE INDEX ON long_times (block)")
    await connection.execute("ANALYZE long_times; ANALYZE long_entries; ANALYZE long_words")


def _spelt(at: int) -> str:
    return ids.mint("dec", _EPOCH + timedelta(microseconds=at), bytes(ids.RANDOM_BYTES))[_TIME]


def _again(table: sa.Table) -> str:
    """A table's true rows in every block between two (rules 1, 2)."""
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {', '.join(_value(one) for one in table.c)}"  # noqa: S608 - our own names
        f" FROM long_times t JOIN long_{table.name} o ON o.was = t.was"
        " WHERE t.block BETWEEN {low} AND {high} ORDER BY 1"
    )


def _value(column: sa.Column[Any]) -> str:
    """What a column holds in another block."""
    name = column.name
    if isinstance(column.type, Moment):
        return f'o."{name}" + t.block * {_HOUR}'
    if (name == "id" or name.endswith("_id") or name == "external") and name not in _STAYS:
        return f'left(o."{name}", 4) || t.is || right(o."{name}", 16)'
    return "replace(o.decisions::text, t.was, t.is)::json" if name == "decisions" else f'o."{name}"'


async def _unindexed(connection: Any) -> list[str]:  # noqa: ANN401 - asyncpg's connection
    """Drop the indexes of all that is filled, but those of keys; the statements that make them anew."""
    names = [*(table.name for table in BUSINESS), *LOG]
    rows = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1)", names)
    mine = [row for row in rows if "UNIQUE" not in row["indexdef"]]
    await _run(connection, [f"DROP INDEX {row['indexname']}" for row in mine])
    return [row["indexdef"] for row in mine]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
