"""What is told of a period, to auditors and to everybody."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.calling import Api, at, tip
from tests.support.fictional import agency
from tiprouter import ids
from tiprouter.domain.discharge import EvidenceKind
from tiprouter.domain.redaction import stamp
from tiprouter.domain.suppression import TOTAL
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind
from tiprouter.storage import acknowledgements, quarters
from tiprouter.storage import duties_table as tables
from tiprouter.storage.acknowledgements import Acknowledgement, Words
from tiprouter.storage.log_tables import log_told
from tiprouter.storage.tables import decisions


async def _told(api: Api, path: str, role: str | None = "auditor") -> Any:  # noqa: ANN401 - JSON
    answer = await api.send(role, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _child(number: int, now: datetime) -> dict[str, Any]:
    body = tip(f"T-child-{number}", received_at=stamp(now - timedelta(minutes=5)))
    body["persons"] = [body["persons"][0] | {"ref": f"c{number}", "age": {"years": 14}}]
    body["signaler"]["ref"], body["statements"][0]["persons"] = f"c{number}", [f"c{number}"]
    return body


async def _reported(either: Api, minutes: list[int]) -> str:
    """Reports about children, received five minutes before and delivered after so many minutes each."""
    police = (await either.service.enrol(agency())).recipient.id
    for number, wait in enumerate(minutes):
        now = either.service.clock.at
        assert (await either.send("intake", "POST", "/v1/tips", _child(number, now))).status_code == 201
        either.service.clock.forward(minutes=wait)
        assert len(await either.service.deliver()) == 1
    return police


async def test_percentiles_are_those_of_a_sorted_list(either: Api) -> None:
    """From receipt to decision, delivery and acknowledgement, by nearest rank, by place, kind and policy."""
    minutes = [1, 2, 3, 4, 50]
    await _reported(either, minutes)
    made = await either.service.rows("SELECT id, record_id FROM disclosures ORDER BY id")
    service = either.service

    def say(tx: Any) -> None:  # noqa: ANN401 - a transaction
        for number, (disclosure, record) in enumerate(made[:2]):
            for later in range(2):
                one = f"ack_{number}{later}"
                what = AcknowledgementStatus.ACCEPTED
                word = Acknowledgement(one, disclosure, what, Words(), service.clock.at + timedelta(hours=later))
                acknowledgements.add(tx, service.desk.vault, word, record, b"")

    await service.database.write(say)
    service.clock.forward(minutes=1)
    found = await _told(either, "/v1/timeliness")
    took = {(one["until"], one["by"], one["group"]): one for one in found["took"]}
    decided = took["decision", "all", ""]
    assert (decided["count"], decided["p50"], decided["longest"]) == (10, 300.0, 300.0)
    by_outcome = {
        group: one["count"] for (until, by, group), one in took.items() if (until, by) == ("decision", "outcome")
    }
    assert by_outcome == {"REPORT": 5, "DUTY_BLOCKED": 5}, (
        "five reports, and a duty of each that nobody could be told of"
    )
    delivered = took["delivery", "all", ""]
    assert [delivered[name] for name in ("count", "p50", "p90", "p99", "longest")] == [
        5, 300 + 3 * 60, 300 + 50 * 60, 300 + 50 * 60, 300 + 50 * 60
    ]  # fmt: skip
    assert took["acknowledgement", "all", ""]["count"] == 2
    assert took["acknowledgement", "all", ""]["longest"] == 300 + 60 * 60
    assert took["delivery", "jurisdiction", "US-TX"] == delivered | {"by": "jurisdiction", "group": "US-TX"}
    assert took["delivery", "recipient_kind", "law_enforcement"]["count"] == 5
    policies = {group for until, by, group in took if (until, by) == ("delivery", "basis")}
    assert policies
    assert {took["delivery", "basis", one]["count"] for one in policies} == {5}
    before = stamp(service.clock.at - timedelta(days=10))
    assert (await _told(either, f"/v1/timeliness?since={before}&until={stamp(datetime(2026, 3, 1, tzinfo=UTC))}"))[
        "took"
    ] == []


async def test_what_nobody_was_told_counts_until_it_was_decided(either: Api) -> None:
    """Withheld or held counts once for a record and its recipient, from receipt on; once disclosed, as disclosed."""
    service = either.service
    toward_id = (await service.enrol(agency(RecipientKind.SERVICE_PROVIDER))).recipient.id
    for number in range(3):
        body = tip(f"T-adult-{number}", received_at=stamp(service.clock.at - timedelta(minutes=number)))
        assert (await either.send("intake", "POST", "/v1/tips", body)).status_code == 201
    toward = decisions.c.recipient_id == toward_id
    query = sa.select(decisions.c.outcome, decisions.c.record_id, decisions.c.id).where(toward)
    made = [tuple(one)[:2] for one in await service.database.read(lambda tx: tx.execute(query).all())]
    nothing = Counter({one: len({record for outcome, record in made if outcome == one}) for one, _ in made})
    assert set(nothing) <= {"WITHHOLD", "HOLD_REVIEW"}, nothing
    assert sum(nothing.values()) == 3
    service.clock.forward(minutes=1)

    async def decided(by: str) -> dict[str, tuple[int, float]]:
        told = (await _told(either, "/v1/timeliness"))["took"]
        return {
            one["group"]: (one["count"], one["longest"])
            for one in told
            if (one["until"], one["by"]) == ("decision", by)
        }

    assert await decided("recipient_kind") == {"service_provider": (3, 120.0)}
    assert {group: count for group, (count, _) in (await decided("outcome")).items()} == nothing
    assert {one["until"] for one in (await _told(either, "/v1/timeliness"))["took"]} == {"decision"}

    def twice(tx: Any) -> None:  # noqa: ANN401 - a transaction
        one = dict(tx.execute(sa.select(decisions).where(toward).limit(1)).mappings().one())
        again = {"id": ids.mint("dec", service.clock.at, bytes(10)), "decided_at": service.clock.at}
        tx.execute(log_told.insert(), {"subject": again["id"]})
        tx.execute(decisions.insert(), one | again)

    service.clock.forward(hours=1)
    await service.database.write(twice)
    service.clock.forward(minutes=1)
    assert await decided("recipient_kind") == {"service_provider": (3, 120.0)}, "decided anew is not waited for anew"


async def test_every_group_has_its_own_percentiles(either: Api) -> None:
    """Two agencies, kinds and places, each with waits of its own: what is one's is nobody else's, `all` has both."""
    await either.service.enrol(agency())
    await either.service.enrol(agency(RecipientKind.CHILD_PROTECTION, "US-CA", "US-NV"))
    waits = {"US-TX": [1, 2, 3], "US-CA": [20, 40]}
    for place, minutes in waits.items():
        for number, wait in enumerate(minutes):
            now = either.service.clock.at
            body = _child(number, now) | {"jurisdictions": [{"code": place, "reason": "found"}]}
            body["external_id"] = f"T-{place}-{number}"
            assert (await either.send("intake", "POST", "/v1/tips", body)).status_code == 201
            either.service.clock.forward(minutes=wait)
            assert len(await either.service.deliver()) == 1
    either.service.clock.forward(minutes=1)
    found = await _told(either, "/v1/timeliness")
    took = {(one["by"], one["group"]): one for one in found["took"] if one["until"] == "delivery"}

    def figures(*minutes: int) -> tuple[int, float, float]:
        spans = sorted(300.0 + 60 * one for one in minutes)
        return len(spans), spans[(len(spans) - 1) // 2], spans[-1]

    texas, california = figures(*waits["US-TX"]), figures(*waits["US-CA"])
    both = {one["id"]: set(one["policies"]) for one in (await _told(either, "/v1/decisions?limit=200"))["items"]}
    made = (await _told(either, "/v1/disclosures?limit=200"))["items"]
    named = {
        one["id"]: (one["recipient_kind"], set().union(*(both[each] for each in one["decisions"]))) for one in made
    }
    by_policy = {
        policy: {kind for kind, policies in named.values() if policy in policies}
        for policy in set().union(*(policies for _, policies in named.values()))
    }
    expected = {
        ("all", ""): figures(*waits["US-TX"], *waits["US-CA"]),
        ("jurisdiction", "US-TX"): texas,
        ("jurisdiction", "US-CA"): california,
        ("jurisdiction", "US-NV"): california,
        ("recipient_kind", "law_enforcement"): texas,
        ("recipient_kind", "child_protection"): california,
    }
    of_kinds = {"law_enforcement": texas, "child_protection": california}
    for policy, kinds in by_policy.items():
        expected["basis", policy] = of_kinds[min(kinds)] if len(kinds) == 1 else expected["all", ""]
    expected["outcome", "REPORT"] = expected["all", ""]
    assert {len(kinds) for kinds in by_policy.values()} >= {1}, "some policy is one agency's alone"
    assert {key: (one["count"], one["p50"], one["longest"]) for key, one in took.items()} == expected


async def test_duties_are_met_met_late_or_missed(either: Api) -> None:
    """One that ended by its deadline, one after it, one that never did; an open one is none of them."""
    await _reported(either, [1, 1, 1, 1])
    duties = [row[0] for row in await either.service.rows("SELECT id FROM duties ORDER BY id")]
    assert len(duties) >= 4
    (deadlines,) = await either.service.rows("SELECT min(deadline), max(deadline) FROM duties")
    first, last = (datetime.fromtimestamp(one / 10**6, UTC) for one in deadlines)
    ends = {duties[0]: first, duties[1]: last + timedelta(microseconds=1)}

    def end(tx: Any) -> None:  # noqa: ANN401 - a transaction
        for duty, when in ends.items():
            row = {
                "phase": "discharged",
                "discharged_by": EvidenceKind.CALLED.value,
                "evidence_id": "e",
                "ended_at": when,
            }
            tx.execute(tables.duties.update().where(tables.duties.c.id == duty).values(row))

    await either.service.database.write(end)
    now = await _told(either, "/v1/timeliness")
    assert [(one["met"], one["met_late"], one["missed"]) for one in now["duties"] if one["by"] == "all"] == [(1, 1, 0)]
    either.service.clock.forward(hours=5)
    later = await _told(either, "/v1/timeliness")
    (every,) = (one for one in later["duties"] if one["by"] == "all")
    assert (every["met"], every["met_late"], every["missed"]) == (1, 1, len(duties) - 2)
    assert {one["group"] for one in later["duties"] if one["by"] == "recipient_kind"} == {"law_enforcement"}


async def test_what_was_not_disclosed_is_counted_by_reason(either: Api) -> None:
    """By outcome, policy, kind and place; an agency of two places counts in both, in the total once."""
    await either.service.enrol(agency())
    await either.service.enrol(agency(RecipientKind.CHILD_PROTECTION, "US-TX", "US-CA"))
    for number in range(3):
        assert (await either.send("intake", "POST", "/v1/tips", tip(f"T-{number}"))).status_code == 201
    either.service.clock.forward(seconds=1)
    rows = (await _told(either, "/v1/decisions?limit=200"))["items"]
    found = await _told(either, "/v1/decisions/withheld")
    assert sum(found["total"].values()) == len(rows)
    by: dict[tuple[str, str], int] = {}
    places = {"law_enforcement": ("US-TX",), "child_protection": ("US-TX", "US-CA"), None: (None,)}
    expected = Counter(
        (one["outcome"], policy, kind, place)
        for one in rows
        for kind in [None if one["recipient"] is None else one["recipient"]["kind"]]
        for policy in one["policies"] or [None]
        for place in places[kind]
    )
    assert expected == {
        (one["outcome"], one["policy"], one["recipient_kind"], one["jurisdiction"]): one["decisions"]
        for one in found["reasons"]
    }
    for one in found["reasons"]:
        assert one["outcome"] == "WITHHOLD"
        by[one["recipient_kind"], one["jurisdiction"]] = (
            by.get((one["recipient_kind"], one["jurisdiction"]), 0) + one["decisions"]
        )
    assert by["law_enforcement", "US-TX"] >= 3
    assert by.get(("child_protection", "US-TX")) == by.get(("child_protection", "US-CA"))
    assert await _told(either, f"/v1/decisions/withheld?until={at(days=1)}") | {"since": "", "until": ""} == {
        "since": "", "until": "", "total": {}, "reasons": []
    }  # fmt: skip


@pytest.mark.parametrize(
    "asked", [f"since={at(days=-1)}", f"since={at(days=1)}&until={at(days=2)}", f"since={at(days=400)}"]
)
async def test_a_period_that_cannot_be_is_refused(api: Api, asked: str) -> None:
    """It begins after it ends, or is longer than a leap year."""
    for path in ("/v1/timeliness", "/v1/decisions/withheld"):
        answer = await api.send("auditor", "GET", f"{path}?{asked}")
        assert answer.status_code == 422
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/since"]


async def test_a_report_is_logged_before_it_is_answered(api: Api) -> None:
    """Each of them leaves an access entry; the public tables one of the router's when they are published."""
    for path, what in (("/v1/timeliness", "timeliness"), ("/v1/decisions/withheld", "withheld")):
        await _told(api, path)
        (entry,) = (await api.service.rows("SELECT entry FROM outbox ORDER BY serial DESC LIMIT 1"))[0]
        assert f'"what":"{what}"'.encode() in entry


async def test_the_public_is_told_nothing_of_an_open_quarter(either: Api) -> None:
    """Before a quarter closed there is no table; a month after its end there is, without any credential."""
    assert (await _told(either, "/v1/transparency", None))["published"] == []
    await _reported(either, [1] * 3)
    for number in range(12):
        await either.send("intake", "POST", "/v1/tips", tip(f"T-{number}"))
    empty = await _told(either, "/v1/transparency", None)
    assert empty == {"published": [], "quarter": None, "threshold": None, "frozen_at": None, "tables": []}
    either.service.clock.at = datetime(2026, 4, 30, tzinfo=UTC)
    assert (await _told(either, "/v1/transparency", None))["published"] == []
    either.service.clock.at = datetime(2026, 5, 1, tzinfo=UTC)
    answer = await either.send(None, "GET", "/v1/transparency")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    told = answer.json()
    assert (told["quarter"], told["published"], told["threshold"]) == ("2026-Q1", ["2026-Q1"], 11)
    cells = {table["name"]: {tuple(one["at"]): one["count"] for one in table["cells"]} for table in told["tables"]}
    assert cells["records"]["tip",] == 15
    assert cells["records"]["case",] == 0
    assert cells["disclosures"][TOTAL, TOTAL, TOTAL] is None
    assert (
        cells["decisions"]["WITHHOLD", "law_enforcement"] is None
        or cells["decisions"]["WITHHOLD", "law_enforcement"] >= 11
    )
    assert (await either.send(None, "GET", "/v1/transparency?quarter=2026-Q2")).status_code == 404
    assert (await either.send(None, "GET", "/v1/transparency?quarter=2026-Q5")).status_code == 422


async def test_what_was_published_is_never_counted_again(either: Api) -> None:
    """A late change of the quarter's rows, another threshold, another first asker: the answer stays byte for byte."""
    await _reported(either, [1] * 2)
    either.service.clock.at = datetime(2026, 8, 1, tzinfo=UTC)
    first = await either.send(None, "GET", "/v1/transparency?quarter=2026-Q1")
    assert first.json()["published"] == ["2026-Q2", "2026-Q1"]
    entries = await either.service.rows("SELECT entry FROM outbox")
    assert sum(b'"transparency.published"' in row[0] for row in entries) == 2
    await either.service.database.write(
        lambda tx: tx.exec_driver_sql("UPDATE deliveries SET finished_at = deadline + 1")
    )
    either.service.clock.forward(days=1)
    assert (await either.send(None, "GET", "/v1/transparency?quarter=2026-Q1")).content == first.content
    entries = await either.service.rows("SELECT entry FROM outbox")
    assert sum(b'"transparency.published"' in row[0] for row in entries) == 2
    again = quarters.Published("2026-Q1", 2, [], either.service.clock.at)
    assert not await either.service.database.write(lambda tx: quarters.freeze(tx, again))
    assert (await either.send(None, "GET", "/v1/transparency?quarter=2026-Q1")).content == first.content
