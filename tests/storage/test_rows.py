"""Many rows reach a table in one statement, each as if it had come alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.storage.bare import add_recipient, add_record
from tests.storage.test_read_once import FACTS, decision
from tests.support.service import START
from tiprouter.storage import rows
from tiprouter.storage.columns import named_in
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.decisions import Decision
from tiprouter.storage.log_tables import log_told
from tiprouter.storage.tables import decisions, outbox, persons

MADE = [
    decision(1),
    decision(2, valid_until=START + timedelta(microseconds=1), review=True, duty_within=60),
    decision(3, facts=FACTS | {"age": "minor"}, policies=(), errors=("policy-error",), recipient_id=None),
    decision(4, facts=None, categories=(), deadline=None, call=True),
]


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database, on each of the two kinds, with somebody to decide about."""
    opened = open_database(migrated_url)

    def begin(tx: Connection) -> None:
        add_recipient(tx, "rcp_1")
        add_record(tx, "tip_1")
        tx.execute(persons.insert(), {"id": "per_1", "external": "x", "created_at": START})

    await opened.write(begin)
    yield opened
    await opened.close()


async def test_every_value_is_stored_as_alone(database: Database) -> None:
    """What the database holds afterwards is what one `insert` for each row leaves there, in every column."""

    def story(tx: Connection) -> list[list[Any]]:
        together = [replace(one, id=f"{one.id}_a") for one in MADE]
        tx.execute(log_told.insert(), [{"subject": f"{one.id}_{way}"} for one in MADE for way in "ab"])
        rows.add(tx, decisions, rows.columns_of(Decision.__slots__, together))
        for one in MADE:
            alone = {name: getattr(one, name) for name in Decision.__slots__} | {"id": f"{one.id}_b"}
            tx.execute(decisions.insert(), alone)
        text = ", ".join(f"CAST({name} AS TEXT)" for name in Decision.__slots__ if name != "id")
        asked = f"SELECT {text} FROM decisions WHERE id LIKE $1 ORDER BY id"  # noqa: S608 - columns of our own
        return [[tuple(row) for row in tx.exec_driver_sql(asked, (like,))] for like in ("%a", "%b")]

    together, alone = await database.write(story)
    assert together == alone
    assert len(alone) == len(MADE)


async def test_what_many_rows_share_goes_through_its_type_once(database: Database) -> None:
    """And what is equal to it, but another thing, by itself."""
    bound: list[object] = []

    class Counting(sa.TypeDecorator[str]):
        impl = sa.String
        cache_ok = True

        def process_bind_param(self, value: Any, dialect: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
            bound.append(value)
            return None if value is None else value["word"]

    table = sa.Table("counted_here", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("said", Counting))

    def story(tx: Connection) -> list[tuple[int, str | None]]:
        table.create(tx)
        one, equal = {"word": "x"}, {"word": "x"}
        rows.add(tx, table, {"id": [1, 2, 3, 4, 5], "said": [one, None, one, equal, one]})
        return [(row[0], row[1]) for row in tx.exec_driver_sql("SELECT id, said FROM counted_here ORDER BY id")]

    assert await database.write(story) == [(1, "x"), (2, None), (3, "x"), (4, "x"), (5, "x")]
    assert bound == [{"word": "x"}, None, {"word": "x"}]


async def test_columns_that_do_not_match_store_nothing(database: Database) -> None:
    """One value too few is an error, not a row less; and of no rows nothing is asked."""
    with pytest.raises(ValueError, match="shorter"):
        await database.write(lambda tx: rows.add(tx, outbox, {"serial": [1, 2], "entry": [b"x"]}))
    await database.write(lambda tx: rows.add(tx, outbox, {"entry": []}))
    assert await database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(outbox)).scalar_one()) == 0


def test_equal_values_are_read_once_and_none_are_read_as_none() -> None:
    """Each row gets its own columns back, in their order."""
    read: list[str] = []

    def upper(text: str) -> str:
        read.append(text)
        return text.upper()

    found = list(rows.read([(1, "a", "a"), (2, "b", "b"), (3, "a", "c")], ("id", "said", "kept"), {"said": upper}))
    assert found == [(1, "A", "a"), (2, "B", "b"), (3, "A", "c")]
    assert sorted(read) == ["a", "b"]
    assert list(rows.read([], ("id", "said"), {"said": upper})) == []


async def test_any_number_of_ids_is_one_parameter(database: Database) -> None:
    """More than a database takes parameters, among them one with a quote and one that there is not; and none."""
    asked = sa.select(persons.c.id).where(named_in(persons.c.id, "which")).order_by(persons.c.id)
    many = [f'per_"{number}"' for number in range(70_000)]

    def story(tx: Connection) -> list[list[str]]:
        made = many[:3]
        columns: rows.Columns = {"id": made, "external": made, "created_at": [START] * 3}
        rows.add(tx, persons, columns)
        return [list(tx.execute(asked, {"which": which}).scalars()) for which in ([*many, "per_1"], ("per_1",), [])]

    assert await database.write(story) == [['per_"0"', 'per_"1"', 'per_"2"', "per_1"], ["per_1"], []]


def test_ids_are_found_by_their_index() -> None:
    """Asked whether the condition `= 1`, SQLite would look at every row of the table."""
    asked = sa.select(persons.c.id).where(named_in(persons.c.id, "which"))
    with sa.create_engine("sqlite://").connect() as connection:
        persons.create(connection)
        text = str(asked.compile(dialect=connection.dialect))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ('["per_1"]',)).all()
    assert [row.detail for row in plan if "persons" in row.detail and "SCAN" in row.detail] == []
    assert any(row.detail.startswith("SEARCH persons") for row in plan)
