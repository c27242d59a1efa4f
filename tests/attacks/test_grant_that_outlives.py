"""A look into a matter that nobody allowed, that nobody allows any more, or that nobody can see was taken."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from tests.attacks.agreement import log_agrees_with_rows
from tests.support.fictional import SECRET
from tests.support.granting import (
    AUDITOR,
    COUNSEL,
    OTHER_AUDITOR,
    REVIEWER,
    SECOND,
    WHY,
    approve,
    ask,
    expire,
    logged,
    look,
    matter,
    opened,
    police,
    revoke,
)
from tests.support.service import OPERATOR, Service
from tiprouter.domain.accounts import FRESH_FOR
from tiprouter.domain.grant_states import GrantState
from tiprouter.errors import InvalidError, NotFoundError
from tiprouter.storage import erasure, grants, whole_matter
from tiprouter.storage.database import Transaction
from tiprouter.workflow import credentials, granting, opening, standing
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.granting import GrantEndedError, NotAnotherError
from tiprouter.workflow.happening import Actor, Happening
from tiprouter.workflow.standing import StepUpNeededError


async def two_other_people(service: Service) -> None:
    """Not one of them twice, and not whoever asked: it opens by the second of two others, and by nothing less."""
    record_id = await matter(service, await police(service))
    asked = await ask(service, record_id, COUNSEL, auditor=(await auditor(service)).id)
    with pytest.raises(NotAnotherError):
        await approve(service, asked.id, COUNSEL)
    assert (await approve(service, asked.id, REVIEWER)).state is GrantState.APPROVED
    with pytest.raises(NotAnotherError):
        await approve(service, asked.id, REVIEWER)
    with pytest.raises(NotFoundError):
        await look(service, asked.id, Actor(asked.auditor, "auditor"))
    assert (await approve(service, asked.id, SECOND)).state is GrantState.OPEN
    assert (await look(service, asked.id, Actor(asked.auditor, "auditor"))).matter.record_id == record_id
    with pytest.raises(GrantEndedError):
        await approve(service, asked.id, Actor("cal_third", "reviewer"))


async def a_session_left_open(service: Service) -> None:
    """Whoever finds a reviewer's session says neither word of the two with it, until she is asked again."""
    asked = await ask(service, await matter(service, await police(service)))
    now, left = service.clock.at, service.clock.at - FRESH_FOR
    for name, state in (("acc_one", GrantState.APPROVED), ("acc_two", GrantState.OPEN)):
        for verified_at in (left, None):
            with pytest.raises(StepUpNeededError):
                await approve(service, asked.id, Actor(name, "reviewer", None, f"ses_{name}", verified_at))
        fresh = Actor(name, "reviewer", None, f"ses_{name}", now)
        assert (await approve(service, asked.id, fresh)).state is state


async def over_is_over(service: Service) -> None:
    """At its moment nothing opens any more, though no chore came by; the chore writes it down, once."""
    record_id = await matter(service, await police(service))
    grant_id = await opened(service, record_id, days=2)
    service.clock.forward(days=2, seconds=-1)
    assert (await look(service, grant_id)).matter.decisions
    service.clock.forward(seconds=1)
    with pytest.raises(NotFoundError):
        await look(service, grant_id)
    with pytest.raises(GrantEndedError):
        await revoke(service, grant_id)
    assert [await expire(service), await expire(service)] == [1, 0]
    assert [entry.body["grant"] for entry in await logged(service, "grant.expired")] == [grant_id]


async def revoked_is_revoked(service: Service) -> None:
    """One person ends it, and the next read finds nothing."""
    grant_id = await opened(service, await matter(service, await police(service)))
    await look(service, grant_id)
    await revoke(service, grant_id, SECOND)
    with pytest.raises(NotFoundError):
        await look(service, grant_id)
    with pytest.raises(GrantEndedError):
        await approve(service, grant_id, SECOND)


async def every_read_is_in_the_log(service: Service) -> None:
    """Each of them, under the grant, with who looked; and each step that led there, in order."""
    record_id = await matter(service, await police(service))
    grant_id = await opened(service, record_id)
    for _ in range(2):
        await look(service, grant_id)
    await revoke(service, grant_id)
    entries = await logged(service, "grant.")
    assert [entry.kind.value for entry in entries] == [
        *("grant.asked", "grant.approved", "grant.opened", "grant.read", "grant.read", "grant.revoked")
    ]
    assert {(entry.body["grant"], entry.body["record"], entry.body["auditor"]) for entry in entries} == {
        (grant_id, record_id, AUDITOR.id)
    }
    assert [entry.body["actor"] for entry in entries] == [
        *(AUDITOR.id, REVIEWER.id, COUNSEL.id, AUDITOR.id, AUDITOR.id, REVIEWER.id)
    ]
    await log_agrees_with_rows(service)


async def this_matter_alone(service: Service) -> None:
    """Nothing of another record, though the same agency was told of both and everything happened at once."""
    recipient = await police(service)
    mine, other = await matter(service, recipient, 1), await matter(service, recipient, 2)
    found = (await look(service, await opened(service, mine))).matter
    records = {one.record_id for one in found.decisions} | {one.listed.disclosure.record_id for one in found.told}
    records |= {one.duty.record_id for one in found.owed} | {one.record_id for one, _ in found.reviews}
    assert records == {mine}
    assert other not in repr(found)
    assert {one.consent.person_id for one in found.consents} <= set(found.persons)
    assert "Example-p2" not in repr(found)


async def one_auditor_alone(service: Service) -> None:
    """To everybody else the grant is not there, exactly like one that nobody asked for."""
    grant_id = await opened(service, await matter(service, await police(service)))
    for actor in (OTHER_AUDITOR, REVIEWER, COUNSEL, Actor("cal_agency", "agency", "rcp_none")):
        for asked in (grant_id, "grt_01KJQH0CC0BX86ENBVMH4TY5PG"):
            with pytest.raises(NotFoundError):
                await look(service, asked, actor)
    for story in (granting.show, granting.revoke):
        with pytest.raises(NotFoundError):
            await service.database.write(partial(story, desk=service.desk, actor=OTHER_AUDITOR, grant_id=grant_id))
    page = await service.database.write(lambda tx: granting.list_grants(tx, service.desk, OTHER_AUDITOR, None, 50))
    assert page.items == ()


async def fourteen_days_at_most(service: Service) -> None:
    """Not a moment longer, and not in the past."""
    record_id = await matter(service, await police(service))
    for days in (14.001, 0, -1):
        with pytest.raises(InvalidError):
            await ask(service, record_id, days=days)
    assert (await ask(service, record_id, days=14)).state is GrantState.ASKED


async def the_reason_is_sealed(service: Service) -> None:
    """Who approves reads it; the database and the log do not hold it."""
    record_id = await matter(service, await police(service))
    asked = await ask(service, record_id)
    shown = await service.database.write(lambda tx: granting.show(tx, service.desk, REVIEWER, asked.id))
    assert shown.reason == WHY
    (row,) = await service.rows("select sealed from grants")
    assert SECRET.encode() not in bytes(row.sealed)
    assert all(SECRET.encode() not in bytes(one.entry) for one in await service.rows("select entry from outbox"))


STORIES = [
    two_other_people,
    a_session_left_open,
    over_is_over,
    revoked_is_revoked,
    every_read_is_in_the_log,
    this_matter_alone,
    one_auditor_alone,
    fourteen_days_at_most,
    the_reason_is_sealed,
]


async def auditor(service: Service) -> Actor:
    """An auditor who may call."""
    made = await service.database.write(lambda tx: credentials.make(tx, service.desk, OPERATOR, CallerRole.AUDITOR))
    return Actor(made[0].id, "auditor")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_it_holds(service: Service, story: Callable[[Service], Awaitable[None]]) -> None:
    """Each of the stories above."""
    await story(service)


async def test_the_database_itself_wants_two_others(service: Service) -> None:
    """A program that forgot the rule could not store a grant opened by whoever asked, or by one person twice."""
    asked = await ask(service, await matter(service, await police(service)))
    for changes in (
        {"approved_by": REVIEWER.id, "opened_by": REVIEWER.id},
        {"approved_by": REVIEWER.id, "opened_by": asked.asked_by},
        {"state": GrantState.OPEN},
    ):
        with pytest.raises(sa.exc.IntegrityError):
            await service.database.write(partial(grants.change, grant_id=asked.id, **changes))


async def test_what_was_erased_stays_erased_under_a_grant(service: Service) -> None:
    """The ids and decisions are there, nobody's words are, and the reason went with them."""
    record_id = await matter(service, await police(service))
    grant_id = await opened(service, record_id)
    await service.database.write(lambda tx: erasure.whole(tx, service.desk.vault, record_id, service.clock.at))
    found = (await look(service, grant_id)).matter
    assert found.decisions
    assert {one.record for one in found.revisions} == {None}
    assert {one.payload for one in found.told} == {None}
    assert SECRET not in repr([found.revisions, found.told, found.owed, found.reviews])
    shown = await service.database.write(lambda tx: granting.show(tx, service.desk, AUDITOR, grant_id))
    assert shown.reason is None


def _anybody_twice(it: Happening, refusal: type[Exception], *earlier: str | None) -> None:
    del it, refusal, earlier


_log = Happening.log


def _silently(it: Happening, kind: Any, body: dict[str, Any]) -> None:  # noqa: ANN401
    if kind != "grant.read":
        _log(it, kind, body)


_load = whole_matter.load


def _another(tx: Transaction, vault: Any, record_id: str) -> Any:  # noqa: ANN401
    (other,) = [one for one in tx.execute(sa.text("select id from records")).scalars() if one != record_id] or [
        record_id
    ]
    found, strange = _load(tx, vault, record_id), _load(tx, vault, other)
    assert found is not None
    assert strange is not None
    return replace(found, decisions=found.decisions + strange.decisions)


FAULTS: list[tuple[Any, str, Any, Callable[[Service], Awaitable[None]]]] = [
    (granting, "require_another", _anybody_twice, two_other_people),
    (standing, "require_fresh", lambda *_: None, a_session_left_open),
    (opening, "grant_state_at", lambda state, *_: state, over_is_over),
    (granting, "grant_state_at", lambda state, *_: state, over_is_over),
    (Happening, "log", _silently, every_read_is_in_the_log),
    (whole_matter, "load", _another, this_matter_alone),
    (opening, "open_to", lambda made, *_: made, one_auditor_alone),
    (opening, "open_to", lambda made, *_: made, revoked_is_revoked),
    (granting, "visible", lambda made, *_: made, one_auditor_alone),
    (granting, "LASTS_AT_MOST", timedelta(days=365), fourteen_days_at_most),
    (grants, "over", lambda *_: [], over_is_over),
]


@pytest.mark.parametrize(("where", "name", "fault", "story"), FAULTS, ids=lambda one: getattr(one, "__name__", "_"))
async def test_the_tests_notice(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,  # noqa: ANN401
    name: str,
    fault: Any,  # noqa: ANN401
    story: Callable[[Service], Awaitable[None]],
) -> None:
    """Each promise broken on purpose is seen by a story above; the database's own check counts as seeing."""
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, pytest.fail.Exception, sa.exc.IntegrityError)):
        await story(service)
