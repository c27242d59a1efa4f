"""From a tip by HTTP to its withdrawal, and everything that may be asked about it on the way."""

from typing import Any

from tests.api.calling import Api, agency, case, grant, tip
from tiprouter.api.schemas.records import CaseBody, TipBody


async def _told(api: Api, path: str, role: str = "reviewer") -> Any:  # noqa: ANN401 - JSON
    answer = await api.send(role, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_tip_is_withheld_then_consented_then_delivered_then_withdrawn_and_recalled(api: Api) -> None:
    """The whole path by HTTP: WITHHOLD, DISCLOSE after a grant, WITHHOLD and a recall after the withdrawal."""
    enrolled = await api.send("operator", "POST", "/v1/recipients", agency())
    assert enrolled.status_code == 201
    recipient = enrolled.json()
    assert recipient["signing_key"]["verification_key"].startswith("whpk_")
    accepted = await api.send("intake", "POST", "/v1/tips", tip())
    assert accepted.status_code == 201, accepted.text
    body = accepted.json()
    (outcome,) = body["outcomes"]
    assert outcome["outcome"] == "WITHHOLD"
    assert outcome["person"] == body["persons"][0]
    assert outcome["recipient"] == {"id": recipient["id"], "kind": "law_enforcement"}
    assert body["left_out"] == []
    given = await api.send("intake", "POST", "/v1/consents", grant())
    assert given.status_code == 201, given.text
    consent = given.json()
    assert [(one["outcome"], one["record"], one["person"]["ref"]) for one in consent["outcomes"]] == [
        ("DISCLOSE", body["id"], "p1")
    ]
    assert len(await api.service.deliver()) == 1
    api.service.clock.forward(seconds=1)
    withdrawn = await api.send("reviewer", "POST", f"/v1/consents/{consent['id']}/withdraw")
    assert withdrawn.status_code == 200, withdrawn.text
    assert withdrawn.json()["stopped"] == {"cancelled": 0, "in_flight": 0, "delivered": 1}
    assert [one["outcome"] for one in withdrawn.json()["outcomes"]] == ["WITHHOLD"]
    assert withdrawn.json()["withdrawn_at"] is not None
    sent = (await _told(api, f"/v1/disclosures?record_id={body['id']}"))["items"]
    assert [one["recalls"] for one in sent] == [sent[1]["id"], None]
    assert len(await api.service.deliver()) == 1
    journey = await _told(api, f"/v1/disclosures/{sent[1]['id']}", "auditor")
    assert [one["result"] for one in journey["attempts"]] == ["success"]
    assert journey["delivery"]["state"] == "delivered"
    again = await api.send("intake", "POST", f"/v1/consents/{consent['id']}/withdraw")
    assert again.status_code == 409
    await api.service.check_house()


async def test_left_out_names_the_statements_an_agency_is_not_told(api: Api) -> None:
    """The unlabelled statement needs every category, so the report of a child leaves it out and says so."""
    recipient = (await api.send("operator", "POST", "/v1/recipients", agency())).json()["id"]
    child = tip()
    child["persons"][0]["age"] = {"years": 14}
    body = (await api.send("intake", "POST", "/v1/tips", child)).json()
    assert [one["outcome"] for one in body["outcomes"] if one["recipient"] is not None] == ["REPORT"]
    assert body["left_out"] == [{"recipient": recipient, "statements": [1]}]
    whole = child | {"external_id": "T-2", "statements": child["statements"][:1]}
    assert (await api.send("intake", "POST", "/v1/tips", whole)).json()["left_out"] == []


async def test_a_record_reads_back_as_it_was_sent(api: Api) -> None:
    """What intake sent is what intake and reviewer read, and it could be sent again."""
    body = (await api.send("intake", "POST", "/v1/tips", tip())).json()
    found = await _told(api, f"/v1/tips/{body['id']}")
    assert TipBody.model_validate(found["record"]) == TipBody.model_validate(tip())
    assert "left_out" not in found
    assert found["persons"] == body["persons"]
    listed = (await _told(api, "/v1/tips"))["items"]
    assert [one["id"] for one in listed] == [body["id"]]
    assert "record" not in listed[0]
    assert (await api.send("intake", "PUT", "/v1/cases/C-1", case(), {"If-None-Match": "*"})).status_code == 201
    stored = await _told(api, "/v1/cases/C-1")
    assert CaseBody.model_validate(stored["record"]) == CaseBody.model_validate(case())
    assert (stored["case_id"], stored["kind"]) == ("C-1", "case")
    assert (await api.send("intake", "GET", f"/v1/tips/{stored['id']}")).status_code == 404


async def test_an_age_reads_back_in_each_of_its_spellings(api: Api) -> None:
    """Nothing, a birthday, years, a range and a belief survive the way in and out; 29.0 is the integer 29."""
    ages: list[dict[str, Any]] = [
        {},
        {"date_of_birth": "1997-05-01"},
        {"years": 29.0},
        {"range": {"low": 16, "high": 20}},
        {"range": {"high": 20}},
        {"belief": "minor"},
    ]
    for number, age in enumerate(ages):
        body = tip(f"T-{number}")
        body["persons"][0]["age"] = age
        accepted = (await api.send("intake", "POST", "/v1/tips", body)).json()
        found = await _told(api, f"/v1/tips/{accepted['id']}")
        assert {name: value for name, value in found["record"]["persons"][0]["age"].items() if value is not None} == {
            name: {"low": None} | value if name == "range" else value for name, value in age.items()
        }


async def test_a_decision_explains_itself(api: Api) -> None:
    """A single decision carries facts, policies with basis and citation, and nobody's name."""
    await api.send("operator", "POST", "/v1/recipients", agency())
    body = (await api.send("intake", "POST", "/v1/tips", tip())).json()
    decision = await _told(api, f"/v1/decisions/{body['outcomes'][0]['decision']}", "auditor")
    assert [policy["id"] for policy in decision["policies"]] == body["outcomes"][0]["policies"]
    assert all(policy["basis"] and policy["cite"] for policy in decision["policies"])
    assert decision["facts"]["recipient_kind"] == "law_enforcement"
    assert decision["facts"]["consents"]["incident"] == "not_asked"
    assert decision["person"] == {"id": body["persons"][0]["id"]}
    listed = (await _told(api, "/v1/decisions?outcome=WITHHOLD&current=true", "auditor"))["items"]
    assert [one["id"] for one in listed] == [decision["id"]]
    assert (await _told(api, "/v1/decisions?outcome=REPORT", "auditor"))["items"] == []


async def test_a_child_without_an_agency_is_a_notice(api: Api) -> None:
    """A duty that found no recipient is an outcome without one, and a human is told."""
    child = tip()
    child["persons"][0]["age"] = {"years": 14}
    body = (await api.send("intake", "POST", "/v1/tips", child)).json()
    assert [(one["outcome"], one["recipient"]) for one in body["outcomes"]] == [("DUTY_BLOCKED", None)]
    (notice,) = (await _told(api, "/v1/notices", "operator"))["items"]
    assert (notice["reason"], notice["record"]) == ("duty.blocked", body["id"])


async def test_a_shared_secret_is_shown_once_and_a_public_key_again(api: Api) -> None:
    """An ed25519 key is in every answer, a whsec_ only in the first."""
    for scheme, prefix in (("v1a", "whpk_"), ("v1", "whsec_")):
        made = (await api.send("operator", "POST", "/v1/recipients", agency(signature_scheme=scheme))).json()
        key = made["signing_key"]["verification_key"]
        assert key.startswith(prefix)
        shown = await _told(api, f"/v1/recipients/{made['id']}", "intake")
        assert shown["verification_key"] == (key if scheme == "v1a" else None)


async def test_a_credential_works_until_it_is_ended_and_its_token_is_stored_nowhere(api: Api) -> None:
    """A new token is let in at once; ending it shuts the door with the next request; a replay does not show it."""
    key = {"Idempotency-Key": "credential-1"}
    made = await api.send("operator", "POST", "/v1/credentials", {"role": "auditor"}, key)
    assert made.status_code == 201
    api.tokens["new"] = made.json()["token"]
    assert (await api.send("new", "GET", "/v1/decisions")).status_code == 200
    replayed = await api.send("operator", "POST", "/v1/credentials", {"role": "auditor"}, key)
    assert replayed.json() == made.json() | {"token": None}
    ended = await api.send("operator", "DELETE", f"/v1/credentials/{made.json()['id']}")
    assert (ended.status_code, ended.content) == (204, b"")
    assert (await api.send("new", "GET", "/v1/decisions")).status_code == 401
    assert (await api.send("operator", "DELETE", f"/v1/credentials/{made.json()['id']}")).status_code == 404
