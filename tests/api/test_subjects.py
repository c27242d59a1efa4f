"""What a subject is owed, by HTTP: consent in two words, a receipt, an accounting, an end, and who may ask for it."""

from typing import Any

import httpx2

from tests.api.calling import Api, agency, at, case, grant, tip
from tests.support.giving import another, give
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.noticing import owe_notices

MORE = {
    "jurisdictions": ["US-TX"],
    "guardian": {"relationship": "aunt", "attested_by": "Example Advocate", "attested_at": None, "ref": "g1"},
    "guardian_implicated": "no",
    "interpreter": {"language": "es", "present": True},
    "witness": "Example Witness",
    "safe_contact": {"channel": "text", "time": "mornings"},
}


async def ok(answer: httpx2.Response, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    """The body of an answer that has this status."""
    assert answer.status_code == status, answer.text
    return answer.json()


async def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Status and kind of a refusal."""
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def second_reviewer(api: Api) -> str:
    """Another credential that reviews."""
    api.tokens["second"] = (await give(api.service, CallerRole.REVIEWER, by=another("second")))[1]
    return "second"


async def test_a_consent_in_two_words_by_http(either: Api) -> None:
    """Given with all its fields, widened, too early, confirmed, narrowed; a receipt that names nobody."""
    send = either.send
    await send("operator", "POST", "/v1/recipients", agency())
    await send("intake", "POST", "/v1/tips", tip())
    first = await ok(await send("intake", "POST", "/v1/consents", grant(categories=["incident"]) | MORE), 201)
    assert {name: first[name] for name in MORE} == MORE
    assert (first["state"], first["confirm_from"]) == ("standing", None)
    wider = await ok(await send("intake", "POST", "/v1/consents", grant()), 201)
    path = f"/v1/consents/{wider['id']}"
    assert (wider["state"], wider["confirm_from"]) == ("pending", at(minutes=-10))
    assert [one["categories"] for one in wider["outcomes"]] == [["incident"]]
    assert await problem(await send("intake", "POST", f"{path}/confirm")) == (409, "too-early")
    either.service.clock.forward(minutes=10)
    assert await problem(await send("intake", "POST", f"{path}/confirm", headers={"If-Match": '"7"'})) == (412, "stale")
    said = await ok(await send("intake", "POST", f"{path}/confirm", headers={"If-Match": '"1"'}))
    assert (said["state"], said["revision"]) == ("standing", 2)
    assert [one["categories"] for one in said["outcomes"]] == [["incident", "identity"]]
    assert await problem(await send("intake", "POST", f"{path}/confirm")) == (409, "nothing-to-confirm")
    assert await problem(await send("intake", "POST", f"{path}/narrow", {})) == (422, "invalid")
    less = await ok(await send("reviewer", "POST", f"{path}/narrow", {"categories": ["incident"]}))
    assert (less["state"], less["categories"], less["stopped"]["cancelled"]) == ("narrowed", ["incident"], 1)
    receipt = await ok(await send("intake", "GET", f"{path}/receipt"))
    assert receipt["schema_version"] == "ISO/IEC TS 27560:2023"
    assert [one["event_type"] for one in receipt["events"]] == ["given", "confirmed", "narrowed"]
    (purpose,) = receipt["consent_record"]["purposes"]
    assert (purpose["purpose"], purpose["pii_information"]) == ("investigation", [{"pii_type": "incident"}])
    assert wider["person"]["id"] not in str(receipt)
    assert all(word not in str(receipt) for word in ("Example", "aunt", "mornings"))
    either.service.clock.forward(days=40)
    assert (await ok(await send("intake", "GET", path)))["state"] == "expired"


async def test_an_attestation_says_what_the_consent_says(either: Api) -> None:
    """Nobody attests that a guardian is blameless beside a consent that leaves it open."""
    answer = await either.send("intake", "POST", "/v1/consents", grant() | MORE | {"guardian_implicated": "unknown"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/guardian/attested_by"


async def test_a_person_is_accounted_to_and_erased_by_http(either: Api) -> None:
    """Two credentials, then 410 for whoever may ask and 404 for whoever may not; replays too; the accounting stays."""
    send, second = either.send, await second_reviewer(either)
    police = await ok(await send("operator", "POST", "/v1/recipients", agency()), 201)
    mine = {"Idempotency-Key": "mine"}
    stored = await ok(await send("intake", "PUT", "/v1/cases/C-1", case(), mine | {"If-None-Match": "*"}), 201)
    person = stored["persons"][0]["id"]
    consent = await ok(await send("intake", "POST", "/v1/consents", grant(), mine), 201)
    await either.service.deliver()
    told = await ok(await send("intake", "GET", f"/v1/subjects/{person}/accounting"))
    assert [(one["event"], one["recipient"]["name"], one["purpose"]) for one in told["items"]] == [
        ("disclosure", "Example Police", "investigation")
    ]
    assert told["items"][0]["description"]["categories"] == ["incident", "identity"]
    assert all(one["words"] and one["cite"] for one in told["items"][0]["description"]["basis"])
    asked = {"recipient": police["id"], "asked_by": "Example Officer", "form": "written", "until": at(days=-9)}
    await ok(await send("operator", "POST", f"/v1/subjects/{person}/accounting/suspend", asked), 201)
    assert (await ok(await send("intake", "GET", f"/v1/subjects/{person}/accounting")))["items"] == []
    staff = await ok(await send("reviewer", "GET", f"/v1/subjects/{person}/accounting?copy=staff"))
    assert [one["suspended_until"] for one in staff["items"]] == [at(days=-9)]
    held = await ok(await send("reviewer", "POST", f"/v1/records/{stored['id']}/hold", {"reason": "Example"}), 201)
    assert await problem(await send("reviewer", "POST", f"/v1/subjects/{person}/erase")) == (409, "held")
    release = f"/v1/records/{stored['id']}/release"
    await ok(await send("reviewer", "POST", release, {"hold": held["id"]}))
    assert await problem(await send("reviewer", "POST", release, {"hold": held["id"]})) == (409, "hold-released")
    requested = await ok(await send("reviewer", "POST", f"/v1/subjects/{person}/erase", headers=mine))
    assert (requested["state"], requested["records"]) == ("requested", [])
    again = await send("reviewer", "POST", f"/v1/subjects/{person}/erase")
    assert await problem(again) == (409, "erasure-same-person")
    erased = await ok(await send(second, "POST", f"/v1/subjects/{person}/erase"))
    assert (erased["state"], erased["disclosed_before"]) == ("erased", 1)
    assert erased["records"] == [{"record": stored["id"], "whole": True}]
    assert "nothing is recalled" in erased["note"]
    for role, method, path, body, headers in (
        ("intake", "GET", "/v1/cases/C-1", None, {}),
        ("reviewer", "GET", f"/v1/consents/{consent['id']}", None, {}),
        ("reviewer", "GET", f"/v1/consents/{consent['id']}/receipt", None, {}),
        ("intake", "PUT", "/v1/cases/C-1", case(), mine | {"If-None-Match": "*"}),
        ("intake", "POST", "/v1/consents", grant(), mine),
        ("intake", "PUT", "/v1/cases/C-1", case(), {"If-Match": '"1"'}),
        ("reviewer", "POST", f"/v1/records/{stored['id']}/erase", None, {}),
        ("reviewer", "POST", f"/v1/records/{stored['id']}/hold", {"reason": "Example"}, {}),
        ("reviewer", "POST", f"/v1/subjects/{person}/erase", None, {}),
    ):
        assert await problem(await send(role, method, path, body, headers)) == (410, "erased"), (method, path)
        assert await problem(await send("auditor", method, path, body, headers)) == (404, "not-found")
    assert (await ok(await send("reviewer", "POST", f"/v1/subjects/{person}/erase", headers=mine))) == requested
    assert (await ok(await send("intake", "GET", "/v1/cases")))["items"] == []
    assert (await ok(await send("intake", "GET", "/v1/consents")))["items"] == []
    staff = await ok(await send("reviewer", "GET", f"/v1/subjects/{person}/accounting?copy=staff"))
    assert len(staff["items"]) == 1
    journey = await ok(await send("auditor", "GET", f"/v1/disclosures/{staff['items'][0]['disclosure']}"))
    assert [one["result"] for one in journey["attempts"]] == ["success"]
    await either.service.check_house()


async def test_a_notice_to_a_subject_by_http(either: Api) -> None:
    """Listed with how to reach her; deferred, refused by another channel, given."""
    send = either.send
    await send("operator", "POST", "/v1/recipients", agency())
    danger = {"immediate": "yes", "escalating": "yes", "perceived": "heard", "observed_at": at(minutes=3)}
    await ok(await send("intake", "POST", "/v1/tips", tip(violence=danger)), 201)
    await either.service.deliver()
    await either.service.database.write(lambda tx: owe_notices(tx, either.service.desk))
    (notice,) = (await ok(await send("intake", "GET", "/v1/subject-notices?state=due")))["items"]
    assert notice["safe_contact"] == {"channel": "text", "time": None}
    path = f"/v1/subject-notices/{notice['id']}"
    deferred = await ok(await send("intake", "POST", f"{path}/defer", {"reason": "Unsafe now.", "until": at(days=-1)}))
    assert (deferred["state"], deferred["text"]) == ("deferred", "Unsafe now.")
    assert (deferred["evidence"], deferred["kind"], deferred["given_at"]) == (None, None, None)
    told = {"channel": "text", "at": at(), "time_was_safe": True}
    assert (await send("intake", "POST", f"{path}/give", told | {"channel": "phone"})).status_code == 422
    assert (await send("intake", "POST", f"{path}/give", {"channel": "text"})).status_code == 422
    given = await ok(await send("intake", "POST", f"{path}/give", told))
    assert (given["state"], given["given_at"]) == ("given", told["at"])
    assert await problem(await send("intake", "POST", f"{path}/give", told)) == (409, "notice-settled")
