"""How does a caller who lost an answer get the same one again?"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.calling import Api, agency, case, grant, running, tip, until
from tests.support import postgres
from tests.support.service import open_service
from tiprouter.api import idempotency
from tiprouter.api.idempotency import about_nobody, answer_once
from tiprouter.storage.answers import Asked
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import PostgresDatabase, Transaction, open_database
from tiprouter.workflow.once import Answer


async def test_a_replay_is_the_first_answer_byte_for_byte_and_changes_nothing(api: Api) -> None:
    """Every write but the credential's: same status, same bytes, marked as a replay, no row added."""
    recipient = (await api.send("operator", "POST", "/v1/recipients", agency(name="First"))).json()["id"]
    consent = (await api.send("intake", "POST", "/v1/consents", grant())).json()["id"]
    writes = [
        ("operator", "POST", "/v1/recipients", agency(signature_scheme="v1"), {}),
        ("operator", "PUT", f"/v1/recipients/{recipient}", agency(name="Second"), {"If-Match": '"1"'}),
        ("intake", "POST", "/v1/tips", tip(), {}),
        ("intake", "PUT", "/v1/cases/C-1", case(), {"If-None-Match": "*"}),
        ("intake", "PUT", "/v1/cases/C-1", case(language="es"), {"If-Match": '"1"'}),
        ("intake", "POST", "/v1/consents", grant(method="written"), {}),
        ("intake", "POST", f"/v1/consents/{consent}/withdraw", None, {}),
    ]
    for number, (role, method, path, body, headers) in enumerate(writes):
        key = {"Idempotency-Key": f"once-{number}"}
        first = await api.send(role, method, path, body, headers | key)
        assert first.status_code in {200, 201}, first.text
        assert "idempotent-replayed" not in first.headers
        before = await api.counts()
        again = await api.send(role, method, path, body, headers | key)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert await api.counts() == before


async def test_the_order_of_names_and_white_space_do_not_make_another_request(api: Api) -> None:
    """A body is compared by what it says."""
    key = {"Idempotency-Key": "same"}
    body = tip()
    first = await api.send("intake", "POST", "/v1/tips", body, key)
    again = await api.send("intake", "POST", "/v1/tips", dict(reversed(body.items())), key)
    assert again.content == first.content


async def test_a_key_belongs_to_one_request(api: Api) -> None:
    """Another body, or another path of the same route, under a used key is 422 and changes nothing."""
    key = {"Idempotency-Key": "used"}
    create = {"If-None-Match": "*"}
    assert (await api.send("intake", "PUT", "/v1/cases/C-1", case(), key | create)).status_code == 201
    before = await api.counts()
    for path, body in (("/v1/cases/C-1", case(language="es")), ("/v1/cases/C-2", case())):
        answer = await api.send("intake", "PUT", path, body, key | create)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:tiprouter:problem:idempotency-key-reused")
    assert await api.counts() == before


async def test_a_key_belongs_to_its_caller_and_route(api: Api) -> None:
    """The same key from somebody else, or for another route, is another key."""
    key = {"Idempotency-Key": "shared"}
    assert (await api.send("intake", "POST", "/v1/consents", grant(), key)).status_code == 201
    other = await api.send("reviewer", "POST", "/v1/consents", grant(), key)
    assert (other.status_code, "idempotent-replayed" in other.headers) == (201, False)
    assert (await api.send("intake", "POST", "/v1/tips", tip(), key)).status_code == 201


async def test_a_refusal_is_not_remembered(api: Api) -> None:
    """After a refused request its key may be used for the corrected one."""
    key = {"Idempotency-Key": "second-try"}
    assert (await api.send("intake", "POST", "/v1/tips", tip(persons=[]), key)).status_code == 422
    assert (
        await api.send("intake", "POST", "/v1/tips", tip(signaled_at="2030-01-01T00:00:00Z"), key)
    ).status_code == 422
    assert (await api.send("intake", "POST", "/v1/tips", tip(), key)).status_code == 201


@asynccontextmanager
async def begun(api: Api, key: dict[str, str], body: dict[str, Any]) -> AsyncIterator[asyncio.Task[httpx2.Response]]:
    """A tip that is being answered while inside: its person's row is somebody else's until then."""
    held, go_on = threading.Event(), threading.Event()

    def holding(tx: Transaction) -> None:
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("LOCK TABLE persons IN EXCLUSIVE MODE")
            held.set()
            return
        held.set()
        go_on.wait(20)

    other = open_database(api.service.url)
    async with AsyncExitStack() as stack:
        if isinstance(other, PostgresDatabase):
            connection = await stack.enter_async_context(other._engine.connect())  # noqa: SLF001 - held open over a wait
            await connection.run_sync(holding)
            free = connection.rollback
        else:
            story = asyncio.create_task(api.service.database.write(holding))

            async def free() -> None:
                go_on.set()
                await story

        await asyncio.to_thread(held.wait, 5)
        first = asyncio.create_task(api.send("intake", "POST", "/v1/tips", body, key))
        try:
            await until(lambda: api.office.in_flight, 30)
            yield first
        finally:
            await free()
            await first
    await other.close()


async def test_the_same_request_at_once_is_told_to_come_back(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is being answered for long the second is 409 with Retry-After; afterwards it is a replay."""
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.05)
    key, body = {"Idempotency-Key": "at-once"}, tip()
    async with begun(either, key, body) as first:
        second = await either.send("intake", "POST", "/v1/tips", body, key)
        assert (second.status_code, second.headers["retry-after"]) == (409, "1")
        assert second.json()["type"] == "urn:tiprouter:problem:in-flight"
    assert (await first).status_code == 201
    assert not either.office.in_flight
    assert (await either.send("intake", "POST", "/v1/tips", body, key)).content == (await first).content


async def test_the_same_request_at_once_waits_for_the_firsts_answer(
    either: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several that come while it is being made all get it: nobody has to ask again, and it is made once."""
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 20.0)
    key, body = {"Idempotency-Key": "waiting"}, tip()
    async with begun(either, key, body) as first:
        more = [asyncio.create_task(either.send("intake", "POST", "/v1/tips", body, key)) for _ in range(3)]
        await asyncio.wait(more, timeout=0.2)
        assert not any(one.done() for one in more)
    answers = [await one for one in more]
    assert {(one.status_code, one.content) for one in answers} == {(201, (await first).content)}
    assert all(one.headers["idempotent-replayed"] == "true" for one in answers)
    assert (await either.counts())["records"] == 1


async def test_a_refused_first_leaves_the_one_that_waited_to_be_told(api: Api) -> None:
    """What was refused is not stored: the next in line is a first one itself, and is refused for itself."""
    key, body = {"Idempotency-Key": "refused"}, tip(signaled_at="2030-01-01T00:00:00Z")
    async with begun(api, key, body) as first:
        second = asyncio.create_task(api.send("intake", "POST", "/v1/tips", body, key))
        await asyncio.wait([second], timeout=0.1)
    assert ((await first).status_code, (await second).status_code) == (422, 422)
    assert not api.office.in_flight


async def test_another_process_is_told_before_it_does_any_work(tmp_path: Path, postgres_url: str) -> None:
    """Two edges on one PostgreSQL: while one answers the other tells no story, and then it has the same answer."""
    url = await postgres.new_database(postgres_url, migrated=True)
    key, body, told = {"Idempotency-Key": "two-edges"}, tip(), list[int]()
    async with open_service(url, tmp_path) as service, running(service) as here:
        other = open_database(url)
        there = replace(here.office, database=other, in_flight={})
        asked = Asked("cal_x", "POST /v1/tips", "00" * 32, "11" * 32)

        def story(tx: Transaction) -> Answer:
            told.append(len(told))
            return about_nobody(tx, here.office), 201, b"{}"

        async with begun(here, key, body) as first:
            await until(lambda: here.office.in_flight, 30)
            (mine,) = here.office.in_flight
            lasting = asyncio.create_task(answer_once(there, mine, story))
            await asyncio.wait([lasting], timeout=0.3)
            # Nobody answers this one: it is the control.
            assert (await answer_once(there, asked, story)).status_code == 201
            assert told == [0]
        assert (await lasting).body == (await first).content
        assert told == [0]
        await other.close()
    await postgres.drop_database(url)


@pytest.mark.parametrize("word", ["Mirabelle-Example", "whsec_"])
async def test_no_stored_answer_can_be_read_in_the_database(api: Api, word: str) -> None:
    """Answers are sealed: neither a name nor a secret of an answer stands in any column."""
    body = tip()
    body["persons"][0]["ref"] = "Mirabelle-Example"
    body["signaler"]["ref"] = "Mirabelle-Example"
    body["statements"] = []
    answer = await api.send("intake", "POST", "/v1/tips", body)
    assert "Mirabelle-Example" in answer.text
    made = await api.send("operator", "POST", "/v1/recipients", agency(signature_scheme="v1"))
    assert "whsec_" in made.text
    for table in metadata.sorted_tables:
        for row in await api.service.rows(f"SELECT * FROM {table.name}"):  # noqa: S608 - our own names
            assert word not in str(tuple(row)), table.name
