"""Deliveries, dead letters and replays over HTTP: by role, page by page, once per key."""

from typing import Any

import pytest

from tests.api.calling import MARKER, Api, with_agency
from tests.support.recovering import adult, dead_letter, exhaust_everything, logged, police, work
from tiprouter.delivery.attempts import Attempted, AttemptResult
from tiprouter.storage import delivery_queries
from tiprouter.workflow.dispatch import finish

REASON = {"reason": "endpoint_mended"}


def wanted(recipient_id: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A proposal about the fortnight of the tests."""
    return {"recipient": recipient_id, "since": "2026-02-25T00:00:00Z", "reason": "endpoint_mended"} | changes


async def test_a_dead_letter_is_found_read_and_sent_anew(either: Api) -> None:
    """The operator sees ids, states and times, asks for another try, and the answer of a lost request comes again."""
    await police(either.service)
    _, old_id = await dead_letter(either.service)
    (letter,) = (await either.send("operator", "GET", "/v1/dead-letters")).json()["items"]
    assert (letter["id"], letter["state"], letter["retry"], letter["next_at"]) == (
        old_id,
        "exhausted",
        "send_anew",
        None,
    )
    path = f"/v1/deliveries/{old_id}"
    key = {"Idempotency-Key": "one-retry"}
    first = await either.send("operator", "POST", f"{path}/retry", REASON, key)
    again = await either.send("operator", "POST", f"{path}/retry", REASON, key)
    assert (first.status_code, first.content) == (200, again.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (first.json()["became"], first.json()["outcomes"]) == ("sent", None)
    read = (await either.send("reviewer", "GET", path)).json()
    assert [(one["reason"], one["became"], one["made"]) for one in read["asked"]] == [
        ("endpoint_mended", "sent", first.json()["made"])
    ]
    assert [(one["number"], one["result"], one["status"]) for one in read["history"]] == [(1, "http_error", 500)]
    assert (await either.send("operator", "GET", "/v1/dead-letters")).json() == {"items": []}


async def test_what_is_withheld_says_the_outcome_to_a_reviewer(api: Api) -> None:
    """Nothing was sent, and the answer says what was decided."""
    await police(api.service)
    given, old_id = await dead_letter(api.service)
    await api.service.withdraw(given.consent.id)
    answer = (await api.send("reviewer", "POST", f"/v1/deliveries/{old_id}/retry", REASON)).json()
    assert (answer["became"], answer["made"], answer["outcomes"]) == ("withheld", None, ["WITHHOLD"])


async def test_a_refusal_says_why(api: Api) -> None:
    """A cancelled delivery, an unknown reason, a missing note: each is a problem, and nothing of them is stored."""
    await police(api.service)
    given = await adult(api.service)
    await api.service.withdraw(given.consent.id)
    ((delivery_id,),) = await api.service.rows("select id from deliveries")
    path = f"/v1/deliveries/{delivery_id}/retry"
    for body, status, slug in (
        (REASON, 409, "delivery-not-retried"),
        ({"reason": "because"}, 422, "invalid"),
        ({"reason": "other"}, 422, "invalid"),
        ({}, 422, "invalid"),
    ):
        answer = await api.send("operator", "POST", path, body)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, slug)
    assert await api.service.rows("select id from retries") == []


async def test_the_list_is_filtered_and_paged(api: Api) -> None:
    """Newest first, a page at a time; a filter that is misspelt is an error."""
    recipient = await police(api.service)
    for number in range(3):
        await adult(api.service, number)
        api.service.clock.forward(seconds=1)
    seen: list[str] = []
    path = f"/v1/deliveries?recipient_id={recipient.id}&state=queued&limit=2"
    while path:
        answer = await api.send("auditor", "GET", path)
        seen += [one["id"] for one in answer.json()["items"]]
        path = answer.headers["link"].partition(">")[0][1:] if "link" in answer.headers else ""
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 3
    assert (await api.send("auditor", "GET", "/v1/deliveries?result=unknown")).json() == {"items": []}
    for span, found in (("since=2026-01-01T00:00:00Z", 3), ("until=2000-01-01T00:00:00Z", 0)):
        assert len((await api.send("auditor", "GET", f"/v1/deliveries?{span}")).json()["items"]) == found
    for wrong in ("result=perhaps", "state=lost", "recipient=x", "since=yesterday"):
        assert (await api.send("auditor", "GET", f"/v1/deliveries?{wrong}")).status_code == 422


async def test_an_agency_asks_for_anothers(api: Api) -> None:
    """Byte for byte what an absent one gets; its own it sees, once sent, and may not ask for another try by itself."""
    recipient = await police(api.service)
    await adult(api.service)
    (ready,) = await api.service.deliver()
    await with_agency(api, "police", recipient.id)
    await with_agency(api, "other", (await police(api.service, jurisdictions=("US-CA",))).id)
    path, absent = f"/v1/deliveries/{ready.delivery_id}", "/v1/deliveries/msg_01KJQH0CC0BX86ENBVMH4TY5PG"
    hidden, nothing = [await api.send("other", "GET", one) for one in (path, absent)]
    assert hidden.status_code == nothing.status_code == 404
    assert hidden.json() | {"instance": ""} == nothing.json() | {"instance": ""}
    own = (await api.send("police", "GET", path)).json()
    assert (own["state"], own["waits_for"], own["retry"], own["asked"]) == ("delivered", None, None, [])
    assert (await api.send("other", "GET", "/v1/deliveries")).json() == {"items": []}
    assert (await api.send("police", "POST", f"{path}/retry", REASON)).status_code == 404
    assert (await api.send("police", "GET", "/v1/dead-letters")).status_code == 404


async def test_a_replay_takes_two_credentials(either: Api) -> None:
    """Proposed by one, refused to the same one, confirmed by another, worked, and read to its end."""
    recipient = await police(either.service)
    await adult(either.service)
    await exhaust_everything(either.service)
    proposed = await either.send("operator", "POST", "/v1/replays", wanted(recipient.id))
    assert proposed.status_code == 201
    body = proposed.json()
    assert (body["state"], body["would"], body["counts"]["asked"]) == ("proposed", {"exhausted": 1}, 1)
    path = f"/v1/replays/{body['id']}"
    alone = await either.send("operator", "POST", f"{path}/confirm")
    assert (alone.status_code, alone.json()["type"].rpartition(":")[2]) == (409, "replay-same-person")
    second = await either.send("operator", "POST", "/v1/replays", wanted(recipient.id))
    assert (second.status_code, second.json()["type"].rpartition(":")[2]) == (409, "replay-under-way")
    assert (await either.send("reviewer", "POST", f"{path}/confirm")).json()["state"] == "running"
    await work(either.service)
    read = (await either.send("auditor", "GET", path)).json()
    assert (read["state"], read["counts"]["sent"], read["counts"]["decided_again"]) == ("done", 1, 1)
    late = await either.send("reviewer", "POST", f"{path}/stop")
    assert (late.status_code, late.json()["type"].rpartition(":")[2]) == (409, "replay-ended")
    assert [one["id"] for one in (await either.send("operator", "GET", "/v1/replays")).json()["items"]] == [body["id"]]


@pytest.mark.parametrize("changes", [{"states": ["cancelled"]}, {"until": "2199-01-01T00:00:00Z"}, {"since": "x"}])
async def test_a_proposal_that_cannot_be_is_refused(api: Api, changes: dict[str, Any]) -> None:
    """The problem points at the field."""
    recipient = await police(api.service)
    await adult(api.service)
    answer = await api.send("operator", "POST", "/v1/replays", wanted(recipient.id, **changes))
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [f"/{name}" for name in changes]


QUOTING = f"\x1b[31mno such case: {MARKER}\u202e\n".encode() + b"\xff"


async def failed(api: Api) -> str:
    """A delivery whose endpoint quoted what it was sent, and more."""
    await police(api.service)
    await adult(api.service)
    (ready,) = await api.service.claim()
    quoted = Attempted(AttemptResult.HTTP_ERROR, 500, None, 5, "203.0.113.9", QUOTING)
    await api.service.database.write(lambda tx: finish(tx, api.service.desk, ready, quoted))
    return ready.delivery_id


async def test_what_an_endpoint_answered_is_read_by_a_reviewer_and_the_log_says_so(either: Api) -> None:
    """As text that moves no screen, where one delivery is inspected; nobody else, no list, and a look in the log."""
    delivery_id = await failed(either)
    path = f"/v1/deliveries/{delivery_id}"
    read = (await either.send("reviewer", "GET", path)).json()
    assert [one["answer"] for one in read["history"]] == [f"\ufffd[31mno such case: {MARKER}\ufffd\n\ufffd"]
    looks = [one.body for one in await logged(either.service, "access") if one.body["what"] == "delivery-answers"]
    assert [(one["role"], one["count"], one["subject"]) for one in looks] == [("reviewer", 1, delivery_id)]
    recipient = (await either.send("auditor", "GET", path)).json()["recipient"]
    await with_agency(either, "police", recipient)
    for role in ("auditor", "operator", "police"):
        answer = await either.send(role, "GET", path)
        assert [one["answer"] for one in answer.json()["history"]] == [None], role
        assert MARKER not in answer.text
    listed = await either.send("reviewer", "GET", "/v1/deliveries")
    assert "history" not in listed.json()["items"][0]
    assert MARKER not in listed.text
    assert len([one for one in await logged(either.service, "access") if one.body["what"] == "delivery-answers"]) == 1


async def test_what_an_endpoint_answered_goes_with_its_record(api: Api) -> None:
    """The record is erased: its key is gone, the attempts stay, and nobody looked at anything."""
    delivery_id = await failed(api)
    ((record_id,),) = await api.service.rows("select record_id from deliveries")
    await api.service.database.write(lambda tx: api.service.desk.vault.destroy(tx, record_id, api.service.clock.at))
    read = (await api.send("reviewer", "GET", f"/v1/deliveries/{delivery_id}")).json()
    assert [(one["status"], one["answer"]) for one in read["history"]] == [(500, None)]
    assert [one for one in await logged(api.service, "access") if one.body["what"] == "delivery-answers"] == []


async def test_of_many_answers_the_newest_are_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at most, however often an endpoint answered."""
    monkeypatch.setattr(delivery_queries, "SNIPPETS_MAX", 2)
    delivery_id = await failed(api)
    for _ in range(3):
        api.service.clock.forward(minutes=40)
        await api.service.deliver(AttemptResult.THROTTLED)
    read = (await api.send("reviewer", "GET", f"/v1/deliveries/{delivery_id}")).json()
    assert [one["answer"] for one in read["history"]] == [None, None, "ok", "ok"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"result": "http_error"}, 2),
        ({"result": "timeout"}, 0),
        ({"urgency": "standard"}, 2),
        ({"urgency": "imminent"}, 0),
        ({"urgency": "standard", "result": "http_error"}, 2),
        ({"record": "tip_01KJQH0CC0BX86ENBVMH4TY5PG"}, 0),
    ],
)
async def test_a_replay_is_narrowed_as_the_list_is(api: Api, filters: dict[str, str], found: int) -> None:
    """By the same words; the answer, the list and the log say by which."""
    recipient = await police(api.service)
    for number in range(2):
        await adult(api.service, number)
    await exhaust_everything(api.service)
    answer = await api.send("operator", "POST", "/v1/replays", wanted(recipient.id, **filters))
    if not found:
        assert answer.status_code == 422
        return
    body = answer.json()
    assert body["counts"]["asked"] == found
    none = dict.fromkeys(("urgency", "result", "record"))
    assert {name: body[name] for name in none} == none | filters
    (one,) = (await api.send("auditor", "GET", "/v1/replays")).json()["items"]
    assert {name: one[name] for name in none} == none | filters
    (entry,) = await logged(api.service, "replay.proposed")
    assert {name: entry.body.get(name) for name in none} == none | filters


async def test_a_filter_that_is_misspelt_proposes_nothing(api: Api) -> None:
    """An unknown word is a problem that points at it."""
    recipient = await police(api.service)
    await adult(api.service)
    await exhaust_everything(api.service)
    for name, word in (("urgency", "soon"), ("result", "perhaps"), ("record", "x y")):
        answer = await api.send("operator", "POST", "/v1/replays", wanted(recipient.id, **{name: word}))
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == [f"/{name}"]
