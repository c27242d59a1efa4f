"""What is done about one person and one recipient, given what the policy answered?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprouter.domain.duty import DutyRow, Part, Span, parts
from tiprouter.domain.facts import VICTIM_ROLES, Finding, Situation, bands_anywhere, findings_for
from tiprouter.domain.outcome import (
    DEFAULT_WITHIN,
    NO_RECIPIENT,
    UNNAMED_SIGNALER,
    Ruling,
    Unrouted,
    Verdict,
    after,
    blocked_without_recipient,
    narrowed,
    takes,
    unrouted,
    verdict_of,
)
from tiprouter.domain.recipient import Recipient
from tiprouter.domain.record import Age, Guardian, Person
from tiprouter.domain.vocabulary import (
    AgeBand,
    Answer,
    Category,
    Confidence,
    Outcome,
    RecipientKind,
    Role,
    SpanUnit,
    Urgency,
)
from tiprouter.domain.worlds import worlds_of

from .examples import (
    CARETAKER,
    CHILDREN,
    CLEARINGHOUSE,
    DAY,
    HOUR,
    NOW,
    OTHER,
    POLICE,
    PROVIDER,
    STALE_AFTER,
    agency,
    both,
    either,
    person,
    place,
    record,
    row,
    scenes,
    situation,
)

SOME = frozenset({Category.INCIDENT})
FACTS = findings_for(situation(record()), agency())["a"].facts
FINDING = Finding(FACTS, NOW + HOUR, None)
NOTHING = Ruling(permitted=frozenset(), report=False, review=False, policies=())


def _outcome(ruling: Ruling) -> Outcome:
    return verdict_of(FINDING, ruling, NOW).outcome


@pytest.mark.parametrize(
    ("permitted", "report", "review"), list(product([frozenset(), SOME], [False, True], [False, True]))
)
def test_any_error_holds(permitted: frozenset[Category], report: bool, review: bool) -> None:  # noqa: FBT001 - a table
    """Rule 1: whatever else was answered, nothing leaves."""
    verdict = verdict_of(FINDING, Ruling(permitted, report, review, ("x.y",), errors=("no-decision",)), NOW)
    assert verdict.outcome is Outcome.HOLD_ERROR
    assert not verdict.leaves
    assert verdict.categories == frozenset()
    assert verdict.errors == ("no-decision",)


@pytest.mark.parametrize(
    ("permitted", "report", "review", "outcome"),
    [
        (SOME, True, False, Outcome.REPORT),
        (SOME, True, True, Outcome.REPORT),
        (frozenset(), True, False, Outcome.DUTY_BLOCKED),
        (frozenset(), True, True, Outcome.DUTY_BLOCKED),
        (SOME, False, True, Outcome.HOLD_REVIEW),
        (frozenset(), False, True, Outcome.HOLD_REVIEW),
        (SOME, False, False, Outcome.DISCLOSE),
        (frozenset(), False, False, Outcome.WITHHOLD),
    ],
)
def test_the_outcome_follows_the_answers(
    permitted: frozenset[Category],
    report: bool,  # noqa: FBT001 - a table
    review: bool,  # noqa: FBT001 - a table
    outcome: Outcome,
) -> None:
    """Rules 2 and 3: a duty is never delayed by review, and only a report or a disclosure lets anything leave."""
    verdict = verdict_of(FINDING, Ruling(permitted, report, review, ("x.y",)), NOW)
    assert verdict.outcome is outcome
    assert verdict.leaves == (outcome in {Outcome.REPORT, Outcome.DISCLOSE})
    assert verdict.categories == (permitted if verdict.leaves else frozenset())
    assert verdict.review is review


def test_the_default_is_deny_and_says_so() -> None:
    """Rule 3."""
    assert verdict_of(FINDING, NOTHING, NOW).policies == ("default-deny",)
    assert verdict_of(FINDING, NOTHING, NOW).deadline is None


@pytest.mark.parametrize(
    ("within", "duty_hours", "expected"),
    [
        ((), None, DEFAULT_WITHIN),
        ((24 * HOUR,), None, 24 * HOUR),
        ((24 * HOUR, HOUR), None, HOUR),
        ((24 * HOUR,), 12, 12 * HOUR),
        ((HOUR,), 12, HOUR),
        ((), 96, 96 * HOUR),
    ],
)
def test_the_earliest_deadline_counts(
    within: tuple[timedelta, ...], duty_hours: int | None, expected: timedelta
) -> None:
    """Rule 4: of the policies and of the duty table; counted from receipt."""
    finding = replace(FINDING, duty_within=None if duty_hours is None else duty_hours * HOUR)
    ruling = replace(NOTHING, permitted=SOME, report=True, within=within)
    assert verdict_of(finding, ruling, NOW).deadline == NOW + expected


def test_a_disclosure_that_is_no_report_does_not_run_on_the_dutys_clock() -> None:
    """Rule 4: what somebody consented to is due when its own policy says, whatever a table names."""
    ruling = replace(NOTHING, permitted=SOME, within=(24 * HOUR,))
    assert verdict_of(replace(FINDING, duty_within=HOUR), ruling, NOW).deadline == NOW + 24 * HOUR


@pytest.mark.parametrize(
    ("changes", "duty_hours", "expected"),
    [({"report": True}, 2, 2 * HOUR), ({"review": True}, 2, 2 * HOUR), ({"errors": ("x",)}, 2, HOUR / 2)],
)
def test_whatever_waits_for_a_human_waits_on_a_clock(
    changes: dict[str, object], duty_hours: int, expected: timedelta
) -> None:
    """Rule 4: a blocked duty and a review wait on the duty's; an error may hide imminent danger."""
    finding, ruling = replace(FINDING, duty_within=duty_hours * HOUR), replace(NOTHING, **changes)  # type: ignore[arg-type]
    verdict = verdict_of(finding, ruling, NOW)
    assert not verdict.leaves
    assert verdict.deadline == NOW + expected


def test_a_review_runs_on_the_dutys_clock() -> None:
    """Rule 4: a person who may be a child is reviewed before the duty breaks."""
    finding = replace(FINDING, duty_within=HOUR)
    assert verdict_of(finding, replace(NOTHING, review=True), NOW).deadline == NOW + HOUR


@pytest.mark.parametrize(
    ("minutes", "urgency"), [(15, Urgency.IMMINENT), (30, Urgency.IMMINENT), (31, Urgency.STANDARD)]
)
def test_a_close_deadline_takes_the_lane_that_waits_for_nobody(minutes: int, urgency: Urgency) -> None:
    """Rule 4."""
    ruling = replace(NOTHING, report=True, permitted=SOME, within=(timedelta(minutes=minutes),))
    assert verdict_of(FINDING, ruling, NOW).urgency is urgency


FRIDAY_NIGHT = datetime(2030, 6, 15, 3, 30, tzinfo=UTC)
"""Friday the 14th, half past nine in the evening in Denver; Saturday in London."""


@pytest.mark.parametrize(
    ("span", "zone", "due"),
    [
        (Span(36, SpanUnit.HOURS), "America/Denver", FRIDAY_NIGHT + 36 * HOUR),
        (Span(5, SpanUnit.DAYS), "America/Denver", FRIDAY_NIGHT + 5 * DAY),
        (Span(3, SpanUnit.BUSINESS_DAYS), "America/Denver", datetime(2030, 6, 21, 3, 30, tzinfo=UTC)),
        (Span(3, SpanUnit.BUSINESS_DAYS), "Europe/London", datetime(2030, 6, 20, 3, 30, tzinfo=UTC)),
    ],
    ids=["hours", "days", "business-days", "elsewhere"],
)
def test_a_written_report_is_due_as_the_statute_counts(span: Span, zone: str, due: datetime) -> None:
    """Rule 4: Juneteenth is no business day (Wednesday the 19th), and a Friday night is already Saturday elsewhere."""
    finding = replace(FINDING, zone=ZoneInfo(zone))
    ruling = replace(NOTHING, permitted=SOME, report=True, written=(span,))
    assert verdict_of(finding, ruling, FRIDAY_NIGHT).written_by == due


def test_the_earliest_written_report_counts_by_the_calendar_not_by_the_number() -> None:
    """Rule 4: three business days over a weekend and a holiday end after five days of any kind."""
    spans = (Span(3, SpanUnit.BUSINESS_DAYS), Span(5, SpanUnit.DAYS), Span(200, SpanUnit.HOURS))
    finding = replace(FINDING, zone=ZoneInfo("America/Denver"))
    ruling = replace(NOTHING, permitted=SOME, report=True, written=spans)
    assert verdict_of(finding, ruling, FRIDAY_NIGHT).written_by == FRIDAY_NIGHT + 5 * DAY
    assert after(spans[0], FRIDAY_NIGHT, ZoneInfo("America/Denver")) > FRIDAY_NIGHT + 5 * DAY


@pytest.mark.parametrize("leaves", [True, False])
def test_a_call_and_a_written_report_are_owed_of_what_leaves(leaves: bool) -> None:  # noqa: FBT001 - a table
    """Rule 4: nobody is called about what nobody may be told."""
    permitted = SOME if leaves else frozenset[Category]()
    ruling = Ruling(
        permitted, report=True, review=False, policies=("x.y",), call=True, written=(Span(2, SpanUnit.DAYS),)
    )
    verdict = verdict_of(FINDING, ruling, NOW)
    assert (verdict.call, verdict.written_by) == ((True, NOW + 2 * DAY) if leaves else (False, None))


def test_a_signaler_who_is_not_named_is_not_told_of_at_all() -> None:
    """Rule 6: one may tell what happened to oneself by phone without being known to have phoned."""
    facts = replace(FACTS, role=Role.SIGNALER)
    told = replace(NOTHING, permitted=SOME, policies=("core.consent",), within=(24 * HOUR,), call=True)
    verdict = verdict_of(replace(FINDING, facts=facts), told, NOW)
    assert (verdict.outcome, verdict.policies) == (Outcome.WITHHOLD, (UNNAMED_SIGNALER,))
    assert (verdict.deadline, verdict.call, verdict.categories) == (None, False, frozenset())


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "permitted", [frozenset[Category](), SOME, frozenset({Category.SIGNALER_IDENTITY}), frozenset(Category)], ids=len
)
def test_only_an_unnamed_signalers_ruling_is_narrowed(role: Role, permitted: frozenset[Category]) -> None:
    """Rule 6: nobody else's, and not that of a signaler who may be named or of whom nothing leaves anyway."""
    ruling = replace(NOTHING, permitted=permitted, policies=("x.y",))
    unnamed = role is Role.SIGNALER and permitted == SOME
    left = narrowed(replace(FACTS, role=role), ruling)
    assert (left != ruling) == unnamed
    assert left.permitted <= ruling.permitted
    assert (left.report, left.review, left.errors) == (ruling.report, ruling.review, ruling.errors)


def test_narrowing_hides_neither_an_error_nor_a_review() -> None:
    """Rules 1, 3 and 6: what a human must see stays."""
    finding = replace(FINDING, facts=replace(FACTS, role=Role.SIGNALER))
    told = replace(NOTHING, permitted=SOME, policies=("x.y",))
    assert verdict_of(finding, replace(told, errors=("x",)), NOW).outcome is Outcome.HOLD_ERROR
    assert verdict_of(finding, replace(told, review=True), NOW).outcome is Outcome.HOLD_REVIEW


CHILD = person("a", age=Age(years=9))
TEXAS = place()
REPORTED = verdict_of(FINDING, replace(NOTHING, permitted=SOME, report=True, policies=("x.y",)), NOW)
HELD = verdict_of(FINDING, replace(NOTHING, review=True, policies=("x.y",)), NOW)
BLOCKED = verdict_of(FINDING, replace(NOTHING, report=True, policies=("x.y",)), NOW)
DISCLOSED = verdict_of(FINDING, replace(NOTHING, permitted=SOME, policies=("x.y",)), NOW)
WITHHELD = verdict_of(FINDING, NOTHING, NOW)


def _lost(of: Situation, *verdicts: tuple[Recipient, Verdict]) -> tuple[Unrouted, ...]:
    return unrouted(of, [("a", recipient, verdict) for recipient, verdict in verdicts], bands_anywhere(of))


def _part(*kinds: RecipientKind, of: DutyRow) -> Part:
    return Part(TEXAS, frozenset(kinds), of)


def test_a_child_nobody_can_take_is_named() -> None:
    """Rule 5: children and perhaps children of the victims' side; no adult, no witness."""
    roles = {"a": Role.POTENTIAL_VICTIM, "b": Role.DEPENDANT, "c": Role.WITNESS, "d": Role.POTENTIAL_VICTIM}
    of = situation(record(*(person(ref, role=role) for ref, role in roles.items())))
    bands = {"a": AgeBand.MINOR, "b": AgeBand.UNKNOWN, "c": AgeBand.MINOR, "d": AgeBand.ADULT}
    everything = _part(POLICE, CHILDREN, of=row())
    assert unrouted(of, [], bands) == (Unrouted("a", (everything,)), Unrouted("b", (everything,)))
    told = [("a", agency(), WITHHELD), ("b", agency(), HELD), ("d", agency(), REPORTED)]
    assert unrouted(of, told, bands) == (Unrouted("a", (everything,)),)


@pytest.mark.parametrize("verdict", [REPORTED, HELD, BLOCKED], ids=["reported", "held", "blocked"])
@pytest.mark.parametrize("kind", [POLICE, CHILDREN])
def test_one_kind_of_an_or_is_enough(kind: RecipientKind, verdict: Verdict) -> None:
    """Rule 5: told, or put before a human, is not silence."""
    assert _lost(situation(record(CHILD)), (agency(kind), verdict)) == ()


def test_every_kind_of_an_and_is_needed() -> None:
    """Rule 5: the part that nobody takes is named, the one that somebody takes is not."""
    apart = row(receivers=both(POLICE, CLEARINGHOUSE))
    of = situation(record(CHILD), apart)
    assert _lost(of, (agency(POLICE), REPORTED)) == (Unrouted("a", (_part(CLEARINGHOUSE, of=apart),)),)
    assert _lost(of, (agency(CLEARINGHOUSE), REPORTED)) == (Unrouted("a", (_part(POLICE, of=apart),)),)
    assert _lost(of, (agency(POLICE), REPORTED), (agency(CLEARINGHOUSE), REPORTED)) == ()


@pytest.mark.parametrize("silent", [WITHHELD, DISCLOSED], ids=["withheld", "disclosed"])
def test_who_is_told_something_else_takes_no_part(silent: Verdict) -> None:
    """Rule 5: neither a denial nor a disclosure by consent is a report of a child."""
    assert _lost(situation(record(CHILD)), (agency(), silent)) == (Unrouted("a", (_part(POLICE, CHILDREN, of=row()),)),)


def test_a_disclosure_to_a_provider_discharges_no_duty() -> None:
    """Rule 5: telling a provider by consent is no report of a child."""
    assert _lost(situation(record(CHILD)), (agency(PROVIDER), DISCLOSED), (agency(PROVIDER), REPORTED))


def test_another_place_takes_no_part_of_this_one() -> None:
    """Rule 5: two jurisdictions, one of which has nobody."""
    georgia = row("US-GA", POLICE)
    about = record(CHILD, jurisdictions=(TEXAS, place("US-GA")))
    assert _lost(situation(about, row(), georgia), (agency(), REPORTED)) == (
        Unrouted("a", (Part(place("US-GA"), frozenset({POLICE}), georgia),)),
    )
    county = agency(counties=("48113",))
    assert takes(county, _part(POLICE, of=row()))
    assert not takes(county, Part(place(county="48201"), frozenset({POLICE}), row()))


def test_a_part_that_may_be_owed_needs_somebody_too() -> None:
    """Rule 5: nobody knows whether a guardian harms the child; child protection is nowhere registered."""
    by_caretaker = row("US-TX", CHILDREN, perpetrator=CARETAKER)
    by_other = row(id="us-tx.other", receivers=either(POLICE), perpetrator=OTHER)
    of = situation(record(CHILD), by_caretaker, by_other)
    assert _lost(of, (agency(POLICE), HELD)) == (Unrouted("a", (_part(CHILDREN, of=by_caretaker),)),)
    sure = replace(CHILD, guardians=(Guardian("parent", Answer.NO),))
    assert _lost(situation(record(sure), by_caretaker, by_other), (agency(POLICE), REPORTED)) == ()


def test_where_the_law_is_unknown_any_authority_is_enough() -> None:
    """Rule 5: no row, or none that is relied on; a clearinghouse is no authority."""
    of = situation(record(CHILD), row(confidence=Confidence.NONE))
    nobody_says = Part(TEXAS, frozenset({POLICE, CHILDREN}), None)
    assert _lost(of, (agency(CLEARINGHOUSE), HELD)) == (Unrouted("a", (nobody_says,)),)
    assert _lost(of, (agency(CHILDREN), HELD)) == ()


def test_a_child_without_a_place_is_lost_until_somebody_is_told() -> None:
    """Rule 5: no place has no parts, and is no silence either."""
    of = situation(record(CHILD, jurisdictions=()))
    assert _lost(of) == (Unrouted("a", ()),)
    assert _lost(of, (agency(CHILDREN, jurisdictions=("US",)), HELD)) == ()


def test_a_blocked_duty_without_a_recipient_is_urgent_and_empty() -> None:
    """Rule 5: it must not end in silence; it names what reaches nobody, and breaks when the first part of that does."""
    soon, late = row(id="us-tx.soon", hours=12), row(id="us-tx.late", hours=48)
    of = situation(record(CHILD), soon, late)
    lost = Unrouted("a", tuple(_part(POLICE, of=each) for each in (soon, late, late)))
    verdict = blocked_without_recipient(lost, of)
    assert (verdict.outcome, verdict.urgency) == (Outcome.DUTY_BLOCKED, Urgency.IMMINENT)
    assert verdict.deadline == of.record.received_at + 12 * HOUR
    assert verdict.policies == (NO_RECIPIENT, "duty.us-tx.late", "duty.us-tx.soon")
    assert verdict.review
    assert not verdict.leaves


@pytest.mark.parametrize("parts", [(), (Part(TEXAS, frozenset({POLICE, CHILDREN}), None),)], ids=["no-place", "no-law"])
def test_a_duty_that_nobody_knows_breaks_at_once(parts: tuple[Part, ...]) -> None:
    """Rule 5: and names no row, because there is none."""
    of = situation(record(CHILD), row(hours=48))
    verdict = blocked_without_recipient(Unrouted("a", parts), of)
    assert (verdict.policies, verdict.deadline) == ((NO_RECIPIENT,), of.record.received_at + HOUR)


def test_a_stale_row_reaches_a_human_by_the_unknown() -> None:
    """Rule 5: what was a duty toward child protection is, two years on, any authority's and nobody's."""
    of = situation(record(CHILD), row("US-TX", CHILDREN))
    assert _lost(of, (agency(POLICE), HELD)) != ()
    later = replace(of, now=NOW + STALE_AFTER)
    assert _lost(later, (agency(POLICE), HELD)) == ()
    assert findings_for(later, agency(POLICE))["a"].duty_within == HOUR


def _any_verdict(of: Situation, permitted: frozenset[Category], *, report: bool, review: bool) -> Verdict:
    return verdict_of(FINDING, replace(NOTHING, permitted=permitted, report=report, review=review), of.now)


@given(scenes, st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=4))
def test_no_child_is_ever_silent(both_: tuple[Situation, Recipient], told: list[tuple[str, bool, bool]]) -> None:
    """Rule 5: of everybody who may be a child, every part is taken by somebody told, or is named as lost."""
    of, toward = both_
    verdicts = [(ref, toward, _any_verdict(of, SOME, report=report, review=review)) for ref, report, review in told]
    bands = bands_anywhere(of)
    lost = {one.ref: one.parts for one in unrouted(of, verdicts, bands)}
    for each in of.record.persons:
        spoken = [recipient for ref, recipient, verdict in verdicts if ref == each.ref and verdict.outcome in SPEAKING]
        if not _may_be_a_child(each, bands):
            assert each.ref not in lost
            continue
        for part in parts(of.record.jurisdictions, worlds_of(of.record, each), of.protocol, of.now.date()):
            assert any(takes(recipient, part) for recipient in spoken) != (part in lost.get(each.ref, ()))
        assert spoken or each.ref in lost


SPEAKING = (Outcome.REPORT, Outcome.DUTY_BLOCKED, Outcome.HOLD_REVIEW, Outcome.HOLD_ERROR)


def _may_be_a_child(each: Person, bands: dict[str, AgeBand]) -> bool:
    return each.role in VICTIM_ROLES and bands[each.ref] is not AgeBand.ADULT


def test_an_unnamed_signaler_whom_a_human_looks_at_keeps_the_reviews_words_and_clock() -> None:
    """Rule 6: nothing leaves, and the review still says why it was asked for and by when."""
    ruling = Ruling(SOME, report=False, review=True, policies=("core.consent", "review.x"), within=(24 * HOUR,))
    verdict = verdict_of(replace(FINDING, facts=replace(FACTS, role=Role.SIGNALER)), ruling, NOW)
    assert (verdict.outcome, verdict.categories) == (Outcome.HOLD_REVIEW, frozenset())
    assert verdict.policies == ("core.consent", "review.x", UNNAMED_SIGNALER)
    assert verdict.deadline == NOW + 24 * HOUR
