"""Notices, rules 1 to 5, pages, rules 1 to 4, and the states of a page: what pure code says about paging people."""

import ast
import itertools
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.service import START
from tiprouter.domain import notice, repeating
from tiprouter.domain.notice import (
    FAILING,
    OTHERWISE,
    REASONS,
    REPEAT_EVERY,
    UNDELIVERED,
    PageChannel,
    Severity,
    due_at,
    reason_of,
)
from tiprouter.domain.page import Told, compose, letter
from tiprouter.domain.page_states import PAGE_DUE, PAGE_TRANSITIONS, PageEvent, PageState, next_page_state, page_mermaid
from tiprouter.domain.repeating import (
    DUTY_OVERDUE,
    ESCALATIONS_MAX,
    REPEATS_MAX,
    REVIEW_OVERDUE,
    REVIEW_WANTED,
    UNTIL_DONE,
    WIDEST,
    Routing,
    give_up_at,
    repeat_after,
    repeats_max,
)
from tiprouter.domain.states import IllegalTransitionError

ROOT = Path(__file__).resolve().parents[2]
WEBHOOK, EMAIL = PageChannel
IMMINENT, URGENT, ROUTINE = Severity
WAITING, SENT, FAILED, GIVEN_UP = PageState
SUCCEED, FAIL, GIVE_UP, SETTLE = PageEvent
LEGAL = {
    (WAITING, SUCCEED): SENT,
    (FAILED, SUCCEED): SENT,
    (WAITING, FAIL): FAILED,
    (FAILED, FAIL): FAILED,
    (WAITING, GIVE_UP): GIVEN_UP,
    (FAILED, GIVE_UP): GIVEN_UP,
    (WAITING, SETTLE): GIVEN_UP,
    (FAILED, SETTLE): GIVEN_UP,
}
TOLD = Told(
    "ntc_01KJQH0CC0BX86ENBVMH4TY5PG",
    "delivery.late",
    "msg_01KJQH0CC0BX86ENBVMH4TY5PH",
    "tip_01KJQH0CC0BX86ENBVMH4TY5PJ",
    START + timedelta(minutes=30),
    START,
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda at: at.replace(tzinfo=START.tzinfo))  # noqa: DTZ001 - the zone is set right after


def told_in_source() -> set[str]:
    """Every reason that is written out where a story tells a human, or that a constant there names."""
    found = set()
    elsewhere = {name: value for module in (notice, repeating) for name, value in vars(module).items()}
    for path in sorted((ROOT / "src" / "tiprouter" / "workflow").glob("*.py")):
        tree = ast.parse(path.read_text())
        named: dict[str, object] = dict(elsewhere)
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for names, values in ((target, node.value) for target in node.targets):
                    both = zip(getattr(names, "elts", [names]), getattr(values, "elts", [values]), strict=False)
                    named |= {getattr(name, "id", ""): getattr(value, "value", None) for name, value in both}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "tell":
                for part in ast.walk(node.args[0]) if node.args else ():
                    value = part.value if isinstance(part, ast.Constant) else named.get(getattr(part, "id", ""))
                    if isinstance(value, str) and re.fullmatch(r"[a-z]+\.[a-z-]+", value):
                        found.add(value)
    return found


def test_every_reason_that_is_told_has_a_severity_and_words() -> None:
    """Rule 1, over the source as it is: a new reason without its row would page, and say nothing."""
    told = told_in_source()
    assert {
        "delivery.late",
        "duty.call",
        "duty.overdue",
        "record.undecided",
        "review.due",
        REVIEW_WANTED,
        REVIEW_OVERDUE,
    } <= told
    assert told - set(REASONS) == set()


def test_an_unknown_reason_is_urgent() -> None:
    """Rule 1: nobody has said that it can wait."""
    assert reason_of("something.new") is OTHERWISE
    assert OTHERWISE.severity is URGENT


def test_the_operations_page_holds_the_same_table() -> None:
    """A row a reason: severity, what happened, what to do; and none for a reason that is gone."""
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = set(re.findall(r"^\| `([a-z]+\.[a-z-]+)` \| (?:imminent|urgent|routine) \|.*$", page, re.MULTILINE))
    assert rows == set(REASONS)
    for name, reason in REASONS.items():
        assert f"| `{name}` | {reason.severity} | {reason.happened} | {reason.to_do} |" in page


def test_the_operations_page_shows_the_states_of_a_page() -> None:
    """The diagram is the table's."""
    assert f"```mermaid\n{page_mermaid()}```" in (ROOT / "docs" / "operations.md").read_text()


def test_the_words_are_fixed() -> None:
    """Rule 3: sentences in ASCII, nothing to fill in."""
    for reason in (*REASONS.values(), OTHERWISE):
        for sentence in (reason.happened, reason.to_do):
            assert sentence.isascii()
            assert sentence.endswith(".")
            assert not set(sentence) & set("{}%|\n")


@given(name=st.sampled_from([*REASONS, "something.new"]), raised_at=MOMENTS, deadline=st.none() | MOMENTS)
def test_a_notice_is_due_by_its_deadline_and_its_severity(
    name: str, raised_at: datetime, deadline: datetime | None
) -> None:
    """Rule 2: never before it was raised, never later than the severity allows or than a deadline still ahead."""
    due = due_at(name, raised_at, deadline)
    assert raised_at <= due <= due_at(name, raised_at, None)
    if deadline is not None and deadline > raised_at:
        assert due <= deadline


def test_the_more_pressing_is_due_sooner() -> None:
    """Rule 2: in the order of the severities; an imminent one when it is repeated."""
    dues = [due_at(name, START, None) for name in (UNDELIVERED, "delivery.late", "review.wanted")]
    assert dues == sorted(set(dues))
    assert dues[0] == START + REPEAT_EVERY == give_up_at(UNDELIVERED, START)


def test_a_severity_goes_where_the_operator_sends_it() -> None:
    """Rule 4: to nothing that is not there; a failing channel's notice goes through the others, wherever else."""
    routing = Routing(frozenset({WEBHOOK, EMAIL}), {IMMINENT: frozenset({WEBHOOK}), URGENT: frozenset()})
    assert routing.first(UNDELIVERED) == (WEBHOOK,)
    assert routing.first("delivery.late") == ()
    assert routing.first("review.wanted") == (WEBHOOK, EMAIL)
    assert routing.first(FAILING[WEBHOOK]) == (EMAIL,)
    assert routing.first(FAILING[EMAIL]) == (WEBHOOK,)
    alone = replace(routing, channels=frozenset({EMAIL}))
    assert alone.first(UNDELIVERED) == ()
    assert alone.again(UNDELIVERED, 1) == (EMAIL,)
    assert alone.first(FAILING[EMAIL]) == ()
    assert Routing().first(UNDELIVERED) == Routing().again(UNDELIVERED, 1) == ()


def test_what_is_overdue_is_told_again_at_widening_intervals_without_end() -> None:
    """Repeating, rule 3: twice as long each time, a day at most; through the channels of its severity alone."""
    assert {REVIEW_OVERDUE, DUTY_OVERDUE} == UNTIL_DONE
    routing = Routing(frozenset({WEBHOOK, EMAIL}), {URGENT: frozenset({WEBHOOK})})
    for name in sorted(UNTIL_DONE):
        spans = [repeat_after(name, repeats) for repeats in range(9)]
        assert spans[:7] == [REPEAT_EVERY * 2**number for number in range(7)]
        assert spans[7:] == [WIDEST, WIDEST]
        assert repeat_after(name, 10_000) == WIDEST == timedelta(days=1)
        assert routing.again(name, 1) == routing.again(name, 100) == (WEBHOOK,)


def test_a_review_about_danger_is_never_routine() -> None:
    """Repeating, rule 2: it is imminent, so no letter folds it, and it is repeated."""
    assert reason_of(REVIEW_WANTED).severity is IMMINENT
    assert repeat_after(REVIEW_WANTED, 0) == REPEAT_EVERY
    assert repeat_after(REVIEW_WANTED, ESCALATIONS_MAX) is None
    assert repeat_after("review.wanted", 0) is None


def test_only_the_imminent_is_repeated_and_it_escalates() -> None:
    """Repeating, rule 2: to every channel eight times; about what has not arrived, on for a day by its own."""
    routing = Routing(frozenset({WEBHOOK, EMAIL}), {IMMINENT: frozenset({WEBHOOK})})
    assert [routing.again(UNDELIVERED, number) for number in (1, ESCALATIONS_MAX, ESCALATIONS_MAX + 1)] == [
        (WEBHOOK, EMAIL),
        (WEBHOOK, EMAIL),
        (WEBHOOK,),
    ]
    assert repeats_max(UNDELIVERED) == REPEATS_MAX
    assert timedelta(days=1) == REPEATS_MAX * REPEAT_EVERY
    assert {repeats_max(name) for name, reason in REASONS.items() if reason.severity is not IMMINENT} == {0}


@given(st.text(), st.text(), st.text(), st.text())
def test_what_is_no_id_never_leaves(notice_id: str, reason: str, subject: str, record_id: str) -> None:
    """Pages, rule 2: a page about anything has the words of a page about nothing known."""
    strange = Told(f"~{notice_id}", f"~{reason}", f"~{subject}", f"~{record_id}", None, START)
    empty = Told("", "", None, None, None, START)
    assert compose(strange).body == compose(empty).body
    assert letter([strange]) == letter([empty])
    assert json.loads(compose(strange).body)["data"]["reason"] == "other"


def test_a_page_says_what_happened_what_to_do_and_where_to_look() -> None:
    """Pages, rule 3: ids, fixed sentences and times."""
    message = json.loads(compose(TOLD).body)
    assert message == {
        "type": "notice.raised",
        "timestamp": "2026-03-02T15:00:00.000Z",
        "data": {
            "notice_id": TOLD.notice_id,
            "reason": "delivery.late",
            "severity": "urgent",
            "subject": TOLD.subject,
            "record": TOLD.record_id,
            "deadline": "2026-03-02T15:30:00.000Z",
            "due_at": "2026-03-02T15:30:00.000Z",
            "raised_at": "2026-03-02T15:00:00.000Z",
            "repeat": 0,
            "what_happened": REASONS["delivery.late"].happened,
            "what_to_do": REASONS["delivery.late"].to_do,
            "look_at": f"/v1/disclosures?record_id={TOLD.record_id}",
        },
    }


def test_where_to_look_needs_the_id_it_names() -> None:
    """Pages, rule 2: without it, the notices themselves."""
    assert replace(TOLD, record_id=None).look_at == "/v1/notices"
    assert replace(TOLD, record_id="x y").look_at == "/v1/notices"


def test_a_digest_begins_with_what_is_due_first() -> None:
    """Pages, rule 4: every notice once, the earliest due first, whatever the order they came in."""
    notices = [
        replace(TOLD, notice_id=f"ntc_{number:026}", deadline=START + timedelta(minutes=number)) for number in range(9)
    ]
    for order in (notices, notices[::-1]):
        said = letter(order)
        assert re.findall(r"ntc_0+(\d)", said.text) == [str(number) for number in range(9)]
        assert said.subject == "[tiprouter] urgent: 9 notices"


@pytest.mark.parametrize(("state", "event"), list(itertools.product(PageState, PageEvent)))
def test_every_state_of_a_page_meets_every_event(state: PageState, event: PageEvent) -> None:
    """16 pairs, 8 of them legal, the others raise and name what was tried."""
    if (state, event) in LEGAL:
        assert next_page_state(state, event) is LEGAL[state, event]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{state}.*{event}"):
            next_page_state(state, event)


def test_the_pages_diagram_and_vocabulary_come_from_the_table() -> None:
    """No dead word, every transition one line, what is due can still be sent, and the table stays as it is."""
    lines = page_mermaid().splitlines()
    assert lines[:2] == ["stateDiagram-v2", "    [*] --> waiting"]
    assert sum(" : " in line for line in lines) == len(LEGAL) == len(PAGE_TRANSITIONS)
    assert {state for _, state in PAGE_TRANSITIONS} | set(PAGE_TRANSITIONS.values()) == set(PageState)
    assert {event for event, _ in PAGE_TRANSITIONS} == set(PageEvent)
    assert frozenset({WAITING, FAILED}) == PAGE_DUE
    with pytest.raises(TypeError):
        cast("dict[tuple[PageEvent, PageState], PageState]", PAGE_TRANSITIONS)[SUCCEED, GIVEN_UP] = SENT
