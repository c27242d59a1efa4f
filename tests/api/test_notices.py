"""Can a person see what must be looked at, and say that they have seen it?"""

import pytest

from tests.api.calling import Api
from tests.support.fictional import SECRET, agency
from tests.support.paging import hold, outside
from tiprouter.api.schemas.webhooks import NoticeRaised
from tiprouter.domain.notice import REASONS


async def noticed(api: Api) -> dict[str, object]:
    """The newest notice, as the reviewer reads it."""
    await api.service.enrol(agency())
    await hold(api.service)
    answer = await api.send("reviewer", "GET", "/v1/notices")
    assert SECRET not in answer.text
    return dict(answer.json()["items"][0])


@pytest.mark.parametrize("role", ["reviewer", "operator"])
async def test_a_notice_is_acknowledged_once(either: Api, role: str) -> None:
    """Who and when stay those of the first; the list shows them; the same key gets the same answer."""
    notice = await noticed(either)
    assert (notice["severity"], notice["acknowledged"]) == ("routine", None)
    assert notice["what_to_do"] == REASONS["review.wanted"].to_do
    path = f"/v1/notices/{notice['id']}/acknowledge"
    first = await either.send(role, "POST", path, headers={"Idempotency-Key": "seen"})
    assert first.status_code == 200
    seen = first.json()["acknowledged"]
    assert seen["by"].startswith("cal_")
    assert seen["at"] == "2026-03-02T15:00:00.000Z"
    again = await either.send(role, "POST", path, headers={"Idempotency-Key": "seen"})
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    either.service.clock.forward(minutes=1)
    other = await either.send("operator" if role == "reviewer" else "reviewer", "POST", path)
    assert other.json()["acknowledged"] == seen
    listed = (await either.send("operator", "GET", "/v1/notices")).json()["items"]
    assert [item["acknowledged"] for item in listed if item["id"] == notice["id"]] == [seen]


async def test_an_acknowledgement_says_nothing_more(api: Api) -> None:
    """No body, or an empty object; free text has no place here. What is not there is not found."""
    notice = await noticed(api)
    path = f"/v1/notices/{notice['id']}/acknowledge"
    refused = await api.send("reviewer", "POST", path, {"note": f"called {SECRET}"})
    assert refused.status_code == 422
    assert SECRET not in refused.text
    assert (await api.send("reviewer", "POST", path, {})).status_code == 200
    for absent in ("ntc_01KJQH0CC0BX86ENBVMH4TY5PG", "ntc_x", "1"):
        assert (await api.send("reviewer", "POST", f"/v1/notices/{absent}/acknowledge")).status_code == 404


async def test_the_webhook_is_what_the_documentation_says(api: Api) -> None:
    """The page that is sent has exactly the documented fields."""
    async with outside(api.service) as out:
        await noticed(api)
        await out.turn()
        for request in out.receiver.requests:
            NoticeRaised.model_validate_json(request.body)
        assert out.hooked == ["review.wanted"]
