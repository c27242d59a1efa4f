"""Attack: a case is decided under the old policy while the new one comes into force, and stays so."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.util import await_only

from tests.acceptance.test_policy_life import sister_case
from tests.support.fictional import agency
from tests.support.governing import COUNSEL, approved
from tests.support.service import Service, bundle
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import bundles
from tiprouter.storage.database import Transaction
from tiprouter.workflow import governing
from tiprouter.workflow.assess import assess
from tiprouter.workflow.revisit import everything_open

TIP_SHARING = bundle("tip-sharing").digest


async def install(service: Service, name: str) -> str:
    """Start with these settings, as far as the bundle goes; the digest of what is in force then."""
    return await service.database.write(
        lambda tx: governing.install(tx, service.desk, bundle(name), {"passed": True, "by": "release"})
    )


async def test_an_activation_waits_for_the_decisions_in_the_making(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided under the old bundle and not yet committed: the activation waits, sees the case, and decides it again."""
    here, there = two
    await here.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    await approved(here, "tip-sharing")
    decided, go_on = asyncio.Event(), asyncio.Event()

    def slow(*arguments: Any) -> object:  # noqa: ANN401 - the story's own
        assessed = assess(*arguments)
        decided.set()
        await_only(go_on.wait())
        return assessed

    monkeypatch.setattr("tiprouter.workflow.intake.assess", slow)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(here.put_case(sister_case(), None))
        await decided.wait()
        activating = group.create_task(
            there.database.write(lambda tx: governing.activate(tx, there.desk, COUNSEL, TIP_SHARING))
        )
        await asyncio.sleep(0.3)
        assert not activating.done()
        go_on.set()
    rows = await here.rows("select bundle, outcome from decisions where current")
    assert [tuple(row) for row in rows] == [(TIP_SHARING, "DISCLOSE")]
    await here.check_house()


async def test_no_decision_begins_while_an_activation_is_in_the_making(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundles change places, not yet committed: a case that comes in then waits for the new one."""
    here, there = two
    await here.enrol(agency(RecipientKind.LAW_ENFORCEMENT))
    await approved(here, "tip-sharing")
    changed, go_on = asyncio.Event(), asyncio.Event()

    def slow(*arguments: Any) -> object:  # noqa: ANN401 - the story's own
        found = everything_open(*arguments)
        changed.set()
        await_only(go_on.wait())
        return found

    monkeypatch.setattr("tiprouter.workflow.governing.everything_open", slow)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(there.database.write(lambda tx: governing.activate(tx, there.desk, COUNSEL, TIP_SHARING)))
        await changed.wait()
        coming = group.create_task(here.put_case(sister_case(), None))
        await asyncio.sleep(0.3)
        assert not coming.done()
        go_on.set()
    rows = await here.rows("select bundle, outcome from decisions where current")
    assert [tuple(row) for row in rows] == [(TIP_SHARING, "DISCLOSE")]
    await here.check_house()


async def test_two_first_starts_install_one_bundle(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines start on an empty database with different settings: the later one finds the earlier one's bundle."""
    here, there = two
    await here.database.write(lambda tx: tx.exec_driver_sql("delete from bundles"))
    looked, go_on = asyncio.Event(), asyncio.Event()
    active = bundles.active

    def slow(tx: Transaction) -> str | None:
        digest = active(tx)
        looked.set()
        await_only(go_on.wait())
        return digest

    monkeypatch.setattr("tiprouter.workflow.governing.bundles.active", slow)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        first = group.create_task(install(here, "tip-sharing"))
        await looked.wait()
        second = group.create_task(install(there, "survivor-led"))
        await asyncio.sleep(0.3)
        assert not second.done()
        go_on.set()
    assert (first.result(), second.result()) == (TIP_SHARING, TIP_SHARING)
