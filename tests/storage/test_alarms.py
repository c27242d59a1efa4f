"""Does repeating what is overdue cost what is due now, however much waits for a later moment? (alarms.py, rules 1-3)"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.fictional import agency
from tests.support.reviewing import Reviewers, witness
from tests.support.service import Service
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import alarms
from tiprouter.storage.columns import metadata
from tiprouter.workflow.alarm import AT_ONCE, repeat_alarms

ASLEEP = 5_000
DAY = timedelta(days=1)


def sleeping(tx: Connection, until: datetime) -> None:
    """Thousands of alarms that ring later, each about a review that nobody answered."""
    told, rung = metadata.tables["notices"], metadata.tables["alarms"]
    raised = dict(tx.execute(sa.select(told).where(told.c.reason == "review.overdue").limit(1)).mappings().one())
    ids = [f"ntc_{number:026}" for number in range(ASLEEP)]
    tx.execute(told.insert(), [raised | {"id": one, "subject": f"rvw_{one[4:]}"} for one in ids])
    tx.execute(rung.insert(), [{"notice_id": one, "repeats": 3, "next_at": until} for one in ids])
    tx.exec_driver_sql("analyze")


def plan(tx: Connection, now: datetime) -> str:
    """How the database means to find what is due."""
    given = alarms._DUE.params(now=now, most=AT_ONCE)  # noqa: SLF001 - what is asked, as it is asked
    asked = given.compile(tx.engine, compile_kwargs={"literal_binds": True})
    how = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(" ".join(map(str, row)) for row in tx.exec_driver_sql(how + str(asked)))


@contextmanager
def counted(service: Service) -> Iterator[list[str]]:
    """The statements that are made inside."""
    made: list[str] = []

    def heard(_connection: object, _cursor: object, text: str, *_: object) -> None:
        made.append(text)

    sa.event.listen(sa.Engine, "before_cursor_execute", heard)
    try:
        yield made
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", heard)


async def overdue(service: Service, number: int) -> None:
    """So many reviews of one record, all of them overdue and told once."""
    for _ in range(number):
        await service.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    await witness(service)
    reviewers = Reviewers(service)
    service.clock.at = max(held.deadline for held in await reviewers.queue())
    await reviewers.tell()


async def ring(service: Service) -> int:
    """Look at what is due once; how much that was."""
    return await service.database.write(lambda tx: repeat_alarms(tx, service.desk))


async def test_what_is_due_is_found_by_its_index_among_thousands_asleep(service: Service) -> None:
    """Nothing that waits for a later moment is read (rule 1)."""
    await overdue(service, 1)
    await service.database.write(lambda tx: sleeping(tx, service.clock.at + DAY))
    told = await service.database.read(lambda tx: plan(tx, service.clock.at))
    assert "ix_alarms_due" in told
    assert "next_at<?" in told or "(next_at <= " in told, "what waits for a later moment is not read to be left out"
    assert "SCAN" not in told, told
    assert "Seq Scan on alarms" not in told, told
    assert "Seq Scan on notices" not in told, told
    service.clock.forward(minutes=15)
    assert await ring(service) == 1


async def test_those_an_earlier_one_tells_of_are_looked_at_together_and_then_sleep(service: Service) -> None:
    """Six of one record cost as many questions as two, and the five are not read again that day (rules 1, 2)."""
    asked = []
    await overdue(service, 6)
    service.clock.forward(minutes=15)
    with counted(service) as made:
        assert await ring(service) == 6
    asked.append(len(made))
    for _ in range(4):
        service.clock.forward(hours=4)
        with counted(service) as made:
            assert await ring(service) == 1
        asked.append(len(made))
    assert max(asked) - min(asked) <= 1, asked
