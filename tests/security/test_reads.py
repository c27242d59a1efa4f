"""Every answer that asks for a credential is in the log before it leaves; so is every refusal of a role or a scope.

The routes are those of the access table: one that is added is asked here without a line being written.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.api.calling import Api
from tests.api.test_access import seen as what_is_seen
from tests.security.conftest import House
from tests.security.driving import Driver, Route
from tests.support.staff import member
from tiprouter.api import access
from tiprouter.audit.entry import parse
from tiprouter.audit.kinds import Kind
from tiprouter.errors import UnavailableError
from tiprouter.workflow import accessing, tally
from tiprouter.workflow.happening import Actor

READS = [route for route, roles in access.TABLE.items() if route[0] == "GET" and roles is not access.PUBLIC]
WHY = {one.value for one in accessing.Why}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def told(api: Api, since: int = 0) -> list[tuple[Kind, Mapping[str, Any]]]:
    """The entries that wait for the sequencer, from a serial on."""
    rows = await api.service.rows(f"SELECT entry FROM outbox WHERE serial > {since} ORDER BY serial")  # noqa: S608 - a number
    return [(one.kind, one.body) for one in (parse(row[0]) for row in rows)]


async def newest(api: Api) -> int:
    """The serial of the last entry that waits."""
    return int((await api.service.rows("SELECT coalesce(max(serial), 0) FROM outbox"))[0][0])


async def reader_of(api: Api, route: Route) -> str:
    """Somebody who may be at a route: what is about one's own session takes somebody who signed in just now."""
    if not route[1].startswith("/v1/session"):
        return min(access.TABLE[route])
    somebody = await member(api.service, f"reader-{next(api.keys)}@hotline.example")
    api.tokens["signed-in"] = (await somebody.sign_in()).token
    return "signed-in"


async def silent(house: House) -> list[str]:
    """The reads that were answered and left no entry that says who, what and why."""
    api, things = house
    driver, found = await Driver.of(*house), []
    for route in READS:
        api.service.clock.forward(minutes=2)  # what is folded begins anew
        role = await reader_of(api, route)
        before = await newest(api)
        answer = await driver.ask(route, role)
        assert answer.status_code == 200, (route, role, answer.text)
        looks = [body for kind, body in await told(api, before) if kind is Kind.ACCESS]
        why = [body.get("why") in WHY | set(things.ids["grant_id"]) for body in looks]
        if not looks or not all(why) or any("what" not in body or "actor" not in body for body in looks):
            found.append(route[1])
    return found


async def test_every_non_public_get_leaves_an_access_entry_with_its_why(house: House) -> None:
    """All of the table's reads, asked by somebody who may: who, what and why are in the log."""
    assert len(READS) > 45
    assert await silent(house) == []


async def test_a_read_that_is_not_logged_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: reads after a snapshot, or folded ones, that leave nothing."""

    async def nothing(*_: object, **__: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(accessing, "note", nothing)
    assert "/v1/recipients" in await silent(house)
    monkeypatch.undo()
    monkeypatch.setattr(tally.Tally, "read", nothing)
    assert {"/v1/audit/entries/{index}", "/tile/entries/{path}", "/v1/session"} <= set(await silent(house))


async def test_nobody_reads_what_cannot_be_logged(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry comes first: where nothing can be written every read is refused, and none is answered."""
    api, _ = house
    api.service.clock.forward(minutes=2)  # no entry of before stands for these
    driver, answered = await Driver.of(*house), []
    readers = {route: await reader_of(api, route) for route in READS}

    async def full(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise UnavailableError

    monkeypatch.setattr(api.office.database, "write", full)
    for route, role in readers.items():
        if (await driver.ask(route, role)).status_code != 503:
            answered.append(route[1])
    assert answered == []


async def test_a_grants_matter_is_read_because_of_the_grant(house: House) -> None:
    """The why of an opened matter is the grant's id, beside the record that it opens."""
    api, things = house
    before = await newest(api)
    await (await Driver.of(*house)).ask(("GET", "/v1/grants/{grant_id}/matter"), "auditor")
    (look,) = [body for kind, body in await told(api, before) if kind is Kind.ACCESS]
    assert (look["what"], look["why"]) == ("matter", things.ids["grant_id"][0])
    assert look["subject"] == things.ids["record_id"][0]


async def refused(api: Api, since: int) -> list[Mapping[str, Any]]:
    """The refusals that were logged."""
    return [body for kind, body in await told(api, since) if kind is Kind.ACCESS_REFUSED]


async def test_a_refusal_is_in_the_log_before_it_is_told_and_says_nothing_of_the_thing(house: House) -> None:
    """A wrong role, and a scope that is lacking: caller, route and what lacks, the same for what is there or not."""
    api, things = house
    api.service.clock.forward(minutes=2)
    absent = (await Driver.of(*house)).absent
    lacking = "intake-narrowed-1"  # may read cases
    for role, path, lacks in (
        ("counsel", f"/v1/tips/{things.ids['tip_id'][0]}", "role"),
        ("counsel", "/v1/duties/dut_01KJQH0CC0BX86ENBVMH4TY5PG", "role"),
        (lacking, "/v1/tips", "tips:read"),
    ):
        before = await newest(api)
        assert what_is_seen(await api.send(role, "GET", path)) == absent
        (body,) = await refused(api, before)
        assert (body["lacks"], body["method"], body["count"]) == (lacks, "GET", 1)
        assert body["route"] == path if path == "/v1/tips" else body["route"].startswith("/v1/")
        assert body["actor_class"] == body["role"] == role.partition("-")[0]
        assert body.keys() == {"role", "method", "route", "lacks", "count", "until", "actor", "actor_class"}
        assert all(one not in repr(body) for one in (things.ids["tip_id"][0], "01KJQH0CC0BX86ENBVMH4TY5PG"))


async def test_nobody_is_refused_what_cannot_be_logged(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry of a refusal comes first too."""
    api, _ = house
    api.service.clock.forward(minutes=2)

    async def full(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise UnavailableError

    with monkeypatch.context() as failing:
        failing.setattr(api.office.database, "write", full)
        assert (await api.send("counsel", "GET", "/v1/reviews")).status_code == 503
    before = await newest(api)
    assert (await api.send("counsel", "GET", "/v1/reviews")).status_code == 404
    assert [body["count"] for body in await refused(api, before)] == [1]


async def test_a_flood_of_refusals_leaves_two_entries_a_minute(house: House) -> None:
    """Two hundred at one route, about two things: one entry at once, one with the number of the others."""
    api, things = house
    api.service.clock.forward(minutes=2)
    await api.send("counsel", "GET", "/v1/questions")  # ends what came before
    before = await newest(api)
    paths = [f"/v1/tips/{one}" for one in things.ids["tip_id"]]
    for _ in range(10):
        await asyncio.gather(*(api.send("counsel", "GET", path) for path in paths * 10))
    assert [body["count"] for body in await refused(api, before)] == [1]
    api.service.clock.forward(minutes=2)
    await api.send("counsel", "GET", "/v1/questions")
    mine = [body for body in await refused(api, before) if body["route"] == "/v1/tips/:tip_id"]
    assert [body["count"] for body in mine] == [1, 199]
    assert "since" in mine[1]


async def test_looks_at_the_same_entries_are_folded_and_counted(house: House) -> None:
    """One entry before the first answer, one that says how many more there were, and from where to where."""
    api, _ = house
    api.service.clock.forward(minutes=2)
    await api.office.tally.settle(api.office.database, api.office.desk)
    before = await newest(api)
    for index in (7, 3, 5, 3):
        assert (await api.send("auditor", "GET", f"/v1/audit/entries/{index}")).status_code == 200
    assert [(one["count"], one["first"], one["last"]) for _, one in await told(api, before)] == [(1, 7, 7)]
    await api.office.tally.settle(api.office.database, api.office.desk)
    (_, begun), (kind, more) = await told(api, before)
    assert kind is Kind.ACCESS
    assert (more["what"], more["count"], more["first"], more["last"]) == ("entry", 3, 3, 5)
    assert (more["why"], more["role"], more["actor"]) == ("oversight", "auditor", begun["actor"])
    assert "until" in begun
    await api.office.tally.settle(api.office.database, api.office.desk)
    assert len(await told(api, before)) == 2


async def test_who_reads_meanwhile_waits_for_the_same_entry(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers beside the first are answered when its entry stands, not before; if it cannot, none of them is."""
    api, _ = house
    api.service.clock.forward(minutes=2)
    office, write = api.office, api.office.database.write
    gate, reader = asyncio.Event(), Actor("cal_reader", "auditor")

    async def slowly(story: Any, *, quietly: bool = False) -> Any:  # noqa: ANN401 - whatever a story tells
        await gate.wait()
        return await write(story, quietly=quietly)

    monkeypatch.setattr(office.database, "write", slowly)
    two = [
        asyncio.create_task(office.tally.read(office.database, office.desk, reader, "entry", (0, 0))) for _ in range(2)
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(one.done() for one in two)
    gate.set()
    await asyncio.gather(*two)
    api.service.clock.forward(minutes=2)

    async def full(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise UnavailableError

    monkeypatch.setattr(office.database, "write", full)
    some = [office.tally.read(office.database, office.desk, reader, "entry", (0, 0)) for _ in range(2)]
    assert [type(one) for one in await asyncio.gather(*some, return_exceptions=True)] == [UnavailableError] * 2


async def test_a_walk_through_all_of_the_log_leaves_an_entry_for_each_bundle(house: House) -> None:
    """Readers of one bundle are told apart, and so are one reader's bundles; memory for them has an end."""
    api, _ = house
    api.service.clock.forward(minutes=2)
    await api.office.tally.settle(api.office.database, api.office.desk)
    office, before = api.office, await newest(api)
    for who in ("cal_one", "cal_two"):
        for bundle in range(3):
            span = (256 * bundle, 256 * bundle + 255)
            await office.tally.read(office.database, office.desk, Actor(who, "auditor"), "entry-bundle", span)
    assert [(body["actor"], body["first"]) for _, body in await told(api, before)] == [
        (who, 256 * bundle) for who in ("cal_one", "cal_two") for bundle in range(3)
    ]
    for bundle in range(tally.OPEN_MAX + 10):
        office.tally._open[("cal_x", Kind.ACCESS, (("bundle", bundle),))] = tally._Run(  # noqa: SLF001 - many at once
            Actor("cal_x", "auditor"), Kind.ACCESS, {}, api.service.clock()
        )
    await office.tally.read(office.database, office.desk, Actor("cal_two", "auditor"), "entry", (0, 0))
    assert len(office.tally._open) <= tally.OPEN_MAX  # noqa: SLF001 - as above
