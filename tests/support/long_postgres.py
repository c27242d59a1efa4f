"""How is a PostgreSQL filled with millions of decisions and their log, within minutes?

1. Some thousand true ones are made as the router makes them; every further block is those rows again, an hour later,
   with the ids that they would have had then: an id's first ten digits are its time, and the others stay as they are.
2. One statement for each table, made from its columns; indexes are made anew after it. Agencies stay the same ones.
3. The entries of whole bundles are repeated with the words that they name, so that the log's questions find them. They
   are in no tile: a log made so can be questioned, never proved.

Only for measuring: foreign keys are not looked at while it fills, which takes a superuser's session.
"""

import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it ships no type information
import sqlalchemy as sa

from tiprouter import ids
from tiprouter.storage.columns import Moment
from tiprouter.storage.log_mentions import BUNDLE
from tiprouter.storage.tables import decisions, persons, records

TRUE: Final = 5_632
"""So many decisions are made truly; those that the entries of `BUNDLES` bundles tell of are repeated."""

BUNDLES: Final = 20
EVERY: Final = timedelta(hours=1)
_HOUR: Final = EVERY // timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME: Final = slice(4, 14)
_STAYS: Final = ("recipient_id",)
_ENTRIES: Final = """
INSERT INTO log_entries ("index", kind, "at", entry)
SELECT e."index" + t.block * {size}, e.kind, e."at" + t.block * {hour},
    convert_to(replace(replace(replace(overlay(convert_from(e.entry, 'UTF8') placing
        to_char(timestamp '1970-01-01' + (e."at" + t.block * {hour}) * interval '1 microsecond',
                'YYYY-MM-DD"T"HH24:MI:SS.MS') from 8 for 23),
        'dec_' || t.was, 'dec_' || t.is), 'tip_' || t.was, 'tip_' || t.is), 'prs_' || t.was, 'prs_' || t.is), 'UTF8')
FROM times t JOIN true_entries e ON e.was = t.was
"""
_WORDS: Final = """
INSERT INTO log_mentions (word, bundle)
SELECT DISTINCT CASE WHEN w.was IS NULL THEN w.word ELSE overlay(w.word placing t.is from 6 for 10) END,
    w.bundle + t.block * {bundles}
FROM times t JOIN true_words w ON coalesce(w.was, '{first}') = t.was
"""
_SPANS: Final = """
INSERT INTO log_spans (bundle, first_at, last_at)
SELECT s.bundle + b * {bundles}, s.first_at + b * {hour}, s.last_at + b * {hour}
FROM log_spans s CROSS JOIN generate_series(1, {blocks}) b WHERE s.bundle BETWEEN 1 AND {bundles}
"""


async def multiply(url: str, count: int, made: Sequence[str]) -> timedelta:
    """Repeat a service's decisions until they are `count`; `made`: statements that make what rests on them.

    Returns how much later the last one is.
    """
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await connection.execute("SET maintenance_work_mem = '256MB'; SET work_mem = '128MB'")
        first = await _templates(connection)
        true = int(await connection.fetchval("SELECT count(*) FROM decisions"))
        blocks = max(1, -(-count // true) - 1)
        await _times(connection, blocks)
        numbers = {"size": BUNDLES * BUNDLE, "hour": _HOUR, "bundles": BUNDLES, "blocks": blocks, "first": first}
        for table in (records, persons, decisions):
            await _fill(connection, table.name, _again(table))
        for name, statement in (("log_entries", _ENTRIES), ("log_mentions", _WORDS), ("log_spans", _SPANS)):
            await _fill(connection, name, statement.format(**numbers))
        for statement in made:
            await _fill(connection, statement.split()[2], statement)
        await connection.execute("VACUUM (ANALYZE)")
        return blocks * EVERY
    finally:
        await connection.close()


async def _templates(connection: Any) -> str:  # noqa: ANN401 - asyncpg's connection
    """Only decisions whose entries are repeated stay (rule 3); the first time of them."""
    low, high = BUNDLE, (BUNDLES + 1) * BUNDLE
    rows = await connection.fetch(
        'SELECT "index", kind, entry FROM log_entries WHERE "index" >= $1 AND "index" < $2', low, high
    )
    named: list[list[str]] = [re.findall(r'"(dec_\w{26})"', row["entry"].decode()) for row in rows]
    if len(rows) < high - low or not all(named):
        raise RuntimeError("There are too few true decisions to repeat.")
    decided = [one[0] for row, one in zip(rows, named, strict=True) if row["kind"] == "decision"]
    await connection.execute("CREATE TEMP TABLE true_entries AS SELECT *, ''::text AS was FROM log_entries LIMIT 0")
    await connection.execute(
        "INSERT INTO true_entries SELECT e.*, d.was FROM log_entries e"
        " JOIN unnest($1::bigint[], $2::text[]) AS d(at_index, was) ON d.at_index = e.index",
        [row["index"] for row in rows],
        [one[0][_TIME] for one in named],
    )
    await connection.execute('DELETE FROM log_entries WHERE "index" >= $1', high)
    await connection.execute("DELETE FROM log_mentions WHERE bundle > $1", BUNDLES)
    await connection.execute("DELETE FROM log_spans WHERE bundle > $1", BUNDLES)
    await connection.execute("DELETE FROM decisions WHERE id <> ALL(SELECT unnest($1::text[]))", decided)
    await connection.execute(
        "CREATE TEMP TABLE true_words AS SELECT word, bundle,"
        " CASE WHEN word ~ '^\"(dec|tip)_' THEN substr(word, 6, 10) END AS was FROM log_mentions WHERE bundle >= 1"
    )
    return min(one[_TIME] for one in decided)


async def _times(connection: Any, blocks: int) -> None:  # noqa: ANN401 - asyncpg's connection
    """How the time of each true id is spelt in every block."""
    rows = await connection.fetch("SELECT DISTINCT substr(id, 5, 10) AS was, decided_at FROM decisions")
    await connection.execute('CREATE TEMP TABLE times (block bigint, was text, "is" text)')
    spelt = [
        (block, row["was"], _spelt(row["decided_at"] + block * _HOUR)) for block in range(1, blocks + 1) for row in rows
    ]
    await connection.copy_records_to_table("times", records=spelt)
    await connection.execute("ANALYZE times; ANALYZE true_entries; ANALYZE true_words")


def _spelt(at: int) -> str:
    return ids.mint("dec", _EPOCH + timedelta(microseconds=at), bytes(ids.RANDOM_BYTES))[_TIME]


def _again(table: sa.Table) -> str:
    """A table's true rows in every block (rules 1, 2)."""
    values = [
        f"o.{column.name} + t.block * {_HOUR}"
        if isinstance(column.type, Moment)
        else f"left(o.{column.name}, 4) || t.is || right(o.{column.name}, 16)"
        if (column.name == "id" or column.name.endswith("_id") or column.name == "external")
        and column.name not in _STAYS
        else f'o."{column.name}"'
        for column in table.c
    ]
    names = ", ".join(f'"{column.name}"' for column in table.c)
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values)} FROM times t JOIN {table.name} o"  # noqa: S608 - our own names
        " ON substr(o.id, 5, 10) = t.was ORDER BY t.block, o.id"
    )


async def _fill(connection: Any, table: str, statement: str) -> None:  # noqa: ANN401 - asyncpg's connection
    """Run a statement while the table has no indexes but its keys (rule 2)."""
    began = time.perf_counter()
    async with _unindexed(connection, table):
        done = await connection.execute(statement)
    sys.stdout.write(f"{table}: {done.split()[-1]} rows in {time.perf_counter() - began:.0f} s\n")
    sys.stdout.flush()


@asynccontextmanager
async def _unindexed(connection: Any, table: str) -> AsyncIterator[None]:  # noqa: ANN401 - asyncpg's connection
    rows = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1", table)
    mine = [row for row in rows if "UNIQUE" not in row["indexdef"]]
    for row in mine:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    yield
    for row in mine:
        await connection.execute(row["indexdef"])
