"""People read which reports the law wants, and record the evidence that no webhook is."""

import json
from typing import Any

import pytest

from tests.api.calling import MARKER, Api, at, with_agency
from tests.support.answering import answer, watch
from tests.support.fictional import BLAMELESS, agency, person, tip
from tests.support.service import START
from tiprouter.api.schemas.duties import CALL, LETTER, CallBody, LetterBody
from tiprouter.domain.record import Jurisdiction
from tiprouter.domain.redaction import stamp
from tiprouter.domain.vocabulary import JurisdictionReason, RecipientKind

LE, CPS = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION
CALLED = {
    "outcome": "reached",
    "called_at": stamp(START),
    "caller": MARKER,
    "number": "+1-555-0101",
    "spoken_to": MARKER,
    "reference": "EX-2",
    "note": MARKER,
}
REQUESTED = {"requested_at": stamp(START), "asked_by": MARKER, "reference": "EX-4"}
WRITTEN = {"sent_at": stamp(START), "sent_by": MARKER, "reference": "EX-3"}


async def reported(api: Api, place: str = "US-CA") -> dict[str, Any]:
    """A child of California is reported to its police, who must be called; their one duty."""
    recipient = (await api.service.enrol(agency(LE, place))).recipient.id
    await with_agency(api, "police", recipient)
    places = (Jurisdiction(place, JurisdictionReason.FOUND),)
    await api.service.accept(tip(person(years=12, guardians=BLAMELESS), jurisdictions=places))
    await api.service.deliver()
    (duty,) = (await api.send("reviewer", "GET", "/v1/duties")).json()["items"]
    assert duty["recipient"] == {"id": recipient, "kind": "law_enforcement"}
    found: dict[str, Any] = duty
    return found


async def test_a_call_discharges_and_everybody_sees_as_much_as_they_may(api: Api) -> None:
    """The answer holds the duty after it; the auditor learns that somebody called, and when, and not who."""
    duty = await reported(api)
    assert (duty["state"], duty["telephone_call"], duty["parts"]) == (
        "open",
        True,
        [{"row": "us-ca", "jurisdiction": "US-CA", "kinds": ["law_enforcement", "child_protection"]}],
    )
    unanswered = CALLED | {"outcome": "no_answer", "reference": None}
    first = await api.send("intake", "POST", f"/v1/duties/{duty['id']}/calls", unanswered)
    assert (first.status_code, first.json()["duty"]["state"]) == (201, "open")
    api.service.clock.forward(seconds=1)
    made = await api.send("reviewer", "POST", f"/v1/duties/{duty['id']}/calls", CALLED)
    assert (made.status_code, made.json()["duty"]["state"]) == (201, "discharged")
    assert made.json()["duty"]["evidence"] == made.json()["call"]["id"]
    for role, caller in (("intake", MARKER), ("reviewer", MARKER), ("auditor", None)):
        told = (await api.send(role, "GET", f"/v1/duties/{duty['id']}")).json()
        assert [(one["outcome"], one["caller"]) for one in told["calls"]] == [
            ("no_answer", caller),
            ("reached", caller),
        ]
        assert (MARKER in json.dumps(told)) == (role != "auditor")
    await api.service.check_house()


async def test_a_report_in_writing_ends_its_own_clock(api: Api) -> None:
    """It is told beside the duty, which stays open without its call."""
    duty = await reported(api)
    made = await api.send("reviewer", "POST", f"/v1/duties/{duty['id']}/written-reports", WRITTEN)
    assert (made.status_code, made.json()["duty"]["state"]) == (201, "open")
    assert made.json()["duty"]["written_report"] == made.json()["written_report"]["id"]
    for role, sender in (("reviewer", MARKER), ("auditor", None)):
        (letter,) = (await api.send(role, "GET", f"/v1/duties/{duty['id']}")).json()["written_reports"]
        assert (letter["sent_at"], letter["sent_by"]) == (WRITTEN["sent_at"], sender)


async def test_an_agencys_request_starts_the_clock_of_a_report_in_writing(api: Api) -> None:
    """Kentucky's 48 hours run from the request; the auditor learns when it was made, and not by whom."""
    duty = await reported(api, "US-KY")
    assert duty["written_report_by"] is None
    made = await api.send("intake", "POST", f"/v1/duties/{duty['id']}/written-requests", REQUESTED)
    assert made.status_code == 201
    assert made.json()["duty"]["written_report_by"] == at(hours=-48)
    for role, asker in (("reviewer", MARKER), ("auditor", None)):
        (request,) = (await api.send(role, "GET", f"/v1/duties/{duty['id']}")).json()["written_requests"]
        assert (request["requested_at"], request["asked_by"]) == (REQUESTED["requested_at"], asker)
    await api.service.check_house()


@pytest.mark.parametrize(
    ("tail", "body", "pointer"),
    [
        ("calls", CALLED | {"called_at": at(minutes=-1)}, "/called_at"),
        ("calls", CALLED | {"called_at": at(minutes=6)}, "/called_at"),
        ("calls", CALLED | {"reference": None}, "/reference"),
        ("calls", CALLED | {"kind": "child_protection"}, "/kind"),
        ("calls", CALLED | {"number": MARKER}, "/number"),
        ("calls", CALLED | {"outcome": "hung_up"}, "/outcome"),
        ("written-reports", WRITTEN | {"sent_at": at(minutes=-1)}, "/sent_at"),
        ("written-requests", REQUESTED | {"requested_at": at(minutes=6)}, "/requested_at"),
        ("written-reports", {name: WRITTEN[name] for name in ("sent_at", "sent_by")}, "/reference"),
    ],
)
async def test_what_cannot_be_evidence_is_refused_by_its_field(
    api: Api, tail: str, body: dict[str, object], pointer: str
) -> None:
    """A problem names the field and echoes nothing; the duty is as it was."""
    duty = await reported(api)
    refused = await api.send("reviewer", "POST", f"/v1/duties/{duty['id']}/{tail}", body)
    assert (refused.status_code, [one["pointer"] for one in refused.json()["errors"]]) == (422, [pointer])
    assert MARKER not in refused.text
    (after,) = (await api.send("reviewer", "GET", "/v1/duties")).json()["items"]
    assert after == duty


async def test_the_same_key_records_one_call(api: Api) -> None:
    """A caller that lost the answer gets the same one, and the duty has one call."""
    duty = await reported(api)
    path, key = f"/v1/duties/{duty['id']}/calls", {"Idempotency-Key": "one-call"}
    answers = [await api.send("reviewer", "POST", path, CALLED, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert (await api.counts())["duty_calls"] == 1


async def test_duties_are_found_by_state_record_agency_and_lateness(either: Api) -> None:
    """Each filter alone; what is late is what waits past its deadline, and what has its evidence is not late."""
    duty = await reported(either, "US-TX")

    async def found(query: str) -> list[str]:
        items = (await either.send("auditor", "GET", f"/v1/duties?{query}")).json()["items"]
        return [one["id"] for one in items]

    mine = [duty["id"]]
    for query, expected in (
        ("state=open", mine),
        ("state=overdue", []),
        (f"record_id={duty['record']}", mine),
        (f"recipient_id={duty['recipient']['id']}", mine),
        (f"recipient_id={duty['recipient']['id'][:-4]}0000", []),
        ("overdue=true", []),
        ("overdue=false", mine),
    ):
        assert await found(query) == expected, query
    await watch(either.service, hours=1)
    assert await found("overdue=true&state=overdue") == mine
    await answer(either.service, duty["recipient"]["id"])
    assert (await found("overdue=true"), await found("overdue=false"), await found("state=discharged")) == (
        [],
        mine,
        mine,
    )


async def test_a_report_in_writing_that_is_late_is_found_too(either: Api) -> None:
    """The call was made, the letter was not."""
    duty = await reported(either)
    await either.send("reviewer", "POST", f"/v1/duties/{duty['id']}/calls", CALLED)
    either.service.clock.forward(hours=36)
    late = (await either.send("reviewer", "GET", "/v1/duties?overdue=true")).json()["items"]
    assert [one["id"] for one in late] == [duty["id"]]


async def test_a_duty_tells_where_it_stands_at_others(api: Api) -> None:
    """Police accepted: child protection's duty names theirs, and by what both are discharged."""
    await api.service.enrol(agency(CPS, "US-TX"))
    recipient = (await api.service.enrol(agency(LE, "US-TX"))).recipient.id
    await api.service.accept(tip(person(years=12, guardians=BLAMELESS)))
    await api.service.deliver()
    await answer(api.service, recipient)
    listed = (await api.send("reviewer", "GET", "/v1/duties")).json()["items"]
    ids = {one["recipient"]["kind"]: one["id"] for one in listed}
    told = (await api.send("reviewer", "GET", f"/v1/duties/{ids['child_protection']}")).json()
    assert told["discharged_by"] == "elsewhere"
    assert [(one["id"], one["discharged_by"]) for one in told["others"]] == [(ids["law_enforcement"], "acknowledged")]


async def test_pages_of_duties_follow_each_other(api: Api) -> None:
    """Two records, one a page."""
    await api.service.enrol(agency(LE, "US-TX"))
    for name in ("T-1", "T-2"):
        await api.service.accept(tip(person(years=12, guardians=BLAMELESS), external_id=name))
        api.service.clock.forward(seconds=1)
    first = await api.send("reviewer", "GET", "/v1/duties?limit=1")
    second = await api.send("reviewer", "GET", first.headers["link"].split(">")[0].removeprefix("<"))
    assert len({one["id"] for page in (first, second) for one in page.json()["items"]}) == 2
    assert "link" not in second.headers


async def test_a_lifted_duty_refuses_evidence_as_a_conflict(api: Api) -> None:
    """The duty without an agency was taken over by one: the problem says so, and nothing was stored."""
    await api.service.accept(tip(person(years=12, guardians=BLAMELESS)))
    (lost,) = (await api.send("reviewer", "GET", "/v1/duties")).json()["items"]
    assert lost["recipient"] is None
    await api.service.enrol(agency(LE))
    await api.service.revisit()
    refused = await api.send("reviewer", "POST", f"/v1/duties/{lost['id']}/calls", CALLED | {"kind": "law_enforcement"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tiprouter:problem:duty-not-owed")
    assert (await api.counts())["duty_calls"] == 0


def test_the_examples_can_be_sent_as_they_stand() -> None:
    """Each is what its schema says, and nobody in it exists."""
    assert CallBody.model_validate(CALL).called().words.reference == "EX-2026-0002"
    assert LetterBody.model_validate(LETTER).wrote().words.sent_by == "Example Worker"
    assert "555-01" in CALL["number"]
