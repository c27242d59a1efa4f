"""How does a caller who lost an answer get the same one again?"""

import asyncio
import threading

import pytest

from tests.api.calling import Api, agency, case, grant, tip, until
from tiprouter.storage.columns import metadata
from tiprouter.storage.database import Transaction


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


async def test_the_same_request_at_once_waits_for_the_first(api: Api) -> None:
    """While the first is being answered the second is 409 with Retry-After; afterwards it is a replay."""
    begun, go_on = threading.Event(), threading.Event()

    def holding(_tx: Transaction) -> None:
        begun.set()
        go_on.wait(5)

    held = asyncio.create_task(api.service.database.write(holding))
    await asyncio.to_thread(begun.wait, 5)
    key = {"Idempotency-Key": "at-once"}
    first = asyncio.create_task(api.send("intake", "POST", "/v1/tips", tip(), key))
    await until(lambda: api.office.in_flight)
    second = await api.send("intake", "POST", "/v1/tips", tip(), key)
    assert (second.status_code, second.headers["retry-after"]) == (409, "1")
    assert second.json()["type"] == "urn:tiprouter:problem:in-flight"
    go_on.set()
    await held
    assert (await first).status_code == 201
    assert not api.office.in_flight
    assert (await api.send("intake", "POST", "/v1/tips", tip(), key)).content == (await first).content


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
