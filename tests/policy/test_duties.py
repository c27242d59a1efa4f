"""The duty table: read whole or not at all, complete, honest about its gaps, as cautious as its sources are unsure."""

import csv
import io
from datetime import date

import pytest

from tiprouter.domain.duty import DutyRow, Span, Written
from tiprouter.domain.vocabulary import (
    Bound,
    Clock,
    Confidence,
    DutySubject,
    Perpetrator,
    RecipientKind,
    ReportChannel,
    SpanUnit,
    WrittenWhen,
)
from tiprouter.policy.bundle import Bundle
from tiprouter.policy.duties import COLUMNS, duty_rows
from tiprouter.policy.duty_lint import PLACES
from tiprouter.policy.refusal import BundleError

POLICE, CHILDREN, NCMEC = RecipientKind.LAW_ENFORCEMENT, RecipientKind.CHILD_PROTECTION, RecipientKind.CLEARINGHOUSE
DAY = date(2026, 11, 21)
CALLS = {ReportChannel.TELEPHONE, ReportChannel.ORAL}
CELLS = {
    "id": "us-tx",
    "jurisdiction": "US-TX",
    "binds": "anyone",
    "subject": "child_maltreatment",
    "perpetrator": "",
    "receivers": "child_protection|law_enforcement",
    "hours": "24",
    "channel": "any",
    "written": "",
    "written_clock": "",
    "written_when": "",
    "threshold": "18",
    "effective_from": "",
    "effective_until": "",
    "source": "https://law.example/texas",
    "source_date": "2026",
    "verified_on": "2026-11-21",
    "confidence": "high",
    "citation": "Example Code 1",
    "note": "",
}


def table(*rows: dict[str, str]) -> str:
    """A table of rows that differ from the example in some cells."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([CELLS | row for row in rows])
    return out.getvalue()


def row_of(**cells: str) -> DutyRow:
    """The one row of a table."""
    (some,) = duty_rows("duties.csv", table(cells)).values()
    return some[0]


def all_rows(bundle: Bundle) -> dict[str, DutyRow]:
    """The shipped rows by id."""
    return {row.id: row for some in bundle.protocol.rows.values() for row in some}


def codes(words: str) -> set[str]:
    """Jurisdictions by their short codes."""
    return {f"US-{word}" for word in words.split()}


def test_a_row_is_read_as_it_is_written() -> None:
    """Every cell finds its place (rules 1-4)."""
    row = row_of(
        perpetrator="other",
        written="3bd",
        written_clock="reported",
        written_when="after_oral",
        effective_from="2025-06-20",
    )
    assert (row.id, row.jurisdiction, row.binds) == ("us-tx", "US-TX", Bound.ANYONE)
    assert (row.subject, row.perpetrator) == (DutySubject.CHILD_MALTREATMENT, Perpetrator.OTHER)
    assert row.receivers == (frozenset({POLICE, CHILDREN}),)
    assert (row.hours, row.channel, row.threshold) == (24, ReportChannel.ANY, 18)
    assert row.written == Written(Span(3, SpanUnit.BUSINESS_DAYS), Clock.REPORTED, WrittenWhen.AFTER_ORAL)
    assert (row.effective_from, row.effective_until, row.verified_on) == (date(2025, 6, 20), None, DAY)
    assert (row.source, row.source_date) == ("https://law.example/texas", "2026")
    assert (row.confidence, row.citation, row.note) == (Confidence.HIGH, "Example Code 1", "")


def test_and_is_more_parts_and_or_is_one() -> None:
    """Rule 2: parts that must all be told, each by any of its kinds."""
    row = row_of(receivers="child_protection|law_enforcement & clearinghouse")
    assert row.receivers == (frozenset({CHILDREN, POLICE}), frozenset({NCMEC}))


@pytest.mark.parametrize(
    ("written", "span"),
    [("36h", Span(36, SpanUnit.HOURS)), ("5d", Span(5, SpanUnit.DAYS)), ("3bd", Span(3, SpanUnit.BUSINESS_DAYS))],
)
def test_a_report_in_writing_has_its_own_unit(written: str, span: Span) -> None:
    """Rule 4: hours, days and business days are three things."""
    follows = row_of(written=written, written_clock="received", written_when="always").written
    assert follows == Written(span, Clock.RECEIVED, WrittenWhen.ALWAYS)


def test_empty_is_immediately_whoever_it_is_and_open() -> None:
    """Rule 3: no hours, no perpetrator and no dates are answers."""
    row = row_of(hours="", perpetrator="")
    assert (row.hours, row.perpetrator, row.effective_from, row.effective_until) == (None, None, None, None)


def test_a_row_without_anything_behind_it_may_name_nobody() -> None:
    """Rule 5 speaks of rows of some confidence only: what nobody sourced must be sayable."""
    row = row_of(confidence="none", source="", receivers="", citation="", verified_on="")
    assert (row.sourced, row.receivers, row.verified_on) == (False, (), None)


def test_rows_stay_in_order_by_jurisdiction() -> None:
    """Rule 1: a jurisdiction may have several, not necessarily side by side."""
    text = table({}, {"id": "us-la", "jurisdiction": "US-LA"}, {"id": "us-tx.other"})
    found = duty_rows("duties.csv", text)
    assert {code: [row.id for row in rows] for code, rows in found.items()} == {
        "US-TX": ["us-tx", "us-tx.other"],
        "US-LA": ["us-la"],
    }


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"id": "us-tx"}, "us-tx is the id of two rows"),
        ({"id": "us-la.second"}, "id must be us-tx, or that with a full stop and a word"),
        ({"id": "US-TX.second"}, "id must be us-tx"),
        ({"id": "us-tx."}, "id must be us-tx"),
        ({"jurisdiction": "TX"}, "jurisdiction is not an ISO 3166-2"),
        ({"binds": "everyone"}, "binds must be one of anyone, mandated_reporter"),
        ({"subject": "adult"}, "subject must be one of"),
        ({"perpetrator": "stranger"}, "perpetrator must be one of caretaker, other"),
        ({"receivers": "police"}, "police is not a kind of recipient"),
        ({"receivers": "child_protection;law_enforcement"}, "is not a kind of recipient"),
        ({"receivers": "child_protection&law_enforcement"}, "is not a kind of recipient"),
        ({"receivers": "child_protection|"}, "nothing is not a kind of recipient"),
        ({"receivers": "child_protection|child_protection"}, "names a kind twice"),
        ({"receivers": "child_protection & child_protection"}, "has a part twice"),
        ({"receivers": ""}, "names at least one receiver, its source and its citation"),
        ({"source": ""}, "names at least one receiver, its source and its citation"),
        ({"citation": ""}, "names at least one receiver, its source and its citation"),
        ({"hours": "0"}, "hours must be a whole number"),
        ({"hours": "1.5"}, "hours must be a whole number"),
        ({"hours": "two"}, "hours must be a whole number"),
        ({"channel": "fax"}, "channel must be one of"),
        ({"written": "48"}, "written must be a length of time"),
        ({"written": "0h"}, "written must be a length of time"),
        ({"written": "48h"}, "written_clock must be one of"),
        ({"written": "48h", "written_clock": "reported"}, "written_when must be one of"),
        ({"written_when": "always"}, "written must be a length of time"),
        ({"threshold": "9"}, "threshold must be an age from 10 to 30 years"),
        ({"threshold": "31"}, "threshold must be an age from 10 to 30 years"),
        ({"effective_from": "20250901"}, "effective_from must be a date"),
        ({"effective_until": "soon"}, "effective_until must be a date"),
        ({"verified_on": "2026-02-30"}, "verified_on must be a date"),
        ({"effective_from": "2025-09-01", "effective_until": "2025-09-01"}, "effective_until must be after"),
        ({"confidence": "certain"}, "confidence must be one of"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(cells: dict[str, str], reason: str) -> None:
    """Rules 1-6: the whole table is refused at the first such row; nothing is guessed."""
    with pytest.raises(BundleError) as refusal:
        duty_rows("duties.csv", table({}, {"id": "us-tx.second"} | cells))
    assert (refusal.value.file, refusal.value.line) == ("duties.csv", 3)
    assert reason in refusal.value.reason


def test_a_column_too_few_is_refused() -> None:
    """Rule 6: the header names exactly the columns."""
    with pytest.raises(BundleError, match=r"duties.csv:1: the columns must be id,jurisdiction"):
        duty_rows("duties.csv", table({}).replace(",note", "", 1))


def test_every_jurisdiction_has_a_row(bundle: Bundle) -> None:
    """Fifty states, the district, five territories, tribal land and the nation."""
    assert len(PLACES) == 57
    assert set(bundle.protocol.rows) == PLACES | {"US"}


def test_what_is_not_sourced_says_so(bundle: Bundle) -> None:
    """Where nothing stands behind the only row, no receiver is named and a child's situation goes to review."""
    unsourced = {code for code, rows in bundle.protocol.rows.items() if not any(row.sourced for row in rows)}
    assert unsourced == codes("AS GU MP VI")
    assert not any(row.receivers for row in all_rows(bundle).values() if not row.sourced)


@pytest.mark.parametrize(
    ("row", "hours"),
    [
        *(("us-ak", 24), ("us-ct", 12), ("us-ga", 24), ("us-ia", 24), ("us-id", 24), ("us-mn", 24), ("us-mp", 24)),
        *(("us-nv", 24), ("us-ri", 24), ("us-tx", None), ("us-tx.professional", 24), ("us-vt", 24), ("us-wa", 48)),
        *(("us-wv", 24), ("us-wv.serious", None), ("us-al", None), ("us-ca", None), ("us-va", None)),
    ],
)
def test_deadlines_are_the_sources_and_the_earlier_of_two(bundle: Bundle, row: str, hours: int | None) -> None:
    """Hours as sourced; where sources differ the earlier one (Texas, Virginia, West Virginia), and none is at once."""
    assert all_rows(bundle)[row].hours == hours


@pytest.mark.parametrize(
    ("row", "written"),
    [
        ("us-ca", Written(Span(36, SpanUnit.HOURS), Clock.RECEIVED, WrittenWhen.ALWAYS)),
        ("us-ct", Written(Span(48, SpanUnit.HOURS), Clock.REPORTED, WrittenWhen.ALWAYS)),
        ("us-ky", Written(Span(48, SpanUnit.HOURS), Clock.REPORTED, WrittenWhen.IF_REQUESTED)),
        ("us-la", Written(Span(5, SpanUnit.DAYS), Clock.REPORTED, WrittenWhen.AFTER_ORAL)),
        ("us-md", Written(Span(48, SpanUnit.HOURS), Clock.RECEIVED, WrittenWhen.ALWAYS)),
        ("us-mi", Written(Span(72, SpanUnit.HOURS), Clock.REPORTED, WrittenWhen.AFTER_ORAL)),
        ("us-mn", Written(Span(3, SpanUnit.BUSINESS_DAYS), Clock.REPORTED, WrittenWhen.AFTER_ORAL)),
        ("us-tx", None),
    ],
)
def test_reports_in_writing_have_the_sources_clock(bundle: Bundle, row: str, written: Written | None) -> None:
    """How soon, after what, and when at all."""
    assert all_rows(bundle)[row].written == written


@pytest.mark.parametrize(
    ("code", "caretaker", "other"),
    [
        ("US-AZ", {CHILDREN, POLICE}, {POLICE}),
        ("US-LA", {CHILDREN}, {CHILDREN, POLICE}),
        ("US-ME", {CHILDREN}, {POLICE}),
        ("US-SC", {CHILDREN, POLICE}, {POLICE}),
        ("US-NY", {CHILDREN}, {CHILDREN}),
        ("US-NC", {CHILDREN, POLICE}, {CHILDREN, POLICE}),
    ],
)
def test_who_harms_a_child_decides_who_is_told(
    bundle: Bundle, code: str, caretaker: set[RecipientKind], other: set[RecipientKind]
) -> None:
    """Where a law asks who it was, there is a row for either answer (Louisiana's hotline hears of sex trafficking)."""
    rows = [row for row in bundle.protocol.rows[code] if row.binds in bundle.protocol.bound_as]
    for perpetrator, kinds in ((Perpetrator.CARETAKER, caretaker), (Perpetrator.OTHER, other)):
        named = {kind for row in rows if row.perpetrator in (None, perpetrator) for kind in row.kinds}
        assert named == kinds


def test_a_child_is_under_nineteen_in_two_states(bundle: Bundle) -> None:
    """Alabama's and Nebraska's reports cover people under nineteen; the wider reading is taken."""
    older = {row.jurisdiction for row in all_rows(bundle).values() if row.threshold != 18}
    assert older == codes("AL NE")
    assert bundle.protocol.majority("US-AL").threshold == 19


def test_some_states_want_a_voice(bundle: Bundle) -> None:
    """Where the source names telephone or speech and nothing electronic, a webhook discharges nothing."""
    deciding = [row for row in all_rows(bundle).values() if row.binds in bundle.protocol.bound_as]
    voices = {row.jurisdiction for row in deciding if row.channel in CALLS}
    assert voices == codes("AL CA DC DE HI IA IL KS LA MA MD ME MO MS NE NH OH SD WI")


def test_no_federal_row_binds_a_hotline(bundle: Bundle) -> None:
    """Officials, agencies and online providers are bound by the nation's rows; 18 U.S.C. 1169 binds on tribal land."""
    assert not [row.id for row in bundle.protocol.rows["US"] if row.binds in bundle.protocol.bound_as]
    assert [row.id for row in bundle.protocol.rows["US-TRIBAL"] if row.binds in bundle.protocol.bound_as] == [
        "us-tribal"
    ]


def test_every_sourced_row_says_where_it_is_from(bundle: Bundle) -> None:
    """Source, its date and the citation; and every row that decides was compared with its source."""
    for row in all_rows(bundle).values():
        assert not row.sourced or (row.source.startswith("https://") and row.source_date and row.citation), row.id
        if row.sourced and row.binds in bundle.protocol.bound_as:
            assert row.verified_on is not None, row.id


def test_conflicts_stay_readable(bundle: Bundle) -> None:
    """What was read one way and could be read another is said beside the row."""
    rows = all_rows(bundle)
    assert "The sources differ" in rows["us-wv"].note
    assert "Conflict rule" in rows["us-nv"].note
    assert "48 to 24 hours" in rows["us-tx.professional"].note


def test_every_cell_is_one_line_of_print(bundle: Bundle) -> None:
    """A slice's annotations and the page's bullets hold single lines."""
    for row in all_rows(bundle).values():
        assert f"{row.source}{row.source_date}{row.citation}{row.note}".isprintable(), row.id
