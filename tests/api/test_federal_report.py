"""What is told under the headings of the federal performance report (OMB 0970-0598)?"""

import csv
import io
import json
from typing import Any

import pytest

from tests.api.calling import Api, at
from tests.support import fictional
from tests.support.fictional import agency, grant
from tiprouter.domain.federal_report import FORM, GUIDE, Figure, Held, NamedBy
from tiprouter.domain.redaction import stamp
from tiprouter.domain.vocabulary import RecipientKind, RecordKind
from tiprouter.storage import federal_figures
from tiprouter.workflow.consenting import Whose

LE, CPS, SP = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.SERVICE_PROVIDER
PATH = "/v1/reports/federal"


async def _told(api: Api, role: str = "auditor", query: str = "") -> dict[str, Any]:
    answer = await api.send(role, "GET", PATH + query)
    assert answer.status_code == 200, answer.text
    return {f"{one['element']} {one['option'] or ''}".strip(): one for one in answer.json()["items"]}


async def _counts(api: Api, query: str = "") -> dict[str, int]:
    return {name: one["count"] for name, one in (await _told(api, query=query)).items() if one["held"] == "counted"}


async def _hotline(api: Api) -> None:
    """Two providers and two authorities; an adult is referred to both, a child is reported, a case is revised."""
    service = api.service
    for kind in (LE, CPS, SP, SP):
        await service.enrol(agency(kind))
    case = fictional.tip(kind=RecordKind.CASE, external_id="C-1")
    adult = await service.put_case(case, None)
    await service.consent(Whose(person_id=adult.stored.persons[0]), grant(SP))
    await service.accept(fictional.tip(fictional.person("c1", years=12), external_id="T-1"))
    await service.accept(fictional.tip(fictional.person("p2"), external_id="T-2"))
    await service.deliver()


async def test_each_figure_counts_what_its_row_says(either: Api) -> None:
    """Providers told, agencies told of a child, signals and cases; what was only decided or withheld is not there."""
    await _hotline(either)
    either.service.clock.forward(minutes=1)
    assert await _counts(either) == {
        "Individual Referrals Provided": 2,
        "New Referral Partners Added to Referral Database": 2,
        "Referral Partners in the Referral Database": 2,
        "Signals": 2,
        "Cases": 1,
        "Referred to service providers": 1,
        "Law enforcement notified": 1,
        "Child welfare agencies notified": 1,
    }


async def test_what_was_told_before_is_not_told_for_the_first_time(either: Api) -> None:
    """A revision, a recall and another delivery in the same matter are no further referrals."""
    await _hotline(either)
    service = either.service
    service.clock.forward(hours=1)
    later = stamp(service.clock.at)
    changed = fictional.tip(kind=RecordKind.CASE, external_id="C-1", statements=(fictional.statement("is told more"),))
    await service.put_case(changed, 1)
    assert await service.deliver() != []
    (given,) = await service.rows("select id from consents")
    await service.withdraw(given.id)
    assert await service.deliver() != []
    service.clock.forward(minutes=1)
    counts = await _counts(either, f"?since={later}")
    assert counts == dict.fromkeys(counts, 0) | {"Referral Partners in the Referral Database": 2}
    assert (await _counts(either, f"?until={later}"))["Individual Referrals Provided"] == 2


async def test_a_period_holds_its_beginning_and_not_its_end(either: Api) -> None:
    """What happened at the moment `until` is the next period's: two periods side by side count everything once."""
    before = stamp(either.service.clock.at)
    await _hotline(either)
    either.service.clock.forward(minutes=1)
    after = stamp(either.service.clock.at)
    first = await _counts(either, f"?since={at(days=9)}&until={before}")
    second = await _counts(either, f"?since={before}&until={after}")
    assert set(first.values()) == {0}
    assert (second["Signals"], second["Individual Referrals Provided"], second["Law enforcement notified"]) == (2, 2, 1)
    assert second["New Referral Partners Added to Referral Database"] == 2


async def test_every_row_says_where_it_is_from_and_what_is_not_held_is_null(api: Api) -> None:
    """Each names the collection; what is not collected or is sealed has no number, and says why."""
    rows = await _told(api)
    assert len(rows) == len(FORM)
    for one in rows.values():
        assert one["source"].startswith("OMB 0970-0598, ICR 2")
        assert one["how"].endswith(".")
        assert (one["count"] is None) is (one["held"] != "counted")
        assert one["reports"]
    assert {name for name, one in rows.items() if one["held"] == "not_collected"} == {
        "Emergency-Related Service Requests Emergency Shelter",
        "Emergency-Related Service Requests Extraction",
        "Emergency-Related Service Requests Transportation",
        "Outcomes",
    }
    assert [name for name, one in rows.items() if one["held"] == "sealed"] == ["Potential victims"]


def test_a_figure_stands_where_something_is_counted_and_once() -> None:
    """Every figure has one row, every counted row a figure; only what the form names is in its words."""
    figures = [one.figure for one in FORM if one.figure is not None]
    assert sorted(figures) == sorted(Figure)
    assert all((one.figure is not None) is (one.held is Held.COUNTED) for one in FORM)
    assert {one.element for one in FORM if one.named_by is NamedBy.FORM} == {
        "Emergency-Related Service Requests",
        "Individual Referrals Provided",
        "New Referral Partners Added to Referral Database",
        "Referral Partners in the Referral Database",
    }
    assert all(GUIDE in one.source or one.element == "Referral Partners in the Referral Database" for one in FORM)


async def test_lines_and_csv_are_the_rows_of_the_answer(api: Api) -> None:
    """The same rows in the same order, each of them whole."""
    rows = (await api.send("operator", "GET", PATH)).json()["items"]
    lines = await api.send("operator", "GET", PATH, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == rows
    table = await api.send("operator", "GET", PATH, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    read = list(csv.DictReader(io.StringIO(table.text)))
    assert [one["element"] for one in read] == [one["element"] for one in rows]
    assert [one["count"] for one in read] == ["" if one["count"] is None else str(one["count"]) for one in rows]
    assert all(one.keys() == rows[0].keys() for one in read)


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/csv"])
async def test_the_report_is_in_the_log_before_it_is_answered(api: Api, accept: str) -> None:
    """In whatever form, one access entry names it and who asked."""
    answer = await api.send("auditor", "GET", PATH, headers={"Accept": accept})
    assert answer.status_code == 200
    (entry,) = (await api.service.rows("SELECT entry FROM outbox ORDER BY serial DESC LIMIT 1"))[0]
    assert b'"what":"report.federal"' in entry
    assert b'"role":"auditor"' in entry


async def test_nobody_is_named_in_it(either: Api) -> None:
    """No id, no name, no word of a record or of an agency."""
    await _hotline(either)
    text = (await either.send("auditor", "GET", PATH)).text
    rows = await either.service.rows(
        "select id from records union select id from persons union select id from recipients"
    )
    assert rows
    assert not [one.id for one in rows if one.id in text]
    assert fictional.SECRET not in text
    assert "Example" not in text


@pytest.mark.parametrize("asked", [f"since={at(days=-1)}", f"since={at(days=400)}", "from=2026-01-01T00:00:00.000Z"])
async def test_a_period_that_cannot_be_is_refused(api: Api, asked: str) -> None:
    """It begins after it ends, is longer than a leap year, or is misspelt."""
    assert (await api.send("auditor", "GET", f"{PATH}?{asked}")).status_code == 422


async def test_the_tests_notice_a_recall_counted_as_a_referral(either: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every delivery of a period counted, revisions and recalls would be referrals."""
    counted = federal_figures.counted

    def every_delivery(tx: Any, since: Any, until: Any) -> Any:  # noqa: ANN401 - the product's own
        figures = counted(tx, since, until)
        query = f"select count(*) from deliveries where finished_at >= {int(since.timestamp() * 10**6)}"  # noqa: S608
        return figures | {Figure.REFERRALS: tx.exec_driver_sql(query).scalar_one()}

    monkeypatch.setattr(federal_figures, "counted", every_delivery)
    with pytest.raises(AssertionError):
        await test_what_was_told_before_is_not_told_for_the_first_time(either)
