"""Does each filter of each list give the same rows as pages, as lines and as CSV?

Which lists there are and what they may be asked is read from the API's own document: a filter that is new there is
asked here, by every word of a closed vocabulary and else by the values that the rows themselves hold.
"""

import base64
import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import pytest

from tests.api.calling import Api, at, case, grant, tip
from tests.support.fictional import agency
from tiprouter.api import tables
from tiprouter.api.routes import decisions as routes
from tiprouter.api.schemas.queries import LIMIT_MAX
from tiprouter.api.tables import Form
from tiprouter.audit.checkpoint import open_checkpoint
from tiprouter.audit.merkle import leaf_hash, verify_inclusion
from tiprouter.audit.proof import Proof
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.workflow import searching
from tiprouter.workflow.searching import decisions_found

PAGING: Final = frozenset({"limit", "after", "before"})
FEW: Final = 7
"""Rows of a page: so few that most answers are several."""

HELD: Final = {
    "/v1/decisions": {
        "since": "decided_at",
        "until": "decided_at",
        "record_id": "record",
        "recipient_id": "recipient.id",
        "policy": "policies",
        "bundle": "bundle",
        "person_id": "person.id",
    },
    "/v1/disclosures": {
        "since": "made_at",
        "until": "made_at",
        "record_id": "record",
        "recipient_id": "recipient",
    },
    "/v1/audit/entries": {
        "since": "at",
        "until": "at",
        "record_id": "entry.body.record",
        "recipient_id": "entry.body.recipient",
        "decision_id": "entry.body.decision",
        "disclosure_id": "entry.body.disclosure",
        "delivery_id": "entry.body.delivery",
        "actor_class": "entry.body.actor_class",
        "actor": "entry.body.actor",
        "bundle": "entry.body.bundle",
    },
}
"""Where a list's own rows hold what a filter that takes any text is asked by."""

SPELT: Final = {"jurisdiction": ("US-TX", "US", "US-NY"), "policy": ("no.such",), "bundle": ("0" * 64,)}
"""What else it is asked by."""

Row = Mapping[str, Any]


async def _happened(api: Api) -> None:
    """A report that is late, a consent's disclosure and its recall that never arrives, a tip withheld, a case."""
    await api.service.enrol(agency())
    await api.service.enrol(agency(RecipientKind.SERVICE_PROVIDER, "US-CA"))
    child = tip("T-child")
    child["persons"] = [child["persons"][0] | {"ref": "c1", "age": {"years": 14}}]
    child["signaler"]["ref"], child["statements"][0]["persons"] = "c1", ["c1"]
    assert (await api.send("intake", "POST", "/v1/tips", child)).status_code == 201
    api.service.clock.forward(hours=2)
    await api.service.deliver()
    assert (await api.send("intake", "POST", "/v1/tips", tip(received_at=at(hours=-2)))).status_code == 201
    assert (await api.send("intake", "PUT", "/v1/cases/C-1", case(), {"If-None-Match": "*"})).status_code == 201
    consent = await api.send("intake", "POST", "/v1/consents", grant())
    assert consent.status_code == 201
    await api.service.deliver()
    api.service.clock.forward(seconds=1)
    assert (await api.send("reviewer", "POST", f"/v1/consents/{consent.json()['id']}/withdraw")).status_code == 200
    api.service.clock.forward(days=30)
    await api.service.sequencer.drain()


def _lists(document: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - JSON
    """Every list with pages that is also answered in lines: what it may be asked, each with its schema."""
    gets = {path: ways["get"] for path, ways in document["paths"].items() if "get" in ways}
    lines = [path for path, get in gets.items() if Form.LINES in get["responses"].get("200", {}).get("content", {})]
    asked = {path: {one["name"]: one["schema"] for one in gets[path]["parameters"]} for path in lines}
    return {
        path: {name: schema for name, schema in names.items() if name not in PAGING}
        for path, names in asked.items()
        if "after" in names
    }


def _words(document: Any, schema: Any) -> list[str]:  # noqa: ANN401 - JSON
    """The closed vocabulary that a filter is of; nothing where it is of none."""
    for one in schema.get("anyOf", [schema]):
        named = one.get("items", one).get("$ref", "").rpartition("/")[2]
        if named:
            return list(document["components"]["schemas"][named]["enum"])
        if one.get("type") == "boolean":
            return ["true", "false"]
    return []


def _at(row: Any, path: str) -> list[Any]:  # noqa: ANN401 - JSON
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row if isinstance(row, list) else [row]


def _values(rows: Mapping[str, Sequence[Row]], name: str, schema: Any) -> list[str]:  # noqa: ANN401 - JSON
    """What the rows of all lists hold of it: the first, the middle and the last, and what is spelt here."""
    places = [(path, of[name]) for path, of in HELD.items() if name in of]
    spelt = re.compile("|".join(one["pattern"] for one in schema["anyOf"] if "pattern" in one))
    found = {one for path, place in places for row in rows[path] for one in _at(row, place) if one}
    held = sorted(one for one in found if spelt.search(one))
    return [*dict.fromkeys([*held[:1], *held[len(held) // 2 :][:1], *held[-1:]]), *SPELT.get(name, ())]


async def _ask(api: Api, path: str, form: Form, asked: Mapping[str, Any]) -> httpx2.Response:
    answer = await api.send("auditor", "GET", f"{path}?{urlencode(asked, doseq=True)}", headers={"Accept": form})
    assert answer.status_code == 200, answer.text
    return answer


async def _whole(api: Api, path: str, asked: Mapping[str, Any]) -> list[Row]:
    """All of it in one page."""
    answer = await _ask(api, path, Form.JSON, {**asked, "limit": LIMIT_MAX})
    assert "link" not in answer.headers or len(answer.json()["items"]) < LIMIT_MAX
    return list(answer.json()["items"])


async def _pages(api: Api, path: str, asked: Mapping[str, Any]) -> list[Row]:
    """All of it in pages of a few, each by the link in the one before."""
    answer = await _ask(api, path, Form.JSON, {**asked, "limit": FEW})
    rows = answer.json()["items"]
    while "next" in answer.links:
        answer = await api.send("auditor", "GET", answer.links["next"]["url"])
        assert len(answer.json()["items"]) <= FEW
        rows += answer.json()["items"]
    return list(rows)


async def _lines(api: Api, path: str, asked: Mapping[str, Any]) -> list[Row]:
    answer = await _ask(api, path, Form.LINES, asked)
    return [json.loads(line) for line in answer.text.splitlines()]


async def _table(api: Api, path: str, asked: Mapping[str, Any]) -> list[dict[str, str]]:
    answer = await _ask(api, path, Form.CSV, asked)
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))


def _cell(row: Row, column: str) -> str:
    """What CSV should say, of a row as JSON says it; no value of these rows looks like a formula."""
    value: Any = row
    for name in column.split("."):
        value = None if value is None else value[name]
    return " ".join(map(_spelt, value)) if isinstance(value, list) else "" if value is None else _spelt(value)


def _spelt(value: Any) -> str:  # noqa: ANN401 - JSON
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


async def forms_agree(api: Api, path: str, asked: Mapping[str, Any]) -> list[Row]:
    """One page, many pages, lines and CSV hold the same rows in the same order; those rows."""
    rows = await _whole(api, path, asked)
    assert not rows or await _pages(api, path, asked) == rows, (path, asked)
    assert await _lines(api, path, asked) == rows, (path, asked)
    table = await _table(api, path, asked)
    assert table == [{column: _cell(row, column) for column in of} for row, of in zip(rows, table, strict=True)], asked
    return rows


async def every_filter_in_every_form(api: Api) -> None:
    """Each filter by each of its values; every one finds something, and none finds everything by all of them."""
    await _happened(api)
    document = (await api.send(None, "GET", "/openapi.json")).json()
    lists = _lists(document)
    assert lists.keys() >= HELD.keys()
    every = {path: await forms_agree(api, path, {}) for path in lists}
    assert all(len(rows) > FEW / 2 for rows in every.values())
    for path, filters in lists.items():
        for name, schema in filters.items():
            values = _words(document, schema) or _values(every, name, schema)
            found = [await forms_agree(api, path, {name: value}) for value in values]
            assert any(found), f"{path} finds nothing by {name}: say in HELD or SPELT what it is asked by"
            assert any(len(rows) < len(every[path]) for rows in found), f"{path} finds everything by {name}"


async def test_every_filter_gives_the_same_rows_in_every_form(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """And pages join without a gap and without a row twice, whichever way they are read."""
    monkeypatch.setattr(searching, "PAGE", FEW)
    await every_filter_in_every_form(either)


async def test_every_row_is_proved(either: Api) -> None:
    """Of each list's rows, in every form the index of its entry and where its proof is; the proof is a true one."""
    await _happened(either)
    log = either.service.signer.verifier
    entries = {one["index"]: one for one in await _whole(either, "/v1/audit/entries", {})}
    for index, one in entries.items():
        proof = Proof.parse((await either.send("auditor", "GET", one["proof"])).content)
        signed = open_checkpoint(proof.note, log).checkpoint
        verify_inclusion(leaf_hash(base64.b64decode(one["bytes"])), index, signed.size, proof.path, signed.root)
    for path in ("/v1/decisions", "/v1/disclosures"):
        for row in await _lines(either, path, {}):
            told = entries[row["log"]["index"]]
            assert row["log"]["proof"] == told["proof"]
            assert row["id"] in told["entry"]["body"].values()
        assert all(one["log.index"] and one["log.proof"] for one in await _table(either, path, {}))


async def test_lines_go_either_way_and_no_further_than_asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entries after an index are told oldest first in each form; a limit that is named holds in lines too."""
    monkeypatch.setattr(searching, "PAGE", FEW)
    await _happened(api)
    every = await forms_agree(api, "/v1/audit/entries", {})
    assert await forms_agree(api, "/v1/audit/entries", {"before": 3}) == every[:-4][::-1]
    assert await forms_agree(api, "/v1/audit/entries", {"after": 12}) == every[-12:]
    for path in HELD:
        rows = await _whole(api, path, {})
        for limit in (1, FEW, FEW + 1):
            assert await _lines(api, path, {"limit": limit}) == rows[:limit]
            assert len(await _table(api, path, {"limit": limit})) == min(limit, len(rows))
        key = rows[1].get("id", rows[1].get("index"))
        assert await forms_agree(api, path, {"after": key}) == rows[2:]


async def test_the_tests_notice_a_row_told_twice(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: pages that go on from the row before the last."""
    right = decisions_found

    def wrong(*asked: Any) -> Any:  # noqa: ANN401 - as it is
        page = right(*asked)
        return page if page.after is None or len(page.rows) < FEW else replace(page, after=page.rows[-2].id)

    monkeypatch.setattr(searching, "PAGE", FEW)
    monkeypatch.setattr(routes, "decisions_found", wrong)
    with pytest.raises(AssertionError):
        await every_filter_in_every_form(api)


async def test_the_tests_notice_a_filter_that_one_form_forgets(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: what is taken away is not what a page of the same question would say."""
    right = searching.taken_away

    def wrong(*asked: Any) -> Any:  # noqa: ANN401 - as it is
        wanted, now = right(*asked)
        return replace(wanted, lateness=None), now

    monkeypatch.setattr(searching, "taken_away", wrong)
    await _happened(api)
    with pytest.raises(AssertionError):
        await forms_agree(api, "/v1/disclosures", {"lateness": "late"})


async def test_the_tests_notice_a_cell_that_says_something_else(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a table without its last column's words."""
    right = tables.cells
    monkeypatch.setattr(tables, "cells", lambda *asked: [*right(*asked)[:-1], ""])
    await _happened(api)
    with pytest.raises(AssertionError):
        await forms_agree(api, "/v1/decisions", {})
