"""Statements that are always ready say what SQLAlchemy says, to the same database, and fail as it does."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.service import Service
from tiprouter.errors import UnavailableError
from tiprouter.storage import ready, rows
from tiprouter.storage.columns import named_in
from tiprouter.storage.database import Transaction
from tiprouter.storage.ready import Ready
from tiprouter.storage.tables import persons

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_ASK = sa.select(persons.c.id, persons.c.created_at).where(named_in(persons.c.id, "which")).order_by(persons.c.id)
_MOVE = persons.update().where(persons.c.id == sa.bindparam("which")).values(created_at=sa.bindparam("moved"))


def _person(number: int) -> dict[str, object]:
    return {"id": f"per_{number}", "external": f"external-{number}", "created_at": NOW}


async def test_rows_are_as_sqlalchemy_reads_them(service: Service) -> None:
    """Rules 1 and 2: the values go in and come out by their columns' types, whatever the database."""

    def story(tx: Transaction) -> None:
        for number in (1, 2, 3):
            rows.add_one(tx, persons, _person(number))
        Ready(_MOVE).tell(tx, {"which": "per_2", "moved": NOW.replace(hour=13)})
        some = {"which": ["per_1", "per_2"]}
        assert Ready(_ASK).all(tx, some) == [tuple(row) for row in tx.execute(_ASK, some)]
        assert Ready(_ASK).all(tx, some) == [("per_1", NOW), ("per_2", NOW.replace(hour=13))]
        assert Ready(_ASK).first(tx, {"which": []}) is None

    await service.database.write(story)


async def test_who_listens_hears_them(service: Service) -> None:
    """Rule 3: crash tests stop a process at its statements; none may pass unheard."""

    def story(tx: Transaction) -> list[str]:
        heard: list[str] = []
        sa.event.listen(tx, "before_cursor_execute", lambda *told: heard.append(told[2]))
        rows.add_one(tx, persons, _person(1))
        assert Ready(_ASK).firsts(tx, {"which": ["per_1"]}) == ["per_1"]
        return heard

    heard = await service.database.write(story)
    assert [text.split()[0] for text in heard][:2] == ["INSERT", "SELECT"]


async def test_a_refusal_is_sqlalchemys_and_tells_no_values(service: Service) -> None:
    """Rule 4."""

    def story(tx: Transaction) -> sa.exc.IntegrityError:
        rows.add_one(tx, persons, _person(1))
        with pytest.raises(sa.exc.IntegrityError) as refused, tx.begin_nested():
            rows.add_one(tx, persons, _person(1))
        return refused.value

    refused = await service.database.write(story)
    assert (refused.statement, refused.params) == (None, None)
    assert await service.database.read(lambda tx: Ready(_ASK).firsts(tx, {"which": ["per_1"]})) == ["per_1"]


class _Interrupted(BaseException):
    """As a task that is cancelled."""


class _Interrupting(tuple[str]):
    """Values that somebody is interrupted at."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        raise _Interrupted

    def __getitem__(self, _: Any) -> Any:  # noqa: ANN401 - as a tuple's own
        raise _Interrupted


async def test_a_connection_is_not_used_again_after_an_interruption(service: Service) -> None:
    """Rule 5: a question that was cancelled while it was asked left a transaction open for the next one."""

    def question(tx: Transaction) -> None:
        text = "SELECT ?" if tx.dialect.name == "sqlite" else "SELECT $1::text"
        assert [tuple(row) for row in ready.ask(tx, text, ["whole"])] == [("whole",)]
        with pytest.raises(_Interrupted):
            ready.ask(tx, text, _Interrupting(["whole"]))
        assert tx.invalidated

    await service.database.read(question)


async def test_a_statement_is_asked_anew_after_its_columns_have_changed(service: Service) -> None:
    """Rule 5: a migration beneath a running process; SQLite, which prepares nothing for later, never notices."""
    table = sa.Table("changing", sa.MetaData(), sa.Column("spelt", sa.Text), sa.Column("number", sa.Integer))
    wider = "ALTER TABLE changing ALTER COLUMN number TYPE bigint"
    question = Ready(sa.select(*table.c))

    def made(tx: Transaction) -> None:
        table.create(tx)
        tx.execute(table.insert().values(spelt="as it was", number=1))

    def changed(tx: Transaction) -> None:
        if tx.dialect.name != "sqlite":
            tx.exec_driver_sql(wider)

    await service.database.write(made)
    assert await service.database.write(question.all) == [("as it was", 1)]
    await service.database.write(changed)
    answers = []
    for _ in range(3):
        try:
            answers.append(await service.database.write(question.all))
        except UnavailableError:
            answers.append([])
    await service.database.write(table.drop)
    assert answers[1:] == [[("as it was", 1)]] * 2
