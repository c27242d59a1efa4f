"""Another person's word over HTTP: asked, listed, said, used or taken back, and refused in words of its own."""

from datetime import timedelta

from tests.api.calling import Api, agency, tip
from tests.api.governed import problem
from tests.support.giving import another, give
from tests.support.second_words import agree, ask
from tests.support.service import START
from tiprouter.domain.redaction import stamp
from tiprouter.workflow.credentials import CallerRole

PATH = "/v1/second-words"


async def _agency(api: Api) -> str:
    """An agency, as the operator registered it."""
    return str((await api.send("operator", "POST", "/v1/recipients", agency())).json()["id"])


async def test_a_second_word_from_the_asking_to_the_deed(either: Api) -> None:
    """Who asked, who said it, who used it and until when it could be are told at each step, newest first."""
    to = await _agency(either)
    asked = (await either.send("operator", "POST", PATH, {"act": "key", "subject": to})).json()
    assert (asked["act"], asked["subject"], asked["state"]) == ("key", to, "asked")
    assert asked["until"] == stamp(START + timedelta(hours=24))
    assert problem(await either.send("operator", "POST", f"{PATH}/{asked['id']}/say")) == (409, "key-same-person")
    said = (await either.send("custodian", "POST", f"{PATH}/{asked['id']}/say")).json()
    assert (said["state"], said["said_by"] is None, said["ended_by"]) == ("said", False, None)
    assert problem(await either.send("custodian", "POST", f"{PATH}/{asked['id']}/say")) == (409, "second-word-ended")
    keys = f"/v1/recipients/{to}/signing-keys"
    assert (await either.send("operator", "POST", keys, {"overlap_days": 0})).status_code == 201
    assert problem(await either.send("operator", "POST", keys, {"overlap_days": 0})) == (409, "second-word-needed")
    either.service.clock.forward(seconds=1)
    later = await ask(either, "operator", "key", to)
    withdrawn = (await either.send("custodian", "POST", f"{PATH}/{later}/withdraw")).json()
    shown = (await either.send("custodian", "GET", PATH)).json()["items"]
    assert shown[0] == withdrawn
    assert [(one["id"], one["state"]) for one in shown] == [(later, "withdrawn"), (asked["id"], "used")]
    assert shown[1]["ended_by"] == asked["asked_by"] != shown[1]["said_by"]


async def test_nobody_is_told_of_the_acts_of_another_role(api: Api) -> None:
    """A custodian sees keys, a reviewer exports, counsel exports and roll-backs; the rest is not there."""
    to = await _agency(api)
    words = {"key": await ask(api, "operator", "key", to), "roll-back": await ask(api, "operator", "roll-back")}
    sees = {"operator": {"key", "roll-back"}, "custodian": {"key"}, "counsel": {"roll-back"}, "auditor": set()}
    for role, acts in sees.items():
        found = (await api.send(role, "GET", PATH)).json()["items"]
        assert {one["id"] for one in found} == {words[act] for act in acts}, role
        for act in words.keys() - acts:
            assert (await api.send(role, "POST", f"{PATH}/{words[act]}/say")).status_code == 404
    refused = await api.send("auditor", "POST", PATH, {"act": "key", "subject": to})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/act")
    refused = await api.send("operator", "POST", PATH, {"act": "key", "subject": "rcp_01KJQH0CC0BX86ENBVMH4TY5PG"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/subject")


async def test_an_export_and_a_roll_back_are_refused_in_words_of_their_own(api: Api) -> None:
    """One person of two credentials says nothing to themself."""
    made, api.tokens["again"] = await give(api.service, CallerRole.COUNSEL, by=another("who_gave_the_counsel"))
    assert made.role == "counsel"
    rolled = await ask(api, "counsel", "roll-back")
    assert problem(await api.send("again", "POST", f"{PATH}/{rolled}/say")) == (409, "roll-back-same-person")
    _, api.tokens["again"] = await give(api.service, CallerRole.AUDITOR, by=another("who_gave_the_auditor"))
    tip_id = (await api.send("intake", "POST", "/v1/tips", tip())).json()["id"]
    export = await ask(api, "auditor", "export", tip_id)
    assert problem(await api.send("again", "POST", f"{PATH}/{export}/say")) == (409, "export-same-person")
    await agree(api, "auditor", "counsel", "export", tip_id)
    await api.service.sequencer.drain()
    assert (await api.send("again", "GET", f"/v1/matters/{tip_id}/audit-bundle")).status_code == 200
