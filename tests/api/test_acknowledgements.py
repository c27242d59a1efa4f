"""An agency sees what was sent to it, answers, and learns of nothing else."""

from tests.api.calling import Api, with_agency
from tests.api.test_access import seen
from tests.support.fictional import agency, person, tip
from tiprouter.delivery.attempts import AttemptResult
from tiprouter.domain.vocabulary import RecipientKind

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
WORDS = {"status": "needs_information", "case_number": "EX-1", "question": "Which exit of the fictional motorway?"}


async def two_agencies(api: Api) -> tuple[str, str]:
    """A child's tip is sent to police and child protection; the ids of their disclosures."""
    ids = {}
    for name, kind in (("police", LE), ("cps", CPS)):
        ids[name] = (await api.service.enrol(agency(kind))).recipient.id
        await with_agency(api, name, ids[name])
    await api.service.accept(tip(person(years=12)))
    await api.service.deliver(AttemptResult.SUCCESS)
    listed = (await api.send("auditor", "GET", "/v1/disclosures")).json()["items"]
    found = {one["recipient"]: one["id"] for one in listed}
    return found[ids["police"]], found[ids["cps"]]


async def test_an_agency_answers_and_the_reviewer_reads_its_words_but_not_the_auditor(api: Api) -> None:
    """The answer is stored, told in full to agency and reviewer, and only as a status to the auditor."""
    mine, _ = await two_agencies(api)
    made = await api.send("police", "POST", f"/v1/disclosures/{mine}/acknowledgements", WORDS)
    assert (made.status_code, made.json()["question"]) == (201, WORDS["question"])
    for role, question in (("police", WORDS["question"]), ("reviewer", WORDS["question"]), ("auditor", None)):
        (said,) = (await api.send(role, "GET", f"/v1/disclosures/{mine}")).json()["acknowledgements"]
        assert (said["status"], said["question"]) == ("needs_information", question)
    await api.service.check_house()


async def test_an_agency_cannot_tell_anothers_disclosure_from_none(api: Api) -> None:
    """Reading, listing and answering: another's disclosure is not there, byte for byte."""
    mine, other = await two_agencies(api)
    absent = f"{other[:-4]}0000"
    for method, tail in (("GET", ""), ("POST", "/acknowledgements")):
        answers = [
            seen(await api.send("police", method, f"/v1/disclosures/{one}{tail}", WORDS if tail else None))
            for one in (other, absent)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    listed = (await api.send("police", "GET", "/v1/disclosures")).json()["items"]
    assert [one["id"] for one in listed] == [mine]
    foreign = (await api.send("cps", "GET", f"/v1/disclosures?recipient_id={listed[0]['recipient']}")).json()["items"]
    assert [one["id"] for one in foreign] == [other]


async def test_a_disclosure_that_was_never_sent_is_not_there_for_its_agency(api: Api) -> None:
    """What is only queued may still be withdrawn: its agency must not learn of it by asking."""
    await with_agency(api, "police", (await api.service.enrol(agency())).recipient.id)
    await api.service.accept(tip(person(years=12)))
    (queued,) = (await api.send("auditor", "GET", "/v1/disclosures")).json()["items"]
    assert (await api.send("police", "GET", "/v1/disclosures")).json()["items"] == []
    assert (await api.send("police", "GET", f"/v1/disclosures/{queued['id']}")).status_code == 404


async def test_a_rejection_without_a_reason_is_refused_at_its_field(api: Api) -> None:
    """422 with a pointer, and nothing is stored; so for a need for information that asks nothing."""
    mine, _ = await two_agencies(api)
    for status, pointer in (("rejected", "/reason"), ("needs_information", "/question")):
        answer = await api.send("police", "POST", f"/v1/disclosures/{mine}/acknowledgements", {"status": status})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.send("police", "GET", f"/v1/disclosures/{mine}")).json()["acknowledgements"] == []


async def test_a_decision_says_what_single_fact_would_change_it(api: Api) -> None:
    """An adult without consent: consent for the incident would disclose it; whether there is violence would decide."""
    await api.service.enrol(agency())
    await api.service.accept(tip())
    (listed,) = (await api.send("auditor", "GET", "/v1/decisions")).json()["items"]
    why = (await api.send("auditor", "GET", f"/v1/decisions/{listed['id']}")).json()["why"]
    changes = {(one["fact"], one["value"]): one["outcome"] for one in why["changes"]}
    assert changes["consent.incident", "granted"] == "DISCLOSE"
    assert changes["age", "minor"] == "REPORT"
    assert ("agreement", "false") not in changes
    assert why["deciding_unknowns"] == ["immediate", "escalating"]
