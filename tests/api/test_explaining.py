"""What does a bundle say of facts, and what would it have said of the past?"""

import copy
from typing import Any

from tests.api.calling import Api, agency, at, tip
from tests.api.governed import handed_on, problem, propose, told
from tests.support.service import bundle
from tiprouter.api.schemas.examples import QUESTION
from tiprouter.api.schemas.explanations import ConsentsBody, FactsBody
from tiprouter.domain.explain import VOCABULARY
from tiprouter.domain.vocabulary import Category

SURVIVOR_LED, TIP_SHARING = bundle().digest, bundle("tip-sharing").digest
FACTS: dict[str, Any] = QUESTION["facts"]


async def _asked(api: Api, facts: dict[str, Any], digest: str = SURVIVOR_LED) -> Any:  # noqa: ANN401 - JSON
    answer = await api.send("reviewer", "POST", f"/v1/bundles/{digest}/explain", {"facts": facts})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _child(api: Api) -> dict[str, Any]:
    """A child in Texas whose duty reaches the police: the decision with its facts."""
    await api.send("operator", "POST", "/v1/recipients", agency())
    child = tip()
    child["persons"][0]["age"] = {"years": 14}
    accepted = await api.send("intake", "POST", "/v1/tips", child)
    (outcome,) = (one for one in accepted.json()["outcomes"] if one["recipient"] is not None)
    found: dict[str, Any] = await told(api, "auditor", f"/v1/decisions/{outcome['decision']}")
    assert found["obligations"] == outcome["obligations"]
    return found


def test_facts_are_asked_in_the_words_in_which_they_are_derived() -> None:
    """Every fact of the vocabulary, every category, the duty rows, and nothing else."""
    assert set(FactsBody.model_fields) == {*VOCABULARY, "consents", "rows"}
    assert list(ConsentsBody.model_fields) == [category.value for category in Category]


async def test_a_decisions_facts_explain_themselves(either: Api) -> None:
    """Asked of the bundle that decided, a decision's facts give its outcome, its policies and its reasons again."""
    api = either
    decision = await _child(api)
    assert decision["outcome"] == "REPORT"
    explained = await _asked(api, decision["facts"])
    for same in ("outcome", "categories", "review", "policies", "why", "errors"):
        assert explained[same] == decision[same], same
    assert explained["telephone_call"] == decision["obligations"]["telephone_call"]
    assert explained["deadline"] == "PT1H"
    assert decision["duty_within_seconds"] == 3_600


async def test_a_duty_says_what_no_webhook_does_for_people(api: Api) -> None:
    """Iowa: a call within a day, a report in writing within two; in the answer to the tip, the decision, the policy."""
    iowa = agency(name="Example Protection", kind="child_protection", jurisdictions=["US-IA"])
    await api.send("operator", "POST", "/v1/recipients", iowa)
    child = tip(jurisdictions=[{"code": "US-IA", "reason": "found"}])
    child["persons"][0]["age"] = {"years": 14}
    accepted = (await api.send("intake", "POST", "/v1/tips", child)).json()
    (outcome,) = (one for one in accepted["outcomes"] if one["recipient"] is not None)
    assert outcome["obligations"] == {
        "notify_subject": "when_safe",
        "telephone_call": True,
        "written_report_by": at(minutes=5, hours=-48),
    }
    decision = await told(api, "reviewer", f"/v1/decisions/{outcome['decision']}")
    assert decision["obligations"] == outcome["obligations"]
    assert decision["duty_within_seconds"] == 86_400
    (policy,) = (one for one in decision["policies"] if one["id"] == "duty.us-ia")
    note = bundle().note("duty.us-ia")
    assert note is not None
    assert (policy["basis"], policy["cite"], policy["layer"]) == (note.basis, note.cite, "state")
    assert policy["obligations"] == {
        "deadline": "P1D",
        "notify_subject": None,
        "channel": "oral",
        "written": "48h",
        "second_person": [],
    }
    explained = await _asked(api, decision["facts"])
    assert (explained["deadline"], explained["telephone_call"], explained["written"]) == ("P1D", True, ["48h"])


async def test_a_signaler_who_may_not_be_named_is_explained_by_the_routers_own_rule(api: Api) -> None:
    """`signaler.unnamed` is no policy: it says in words why nothing of them leaves."""
    facts = copy.deepcopy(FACTS) | {"role": "signaler", "reporter": "family_friend", "basis": "consent"}
    facts["consents"] = dict.fromkeys(facts["consents"], "granted") | {"signaler_identity": "not_asked"}
    found = await _asked(api, facts)
    (policy,) = found["policies"]
    assert (found["outcome"], policy["id"]) == ("WITHHOLD", "signaler.unnamed")
    assert (policy["effect"], policy["layer"]) == (None, None)
    assert "named by appearing" in policy["basis"]
    assert ("consent.signaler_identity", "granted") in {(one["fact"], one["value"]) for one in found["why"]["changes"]}


async def test_two_bundles_say_different_things_of_the_same_facts(api: Api) -> None:
    """What a professional says of an adult: a human looks, or the police are told; each by its own policy."""
    await propose(api)
    facts = FACTS | {"reporter": "service_provider"}
    ours, theirs = await _asked(api, facts), await _asked(api, facts, TIP_SHARING)
    assert (ours["outcome"], ours["categories"]) == ("HOLD_REVIEW", [])
    assert (theirs["outcome"], theirs["categories"]) == ("DISCLOSE", ["incident", "location"])
    assert {one["id"] for one in theirs["policies"]} == {"tenant.third-party-forwarded"}
    assert theirs["why"]["deciding_unknowns"] == []


async def test_a_fact_outside_its_vocabulary_is_named(api: Api) -> None:
    """The pointer names the fact; a value, an unknown fact or an unknown duty row is never repeated."""
    consents = FACTS["consents"]
    for facts, pointer in (
        (FACTS | {"age": "Zyxwv"}, "/facts/age"),
        (FACTS | {"usable": "Zyxwv"}, "/facts/usable"),
        (FACTS | {"consents": consents | {"health": "Zyxwv"}}, "/facts/consents/health"),
        (FACTS | {"consents": consents | {"Zyxwv": "granted"}}, "/facts/consents"),
        (FACTS | {"Zyxwv": "yes"}, "/facts"),
        ({name: value for name, value in FACTS.items() if name != "basis"}, "/facts/basis"),
        (FACTS | {"rows": ["us-tx", "zyxwv"]}, "/facts/rows/1"),
        (FACTS | {"rows": ["Zyxwv ;"]}, "/facts/rows/0"),
    ):
        answer = await api.send("counsel", "POST", f"/v1/bundles/{SURVIVOR_LED}/explain", {"facts": facts})
        assert problem(answer) == (422, "invalid")
        assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
        assert "zyxwv" not in answer.text.lower()


async def test_a_question_needs_no_key_and_changes_nothing(either: Api) -> None:
    """Explain, simulate and replay write nothing but that somebody read it, which the log must know."""
    api = either
    await propose(api)
    before = await api.counts()
    without = {"Idempotency-Key": ""}
    for role, path, body in (
        ("auditor", f"/v1/bundles/{TIP_SHARING}/explain", QUESTION),
        ("counsel", f"/v1/bundles/{TIP_SHARING}/simulate?since=2026-01-01T00:00:00Z", None),
        ("auditor", "/v1/decisions/replay", None),
    ):
        answer = await api.send(role, "POST", path, body, without)
        assert answer.status_code == 200, answer.text
    after = await api.counts()
    assert after.pop("outbox") == before.pop("outbox") + 3
    assert after == before


async def test_history_says_what_another_bundle_would_have_told(either: Api) -> None:
    """The same tip is held by one and forwarded by the other: counted, by recipient, with an example in words."""
    api = either
    await propose(api)
    await api.send("operator", "POST", "/v1/recipients", agency())
    await api.send("intake", "POST", "/v1/tips", handed_on())
    path = f"/v1/bundles/{TIP_SHARING}/simulate"
    found = (await api.send("counsel", "POST", path)).json()
    assert found["discloses"]
    assert found["outcomes"] == [{"before": "HOLD_REVIEW", "after": "DISCLOSE", "decisions": 1}]
    shifts = {shift["kind"]: shift for shift in found["shifts"]}
    assert set(shifts) == {"newly disclosed", "no longer held"}
    assert shifts["newly disclosed"]["recipients"] == {"law_enforcement": 1}
    (example,) = shifts["newly disclosed"]["examples"]
    assert example["gained"] == ["incident", "location"]
    assert "service provider" in example["situation"]
    later = (await api.send("auditor", "POST", f"{path}?since=2027-01-01T00:00:00Z")).json()
    assert (later["simulated"], later["shifts"]) == (0, [])
    assert problem(await api.send("auditor", "POST", f"{path}?since=yesterday")) == (422, "query-invalid")


async def test_every_decision_can_be_made_again_and_is_what_the_log_says(either: Api) -> None:
    """Replayed over HTTP: the same, each with its entry; one that was altered is told, one without facts is counted."""
    api = either
    decision = await _child(api)
    found = (await api.send("auditor", "POST", "/v1/decisions/replay")).json()
    assert (found["ok"], found["same"], found["different"], found["without_facts"]) == (True, 1, 0, 1)
    assert found["log"]["compared"] == 2
    # What somebody who can write to the database could do.
    altered = "UPDATE decisions SET outcome = 'WITHHOLD' WHERE outcome = 'REPORT'"
    await api.service.database.write(lambda tx: tx.exec_driver_sql(altered))
    again = (await api.send("counsel", "POST", "/v1/decisions/replay")).json()
    assert (again["ok"], again["different"]) == (False, 1)
    assert {one["decision"] for one in again["differences"]} == {decision["id"]}
