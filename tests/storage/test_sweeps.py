"""What a changed agency or bundle may touch is found by index: only what may be touched is read, not everything."""

from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.fictional import agency, tip
from tests.support.service import Service
from tiprouter.domain.routing import Reach
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import sweeps
from tiprouter.storage.columns import metadata

ROWS: Final = 3_000
EACH: Final = 30
PLANS: Final = (
    (Reach.TOWARD, "one", ("ix_decisions_toward",)),
    (Reach.OPEN, "one", ("ix_decisions_toward",)),
    (Reach.OPEN, None, ("ix_records_cases",)),
    (Reach.EVERYTHING, "one", ("pk_records", "sqlite_autoindex_records_1")),
    (Reach.PRESSING, "one", ("ix_decisions_unsettled",)),
)
"""What is asked, of an agency or a bundle, and the index that answers it, by either database's name of it."""


def many(tx: Connection) -> None:
    """As many copies of the one record, each with a settled decision toward one of two agencies."""
    records, decisions = metadata.tables["records"], metadata.tables["decisions"]
    record = dict(tx.execute(sa.select(records)).mappings().one())
    rare, usual = (dict(row) for row in tx.execute(sa.select(decisions)).mappings())
    ids = [f"tip_{number:026}" for number in range(ROWS)]
    tx.execute(records.insert(), [record | {"id": one, "external": one, "due_at": None} for one in ids])
    decided = [
        (usual if number % EACH else rare) | {"id": f"dec_{number:026}", "record_id": one, "outcome": "WITHHOLD"}
        for number, one in enumerate(ids)
    ]
    tx.execute(metadata.tables["log_told"].insert(), [{"subject": one["id"]} for one in decided])
    tx.execute(decisions.insert(), decided)
    tx.exec_driver_sql("analyze")


def plan(tx: Connection, reach: Reach, recipient_id: str | None) -> str:
    """How the database means to find a sweep's next records."""
    query = sweeps._walk(reach, bundle=recipient_id is None)  # noqa: SLF001 - what is asked, as it is asked
    given = query.params(after="", to=recipient_id, most=100)
    asked = given.compile(tx.engine, compile_kwargs={"literal_binds": True})
    how = "EXPLAIN QUERY PLAN " if tx.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(" ".join(map(str, row)) for row in tx.exec_driver_sql(how + str(asked)))


async def test_what_may_be_touched_is_found_by_index(service: Service) -> None:
    """Among thousands of settled tips nothing is read but the index that is made for the question."""
    for one in (agency(), agency(RecipientKind.CHILD_PROTECTION)):
        await service.enrol(one)
    await service.accept(tip())
    await service.database.write(many)
    rows = await service.rows("select recipient_id from decisions group by recipient_id order by count(*)")
    for reach, whose, names in PLANS:
        told = await service.database.read(partial(plan, reach=reach, recipient_id=rows[0][0] if whose else None))
        assert any(name in told for name in names), (reach, told)
