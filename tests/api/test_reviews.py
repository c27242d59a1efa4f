"""A reviewer works the queue over HTTP; an auditor sees that it is worked, and not why."""

from tests.api.calling import MARKER, Api, agency, grant, tip
from tests.api.test_access import seen
from tests.support.giving import another, give
from tiprouter.workflow.credentials import CallerRole

WHY = f"{MARKER}: a fictional reason"
BLAMELESS = [{"relationship": "aunt", "implicated": "no"}]
CHILD = {"ref": "p1", "role": "witness", "age": {"years": 15}, "guardians": BLAMELESS}
ABSENT = "rvw_01KJQH0CC0BX86ENBVMH4TY5PG"


async def held(api: Api) -> str:
    """A child who witnessed, with consent to the police: the id of the review that waits."""
    api.tokens["second"] = (await give(api.service, CallerRole.REVIEWER, by=another("second")))[1]
    assert (await api.send("operator", "POST", "/v1/recipients", agency())).status_code == 201
    assert (await api.send("intake", "POST", "/v1/tips", tip(persons=[CHILD]))).status_code == 201
    wanted = grant(grantor="both", categories=["incident", "identity"])
    given = await api.send("intake", "POST", "/v1/consents", wanted)
    assert given.status_code == 201, given.text
    (waiting,) = (await api.send("reviewer", "GET", "/v1/reviews")).json()["items"]
    return str(waiting["id"])


async def test_a_review_from_the_queue_to_the_disclosure(either: Api) -> None:
    """Listed, read with what a release would disclose, claimed, proposed, confirmed by another, and delivered."""
    api = either
    review = await held(api)
    item = (await api.send("reviewer", "GET", f"/v1/reviews/{review}")).json()
    assert (item["state"], item["outcome"], item["facts"]["age"]) == ("open", "HOLD_REVIEW", "minor")
    assert "review.minor-bystander" in {one["id"] for one in item["reasons"]}
    assert item["release"]["categories"] == ["incident", "identity"]
    assert item["release"]["second_person"] == ["identity"]
    assert item["release"]["preview"]["persons"][0]["role"] == "witness"
    claimed = await api.send("reviewer", "POST", f"/v1/reviews/{review}/claim")
    assert (claimed.status_code, claimed.json()["state"]) == (200, "claimed")
    said = {"answer": "release", "categories": ["incident", "identity"], "rationale": WHY}
    proposed = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", said)
    assert (proposed.status_code, proposed.json()["review"]["state"]) == (200, "proposed")
    same = await api.send("reviewer", "POST", f"/v1/reviews/{review}/confirm")
    assert (same.status_code, same.json()["type"]) == (409, "urn:tiprouter:problem:review-same-person")
    settled = await api.send("second", "POST", f"/v1/reviews/{review}/confirm")
    assert (settled.status_code, settled.json()["review"]["state"]) == (200, "decided")
    (outcome,) = settled.json()["outcomes"]
    assert (outcome["outcome"], outcome["categories"]) == ("DISCLOSE", ["incident", "identity"])
    assert outcome["person"]["ref"] == "p1"
    assert len(await api.service.deliver()) == 1
    assert (await api.send("second", "GET", f"/v1/reviews/{review}")).json()["rationale"] == WHY
    await api.service.check_house()


async def test_what_no_policy_permits_is_refused_by_name_and_nothing_changes(api: Api) -> None:
    """422 names the category and its place; the review is where it was; so is everything else."""
    review = await held(api)
    await api.send("reviewer", "POST", f"/v1/reviews/{review}/claim")
    before = await api.counts()
    said = {"answer": "release", "categories": ["incident", "health"], "rationale": WHY}
    answer = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", said)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], "health" in error["reason"]) == ("/categories/1", True)
    assert MARKER not in answer.text
    assert await api.counts() == before


async def test_an_auditor_sees_the_queue_and_no_reasons(api: Api) -> None:
    """The list, yes; one review with its payload and rationale, no: as if it were not there. So for intake, for all."""
    review = await held(api)
    await api.send("reviewer", "POST", f"/v1/reviews/{review}/claim")
    done = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", {"answer": "withhold", "rationale": WHY})
    assert done.status_code == 200, done.text
    listed = await api.send("auditor", "GET", "/v1/reviews?state=decided")
    assert [one["id"] for one in listed.json()["items"]] == [review]
    assert MARKER not in listed.text
    absent = seen(await api.send("reviewer", "GET", f"/v1/reviews/{ABSENT}"))
    for role in ("auditor", "intake", "operator", "counsel"):
        for method, tail in (("GET", ""), ("POST", "/claim"), ("POST", "/decide"), ("POST", "/confirm")):
            assert seen(await api.send(role, method, f"/v1/reviews/{review}{tail}")) == absent, (role, tail)
    assert seen(await api.send("intake", "GET", "/v1/reviews")) == absent


async def test_an_answer_given_twice_is_one_answer(api: Api) -> None:
    """The same Idempotency-Key brings the same body; another key finds the review settled."""
    review = await held(api)
    await api.send("reviewer", "POST", f"/v1/reviews/{review}/claim")
    said, key = {"answer": "withhold", "rationale": WHY}, {"Idempotency-Key": "example-key-0001"}
    first = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", said, key)
    again = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", said, key)
    assert (first.status_code, again.text, again.headers["idempotent-replayed"]) == (200, first.text, "true")
    other = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", said)
    assert (other.status_code, other.json()["type"]) == (409, "urn:tiprouter:problem:review-settled")


async def test_a_body_that_is_none_is_refused_at_its_field(api: Api) -> None:
    """No rationale, no known answer, no known category, a field too many: 422 before anything is asked."""
    review = await held(api)
    for body, pointer in (
        ({"answer": "withhold"}, "/rationale"),
        ({"answer": "approve", "rationale": WHY}, "/answer"),
        ({"answer": "release", "categories": ["everything"], "rationale": WHY}, "/categories/0"),
        ({"answer": "withhold", "rationale": WHY, "because": "x"}, ""),
    ):
        answer = await api.send("reviewer", "POST", f"/v1/reviews/{review}/decide", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.send("reviewer", "GET", "/v1/reviews?state=lost")).status_code == 422
    assert (await api.send("reviewer", "GET", "/v1/reviews?due=soon")).status_code == 422


async def test_the_queue_is_paged_in_its_own_order(api: Api) -> None:
    """Pages of one, by Link: every review once, danger first, then by deadline."""
    await api.send("operator", "POST", "/v1/recipients", agency())
    for number, violent in enumerate(("no", "yes", "no")):
        person = {"ref": f"q{number}", "role": "potential_victim", "age": {"belief": "unknown"}}
        violence = {"immediate": violent, "escalating": "no", "perceived": "unknown"}
        signaler = {"relationship": "self", "wish": "unstated", "ref": f"q{number}"}
        body = tip(f"T-{number}", persons=[person], violence=violence, signaler=signaler, statements=[])
        assert (await api.send("intake", "POST", "/v1/tips", body)).status_code == 201
    whole = (await api.send("reviewer", "GET", "/v1/reviews")).json()["items"]
    found, path = [], "/v1/reviews?limit=1"
    while path:
        page = await api.send("reviewer", "GET", path)
        found += page.json()["items"]
        path = page.headers.get("link", "").partition(">")[0].lstrip("<")
    assert found == whole
    assert [one["urgency"] for one in found] == ["imminent", "standard", "standard"]
    assert (await api.send("reviewer", "GET", f"/v1/reviews?due={whole[1]['deadline']}")).json()["items"] != []
