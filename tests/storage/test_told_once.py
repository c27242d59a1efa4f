"""A decision, and an attempt, is committed with exactly one entry of the log that tells of it (storage/outbox.py)."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.support.fictional import agency
from tests.support.inbox import consenting_adult
from tests.support.service import START, Service
from tiprouter.audit.entry import compose
from tiprouter.audit.kinds import FIELDS, REQUIRED, Kind
from tiprouter.errors import UnavailableError
from tiprouter.storage import outbox
from tiprouter.storage.columns import metadata

ROWS = (("decisions", Kind.DECISION, "decision"), ("attempts", Kind.ATTEMPT_STARTED, "attempt"))
"""The table, the kind of its rows' entries, and the member that names the row."""

REFUSED = (sa.exc.IntegrityError, UnavailableError)
"""By PostgreSQL each story's own; SQLite's writer says that it could not commit."""


async def history(service: Service) -> None:
    """A tip, what was decided about it, and the attempts that were made."""
    await service.enrol(agency())
    await consenting_adult(service)
    assert await service.deliver()


def another(table: str, entries: Callable[[str], list[bytes]]) -> Callable[[Connection], None]:
    """The story of one more row like one that is there, and of these entries about it."""

    def story(tx: Connection) -> None:
        of = metadata.tables[table]
        row: dict[str, Any] = dict(tx.execute(sa.select(of).limit(1)).mappings().one())
        subject = f"{row['id'][:4]}{'7' * 26}"
        tx.execute(of.insert(), row | {"id": subject} | ({"number": 99} if "number" in row else {}))
        outbox.add(tx, entries(subject))

    return story


def entry(service: Service, kind: Kind, member: str, subject: str, nonce: int) -> bytes:
    """An entry of this kind about this row."""
    named = {"attempt": "att_1", "delivery": "msg_1", "disclosure": "dis_1"} if kind is Kind.ATTEMPT_STARTED else {}
    return compose(kind, service.clock(), bytes([nonce]) * 16, named | {member: subject})


@pytest.mark.parametrize(("table", "kind", "member"), ROWS, ids=("decision", "attempt"))
async def test_a_row_is_committed_with_one_entry_or_not_at_all(
    service: Service, table: str, kind: Kind, member: str
) -> None:
    """Without one, with that of another, with two at once and with one more later: refused, and nothing is left."""
    await history(service)

    async def counted() -> list[Any]:
        return [await service.rows(f"select count(*) from {name}") for name in (table, "outbox", "log_told")]  # noqa: S608

    def telling(*numbers: int) -> Callable[[str], list[bytes]]:
        return lambda subject: [entry(service, kind, member, subject, number) for number in numbers]

    before = await counted()
    for entries in (telling(), lambda _: telling(1)("dec_another"), telling(1, 2)):
        with pytest.raises(REFUSED):
            await service.database.write(another(table, entries))
        assert await counted() == before
    await service.database.write(another(table, telling(1)))
    await service.sequencer.drain()
    assert await service.rows("select count(*) from outbox") == [(0,)]
    ((subject,),) = await service.rows(f"select id from {table} where id like '%7777777'")  # noqa: S608
    with pytest.raises(REFUSED):
        await service.database.write(lambda tx: outbox.add(tx, telling(2)(subject)))


async def test_whatever_was_decided_or_attempted_was_told_of(service: Service) -> None:
    """After whole stories the two tables and what is told of are the same, one for one."""
    await history(service)
    rows = await service.rows("select id from decisions union all select id from attempts")
    assert len(rows) > 2
    assert sorted(rows) == sorted(await service.rows("select subject from log_told"))


@pytest.mark.parametrize("kind", list(Kind))
def test_only_a_rows_own_entry_tells_of_it(kind: Kind) -> None:
    """Entries of other kinds name decisions and attempts too; none of them counts for one."""
    named = {"decision": "dec_1", "attempt": "att_1", "delivery": "msg_1", "disclosure": "dis_1", "actor": "decision"}
    must = dict.fromkeys(REQUIRED.get(kind, ()), "word")
    body = must | {name: value for name, value in named.items() if name in FIELDS[kind]}
    own = {Kind.DECISION: "dec_1", Kind.ATTEMPT_STARTED: "att_1"}
    assert outbox.told_of(compose(kind, START, b"\1" * 16, body)) == own.get(kind, "")


def test_an_entry_that_names_no_decision_tells_of_none() -> None:
    """Its kind alone does not."""
    assert not outbox.told_of(compose(Kind.DECISION, START, b"\1" * 16, {"record": "tip_1"}))
