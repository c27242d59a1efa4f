"""What is doubtful about a duty table is told before a child's situation meets it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tiprouter.domain.duty import DutyRow, Protocol, Span, Territory, Written
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
from tiprouter.policy.duty_lint import PLACES, Complaint, Severity, lint, unreliable
from tiprouter.policy.zones import zone

TODAY = date(2026, 11, 21)
ROW = DutyRow(
    id="us-tx",
    jurisdiction="US-TX",
    binds=Bound.ANYONE,
    subject=DutySubject.CHILD_MALTREATMENT,
    perpetrator=None,
    receivers=(frozenset({RecipientKind.CHILD_PROTECTION}),),
    hours=24,
    channel=ReportChannel.ANY,
    written=None,
    threshold=18,
    effective_from=None,
    effective_until=None,
    source="https://law.example/texas",
    source_date="2026",
    verified_on=TODAY,
    confidence=Confidence.HIGH,
    citation="Example Code 1",
    note="",
)
TEXAS = Territory("US-TX", "Texas", zone("America/Denver"), minor_alone=False, source="")


def protocol(*rows: DutyRow, territories: Mapping[str, Territory] | None = None) -> Protocol:
    """A bundle's tables with these rows of Texas alone."""
    return Protocol(
        rows={"US-TX": rows} if rows else {},
        territories={"US-TX": TEXAS} if territories is None else territories,
        bound_as=frozenset({Bound.ANYONE, Bound.MANDATED_REPORTER}),
        immediately=timedelta(hours=1),
        violence_fresh=timedelta(hours=12),
        stale_after=timedelta(days=730),
        default_threshold=18,
        default_zone=zone("Pacific/Pago_Pago"),
    )


def told(*rows: DutyRow, today: date = TODAY) -> list[tuple[Severity, str | None, str]]:
    """What is said of Texas, whose rows these are."""
    found = lint(protocol(*rows), today)
    return [(one.severity, one.row, one.sentence) for one in found if one.jurisdiction == "US-TX"]


def test_a_good_row_has_no_complaint() -> None:
    """Sourced, fresh, in effect, whoever harms the child: nothing to say."""
    assert told(ROW) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"source": "", "confidence": Confidence.NONE}, "us-tx has no source"),
        ({"binds": Bound.OFFICIAL}, "us-tx binds others (official)"),
        ({"verified_on": None}, "us-tx was not verified within the bundle's span"),
        ({"verified_on": TODAY - timedelta(days=730)}, "us-tx was not verified within the bundle's span"),
        ({"effective_from": TODAY + timedelta(days=1)}, "us-tx is not yet in effect"),
        ({"effective_until": TODAY}, "us-tx is no longer in effect"),
    ],
)
def test_a_place_without_a_row_to_rely_on_is_a_warning(changes: dict[str, Any], why: str) -> None:
    """Rule 2: the clock runs and a person must look, and the reason is said."""
    row = replace(ROW, **changes)
    sentence = f"every child's situation goes to review with the clock running: {why}"
    assert (Severity.WARNING, None, sentence) in told(row)
    assert not protocol(row).relied_on(row, TODAY)
    assert unreliable("US-TX", protocol(row), TODAY) == why


def test_every_place_is_asked_about() -> None:
    """Rule 2: a jurisdiction that neither table knows is told, and so is one that only one table knows."""
    warned = {(one.jurisdiction, one.sentence) for one in lint(protocol(ROW, territories={}), TODAY)}
    assert {code for code, _ in warned} == PLACES
    assert ("US-LA", "every child's situation goes to review with the clock running: it has no row") in warned
    zoneless = "no row of jurisdictions.csv says when its day begins; Pacific/Pago_Pago is used"
    assert {("US-TX", zoneless), ("US-LA", zoneless)} <= warned
    assert ("US-TX", zoneless) not in {(one.jurisdiction, one.sentence) for one in lint(protocol(ROW), TODAY)}


def test_a_row_without_a_source_is_told_once() -> None:
    """What was never compared with anything cannot go stale: the place's own warning says it all."""
    bare = replace(ROW, source="", confidence=Confidence.NONE, receivers=(), verified_on=None)
    assert [row for _, row, _ in told(bare)] == [None]


def test_a_duty_of_others_is_a_note_and_nothing_more() -> None:
    """Rule 3: how others must report is nothing a person here must do."""
    theirs = replace(ROW, id="us-tx.agency", binds=Bound.CHILD_WELFARE_AGENCY, channel=ReportChannel.TELEPHONE)
    sentence = "it binds others (child_welfare_agency) and decides nothing here"
    assert told(ROW, theirs) == [(Severity.NOTE, "us-tx.agency", sentence)]


def test_one_good_row_is_enough() -> None:
    """A second row without a source takes nothing from the first."""
    bare = replace(ROW, id="us-tx.other", source="", confidence=Confidence.NONE, receivers=())
    assert unreliable("US-TX", protocol(bare, ROW), TODAY) is None


def test_a_row_going_stale_is_told_ninety_days_before() -> None:
    """Rule 2: in time to compare it again, with the day; and a day earlier nothing is said."""
    stale_on = ROW.verified_on + timedelta(days=730) if ROW.verified_on else TODAY
    soon = stale_on - timedelta(days=90)
    sentence = f"it goes stale on {stale_on}; compare it with its source again"
    assert told(ROW, today=soon) == [(Severity.WARNING, "us-tx", sentence)]
    assert told(ROW, today=soon - timedelta(days=1)) == []


def test_a_row_verified_tomorrow_is_wrong() -> None:
    """Rule 1: nobody has compared it yet."""
    row = replace(ROW, verified_on=TODAY + timedelta(days=1))
    assert told(row) == [(Severity.ERROR, "us-tx", "it says it was verified on 2026-11-22")]


def test_two_deadlines_for_one_question_are_wrong() -> None:
    """Rule 1: the same child, perpetrator and receiver, at the same time."""
    other = replace(ROW, id="us-tx.other", hours=48)
    sentence = "it and us-tx.other give one receiver two deadlines for the same; the earlier decides"
    assert told(ROW, other) == [(Severity.ERROR, "us-tx", sentence)]


@pytest.mark.parametrize(
    "changes",
    [
        {"perpetrator": Perpetrator.OTHER},
        {"subject": DutySubject.CHILD_SEXUAL_EXPLOITATION},
        {"binds": Bound.MANDATED_REPORTER},
        {"receivers": (frozenset({RecipientKind.LAW_ENFORCEMENT}),)},
    ],
)
def test_two_deadlines_for_two_questions_are_right(changes: dict[str, Any]) -> None:
    """A stricter row for one kind of case, reporter or receiver contradicts nothing."""
    other = replace(ROW, id="us-tx.other", hours=1)
    assert told(ROW, replace(other, **changes)) == []


def test_rows_that_follow_one_another_contradict_nothing() -> None:
    """An amendment: the old row ends on the day the new one begins."""
    day = date(2025, 6, 20)
    old, new = replace(ROW, hours=48, effective_until=day), replace(ROW, id="us-tx.new", effective_from=day)
    assert told(old, new) == []


def test_a_law_that_ends_with_nothing_after_it_is_a_warning() -> None:
    """Rule 2: a gap in the dates, or an end, will one day send everything to review."""
    end, later = date(2027, 1, 1), date(2027, 2, 1)
    assert told(replace(ROW, effective_until=end)) == [
        (Severity.WARNING, "us-tx", "it ends before 2027-01-01 and nothing follows it")
    ]
    another = replace(ROW, id="us-tx.other", subject=DutySubject.CHILD_TRAFFICKING)
    assert "nothing follows it" in told(replace(ROW, effective_until=end), another)[0][2]
    next_one = replace(ROW, id="us-tx.new", effective_from=later)
    assert told(replace(ROW, effective_until=end), next_one) == [
        (Severity.WARNING, "us-tx", "it ends before 2027-01-01 and the next one begins on 2027-02-01"),
        (Severity.WARNING, "us-tx.new", "it takes effect on 2027-02-01"),
    ]


def test_the_same_twice_is_a_note() -> None:
    """Two rows that agree about a receiver may be two parts of a law."""
    both = (frozenset({RecipientKind.CHILD_PROTECTION}), frozenset({RecipientKind.CLEARINGHOUSE}))
    sentence = "it and us-tx.missing name the same receiver for the same"
    assert told(ROW, replace(ROW, id="us-tx.missing", receivers=both)) == [(Severity.NOTE, "us-tx", sentence)]


def test_a_perpetrator_of_whom_no_row_speaks_is_a_warning() -> None:
    """Rule 2: a child whom a stranger harms would be met with silence."""
    found = told(replace(ROW, perpetrator=Perpetrator.CARETAKER))
    assert {severity for severity, _, _ in found} == {Severity.WARNING}
    assert {sentence for _, _, sentence in found} == {
        "no row speaks of a child who is sexually exploited where the perpetrator is: other",
        "no row speaks of a child who is trafficked for anything else where the perpetrator is: other",
    }
    other = replace(ROW, id="us-tx.other", perpetrator=Perpetrator.OTHER)
    assert told(replace(ROW, perpetrator=Perpetrator.CARETAKER), other) == []
    bare = replace(other, source="", confidence=Confidence.NONE, receivers=())
    assert len(told(replace(ROW, perpetrator=Perpetrator.CARETAKER), bare)) == 2


def test_a_law_about_sexual_exploitation_alone_leaves_a_gap() -> None:
    """Rule 2: a child in forced labour would be met with silence."""
    sentences = [sentence for _, _, sentence in told(replace(ROW, subject=DutySubject.CHILD_SEXUAL_EXPLOITATION))]
    assert len(sentences) == 2
    assert all("trafficked for anything else" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("changes", "severity", "sentence"),
    [
        ({"confidence": Confidence.LOW}, Severity.WARNING, "its source is secondary, undated or conflicting"),
        ({"source": "http://law.example/"}, Severity.WARNING, "its source is not an https address"),
        ({"channel": ReportChannel.TELEPHONE}, Severity.NOTE, "only a person can discharge it: telephone"),
        ({"channel": ReportChannel.ORAL}, Severity.NOTE, "only a person can discharge it: oral"),
        ({"threshold": 19}, Severity.NOTE, "people under 19 are children, not 18 as elsewhere"),
        (
            {"written": Written(Span(5, SpanUnit.DAYS), Clock.REPORTED, WrittenWhen.AFTER_ORAL)},
            Severity.NOTE,
            "a report in writing must follow (after_oral)",
        ),
    ],
)
def test_what_a_person_must_know_is_told(changes: dict[str, Any], severity: Severity, sentence: str) -> None:
    """Rules 2 and 3, one sentence each and nothing else."""
    row = replace(ROW, **changes)
    assert told(row) == [(severity, "us-tx", sentence)]


def test_the_shipped_table_is_not_wrong(bundle: Bundle) -> None:
    """Rule 1: no error on the day it was verified, and the places that go to review are the unsourced ones."""
    found = list(lint(bundle.protocol, TODAY))
    assert [one for one in found if one.severity is Severity.ERROR] == []
    review = {one.jurisdiction for one in found if one.row is None and "goes to review" in one.sentence}
    assert review == {"US-AS", "US-GU", "US-MP", "US-VI"}
    assert not [one for one in found if "no row speaks of" in one.sentence]


def test_the_shipped_table_goes_stale_everywhere(bundle: Bundle) -> None:
    """Two years after nobody looked again, every place is a review and says so."""
    later = TODAY + bundle.protocol.stale_after
    found = [one for one in lint(bundle.protocol, later) if one.row is None]
    assert {one.jurisdiction for one in found} == PLACES
    assert (
        Complaint(
            Severity.WARNING,
            "US-WY",
            None,
            "every child's situation goes to review with the clock running: "
            "us-wy was not verified within the bundle's span",
        )
        in found
    )


def test_complaints_come_by_place_and_the_worst_first(bundle: Bundle) -> None:
    """Rule 4."""
    found = list(lint(bundle.protocol, date(2026, 1, 1)))
    assert [one.jurisdiction for one in found] == sorted(one.jurisdiction for one in found)
    order = tuple(Severity)
    for code in PLACES:
        ranks = [order.index(one.severity) for one in found if one.jurisdiction == code]
        assert ranks == sorted(ranks)
    assert sum(one.severity is Severity.ERROR for one in found) == 78
