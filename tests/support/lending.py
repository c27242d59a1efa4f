"""A PostgreSQL database that was lent to a test, taken back as it was made: to make another was half of such a test.

1. Whoever still has a session in it loses that session.
2. Its schema must be the one it was made with: a row of a catalogue that came later has a later transaction's number,
   and one that went is missing from the count. Statistics that a test asked for count as a change too.
3. The rows of its tables go, and its sequences begin again; what the migrations put there must have stayed.
4. One that fails any of it, or has grown by more than `GROWN`, is not lent again. What may remain is dead rows.
"""

from dataclasses import dataclass

import asyncpg  # type: ignore[import-untyped]  # it ships no type information

GROWN = 8 << 20
_CATALOGUES = (
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_index",
    "pg_inherits",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_rewrite",
    "pg_sequence",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_type",
)
_LATEST = "(SELECT (count(*), max(xmin::text::bigint))::text FROM {})"
_SETTINGS = (
    "(SELECT count(*)::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase"
    " WHERE d.datname = current_database())"
)
_SCHEMA = "SELECT ARRAY[{}]".format(", ".join([*(_LATEST.format(name) for name in _CATALOGUES), _SETTINGS]))
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
_SIZE = "SELECT pg_database_size(current_database())"
_LEAVE = (
    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
_FILLED = "CASE WHEN EXISTS (SELECT FROM {0}) THEN '{0}' END"
_CONTENT = "SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t))::text FROM {} t"
_UNGUARDED = "SET LOCAL session_replication_role = replica"
"""Foreign keys and triggers are about what the product does with its rows: here all of them go."""
_EMPTY = "DELETE FROM {}"
_BEGIN_AGAIN = "SELECT count(setval(seqrelid::regclass, seqstart, false)) FROM pg_sequence"


@dataclass(frozen=True, slots=True)
class Made:
    """A database as the migrations left it: its catalogues, its tables, which of them hold what, and its bytes."""

    schema: tuple[str, ...]
    tables: tuple[str, ...]
    seeds: dict[str, str]
    size: int


async def as_made(url: str) -> Made:
    """What a database is that nobody has used yet."""
    connection = await _session(url)
    try:
        tables = tuple(row[0] for row in await connection.fetch(_TABLES))
        seeds = {name: await _content(connection, name) for name in await _filled(connection, tables)}
        return Made(tuple(await connection.fetchval(_SCHEMA)), tables, seeds, await connection.fetchval(_SIZE))
    finally:
        await connection.close()


async def taken_back(url: str, made: Made) -> bool:
    """Make a used database as it was (rules 1 to 3); False where it cannot be lent again (rule 4)."""
    connection = await _session(url)
    try:
        await connection.fetchval(_LEAVE)
        if tuple(await connection.fetchval(_SCHEMA)) != made.schema:
            return False
        if await connection.fetchval(_SIZE) > made.size + GROWN:
            return False
        async with connection.transaction():
            filled = set(await _filled(connection, made.tables)) - made.seeds.keys()
            await connection.execute(";".join([_UNGUARDED, *map(_EMPTY.format, sorted(filled))]))
            await connection.fetchval(_BEGIN_AGAIN)
        return {name: await _content(connection, name) for name in made.seeds} == made.seeds
    except asyncpg.PostgresError:  # no superuser on somebody's own server
        return False
    finally:
        await connection.close()


async def _session(url: str) -> "asyncpg.Connection":
    return await asyncpg.connect(url.replace("+asyncpg", ""))


async def _filled(connection: "asyncpg.Connection", tables: tuple[str, ...]) -> list[str]:
    asked = "SELECT ARRAY[{}]".format(", ".join(map(_FILLED.format, tables)))
    return [name for name in await connection.fetchval(asked) if name is not None]


async def _content(connection: "asyncpg.Connection", table: str) -> str:
    return str(await connection.fetchval(_CONTENT.format(table)))
