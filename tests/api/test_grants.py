"""One matter over HTTP: asked for, opened, read, exported, and not there for anybody else."""

import base64
import hashlib
import json
from collections import Counter
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.api.calling import MARKER, Api, tip
from tests.api.test_access import seen
from tests.support.fictional import SECRET, agency, grant, person
from tests.support.fictional import tip as tip_of
from tests.support.giving import another, give
from tests.support.granting import AGENCY_WORDS, LE, matter, police
from tests.support.second_words import agree
from tests.support.service import START, Service
from tiprouter.audit.entry import Entry, commit, parse
from tiprouter.audit.kinds import Kind
from tiprouter.audit.matter_bundle import MATTER, entry_path, index_in, unpack
from tiprouter.audit.matter_verify import verify_bundle
from tiprouter.domain.redaction import stamp
from tiprouter.storage import erasure
from tiprouter.workflow import log_keys
from tiprouter.workflow.consenting import Whose
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import Actor
from tiprouter.workflow.overdue import watch_duties

_LOG = 'select "index" as place, entry from log_entries'
ABSENT = "grt_01KJQH0CC0BX86ENBVMH4TY5PG"


async def _made(api: Api, name: str, role: CallerRole) -> str:
    """Another credential of a role, by name; its id."""
    made, api.tokens[name] = await give(api.service, role, by=another(name))
    return made.id


async def _asked(api: Api, record_id: str, role: str = "auditor", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    until = stamp(api.service.clock.at + timedelta(days=7))
    body = {"record": record_id, "until": until, "reason": f"why {MARKER}"} | more
    answer = await api.send(role, "POST", "/v1/grants", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def _exported(api: Api, record_id: str) -> httpx2.Response:
    """A matter's audit bundle, by another person's word."""
    await agree(api, "auditor", "reviewer", "export", record_id)
    return await api.send("auditor", "GET", f"/v1/matters/{record_id}/audit-bundle")


async def _entries(service: Service) -> dict[int, Entry]:
    """The log's entries by index."""
    return {one.place: parse(bytes(one.entry)) for one in await service.rows(_LOG)}


async def _opened(api: Api, record_id: str) -> str:
    made = await _asked(api, record_id)
    for role in ("reviewer", "counsel"):
        assert (await api.send(role, "POST", f"/v1/grants/{made['id']}/approve")).status_code == 200
    return str(made["id"])


async def test_a_grant_from_the_asking_to_the_end(either: Api) -> None:
    """Asked, approved by two others, read, revoked; its states and its people are told at each step."""
    record_id = await matter(either.service, await police(either.service))
    made = await _asked(either, record_id)
    assert (made["state"], made["approved_by"]) == ("asked", None)
    path = f"/v1/grants/{made['id']}"
    assert (await either.send("auditor", "GET", f"{path}/matter")).status_code == 404
    first = (await either.send("reviewer", "POST", f"{path}/approve")).json()
    assert first["state"] == "approved"
    assert (await either.send("reviewer", "POST", f"{path}/approve")).status_code == 409
    assert (await either.send("auditor", "GET", f"{path}/matter")).status_code == 404
    second = (await either.send("counsel", "POST", f"{path}/approve")).json()
    assert (second["state"], second["approved_by"]) == ("open", first["approved_by"])
    assert second["opened_by"] not in (first["approved_by"], made["asked_by"])
    assert (await either.send("auditor", "GET", f"{path}/matter")).status_code == 200
    shown = (await either.send("counsel", "GET", path)).json()
    assert shown["reason"] == f"why {MARKER}"
    listed = await either.send("reviewer", "GET", "/v1/grants")
    assert [one["id"] for one in listed.json()["items"]] == [made["id"]]
    assert MARKER not in listed.text
    assert (await either.send("auditor", "POST", f"{path}/revoke")).json()["state"] == "revoked"
    assert (await either.send("auditor", "GET", f"{path}/matter")).status_code == 404
    assert (await either.send("counsel", "POST", f"{path}/revoke")).status_code == 409


async def test_an_opened_matter_is_whole_and_every_part_names_its_entry(either: Api) -> None:
    """As the hotline wrote it, with facts, payloads, attempts, words and duties; each entry is that of its making."""
    service = either.service
    record_id = await matter(service, await police(service))
    await service.check_house()
    told = (await either.send("auditor", "GET", f"/v1/grants/{await _opened(either, record_id)}/matter")).json()
    assert [one["tip"]["persons"][0]["identity"]["second_name"] for one in told["revisions"]] == [SECRET]
    assert [one["ref"] for one in told["persons"]] == ["p1", "c1"]
    assert [(one["revision"], one["state"]) for one in told["consents"]] == [(1, "standing"), (2, "withdrawn")]
    assert all(one["facts"] and one["salt"] for one in told["decisions"])
    sent = [one for one in told["disclosures"] if one["recalls"] is None]
    assert any(SECRET in json.dumps(one["payload"]) for one in sent)
    assert [said["reason"] for one in sent for said in one["acknowledgements"]] == [AGENCY_WORDS]
    assert any(one["recalls"] for one in told["disclosures"])
    assert told["duties"]
    named = {"revisions": "record", "consents": "consent", "decisions": "decision", "duties": "duty"}
    rows = {
        row.place: parse(bytes(row.entry))
        for row in await service.rows('select "index" as place, entry from log_entries')
    }
    for part, name in named.items():
        for one in told[part]:
            assert rows[one["log"]["index"]].body[name] == one.get("id", record_id), part
    for one in told["disclosures"]:
        assert rows[one["log"]["index"]].body["recall" if one["recalls"] else "disclosure"] == one["id"]
        for attempt in one["attempts"]:
            assert rows[attempt["log"]["index"]].kind == "attempt.started"
            assert rows[attempt["log"]["index"]].body["attempt"] == attempt["id"]
        for said in one["acknowledgements"]:
            assert rows[said["log"]["index"]].body["acknowledgement"] == said["id"]


async def test_a_grant_opens_what_the_log_commits_to_of_one_disclosure(either: Api) -> None:
    """Facts, digest and words open the very entries; without the grant, with another's or another record's, nothing."""
    service = either.service
    recipient = await police(service)
    record_id = await matter(service, recipient)
    mine = await _opened(either, record_id)
    opened: dict[int, str | None] = {}
    paths = [
        f"/v1/disclosures/{one['id']}"
        for one in (await either.send("auditor", "GET", "/v1/disclosures")).json()["items"]
    ]
    assert len(paths) > 1
    for path in paths:
        assert (await either.send("auditor", "GET", path)).json()["openings"] is None
        answer = await either.send("auditor", "GET", f"{path}?grant={mine}")
        assert answer.headers["Cache-Control"] == "no-store"
        told = answer.json()
        opened |= {one["log"]["index"]: one["opening"] for one in told["openings"]}
        places = {one["log"]["index"] for one in (told, *told["because"], *told["acknowledgements"])}
        assert {one["log"]["index"] for one in told["openings"]} <= places
    await service.sequencer.drain()
    entries = await _entries(service)
    members = {Kind.DECISION: "facts", Kind.DISCLOSURE_MADE: "digest", Kind.ACKNOWLEDGEMENT: "commitment"}
    assert {entries[index].kind for index in opened} == set(members)
    for index, opening in opened.items():
        assert opening is not None
        salt, member, value = json.loads(_decoded(opening))
        assert member == members[entries[index].kind]
        assert commit(_decoded(salt), value.encode()) == entries[index].body[member]
    looks = [one.body for one in entries.values() if one.kind is Kind.ACCESS and one.body["what"] == "disclosure"]
    assert Counter(one["why"] for one in looks) == {mine: len(paths), "oversight": len(paths)}

    absent = (await either.send("auditor", "GET", f"/v1/disclosures/dis_{'0' * 26}")).json()["type"]
    for role, named in (("reviewer", mine), ("auditor", f"grt_{'0' * 26}")):
        answer = await either.send(role, "GET", f"{paths[0]}?grant={named}")
        assert (answer.status_code, answer.json()["type"]) == (404, absent)
    other = await _opened(either, await matter(service, recipient, 2))
    assert (await either.send("auditor", "GET", f"{paths[0]}?grant={other}")).status_code == 404
    assert (await either.send("auditor", "POST", f"/v1/grants/{mine}/revoke")).status_code == 200
    assert (await either.send("auditor", "GET", f"{paths[0]}?grant={mine}")).status_code == 404


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_absent_and_forbidden_look_the_same(api: Api) -> None:
    """Another auditor's grant, one that is not open, one that never was: byte for byte."""
    record_id = await matter(api.service, await police(api.service))
    grant_id, waiting = await _opened(api, record_id), (await _asked(api, record_id))["id"]
    await _made(api, "stranger", CallerRole.AUDITOR)
    absent = seen(await api.send("auditor", "GET", f"/v1/grants/{ABSENT}"))
    for role, path in (
        ("stranger", f"/v1/grants/{grant_id}"),
        ("stranger", f"/v1/grants/{grant_id}/matter"),
        ("auditor", f"/v1/grants/{waiting}/matter"),
        ("auditor", f"/v1/grants/{ABSENT}/matter"),
        ("reviewer", f"/v1/grants/{grant_id}/matter"),
        ("intake", f"/v1/grants/{grant_id}"),
        ("stranger", "/v1/matters/tip_01KJQH0CC0BX86ENBVMH4TY5PG/audit-bundle"),
        ("counsel", f"/v1/matters/{record_id}/audit-bundle"),
    ):
        assert seen(await api.send(role, "GET", path)) == absent, (role, path)
    for name in ("approve", "revoke"):
        assert (await api.send("counsel", "POST", f"/v1/grants/{ABSENT}/{name}")).status_code == 404
    assert (await api.send("stranger", "POST", f"/v1/grants/{grant_id}/revoke")).status_code == 404
    assert (await api.send("stranger", "GET", "/v1/grants")).json() == {"items": []}


async def test_counsel_asks_for_an_auditor_and_nobody_else(api: Api) -> None:
    """An auditor asks for themselves alone; counsel names an auditor who may call; both by /auditor."""
    record_id = await matter(api.service, await police(api.service))
    second = await _made(api, "second", CallerRole.AUDITOR)
    reviewer = await _made(api, "third", CallerRole.REVIEWER)
    made = await _asked(api, record_id, "counsel", auditor=second)
    for role in ("reviewer", "third"):
        assert (await api.send(role, "POST", f"/v1/grants/{made['id']}/approve")).status_code == 200
    assert (await api.send("second", "GET", f"/v1/grants/{made['id']}/matter")).status_code == 200
    assert (await api.send("auditor", "GET", f"/v1/grants/{made['id']}/matter")).status_code == 404
    until = stamp(START + timedelta(days=2))
    for role, named in (("auditor", second), ("counsel", reviewer), ("counsel", None), ("counsel", ABSENT)):
        body = {"record": record_id, "until": until, "reason": "x", "auditor": named}
        answer = await api.send(role, "POST", "/v1/grants", {k: v for k, v in body.items() if v is not None})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/auditor"), (role, named)


async def test_a_bundle_verifies_without_the_service_and_names_nobody(either: Api) -> None:
    """Its entries are the log's, its export is logged with its SHA-256 before it leaves, and nobody's word is in it."""
    service = either.service
    recipient = await police(service)
    record_id, other = await matter(service, recipient, 1), await matter(service, recipient, 2)
    answer = await _exported(either, record_id)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    files = unpack(answer.content)
    report = verify_bundle(files, service.signer.vkey, service.clock.at)
    assert report.ok, report.steps
    assert SECRET.encode() not in answer.content
    assert other.encode() not in answer.content
    rows = await service.rows("select entry from outbox order by serial")
    body = parse(bytes(rows[-1].entry)).body
    assert parse(bytes(rows[-1].entry)).kind == "export.made"
    assert (body["record"], body["digest"]) == (record_id, hashlib.sha256(answer.content).hexdigest())
    again = await either.send("auditor", "GET", f"/v1/matters/{record_id}/audit-bundle")
    assert again.content == answer.content
    told = json.loads(files[MATTER])
    assert any("persons[].identity.first_name" in (one["fields"] or ()) for one in told["disclosures"])
    assert all(one["facts"] for one in told["decisions"])


async def test_a_bundle_has_every_entry_that_names_the_record(either: Api) -> None:
    """All of the log's that do, and those of its attempts, acknowledgements and consents."""
    service = either.service
    record_id = await matter(service, await police(service))
    await either.send("auditor", "GET", f"/v1/grants/{await _opened(either, record_id)}/matter")
    service.clock.forward(days=3)
    await service.database.write(lambda tx: watch_duties(tx, service.desk))
    await service.check_house()
    files = unpack((await _exported(either, record_id)).content)
    held = {part[1] for path in files if (part := index_in(path)) is not None}
    every = {
        row.place: parse(bytes(row.entry))
        for row in await service.rows('select "index" as place, entry from log_entries')
    }
    naming = {
        index
        for index, entry in every.items()
        if entry.body.get("record") == record_id and entry.kind not in ("grant.read", "grant.expired")
    }
    assert naming <= held
    kinds = {every[index].kind.value for index in held}
    assert kinds >= {
        *("record.accepted", "consent.granted", "consent.withdrawn", "decision", "disclosure.made", "recall.made"),
        *(
            "attempt.started",
            "attempt.finished",
            "acknowledgement",
            "duty.opened",
            "duty.overdue",
            "grant.asked",
            "grant.opened",
        ),
    }
    assert all(files[entry_path(index)] for index in held)


async def test_one_person_in_two_matters_leads_from_neither_to_the_other(either: Api) -> None:
    """Her withdrawal decided both in one transaction; the bundle and the opened matter of one do not name the other."""
    service = either.service
    recipient = await police(service)
    mine = await matter(service, recipient)
    other = (await service.accept(tip_of(person("p1"), external_id="T-9"))).stored
    given = await service.consent(Whose(person_id=other.persons[0]), grant(LE))
    await service.deliver()
    service.clock.forward(seconds=1)
    await service.withdraw(given.consent.id)
    await service.check_house()
    answer = await _exported(either, mine)
    assert verify_bundle(unpack(answer.content), service.signer.vkey).ok
    assert other.id.encode() not in answer.content
    told = await either.send("auditor", "GET", f"/v1/grants/{await _opened(either, mine)}/matter")
    assert given.consent.id in told.text  # it is hers, and decisions about her rest on it
    assert other.id not in told.text


async def test_a_bundle_follows_the_logs_key_to_its_successor(api: Api) -> None:
    """Whoever has the first key verifies what the third one signed."""
    service = api.service
    record_id = await matter(service, await police(service))
    for _ in range(2):
        await service.database.write(
            lambda tx: log_keys.replace(tx, service.desk, Actor("cal_operator", "operator"), service.signer)
        )
        await service.sequencer.drain()
    files = unpack((await _exported(api, record_id)).content)
    assert verify_bundle(files, service.signer.vkey).ok


async def test_what_was_erased_is_proved_and_not_told(api: Api) -> None:
    """The bundle verifies, says that content was erased, and has no field's name of it."""
    record_id = await matter(api.service, await police(api.service))
    await api.service.database.write(
        lambda tx: erasure.whole(tx, api.service.desk.vault, record_id, api.service.clock.at)
    )
    files = unpack((await _exported(api, record_id)).content)
    assert verify_bundle(files, api.service.signer.vkey).ok
    assert {one["fields"] for one in json.loads(files[MATTER])["disclosures"]} == {None}
    refused = {"record": record_id, "until": stamp(api.service.clock.at + timedelta(days=1)), "reason": "x"}
    answer = await api.send("auditor", "POST", "/v1/grants", refused)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/record")


async def test_a_matter_that_is_not_in_the_log_yet_is_asked_for_again(api: Api) -> None:
    """Until the sequencer comes by there is nothing to prove."""
    await api.service.enrol(agency())
    record_id = (await api.send("intake", "POST", "/v1/tips", tip())).json()["id"]
    assert (await api.send("auditor", "GET", f"/v1/matters/{record_id}/audit-bundle")).status_code == 503


async def test_attempts_and_acknowledgements_name_their_entries_to_the_hotlines_own_alone(api: Api) -> None:
    """In a delivery and in a disclosure; an agency is told no place in the log."""
    recipient = await police(api.service)
    await matter(api.service, recipient)
    rows = (await api.send("auditor", "GET", "/v1/disclosures")).json()["items"]
    answered = rows[-1]["id"]
    for row in rows:
        told = (await api.send("auditor", "GET", f"/v1/disclosures/{row['id']}")).json()
        delivery = (await api.send("operator", "GET", f"/v1/deliveries/{row['delivery']['id']}")).json()
        assert all(one["log"] for one in (*told["attempts"], *told["acknowledgements"], *delivery["history"]))
        answered = row["id"] if told["acknowledgements"] else answered
    api.tokens["police"] = (await give(api.service, CallerRole.AGENCY, recipient.id))[1]
    own = (await api.send("police", "GET", f"/v1/disclosures/{answered}")).json()
    assert own["acknowledgements"]
    assert {one["log"] for one in (*own["attempts"], *own["acknowledgements"])} == {None}


@pytest.mark.parametrize("change", [{"until": "soon"}, {"reason": ""}, {"record": "x"}, {"more": 1}, {"until": None}])
async def test_a_request_that_is_not_as_the_schema_says_is_refused(api: Api, change: dict[str, Any]) -> None:
    """Nothing is echoed."""
    body = {"record": "tip_01KJQH0CC0BX86ENBVMH4TY5PG", "until": stamp(START + timedelta(days=1)), "reason": MARKER}
    answer = await api.send("auditor", "POST", "/v1/grants", body | change)
    assert answer.status_code == 422
    assert MARKER not in answer.text
