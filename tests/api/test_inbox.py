"""A small office pulls over HTTP: it lists, waits, takes, verifies and acknowledges."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.calling import Api, agency, grant, tip, until, with_agency
from tests.api.test_access import seen
from tests.support import fictional
from tests.support.inbox import ended_in, states
from tests.support.service import INTAKE
from tiprouter.api.routes import inbox as routes
from tiprouter.receiver import verify
from tiprouter.storage.database import open_database
from tiprouter.workflow import intake, polling
from tiprouter.workflow.polling import WAIT_SECONDS_MAX, WAITING_MAX

PULLING: dict[str, Any] = agency(delivery_mode="pull", url=None)
ABSENT = "msg_01KJQH0CC0BX86ENBVMH4TY5PG"


async def an_office(api: Api, name: str = "office", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Register an agency that only pulls, with a credential of this name."""
    made = await api.send("operator", "POST", "/v1/recipients", PULLING | changes)
    assert made.status_code == 201, made.text
    await with_agency(api, name, made.json()["id"])
    enrolled: dict[str, Any] = made.json()
    return enrolled


async def a_disclosure(api: Api, number: int = 1) -> None:
    """A child's tip: the police are told whatever anybody consents to."""
    child = tip(f"T-{number}")
    child["persons"][0] |= {"ref": f"p{number}", "age": {"years": 12}}
    child["signaler"]["ref"] = f"p{number}"
    child["statements"] = []
    assert (await api.send("intake", "POST", "/v1/tips", child)).status_code == 201


async def items(api: Api, role: str = "office", query: str = "") -> list[dict[str, Any]]:
    """What the inbox shows."""
    answer = await api.send(role, "GET", f"/v1/inbox{query}")
    assert answer.status_code == 200, answer.text
    shown: list[dict[str, Any]] = answer.json()["items"]
    return shown


async def test_an_office_polls_takes_verifies_and_acknowledges(either: Api) -> None:
    """The whole way over HTTP; the bytes and headers satisfy the verifier that webhooks are verified with."""
    enrolled = await an_office(either)
    assert (enrolled["delivery_mode"], enrolled["url"]) == ("pull", None)
    await a_disclosure(either)
    (listed,) = await items(either)
    assert (listed["kind"], listed["sequence"], listed["taken"]) == ("made", 1, False)
    taken = await either.send("office", "GET", f"/v1/inbox/{listed['delivery']}")
    assert taken.status_code == 200, taken.text
    key = enrolled["signing_key"]["verification_key"]
    message = verify(dict(taken.headers), taken.content, [key], either.service.clock.at)
    assert message.webhook_id == listed["delivery"]
    assert taken.json()["data"]["disclosure_id"] == listed["disclosure"]
    assert taken.headers["cache-control"] == "no-store"
    await _ended(either, [("fetch", "success")])
    assert await states(either.service) == ["delivered"]
    assert [one["taken"] for one in await items(either)] == [True]
    said = await either.send("office", "POST", f"/v1/inbox/{listed['delivery']}/ack", {"status": "accepted"})
    assert (said.status_code, said.json()["disclosure"]) == (201, listed["disclosure"])
    assert await items(either) == []
    journey = (await either.send("auditor", "GET", f"/v1/disclosures/{listed['disclosure']}")).json()
    assert [(one["kind"], one["result"]) for one in journey["attempts"]] == [("fetch", "success")]
    assert [one["status"] for one in journey["acknowledgements"]] == ["accepted"]
    await either.service.check_house()


async def _ended(api: Api, expected: list[tuple[str, str | None]]) -> None:
    """Wait until the attempts' ends are written; it is done after the answer."""
    for _ in range(400):
        if await ended_in(api.service) == expected:
            return
        await asyncio.sleep(0.005)
    assert await ended_in(api.service) == expected


async def test_a_waiting_office_is_answered_as_soon_as_something_comes(
    either: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits without an answer; a tip comes in, and its commit alone wakes it: it would not look again by itself."""
    monkeypatch.setattr(polling, "LOOK_SECONDS", 60.0)
    await an_office(either)
    waiting = asyncio.create_task(items(either, query="?wait=25"))
    await until(lambda: either.office.porch.waiting)
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await a_disclosure(either)
    (listed,) = await asyncio.wait_for(waiting, 5)
    assert not listed["taken"]
    assert not either.office.porch.waiting


async def test_a_waiting_office_sees_what_another_process_committed(either: Api) -> None:
    """Nothing rings in this process: it looks each second besides."""
    await an_office(either)
    waiting = asyncio.create_task(items(either, query="?wait=25"))
    await until(lambda: either.office.porch.waiting)
    elsewhere = open_database(either.service.url)
    record = fictional.tip(fictional.person(years=12))
    await elsewhere.write(lambda tx: intake.accept_tip(tx, either.service.desk, INTAKE, record))
    assert len(await asyncio.wait_for(waiting, 10)) == 1
    await elsewhere.close()


async def test_a_waiting_office_holds_no_connection(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """More offices wait than the database has connections or readers, and everything else goes on."""
    monkeypatch.setattr(polling, "WAITING_MAX", 100)
    await an_office(either)
    waiting = [asyncio.create_task(items(either, query="?wait=25")) for _ in range(40)]
    await until(lambda: either.office.porch.waiting.total() == len(waiting))
    await a_disclosure(either)
    shown = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert {len(one) for one in shown} == {1}


async def test_a_wait_ends_with_an_empty_list(api: Api) -> None:
    """Nothing comes: the answer is empty, and is in the log as one access."""
    await an_office(api)
    assert await items(api, query="?wait=1") == []
    assert await items(api) == []
    await api.service.sequencer.drain()
    entries = (await api.send("auditor", "GET", "/v1/audit/entries?kind=access")).json()["items"]
    assert [one["entry"]["body"]["what"] if "entry" in one else one["body"]["what"] for one in entries] == ["inbox"] * 2


async def test_only_a_few_wait_for_one_agency(api: Api) -> None:
    """The next one is answered at once, so that a mistaken client does not fill the service."""
    await an_office(api)
    waiting = [asyncio.create_task(items(api, query="?wait=25")) for _ in range(WAITING_MAX)]
    await until(lambda: api.office.porch.waiting.total() == WAITING_MAX)
    assert await asyncio.wait_for(items(api, query="?wait=25"), 5) == []
    api.office.porch.closing.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [[]] * WAITING_MAX


async def test_a_service_that_stops_answers_those_who_wait(api: Api) -> None:
    """A restart does not take as long as the longest wait."""
    await an_office(api)
    waiting = asyncio.create_task(items(api, query="?wait=25"))
    await until(lambda: api.office.porch.waiting)
    api.office.porch.closing.set()
    assert await asyncio.wait_for(waiting, 5) == []


async def test_who_goes_away_is_not_waited_for(api: Api) -> None:
    """A client that hangs up leaves its place, and no access is logged for an answer that nobody got."""
    await an_office(api)
    with pytest.raises(httpx2.TimeoutException):
        await api.client.get(
            "/v1/inbox?wait=25", headers={"Authorization": f"Bearer {api.tokens['office']}"}, timeout=0.2
        )
    await until(lambda: not api.office.porch.waiting)


async def test_anothers_delivery_and_none_are_the_same(either: Api) -> None:
    """Another agency's, a cancelled one and one that never was: the same status, headers and bytes, on every route."""
    await an_office(either)
    await an_office(either, "other", jurisdictions=["US-CA"])
    accepted = (await either.send("intake", "POST", "/v1/tips", tip())).json()
    given = (await either.send("intake", "POST", "/v1/consents", grant())).json()
    (listed,) = await items(either)
    assert await items(either, "other") == []
    absent = seen(await either.send("office", "GET", f"/v1/inbox/{ABSENT}"))
    assert absent[0] == 404
    assert seen(await either.send("other", "GET", f"/v1/inbox/{listed['delivery']}")) == absent
    assert seen(await either.send("office", "GET", "/v1/inbox/not-an-id")) == absent
    ack = {"status": "accepted"}
    for who in ("office", "other"):  # the office has not taken it yet
        assert seen(await either.send(who, "POST", f"/v1/inbox/{listed['delivery']}/ack", ack)) == absent
    assert (await either.send("intake", "POST", f"/v1/consents/{given['id']}/withdraw")).status_code == 200
    assert seen(await either.send("office", "GET", f"/v1/inbox/{listed['delivery']}")) == absent
    assert seen(await either.send("office", "POST", f"/v1/inbox/{listed['delivery']}/ack", ack)) == absent
    assert seen(await either.send("office", "GET", f"/v1/disclosures/{listed['disclosure']}")) == absent
    assert accepted["id"] not in absent[2]


async def test_pages_of_an_inbox_follow_their_link(api: Api) -> None:
    """Two by two is the whole; the link does not wait."""
    await an_office(api)
    for number in range(5):
        await a_disclosure(api, number)
        api.service.clock.forward(seconds=1)
    whole = [one["delivery"] for one in await items(api)]
    pages, link = [], "/v1/inbox?limit=2&wait=25"
    while link:
        answer = await api.send("office", "GET", link)
        pages.append([one["delivery"] for one in answer.json()["items"]])
        link = answer.links["next"]["url"] if "link" in answer.headers else ""
        assert "wait=25" not in link
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [one for page in pages for one in page] == whole


@pytest.mark.parametrize("query", [f"?wait={WAIT_SECONDS_MAX + 1}", "?wait=-1", "?after=msg_x", "?limit=201", "?x=1"])
async def test_a_query_out_of_bounds_is_refused(api: Api, query: str) -> None:
    """422, and nobody waits."""
    await an_office(api)
    assert (await api.send("office", "GET", f"/v1/inbox{query}")).status_code == 422


async def test_an_acknowledgement_is_replayed_by_its_key(api: Api) -> None:
    """An office that lost the answer asks again and says nothing twice."""
    await an_office(api)
    await a_disclosure(api)
    (listed,) = await items(api)
    await api.send("office", "GET", f"/v1/inbox/{listed['delivery']}")
    path, key = f"/v1/inbox/{listed['delivery']}/ack", {"Idempotency-Key": "once"}
    first, again = [await api.send("office", "POST", path, {"status": "accepted"}, key) for _ in range(2)]
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_delivery_mode_without_its_endpoint_is_refused_at_the_url(api: Api) -> None:
    """422 with a pointer, for either kind of mismatch."""
    for changes in ({"delivery_mode": "pull"}, {"url": None}, {"delivery_mode": "thin", "url": None}):
        answer = await api.send("operator", "POST", "/v1/recipients", agency(**changes))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")


async def test_a_payload_that_was_not_handed_over_still_waits(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the commit: the attempt is in the log without an end, and the inbox still shows it."""

    async def dies(*_: object) -> None:
        return

    monkeypatch.setattr(routes, "_hand_over", dies)
    await an_office(either)
    await a_disclosure(either)
    (listed,) = await items(either)
    assert (await either.send("office", "GET", f"/v1/inbox/{listed['delivery']}")).status_code == 200
    assert await ended_in(either.service) == [("fetch", None)]
    assert [one["taken"] for one in await items(either)] == [True]
