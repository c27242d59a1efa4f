"""What an auditor asks of all decisions and disclosures, and what one of them tells from end to end."""

import csv
import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.api.calling import MARKER, Api, at, grant, tip, with_agency
from tests.support.fictional import agency
from tiprouter.audit.entry import parse
from tiprouter.domain.lateness import Lateness
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage import treelog
from tiprouter.workflow import searching, tracing


async def _told(api: Api, path: str, role: str = "auditor") -> Any:  # noqa: ANN401 - JSON
    answer = await api.send(role, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _ids(api: Api, path: str) -> set[str]:
    return {one["id"] for one in (await _told(api, path))["items"]}


async def _happened(api: Api) -> dict[str, str]:
    """Two agencies; a child's report delivered late, a consent's disclosure recalled, a tip withheld."""
    police = (await api.service.enrol(agency())).recipient.id
    help_id = (await api.service.enrol(agency(RecipientKind.SERVICE_PROVIDER, "US-CA"))).recipient.id
    child = tip("T-child")
    child["persons"] = [child["persons"][0] | {"ref": "c1", "age": {"years": 14}}]
    child["signaler"]["ref"], child["statements"][0]["persons"] = "c1", ["c1"]
    child["statements"][0]["text"] = MARKER
    reported = (await api.send("intake", "POST", "/v1/tips", child)).json()["id"]
    api.service.clock.forward(hours=2)
    await api.service.deliver()
    withheld = (await api.send("intake", "POST", "/v1/tips", tip(received_at=at(hours=-2)))).json()["id"]
    consent = await api.send("intake", "POST", "/v1/consents", grant())
    assert consent.status_code == 201
    await api.service.deliver()
    api.service.clock.forward(seconds=1)
    assert (await api.send("reviewer", "POST", f"/v1/consents/{consent.json()['id']}/withdraw")).status_code == 200
    await api.service.sequencer.drain()
    return {"police": police, "help": help_id, "child": reported, "adult": withheld}


async def test_every_filter_of_decisions_keeps_what_it_names_and_nothing_else(either: Api) -> None:
    """Each filter's answer is what a plain look at all rows says it should be, and no filter is empty or all."""
    known = await _happened(either)
    every = (await _told(either, "/v1/decisions?limit=200"))["items"]
    middle = max(one["decided_at"] for one in every)
    bundle = every[0]["bundle"]
    policy = next(one["policies"][0] for one in every if one["outcome"] == "REPORT")
    facts = {one["id"]: (await _told(either, f"/v1/decisions/{one['id']}"))["facts"] for one in every}
    polices = [one for one in every if (one["recipient"] or {}).get("id") == known["police"]]
    made = (await _told(either, "/v1/disclosures?limit=200"))["items"]
    rests = {how: {each for one in made if one["lateness"] == how for each in one["decisions"]} for how in Lateness}
    expected = {
        f"since={middle}": [one for one in every if one["decided_at"] >= middle],
        f"until={middle}": [one for one in every if one["decided_at"] < middle],
        "jurisdiction=US-TX": polices,
        "recipient_kind=law_enforcement": polices,
        f"recipient_id={known['police']}": polices,
        f"record_id={known['child']}": [one for one in every if one["record"] == known["child"]],
        "outcome=WITHHOLD": [one for one in every if one["outcome"] == "WITHHOLD"],
        "outcome=WITHHOLD&current=true": [one for one in every if one["outcome"] == "WITHHOLD" and one["current"]],
        f"policy={policy}": [one for one in every if policy in one["policies"]],
        "basis=duty": [one for one in every if (facts[one["id"]] or {}).get("basis") == "duty"],
        "lateness=late": [one for one in every if one["id"] in rests[Lateness.LATE]],
        "lateness=in_time": [one for one in every if one["id"] in rests[Lateness.IN_TIME]],
        "lateness=late&outcome=REPORT": [one for one in every if one["id"] in rests[Lateness.LATE]],
        f"basis=consent&policy={policy}&record_kind=case": [],
        f"person_id={every[-1]['person']['id']}": [one for one in every if one["person"] == every[-1]["person"]],
    }
    for asked, rows in expected.items():
        found = (await _told(either, f"/v1/decisions?limit=200&{asked}"))["items"]
        assert found == rows, asked
        assert rows or "record_kind=case" in asked, asked
    assert (await _told(either, f"/v1/decisions?limit=200&bundle={bundle}&record_kind=tip"))["items"] == every
    for nothing in (
        "record_kind=case",
        "jurisdiction=US-NY",
        f"bundle={'0' * 64}",
        "policy=no.such",
        "lateness=never",
        "lateness=late&outcome=WITHHOLD",
    ):
        assert await _ids(either, f"/v1/decisions?{nothing}") == set(), nothing
    assert (await either.send("auditor", "GET", "/v1/decisions?policy=%22%25")).status_code == 422
    assert (await either.send("auditor", "GET", f"/v1/decisions?basis={policy}")).status_code == 422
    assert (await either.send("auditor", "GET", "/v1/decisions?lateness=early")).status_code == 422
    either.service.clock.forward(days=30)
    assert await _ids(either, "/v1/decisions?lateness=never") == set(), "a recall that never arrives is no decision's"


async def test_every_filter_of_disclosures_keeps_what_it_names_and_nothing_else(either: Api) -> None:
    """Late, in time, never and not yet; by policy, outcome, bundle, place, kind and state."""
    known = await _happened(either)
    every = (await _told(either, "/v1/disclosures?limit=200"))["items"]
    late = {one["id"] for one in every if one["record"] == known["child"]}
    recall = {one["id"] for one in every if one["recalls"] is not None}
    told = {one["id"] for one in every} - late - recall
    assert all((late, recall, told))
    assert {one["id"]: one["lateness"] for one in every} == (
        dict.fromkeys(late, "late") | dict.fromkeys(told, "in_time") | dict.fromkeys(recall)
    )
    all_of_them = late | recall | told
    decided = (await _told(either, "/v1/decisions?limit=200"))["items"]
    bundle, of = decided[0]["bundle"], {one["id"]: set(one["policies"]) for one in decided}
    named = {one["id"]: set().union(*(of[each] for each in one["decisions"])) for one in every}
    consented = min(set().union(*(named[one] for one in told)) - set().union(*(named[one] for one in late)))
    owed = min(set().union(*(named[one] for one in late)) - set().union(*(named[one] for one in told)))
    begun = min(one["made_at"] for one in every if one["id"] in told)
    recalled = min(one["made_at"] for one in every if one["id"] in recall)
    for asked, expected in {
        "lateness=late": late,
        "lateness=in_time": told,
        "lateness=never": set(),
        "state=queued": recall,
        "state=delivered": late | told,
        "outcome=REPORT": late,
        "outcome=DISCLOSE": told,
        f"bundle={bundle}": late | told,
        f"bundle={'0' * 64}": set(),
        f"policy={consented}": told,
        f"policy={owed}": late,
        "policy=no.such": set(),
        "basis=duty": late,
        "basis=consent": told,
        "basis=danger": set(),
        f"since={begun}": told | recall,
        f"since={recalled}": recall,
        f"until={recalled}": late | told,
        f"since={begun}&until={recalled}": told,
        f"recipient_id={known['police']}": all_of_them,
        f"recipient_id={known['help']}": set(),
        "jurisdiction=US": all_of_them,
        "jurisdiction=US-T": set(),
        "recipient_kind=service_provider": set(),
        f"recipient_kind=law_enforcement&lateness=late&record_id={known['adult']}": set(),
        "recipient_kind=law_enforcement&lateness=late": late,
        "record_kind=tip": all_of_them,
    }.items():
        assert await _ids(either, f"/v1/disclosures?{asked}") == expected, asked
    either.service.clock.forward(days=30)
    assert await _ids(either, "/v1/disclosures?lateness=never") == recall


async def test_a_row_names_the_entry_of_the_log_that_tells_of_it(api: Api) -> None:
    """The index is that of the decision's, the disclosure's or the recall's own entry, and its proof is there."""
    await _happened(api)
    for path, name in (("/v1/decisions", "decision"), ("/v1/disclosures", "disclosure")):
        for row in (await _told(api, f"{path}?limit=200"))["items"]:
            entry = partial(treelog.entry, index=row["log"]["index"])
            stored = await api.service.database.read(entry)
            assert stored is not None
            body = parse(stored.entry).body
            assert body["recall" if row.get("recalls") else name] == row["id"]
            assert (await api.send("auditor", "GET", row["log"]["proof"])).status_code == 200


async def test_what_is_not_yet_in_the_tree_has_no_index(api: Api) -> None:
    """Until the sequencer comes by, a row says so."""
    await api.service.enrol(agency())
    await api.send("intake", "POST", "/v1/tips", tip())
    assert [one["log"] for one in (await _told(api, "/v1/decisions"))["items"]] == [None]


async def test_all_rows_in_lines_or_csv_are_the_rows_of_the_pages(api: Api, monkeypatch: Any) -> None:  # noqa: ANN401
    """The same URL as NDJSON and CSV, a page of two at a time: every row once, one log entry before the first."""
    await _happened(api)
    monkeypatch.setattr(searching, "PAGE", 2)
    for path in ("/v1/decisions", "/v1/disclosures"):
        rows = (await _told(api, f"{path}?limit=200"))["items"]
        assert len(rows) > 2
        before = await api.counts()
        lines = await api.send("auditor", "GET", path, headers={"Accept": "application/x-ndjson"})
        assert (await api.counts())["outbox"] == before["outbox"] + 1
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in lines.text.splitlines()] == rows
        table = await api.send("auditor", "GET", path, headers={"Accept": "text/csv, application/json;q=0.5"})
        cells = list(csv.DictReader(io.StringIO(table.text)))
        assert [one["id"] for one in cells] == [one["id"] for one in rows]
        assert [one["log.index"] for one in cells] == [str(one["log"]["index"]) for one in rows]
        two = await api.send("auditor", "GET", f"{path}?limit=3", headers={"Accept": "application/x-ndjson"})
        assert [json.loads(line)["id"] for line in two.text.splitlines()] == [one["id"] for one in rows[:3]]
        assert (await api.send("auditor", "GET", path, headers={"Accept": "text/csv;q=0, */*"})).json()["items"]


async def test_a_disclosure_is_explained_from_end_to_end_without_a_value(either: Api) -> None:
    """Why, by which policies with their sources, which fields, every attempt, its recall; never what they held."""
    known = await _happened(either)
    found = await either.send("auditor", "GET", f"/v1/disclosures?record_id={known['adult']}")
    recall, made = found.json()["items"]
    answer = await either.send("auditor", "GET", f"/v1/disclosures/{made['id']}")
    told = answer.json()
    assert [one["outcome"] for one in told["because"]] == ["DISCLOSE"]
    assert all(policy["cite"] for one in told["because"] for policy in one["policies"])
    assert all(one["log"] is not None for one in told["because"])
    assert "persons[].identity.first_name" in told["sent"]
    assert "statements[].text" in told["sent"]
    assert [one["id"] for one in told["recalled_by"]] == [recall["id"]]
    assert [one["result"] for one in told["attempts"]] == ["success"]
    for value in ("Example text", "Person", "+1-555"):
        assert value not in answer.text
    late = (await _told(either, f"/v1/disclosures?record_id={known['child']}"))["items"][0]["id"]
    assert MARKER not in (await either.send("auditor", "GET", f"/v1/disclosures/{late}")).text


async def test_the_tests_notice_a_value_among_the_names(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: were values told beside names, what is looked for above would be found."""
    known = await _happened(api)
    right = tracing._names  # noqa: SLF001 - the fault is planted where the promise is kept

    def wrong(value: Any, at_: str) -> Iterator[str]:  # noqa: ANN401 - JSON
        if isinstance(value, dict | list):
            yield from right(value, at_)
            yield json.dumps(value)

    monkeypatch.setattr(tracing, "_names", wrong)
    made = (await _told(api, f"/v1/disclosures?record_id={known['child']}"))["items"][0]["id"]
    assert MARKER in (await api.send("auditor", "GET", f"/v1/disclosures/{made}")).text


async def test_every_answer_is_in_the_log_before_it_leaves(api: Api) -> None:
    """A page says how many rows, one disclosure says which; each in the transaction that read it."""
    known = await _happened(api)
    made = (await _told(api, f"/v1/disclosures?record_id={known['child']}"))["items"][0]["id"]
    person = (await _told(api, f"/v1/decisions?record_id={known['child']}"))["items"][0]["person"]["id"]
    older = f"since=2026-01-01T00:00:00Z&bundle={'0' * 64}"
    for path, said in (
        ("/v1/decisions?limit=1", {"what": "decisions", "count": 1, "filters": None, "subject": None}),
        ("/v1/disclosures?limit=2", {"what": "disclosures", "count": 2, "filters": None}),
        (f"/v1/disclosures/{made}", {"what": "disclosure", "count": 1, "subject": made, "filters": None}),
        (
            f"/v1/decisions?person_id={person}&current=true&outcome=REPORT&jurisdiction=US-TX&policy=a.b&{older}",
            {
                "what": "decisions",
                "count": 0,
                "subject": person,
                "filters": [
                    "bundle",
                    "current=true",
                    "jurisdiction=US-TX",
                    "outcome=REPORT",
                    "person_id",
                    "policy",
                    "since",
                ],
            },
        ),
        (
            f"/v1/disclosures?recipient_id={known['help']}&lateness=late&recipient_kind=law_enforcement",
            {
                "what": "disclosures",
                "subject": known["help"],
                "filters": ["lateness=late", "recipient_id", "recipient_kind=law_enforcement"],
            },
        ),
        ("/v1/deliveries?state=queued", {"what": "deliveries", "filters": ["state=queued"]}),
        ("/v1/duties?overdue=false", {"what": "duties", "filters": ["overdue=false"]}),
        ("/v1/reviews?state=open", {"what": "reviews", "filters": ["state=open"]}),
        (
            f"/v1/audit/entries?kind=decision&kind=access&actor_class=intake&record_id={known['child']}&until={at()}",
            {
                "what": "entries",
                "subject": known["child"],
                "filters": ["actor_class=intake", "kind=access", "kind=decision", "record_id", "until"],
            },
        ),
    ):
        before = (await api.counts())["outbox"]
        await _told(api, path)
        rows = await api.service.rows("SELECT entry FROM outbox ORDER BY serial")
        assert len(rows) == before + 1
        body = parse(rows[-1][0]).body
        assert {name: body.get(name) for name in said} == said
        assert (body["role"], body["why"]) == ("auditor", "oversight")


async def test_an_erased_disclosure_says_no_more_which_fields_it_had(api: Api) -> None:
    """The names went with the content; the rest of the story stays."""
    known = await _happened(api)
    made = (await _told(api, f"/v1/disclosures?record_id={known['child']}"))["items"][0]["id"]
    for role in ("reviewer", "reviewer"):
        await api.send(role, "POST", f"/v1/records/{known['child']}/erase", {"reason": "request"})
    await api.service.database.write(
        lambda tx: api.service.desk.vault.destroy(tx, known["child"], api.service.clock.at)
    )
    told = await _told(api, f"/v1/disclosures/{made}")
    assert told["sent"] is None
    assert told["because"]


async def test_an_agency_asks_by_record_alone_and_is_not_told_why(api: Api) -> None:
    """A filter by policy or outcome would tell what its own rows do not; such a question finds nothing."""
    known = await _happened(api)
    await with_agency(api, "police", known["police"])
    own = await _told(api, "/v1/disclosures", "police")
    assert own["items"]
    assert {one["log"] for one in own["items"]} == {None}
    assert (await _told(api, f"/v1/disclosures/{own['items'][0]['id']}", "police"))["because"] is None
    for asked in (
        "outcome=REPORT",
        "policy=core.consent",
        "basis=consent",
        "lateness=late",
        "since=2026-01-01T00:00:00Z",
    ):
        assert (await api.send("police", "GET", f"/v1/disclosures?{asked}")).status_code == 404, asked
