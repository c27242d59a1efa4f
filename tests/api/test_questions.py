"""Agencies' questions and signed acknowledgements, asked over HTTP."""

import json
from typing import Any

from tests.api.calling import Api, with_agency
from tests.support.fictional import agency, grant, tip
from tests.support.giving import another, give
from tests.support.questioning import ED25519, entries, public
from tiprouter.api.schemas.webhooks import DisclosureAnswered
from tiprouter.domain.vocabulary import Category, RecipientKind
from tiprouter.receiver import Message
from tiprouter.receiver.acknowledgement import public_jwk, sign_acknowledgement
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.credentials import CallerRole

LE = RecipientKind.LAW_ENFORCEMENT
ANSWER = {"text": "Zyxwv-Marker-Secret: a blue van", "persons": ["p1"], "category": "incident"}


async def disclosed(api: Api, **changes: Any) -> str:  # noqa: ANN401 - fields of a recipient
    """An adult's tip reached the police; the disclosure's id."""
    await with_agency(api, "police", (await api.service.enrol(agency(LE, **changes))).recipient.id)
    accepted = await api.service.accept(tip())
    await api.service.consent(
        Whose(person_id=accepted.stored.persons[0]), grant(LE, categories=(Category.INCIDENT, Category.LOCATION))
    )
    await api.service.deliver()
    (listed,) = (await api.send("police", "GET", "/v1/disclosures")).json()["items"]
    return str(listed["id"])


async def asked(api: Api, disclosure_id: str, question: str = "Which van?") -> str:
    """The police ask; the question's id."""
    body = {"status": "needs_information", "question": question, "case_number": "EX-1"}
    made = await api.send("police", "POST", f"/v1/disclosures/{disclosure_id}/acknowledgements", body)
    assert made.status_code == 201
    return str((await api.send("intake", "GET", "/v1/questions?state=open")).json()["items"][0]["id"])


async def test_a_question_is_listed_read_and_answered(either: Api) -> None:
    """The list holds no words, the question does; the answer's webhook is as documented."""
    disclosure_id = await disclosed(either)
    question_id = await asked(either, disclosure_id)
    listed = (await either.send("reviewer", "GET", "/v1/questions")).json()["items"][0]
    assert "question" not in listed
    read = (await either.send("intake", "GET", f"/v1/questions/{question_id}")).json()
    assert (read["question"], read["case_number"], read["persons"]) == ("Which van?", "EX-1", ["p1"])
    assert (read["asked_about"], read["state"], read["answer"]) == (disclosure_id, "open", None)
    given = await either.send("intake", "POST", f"/v1/questions/{question_id}/answer", ANSWER)
    assert (given.status_code, given.json()["result"]) == (200, "sent")
    assert "blue van" not in given.text
    await either.service.deliver()
    body = json.loads(either.service.sent[-1].body.body)
    assert DisclosureAnswered.model_validate(body).data.statement.text == ANSWER["text"]
    after = (await either.send("intake", "GET", f"/v1/questions/{question_id}")).json()
    assert (after["state"], after["answer"]["state"]) == ("answered", "delivered")
    shown = (await either.send("auditor", "GET", f"/v1/disclosures/{after['answer']['disclosure']}")).json()
    assert shown["answers"] == question_id
    again = await either.send("intake", "POST", f"/v1/questions/{question_id}/answer", ANSWER)
    assert (again.status_code, again.json()["type"]) == (409, "urn:tiprouter:problem:question-settled")
    await either.service.check_house()


async def test_a_withheld_answer_is_a_result_with_its_reason(api: Api) -> None:
    """Not an error, never silent: why, because of whom, and what may be told of them."""
    question_id = await asked(api, await disclosed(api))
    body = ANSWER | {"category": "health"}
    given = (await api.send("intake", "POST", f"/v1/questions/{question_id}/answer", body)).json()
    assert (given["result"], given["question"]["state"]) == ("category_withheld", "open")
    (barred,) = given["withheld_by"]
    assert (barred["ref"], barred["outcome"], set(barred["permitted"])) == ("p1", "DISCLOSE", {"incident", "location"})
    assert (await api.send("reviewer", "GET", f"/v1/decisions/{barred['decision']}")).status_code == 200


async def test_an_answer_says_whom_it_is_about_and_what_it_is(api: Api) -> None:
    """Without label, about nobody, or about a stranger: refused at its field, and the question stays open."""
    question_id = await asked(api, await disclosed(api))
    for changes, pointer in (
        ({"category": None}, "/category"),
        ({"persons": []}, "/persons"),
        ({"persons": ["p9"]}, "/persons/0"),
    ):
        answer = await api.send("intake", "POST", f"/v1/questions/{question_id}/answer", ANSWER | changes)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert len((await api.send("intake", "GET", "/v1/questions?state=open")).json()["items"]) == 1


async def test_the_same_key_answers_once(api: Api) -> None:
    """Whoever lost the answer's answer gets it again, and nothing is sent twice."""
    question_id = await asked(api, await disclosed(api))
    path, headers = f"/v1/questions/{question_id}/answer", {"Idempotency-Key": "the-same"}
    first = await api.send("intake", "POST", path, ANSWER, headers)
    again = await api.send("intake", "POST", path, ANSWER, headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (await api.service.rows("select count(*) as n from disclosures"))[0].n == 2


async def test_questions_are_paged_by_key(api: Api) -> None:
    """Newest first; the link goes on where the page ended, with its filter."""
    disclosure_id = await disclosed(api)
    ids = []
    for number in range(3):
        api.service.clock.forward(seconds=1)
        ids.append(await asked(api, disclosure_id, f"Example {number}?"))
    page = await api.send("intake", "GET", "/v1/questions?state=open&limit=2")
    assert [one["id"] for one in page.json()["items"]] == ids[:0:-1]
    rest = await api.send("intake", "GET", page.headers["link"].partition(">")[0].strip("<"))
    assert [one["id"] for one in rest.json()["items"]] == ids[:1]
    assert "link" not in rest.headers


async def signed(api: Api, disclosure_id: str, status: str = "accepted") -> dict[str, str]:
    """A well signed acknowledgement of the last message."""
    envelope = api.service.sent[-1]
    message = Message(envelope.webhook_id, api.service.clock.at, envelope.body.body)
    assert disclosure_id in envelope.body.body.decode()
    return {"status": status, "jws": sign_acknowledgement(message, status, ED25519, api.service.clock.at)}


async def test_a_signed_acknowledgement_is_named_by_its_key_and_exported_by_role(either: Api) -> None:
    """The auditor sees which key signed and has the JWS, and still none of the agency's words."""
    disclosure_id = await disclosed(either, acknowledgement_key=public(ED25519))
    body = await signed(either, disclosure_id) | {"case_number": "EX-1"}
    made = await either.send("police", "POST", f"/v1/disclosures/{disclosure_id}/acknowledgements", body)
    assert (made.status_code, made.json()["signed_by"]) == (201, public(ED25519).thumbprint)
    (said,) = (await either.send("auditor", "GET", f"/v1/disclosures/{disclosure_id}")).json()["acknowledgements"]
    assert (said["signed_by"], said["case_number"]) == (public(ED25519).thumbprint, None)
    path = f"/v1/acknowledgements/{said['id']}/jws"
    exported = await either.send("auditor", "GET", path)
    assert (exported.text, exported.headers["content-type"]) == (body["jws"], "application/jose")
    for role in ("intake", "operator", "counsel", "police"):
        assert (await either.send(role, "GET", path)).status_code == 404
    again = await either.send("police", "POST", f"/v1/disclosures/{disclosure_id}/acknowledgements", body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:tiprouter:problem:acknowledgement-repeated")
    await either.service.check_house()


async def test_a_signature_that_is_refused_is_a_problem_and_an_entry(either: Api) -> None:
    """422 at its field, by either way in; nothing is acknowledged, and the log tells of each refusal."""
    disclosure_id = await disclosed(either, acknowledgement_key=public(ED25519))
    body = await signed(either, disclosure_id, "closed") | {"status": "accepted"}
    delivery = (await either.service.rows("select id from deliveries"))[0].id
    for path in (f"/v1/disclosures/{disclosure_id}/acknowledgements", f"/v1/inbox/{delivery}/ack"):
        answer = await either.send("police", "POST", path, body)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:tiprouter:problem:signature-untrusted")
        assert answer.json()["errors"][0]["pointer"] == "/jws"
        assert body["jws"] not in answer.text
    assert [one["disclosure"] for one in await entries(either.service, "acknowledgement.refused")] == [
        disclosure_id
    ] * 2
    assert await either.service.rows("select id from acknowledgements") == []


async def test_an_operator_registers_an_agencys_key(api: Api) -> None:
    """A public JWK and nothing else; it is shown with its thumbprint, and old entries have none."""
    body = {
        "name": "Example police",
        "kind": "law_enforcement",
        "jurisdictions": ["US-TX"],
        "url": "https://agency.example/hook",
    }
    jwk = public_jwk(ED25519.public_key())
    made = await api.send("operator", "POST", "/v1/recipients", body | {"acknowledgement_key": jwk})
    assert made.status_code == 201, made.text
    assert made.json()["acknowledgement_key"] == jwk | {"y": None, "thumbprint": public(ED25519).thumbprint}
    for wrong in (jwk | {"d": "A" * 43}, jwk | {"kty": "EC"}, jwk | {"crv": "P-256"}, {"kty": "oct", "k": "A" * 43}):
        refused = await api.send("operator", "POST", "/v1/recipients", body | {"acknowledgement_key": wrong})
        assert refused.status_code == 422
        assert "A" * 43 not in refused.text
    plain = (await api.send("operator", "POST", "/v1/recipients", body)).json()
    assert plain["acknowledgement_key"] is None
    changed = body | {"acknowledgement_key": jwk}
    path = f"/v1/recipients/{plain['id']}"
    first = {"If-Match": '"1"'}
    alone = await api.send("operator", "PUT", path, changed, first)
    assert alone.json()["type"] == "urn:tiprouter:problem:second-person"
    asked = await api.send("operator", "POST", f"{path}/changes", {"acknowledgement_key": jwk}, first)
    _, api.tokens["second"] = await give(api.service, CallerRole.OPERATOR, by=another("second"))
    done = await api.send("second", "POST", f"/v1/endpoint-changes/{asked.json()['id']}/confirm")
    assert done.json()["acknowledgement_key"]["thumbprint"] == public(ED25519).thumbprint
    (logged,) = await entries(api.service, "recipient.changed")
    assert logged["key"] == public(ED25519).thumbprint
