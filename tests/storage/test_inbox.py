"""Inboxes in the database: what was stored before there were any is kept, order and places hold, looks are indexed."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.storage.bare import add_alone, add_delivery, add_matter, add_recipient, add_record
from tests.support.service import START
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import deliveries, inbox, migrations
from tiprouter.storage.database import open_database
from tiprouter.storage.inbox import Place

OLD_ROWS = """
    insert into recipients (id, kind, revision, details, registered_at) values ('r', 'law_enforcement', 1, '[]', 1);
    insert into records (id, kind, external, revision, epoch, received_at, accepted_at, revised_at)
        values ('t', 'tip', 'x', 1, 1, 1, 1, 1);
    insert into matters (id, record_id, recipient_id, sequence) values ('m', 't', 'r', 1);
    insert into disclosures (id, matter_id, sequence, record_id, revision, recipient_id, live, categories, decisions,
        sealed, digest, content_digest, made_at)
        values ('d', 'm', 1, 't', 1, 'r', true, '[]', '[]', {empty}, '', '', 1);
    insert into deliveries (id, disclosure_id, matter_id, sequence, record_id, recipient_id, urgency, state, attempts,
        next_at, deadline, deliver_by, basis, created_at)
        values ('msg', 'd', 'm', 1, 't', 'r', 'standard', 'delivered', 1, 1, 2, 3, '1.1.x', 1);
    insert into attempts (id, delivery_id, number, started_at) values ('a', 'msg', 1, 1)
"""
STATE = "select d.state from attempts a join deliveries d on d.id = a.delivery_id"


async def test_what_was_stored_before_there_were_inboxes_is_kept(database_url: str) -> None:
    """Up and down again with rows in every table that is touched: all is there, and still refers to each other."""
    await migrations.migrate(database_url, "0004")
    database = open_database(database_url)
    empty = "''" if "sqlite" in database_url else "''::bytea"

    def store(tx: Connection) -> None:
        for row in OLD_ROWS.format(empty=empty).split(";"):
            tx.exec_driver_sql(row)

    async def one(sql: str) -> tuple[str, ...]:
        return await database.read(lambda tx: tuple(tx.exec_driver_sql(sql).one()))

    await database.write(store)
    await migrations.migrate(database_url)
    assert await one(STATE) == ("delivered",)
    assert await one("select delivery_mode, a.kind from recipients, attempts a") == ("push", "push")
    await database.write(lambda tx: tx.exec_driver_sql("update deliveries set state = 'announced'"))
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda tx: tx.exec_driver_sql("delete from deliveries"))
    await database.close()
    await migrations.migrate(database_url, "0004")
    database = open_database(database_url)
    assert await one(STATE) == ("queued",)
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda tx: tx.exec_driver_sql("update deliveries set state = 'announced'"))
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda tx: tx.exec_driver_sql("delete from deliveries"))
    await database.close()


def test_a_place_is_read_as_it_was_written() -> None:
    """To the microsecond; its text fits the pattern that a query is checked against."""
    place = Place(Urgency.IMMINENT, START + timedelta(microseconds=7), 3, "msg_01KJQH0CC0BX86ENBVMH4TY5PG")
    assert Place.parse(str(place)) == place


async def test_an_inbox_shows_the_first_of_each_matter_and_what_was_pulled(database_url: str) -> None:
    """Waiting ones behind another of their matter, ended ones and another agency's are not in it."""
    await migrations.migrate(database_url)
    database = open_database(database_url)

    def rows(tx: Connection) -> None:
        for name in ("rcp_a", "rcp_b"):
            add_recipient(tx, name)
        add_record(tx, "tip_1")
        matter = ("mat_1", "tip_1", "rcp_a")
        add_matter(tx, *matter)
        add_delivery(tx, "second", matter, sequence=2, urgency=Urgency.IMMINENT)
        add_delivery(tx, "first", matter, state=DeliveryState.ANNOUNCED)
        pulled = add_alone(tx, "pulled", "rcp_a")
        inbox.take(tx, pulled, START)
        deliveries.change(tx, "pulled", state=DeliveryState.DELIVERED)
        add_alone(tx, "over", "rcp_a", deliver_by=START)
        add_alone(tx, "urgent", "rcp_a", urgency=Urgency.IMMINENT, created_at=START + timedelta(seconds=1))
        add_alone(tx, "foreign", "rcp_b")
        for state in (DeliveryState.CANCELLED, DeliveryState.REFUSED, DeliveryState.DELIVERED, DeliveryState.CLAIMED):
            add_alone(tx, state.value, "rcp_a", state=state)

    await database.write(rows)
    shown = await database.read(lambda tx: inbox.page(tx, "rcp_a", START, None, 50))
    assert [(one.delivery.id, one.waits) for one in shown] == [("urgent", True), ("first", True), ("pulled", False)]
    behind = await database.read(lambda tx: inbox.page(tx, "rcp_a", START, shown[0].place, 1))
    assert [one.delivery.id for one in behind] == ["first"]
    names = ("first", "second", "foreign", "pulled")
    found = await database.read(lambda tx: [inbox.item(tx, "rcp_a", name) is not None for name in names])
    assert found == [True, False, False, True]
    await database.write(lambda tx: inbox.answered(tx, "pulled"))
    assert len(await database.read(lambda tx: inbox.page(tx, "rcp_a", START, None, 50))) == 2
    await database.close()


async def test_a_look_into_an_inbox_and_the_chore_are_indexed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every waiting agency looks each second: SQLite must find what waits without reading what was delivered."""
    url = f"sqlite:///{tmp_path_factory.mktemp('plan') / 'x.db'}"
    await migrations.migrate(url)
    database = open_database(url)
    said: list[str] = []

    def plan(tx: Connection) -> None:
        def before(_: object, __: object, statement: str, values: object, *___: object) -> None:
            if statement.lower().startswith("select"):
                said.extend(str(row) for row in tx.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values))

        sa.event.listen(tx, "before_cursor_execute", before)
        inbox.stirs(tx, "rcp_a", START)
        deliveries.overdue(tx, START, 10)

    await database.read(plan)
    await database.close()
    assert any("ix_deliveries_waiting" in line for line in said), said
    assert any("ix_deliveries_overdue" in line for line in said), said
    assert not [line for line in said if "SCAN deliveries" in line and "USING" not in line], said
