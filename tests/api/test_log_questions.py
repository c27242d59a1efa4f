"""What an auditor asks of the log's entries over HTTP."""

import base64
import csv
import io
import json
from typing import Any

import pytest

from tests.api.calling import Api, grant, tip, with_agency
from tests.api.test_access import seen
from tests.support.fictional import agency
from tests.support.service import START
from tiprouter.audit.entry import JSON, compose, parse
from tiprouter.audit.kinds import Kind
from tiprouter.domain.vocabulary import Outcome
from tiprouter.storage import log_mentions
from tiprouter.storage.tables import log_entries
from tiprouter.workflow import accessing, log_inquiry, searching
from tiprouter.workflow.credentials import CallerRole
from tiprouter.workflow.happening import ROUTER

PATH = "/v1/audit/entries"


async def _told(api: Api, asked: str = "", path: str = PATH) -> Any:  # noqa: ANN401 - JSON
    answer = await api.send("auditor", "GET", f"{path}?limit=200{asked}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def _items(api: Api, path: str) -> Any:  # noqa: ANN401 - JSON
    return (await api.send("auditor", "GET", f"{path}?limit=200")).json()["items"]


async def _happened(api: Api) -> dict[str, str]:
    """A tip that a consent opens to police, delivered, and another that stays withheld; all of it in the tree."""
    police = (await api.service.enrol(agency())).recipient.id
    told = (await api.send("intake", "POST", "/v1/tips", tip())).json()["id"]
    kept = (await api.send("intake", "POST", "/v1/tips", tip("T-2", persons=[], statements=[]))).json().get("id", "")
    assert (await api.send("intake", "POST", "/v1/consents", grant())).status_code == 201
    api.service.clock.forward(minutes=1)
    await api.service.deliver()
    assert (await api.send("reviewer", "GET", f"/v1/tips/{told}")).status_code == 200
    await api.service.sequencer.drain()
    rows = await api.service.rows("SELECT id, disclosure_id FROM deliveries")
    return {"police": police, "told": told, "kept": kept, "delivery": rows[0][0], "disclosure": rows[0][1]}


async def test_every_filter_keeps_what_it_names_and_nothing_else(either: Api) -> None:
    """Each filter alone is what a plain look at all entries says; each row's bytes are proved where it says."""
    known = await _happened(either)
    every = await _told(either)
    decision = next(
        one["entry"]["body"] for one in every if one["kind"] == "decision" and "recipient" in one["entry"]["body"]
    )
    middle = next(one["at"] for one in every if one["kind"] == "attempt.started")
    names = {
        "record_id": known["told"],
        "recipient_id": known["police"],
        "decision_id": decision["decision"],
        "disclosure_id": known["disclosure"],
        "delivery_id": known["delivery"],
    }
    expected = {
        f"&{name}={one}": [row for row in every if f'"{one}"' in json.dumps(row["entry"]["body"])]
        for name, one in names.items()
    }
    members = {"actor_class": "intake", "bundle": decision["bundle"], "outcome": decision["outcome"]}
    expected |= {
        f"&{name}={one}": [row for row in every if row["entry"]["body"].get(name) == one]
        for name, one in members.items()
    }
    expected |= {
        "&kind=decision&kind=access": [row for row in every if row["kind"] in {"decision", "access"}],
        f"&since={middle}": [row for row in every if row["at"] >= middle],
        f"&until={middle}": [row for row in every if row["at"] < middle],
        f"&kind=access&record_id={known['told']}": [
            row for row in every if row["kind"] == "access" and row["entry"]["body"].get("subject") == known["told"]
        ],
    }
    decided = {one["id"]: one for one in (await _items(either, "/v1/decisions"))}
    made = {one["id"]: one for one in (await _items(either, "/v1/disclosures"))}
    policy = made[known["disclosure"]]["decisions"][0]
    policy = decided[policy]["policies"][0]
    of_policy = {one for one, row in decided.items() if policy in row["policies"]}
    assert made[known["disclosure"]]["lateness"] == "in_time"
    police = expected[f"&recipient_id={known['police']}"]
    actor = next(row["entry"]["body"]["actor"] for row in every if row["kind"] == "record.accepted")
    expected |= {
        "&jurisdiction=US-TX": police,
        "&recipient_kind=law_enforcement": police,
        "&recipient_kind=law_enforcement&kind=decision": [row for row in police if row["kind"] == "decision"],
        f"&policy={policy}": [row for row in every if any(f'"{one}"' in json.dumps(row["entry"]) for one in of_policy)],
        "&lateness=in_time": expected[f"&disclosure_id={known['disclosure']}"],
        f"&actor={actor}": [row for row in every if row["entry"]["body"]["actor"] == actor],
    }
    for asked, rows in expected.items():
        assert await _told(either, asked) == rows, asked
        assert rows, asked
    for row in every[:3]:
        assert json.loads(base64.b64decode(row["bytes"])) == row["entry"]
        assert (await either.send("auditor", "GET", row["proof"])).status_code == 200
    for nothing in (
        "&outcome=HOLD_ERROR",
        "&kind=review.opened",
        f"&bundle={'0' * 64}",
        "&jurisdiction=US-NY",
        "&recipient_kind=clearinghouse",
        "&policy=no.such",
        "&basis=danger",
        "&lateness=late",
        "&actor=nobody",
    ):
        assert await _told(either, nothing) == [], nothing


WRONG = {
    "kind=decisions": "/kind",
    "record_id=rcp_01ARZ3NDEKTSV4RRFFQ69G5FAV": "/record_id",
    "recipient_id=%25": "/recipient_id",
    "actor_class=intakes": "/actor_class",
    "outcome=withhold": "/outcome",
    "bundle=ab": "/bundle",
    "since=yesterday": "/since",
    "since=2026-03-02T15:00:00Z&until=2026-03-02T15:00:00Z": "/until",
    "after=1&before=2": "/before",
    "before=-1": "/before",
    "limit=201": "/limit",
    "lateness=early": "/lateness",
    "recipient_kind=police": "/recipient_kind",
    "jurisdiction=Texas": "/jurisdiction",
    "policy=%25": "/policy",
    "basis=rumour": "/basis",
    "actor=%22": "/actor",
    "recrod_id=tip_01ARZ3NDEKTSV4RRFFQ69G5FAV": "",
}


async def test_a_filter_that_cannot_be_is_said_to_be(api: Api) -> None:
    """Each wrong filter is an error of its own, never a longer or an empty list, and leaves no trace."""
    before = (await api.counts())["outbox"]
    for asked, pointer in WRONG.items():
        answer = await api.send("auditor", "GET", f"{PATH}?{asked}")
        assert answer.status_code == 422, answer.text
        assert next(one["pointer"] for one in answer.json()["errors"]).startswith(pointer), answer.text
    assert (await api.counts())["outbox"] == before


async def _walked(api: Api, path: str) -> list[int]:
    told: list[int] = []
    while path:
        answer = await api.send("auditor", "GET", path)
        told += [one["index"] for one in answer.json()["items"]]
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        await api.service.sequencer.drain()  # the walk's own reads: the log grows under it
    return told


async def walks_miss_nothing(api: Api) -> None:
    """Down from the newest, and up from the oldest, while each page makes the log longer."""
    await _happened(api)
    size = (await api.service.rows("SELECT count(*) FROM log_entries"))[0][0]
    assert size > 12
    assert await _walked(api, f"{PATH}?limit=4") == list(range(size))[::-1]
    up = await _walked(api, f"{PATH}?limit=2&before=0&kind=decision&kind=record.accepted&kind=consent.granted")
    rows = await api.service.rows(
        "SELECT \"index\" FROM log_entries WHERE kind IN ('decision', 'record.accepted', 'consent.granted')"
    )
    assert up == sorted(row[0] for row in rows)
    assert len(up) > 3


async def test_walks_miss_nothing_though_the_log_grows(either: Api) -> None:
    """Both ways, by `Link`, every entry once and in order."""
    await walks_miss_nothing(either)


async def test_all_entries_in_lines_or_csv_are_those_of_the_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same URL as NDJSON and CSV, both ways, some rows at a time; one log entry before the first."""
    await _happened(api)
    monkeypatch.setattr(searching, "PAGE", 5)
    for asked in ("", "&kind=decision", "&before=3"):
        rows = await _told(api, asked)
        before = (await api.counts())["outbox"]
        url = f"{PATH}?{asked.removeprefix('&')}"
        lines = await api.send("auditor", "GET", url, headers={"Accept": "application/x-ndjson"})
        assert (await api.counts())["outbox"] == before + 1
        assert [json.loads(line) for line in lines.text.splitlines()] == rows
        table = await api.send("auditor", "GET", url, headers={"Accept": "text/csv"})
        cells = list(csv.DictReader(io.StringIO(table.text)))
        assert [(one["index"], one["proof"]) for one in cells] == [(str(one["index"]), one["proof"]) for one in rows]
        assert [json.loads(one["entry"]) for one in cells] == [one["entry"] for one in rows]


async def reads_are_logged(api: Api) -> None:
    """Every page and every long answer leaves an entry: who, how many, and whom it was about."""
    known = await _happened(api)
    for accept, said in (
        ("application/json", {"what": "entries", "subject": known["told"], "role": "auditor"}),
        ("text/csv", {"what": "entries.export", "subject": known["told"], "role": "auditor"}),
    ):
        before = (await api.counts())["outbox"]
        answer = await api.send("auditor", "GET", f"{PATH}?record_id={known['told']}", headers={"Accept": accept})
        assert answer.status_code == 200
        rows = await api.service.rows("SELECT entry FROM outbox ORDER BY serial")
        assert len(rows) == before + 1
        assert parse(rows[-1][0]).body.items() >= said.items()
    await api.service.sequencer.drain()
    looks = await _told(api, f"&kind=access&record_id={known['told']}")
    assert {one["entry"]["body"]["what"] for one in looks} >= {"entries", "entries.export", "record"}


async def test_a_read_is_logged_before_it_is_answered(either: Api) -> None:
    """And whoever looked for a record is found by the same question."""
    await reads_are_logged(either)


async def only_auditors_see_entries(api: Api) -> None:
    """Every other role is told what is told of nothing at all, whatever it filters by."""
    known = await _happened(api)
    await with_agency(api, "police", known["police"])
    for role in ("intake", "reviewer", "operator", "counsel", "police"):
        absent = seen(await api.send(role, "GET", "/v1/nothing"))
        for asked in ("", f"?recipient_id={known['police']}", "?kind=nonsense"):
            assert seen(await api.send(role, "GET", PATH + asked)) == absent, role
    assert (await api.send(None, "GET", PATH)).status_code == 401


async def test_only_auditors_see_entries(api: Api) -> None:
    """An agency cannot ask for what names it, nor learn that the question exists."""
    await only_auditors_see_entries(api)


async def test_the_tests_notice_a_read_that_is_not_logged(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a page answered past the story."""
    monkeypatch.setattr(
        log_inquiry,
        "page",
        lambda tx, _desk, _actor, sought, after, limit: log_mentions.found(tx, sought, after, limit),
    )
    with pytest.raises(AssertionError):
        await reads_are_logged(api)


async def test_the_tests_notice_a_page_that_skips_when_the_log_grows(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: pages counted from the newest, as with an offset, move when entries come."""
    right = log_mentions.found

    def wrong(tx: Any, sought: Any, after: int | None, limit: int) -> Any:  # noqa: ANN401 - as it is
        page = right(tx, sought, after, limit)
        if page.following is None or not page.rows:
            return page
        newest = tx.exec_driver_sql('SELECT max("index") FROM log_entries').scalar()
        return log_mentions.Found(page.rows, page.following - (newest - page.rows[0].index) % 2)

    monkeypatch.setattr(log_mentions, "found", wrong)
    with pytest.raises(AssertionError):
        await walks_miss_nothing(api)


async def test_the_tests_notice_a_filter_that_tells_of_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: were whole bundles told that name the record, others' entries would be among them."""
    monkeypatch.setattr(log_mentions, "_holds", lambda _tx, _one: log_entries.c.index >= 0)
    with pytest.raises(AssertionError):
        await test_every_filter_keeps_what_it_names_and_nothing_else(api)


async def test_the_log_stands_at_the_root_too(api: Api) -> None:
    """Byte for byte with the same headers and the same refusals, as clients of tlog-tiles expect it."""
    await api.service.sequencer.drain()
    size = (await api.service.rows("SELECT count(*) FROM log_entries"))[0][0]
    for role, path in (
        (None, "checkpoint"),
        (None, f"tile/0/000.p/{size}"),
        ("auditor", f"tile/entries/000.p/{size}"),
        (None, f"tile/entries/000.p/{size}"),
        ("operator", f"tile/entries/000.p/{size}"),
        (None, "tile/0/000"),
        (None, "tile/7/999"),
    ):
        root, below = [await api.send(role, "GET", f"{prefix}/{path}") for prefix in ("", "/v1/audit")]
        assert seen(root) == seen(below), path
        assert root.headers.get("cache-control") == below.headers.get("cache-control")
        if root.status_code == 200:
            assert root.content == below.content


def test_every_role_has_a_why_and_no_filter_says_what_somebody_typed() -> None:
    """No look is without a why, the router's own included; of a filter's values only closed vocabularies are told."""
    for role in (*CallerRole, ROUTER.role):
        assert accessing.why(role, "anything") in accessing.Why
        assert accessing.why(role, "session") is accessing.Why.OWN_ACCOUNT
    assert {accessing.why(role, "record") for role in CallerRole} > {accessing.Why.CASEWORK, accessing.Why.REVIEW}
    with pytest.raises(KeyError):
        accessing.why("stranger", "record")
    for name, value, words in (
        ("jurisdiction", "US-TX-201", ["jurisdiction=US-TX-201"]),
        ("jurisdiction", "US-EXAMPLEPERSON", ["jurisdiction"]),
        ("policy", "example.person", ["policy"]),
        ("outcome", Outcome.REPORT, ["outcome=REPORT"]),
        ("overdue", False, ["overdue=false"]),
        ("since", START, ["since"]),
        ("kind", (Kind.ACCESS, Kind.DECISION), ["kind=access", "kind=decision"]),
    ):
        assert accessing.told(name, value) == words


def test_an_entry_that_says_no_why_is_still_an_entry() -> None:
    """What was written before looks had a why is read and verified as it always was."""
    bodies: tuple[dict[str, JSON], ...] = ({"role": "auditor", "what": "decisions", "count": 1}, {"what": "test"})
    for body in bodies:
        assert parse(compose(Kind.ACCESS, START, bytes(16), body)).body == body
