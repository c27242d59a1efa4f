"""What is read once and kept is never taken for something else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.storage.bare import add_recipient, add_record
from tests.support.service import START
from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage import decisions, disclosures, registry
from tiprouter.storage.database import Database, open_database
from tiprouter.storage.decisions import Decision
from tiprouter.storage.disclosures import Matters
from tiprouter.storage.log_tables import log_told
from tiprouter.storage.tables import persons

FACTS: dict[str, Any] = {"age": "adult", "consents": {"identity": "granted"}, "rows": []}


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    """A migrated database, on each of the two kinds."""
    opened = open_database(migrated_url)
    yield opened
    await opened.close()


def decision(number: int, **changes: Any) -> Decision:  # noqa: ANN401 - fields of the decision
    """A decision about the one person of the one record."""
    made = Decision(
        id=f"dec_{number}",
        record_id="tip_1",
        revision=1,
        person_id="per_1",
        recipient_id="rcp_1",
        outcome=Outcome.DISCLOSE,
        categories=("identity",),
        policies=("a", "b"),
        review=False,
        deadline=START,
        urgency=Urgency.STANDARD,
        notice="not_required",
        errors=(),
        facts=FACTS,
        salt="00" * 16,
        bundle="b" * 64,
        cause="record.accepted",
        valid_until=None,
        decided_at=START,
    )
    return replace(made, **changes)


async def test_decisions_come_back_as_they_were_stored(database: Database) -> None:
    """Those that say the same, those that differ in one word, and one without facts."""
    made = [
        decision(1),
        decision(2),
        decision(3, facts=FACTS | {"age": "minor"}, policies=("b", "a"), errors=("policy-error",)),
        decision(4, facts=None, categories=(), valid_until=START + timedelta(microseconds=1)),
    ]

    def story(tx: Connection) -> tuple[list[Decision], dict[str, Decision], Decision | None]:
        add_recipient(tx, "rcp_1")
        add_record(tx, "tip_1")
        tx.execute(persons.insert(), {"id": "per_1", "external": "x", "created_at": START})
        tx.execute(log_told.insert(), [{"subject": one.id} for one in made])
        decisions.add(tx, made)
        decisions.retire(tx, ["dec_2"])
        return (
            decisions.current(tx, "tip_1"),
            decisions.several(tx, [one.id for one in made]),
            decisions.load(tx, "dec_3"),
        )

    current, several, third = await database.write(story)
    assert current == [made[0], made[2], made[3]]
    assert several == {one.id: one for one in (made[0], replace(made[1], current=False), *made[2:])}
    assert third == made[2]


async def test_a_recipient_that_changed_is_read_as_it_is_now(database: Database) -> None:
    """Also when the change was undone and another was made in its place."""
    names: list[list[str]] = []

    def story(tx: Connection) -> None:
        add_recipient(tx, "rcp_1")
        first = next(iter(registry.everyone(tx)))
        names.append([one.name for one in registry.everyone(tx)])
        for name in ("Example Agency One", "Example Agency Two"):
            undone = tx.begin_nested()
            registry.put(tx, replace(first, name=name, revision=2), START, f"mrk_{name}")
            names.append([one.name for one in registry.everyone(tx)])
            undone.rollback()
        names.append([one.name for one in registry.everyone(tx)])

    await database.write(story)
    assert names[1:3] == [["Example Agency One"], ["Example Agency Two"]]
    assert names[0] == names[3]


async def test_of_two_who_change_the_registry_at_once_both_are_seen(shared: Database) -> None:
    """Whoever comes second waits for the first one's mark, and leaves one that stands for both."""
    names: dict[str, list[str]] = {}

    def comes(name: str, then: str, tx: Connection) -> None:
        add_recipient(tx, name)
        names[name] = [one.id for one in registry.everyone(tx)]
        tx.exec_driver_sql(then)

    first = asyncio.ensure_future(shared.write(partial(comes, "rcp_1", "select pg_sleep(0.3)")))
    await asyncio.sleep(0.1)
    await shared.write(partial(comes, "rcp_2", "select 1"))
    await first
    assert names == {"rcp_1": ["rcp_1"], "rcp_2": ["rcp_1", "rcp_2"]}
    assert [one.id for one in await shared.read(registry.everyone)] == ["rcp_1", "rcp_2"]


async def test_a_record_and_a_recipient_have_one_matter(database: Database) -> None:
    """However often it is asked for, in one story or in the next; sequences go on in it."""

    def begin(tx: Connection) -> list[str]:
        add_recipient(tx, "rcp_1")
        add_recipient(tx, "rcp_2")
        add_record(tx, "tip_1")
        known = Matters(tx, "tip_1")
        ids = [known.of(to, partial(str, f"mat_{to}")).id for to in ("rcp_1", "rcp_2", "rcp_1")]
        known.store()
        known.store()
        return ids

    def go_on(tx: Connection) -> list[str]:
        again = disclosures.matter(tx, "tip_1", "rcp_1", "mat_3")
        return [again.id, *(one.id for one in disclosures.matters_of(tx, "tip_1"))]

    assert await database.write(begin) == ["mat_rcp_1", "mat_rcp_2", "mat_rcp_1"]
    assert await database.write(go_on) == ["mat_rcp_1", "mat_rcp_1", "mat_rcp_2"]
