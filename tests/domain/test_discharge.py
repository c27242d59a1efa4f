"""Discharge, rules 1 to 6: a duty ends by evidence, part for part, and its clocks never start anew."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.examples import CHILDREN, HOUR, NOW, POLICE, PROVIDER
from tiprouter.domain.discharge import (
    EvidenceKind,
    Instead,
    Owed,
    Share,
    StandingDuty,
    Whom,
    begin,
    closed,
    discharge,
    lift,
    moments,
    pass_deadline,
    renew,
    serving,
    settle,
    still_proved,
)
from tiprouter.domain.lateness import warn_at
from tiprouter.domain.states import DutyPhase, IllegalTransitionError

OPEN, OVERDUE, DISCHARGED, LIFTED = DutyPhase
ACKNOWLEDGED, CALLED, ELSEWHERE = EvidenceKind
EITHER = Share("us-tx", "US-TX", "", (POLICE, CHILDREN))
CHILDREN_ONLY = Share("us-tx.caregiver", "US-TX", "", (CHILDREN,))
DANGER = Share("", "", "", (POLICE,))
SHARES = (EITHER, CHILDREN_ONLY, DANGER, Share("us-tx", "US-TX", "a-county", (POLICE, CHILDREN)))


def owed(*shares: Share, **changes: object) -> Owed:
    """What a decision owes one agency: a report within an hour, unless said otherwise."""
    values = Owed(
        decision_id="dec_1",
        shares=shares or (EITHER,),
        barred=False,
        blocked=False,
        needs_call=False,
        received_at=NOW,
        deadline=NOW + HOUR,
        written_by=None,
        written_if_called=None,
    )
    return replace(values, **changes)  # type: ignore[arg-type] # fields of many types


def duty(to: str | None = "police", *shares: Share, **changes: object) -> StandingDuty:
    """One duty about one child toward one agency."""
    return begin(f"dut_{to}", ("rec", "child", to), owed(*shares, **changes), NOW, ())


def test_evidence_ends_a_duty_once() -> None:
    """Rule 1: what was discharged or lifted cannot be again; overdue it still can."""
    done = discharge(duty(), ACKNOWLEDGED, "ack_1", NOW)
    assert (done.phase, done.discharged_by, done.evidence_id, done.ended_at) == (
        DISCHARGED,
        ACKNOWLEDGED,
        "ack_1",
        NOW,
    )
    assert discharge(pass_deadline(duty()), CALLED, "cll_1", NOW).phase is DISCHARGED
    for ended in (done, lift(duty(), "record.revised", NOW)):
        for again in (
            lambda one: discharge(one, CALLED, "cll_1", NOW),
            lambda one: lift(one, "x", NOW),
            pass_deadline,
        ):
            with pytest.raises(IllegalTransitionError):
                again(ended)


@pytest.mark.parametrize(
    ("by", "now", "serves"),
    [
        (ACKNOWLEDGED, {}, True),
        (ACKNOWLEDGED, {"needs_call": True}, False),
        (CALLED, {"needs_call": True}, True),
        (CALLED, {"barred": True}, False),
        (ACKNOWLEDGED, {"barred": True}, False),
    ],
)
def test_what_was_evidence_may_not_be_enough_today(by: EvidenceKind, now: dict[str, object], serves: bool) -> None:  # noqa: FBT001 - a table's column
    """Rules 1 and 2: an acknowledgement is no call, and an accused agency's word is none."""
    assert still_proved(discharge(duty(), by, "x_1", NOW), owed(**now)) is serves


def test_a_part_is_closed_for_whoever_shares_it_and_for_nobody_else() -> None:
    """Rule 3: police's evidence closes what either may be told; child protection's own part stays open."""
    police = discharge(duty("police"), ACKNOWLEDGED, "ack_1", NOW)
    shared, own = duty("children"), duty("others", EITHER, CHILDREN_ONLY)
    (done,) = settle([police, shared, own], {}, NOW)
    assert (done.id, done.discharged_by, done.evidence_id) == (shared.id, ELSEWHERE, "ack_1")


def test_two_counties_are_two_parts() -> None:
    """Rule 3: the same row in another county is another part."""
    police = discharge(duty("police", SHARES[0]), ACKNOWLEDGED, "ack_1", NOW)
    assert settle([police, duty("sheriff", SHARES[3])], {}, NOW) == []


def test_an_accused_agencys_word_closes_nothing_for_others() -> None:
    """Rule 2: whatever its row says, it proves nothing."""
    barred = replace(discharge(duty("police"), ACKNOWLEDGED, "ack_1", NOW), barred=True)
    assert not barred.proved
    assert settle([barred, duty("children")], {}, NOW) == []


def test_a_call_in_anothers_place_closes_the_parts_of_that_kind_and_place() -> None:
    """Rules 2 and 3: of the duty it was recorded for it is a call, of the others it is elsewhere."""
    lost, other = duty(None, EITHER, CHILDREN_ONLY), duty("police", EITHER, barred=True)
    police, children = Instead("cll_1", POLICE, "US-TX"), Instead("cll_2", CHILDREN, "US-TX")
    assert [one.id for one in settle([lost, other], {lost.id: [police]}, NOW)] == [other.id]
    done = settle([lost, other], {lost.id: [police, children]}, NOW)
    assert {one.id: one.discharged_by for one in done} == {lost.id: CALLED, other.id: ELSEWHERE}
    for useless in (Instead("cll_3", PROVIDER, "US-TX"), Instead("cll_4", CHILDREN, "US-CA")):
        assert settle([lost, other], {lost.id: [useless]}, NOW) == []


def test_a_duty_without_parts_is_never_closed_by_others() -> None:
    """Rule 3: nothing to close is not everything closed."""
    empty = replace(duty("police"), shares=())
    assert settle([empty, discharge(duty("children"), CALLED, "cll_1", NOW)], {}, NOW) == []


def test_what_was_closed_elsewhere_stands_while_the_evidence_does() -> None:
    """Rule 3: once police are accused, what rested on their word needs another duty in its place."""
    police = discharge(duty("police"), ACKNOWLEDGED, "ack_1", NOW)
    (other,) = settle([police, duty("children")], {}, NOW)
    standing: dict[Whom, StandingDuty] = {("child", "police"): police, ("child", "children"): other}
    fine: dict[Whom, Owed] = {whom: owed() for whom in standing}
    assert serving(standing, fine, {}) == {police.id, other.id}
    assert serving(standing, fine | {("child", "police"): owed(barred=True)}, {}) == set()
    assert serving(standing, {("child", "children"): owed()}, {}) >= {other.id}
    assert serving(standing, fine | {("child", "children"): owed(EITHER, CHILDREN_ONLY)}, {}) == {police.id}


def test_a_report_in_writing_is_owed_to_whom_the_report_was_made() -> None:
    """Rule 5: a call starts owing it where the law wants one after an oral report; elsewhere nothing is owed."""
    both = owed(written_by=None, written_if_called=NOW + 3 * HOUR)
    begun = begin("dut_1", ("rec", "child", "police"), both, NOW, ())
    assert not begun.owes_writing
    assert not discharge(begun, ACKNOWLEDGED, "ack_1", NOW).owes_writing
    called = discharge(begun, CALLED, "cll_1", NOW)
    assert (called.owes_writing, called.written_by) == (True, NOW + 3 * HOUR)
    assert not replace(called, written_id="let_1").owes_writing
    always = replace(begun, written_by=NOW + HOUR)
    assert always.owes_writing
    assert not discharge(always, ELSEWHERE, "ack_1", NOW).owes_writing
    assert not lift(always, "x", NOW).owes_writing


def test_a_human_hears_at_four_fifths_and_at_the_end() -> None:
    """Rule 6: of either clock, and of none that has ended."""
    assert warn_at(NOW, NOW + HOUR) == NOW + timedelta(minutes=48)
    both = replace(duty(), written_by=NOW + 10 * HOUR)
    fifths = [NOW + timedelta(minutes=48), NOW + HOUR, NOW + 8 * HOUR, NOW + 10 * HOUR]
    assert list(moments(both)) == fifths
    assert list(moments(pass_deadline(both))) == fifths[2:]
    assert list(moments(lift(both, "x", NOW))) == []


moment = st.integers(-500, 500).map(lambda minutes: NOW + timedelta(minutes=minutes))
late = st.none() | moment
kinds = st.sampled_from([(POLICE, "US-TX"), (CHILDREN, "US-TX"), (PROVIDER, "US-TX"), (POLICE, "US-CA")])
shares = st.lists(st.sampled_from(SHARES), min_size=1, max_size=4, unique=True).map(tuple)
demands = st.builds(
    Owed,
    decision_id=st.sampled_from(["dec_1", "dec_2"]),
    shares=shares,
    barred=st.booleans(),
    blocked=st.booleans(),
    needs_call=st.booleans(),
    received_at=moment,
    deadline=moment,
    written_by=late,
    written_if_called=late,
)
AGENCIES = ("police", "children", None)
Happened: TypeAlias = tuple[str, str | None, object]
happenings = st.one_of(
    st.tuples(st.just("decided"), st.sampled_from(AGENCIES), demands),
    st.tuples(st.just("lifted"), st.sampled_from(AGENCIES), st.none()),
    st.tuples(st.just("answered"), st.sampled_from(AGENCIES), st.none()),
    st.tuples(st.just("called"), st.sampled_from(AGENCIES), kinds),
    st.tuples(st.just("passed"), st.sampled_from(AGENCIES), st.none()),
)


class Docket:
    """One child's duties as the stories keep them, and every evidence that was ever given."""

    def __init__(self) -> None:
        self.now: dict[str | None, StandingDuty] = {}
        self.ended: list[StandingDuty] = []
        self.calls: dict[str, list[Instead]] = {}
        self.evidence: set[str] = set()
        self.count = 0

    def tell(self, happened: Happened) -> None:
        """One thing happens, as `workflow/owing.py` and `workflow/evidence.py` let it."""
        what, to, more = happened
        self.count += 1
        known = self.now.get(to)
        if what == "decided" and isinstance(more, Owed):
            self._decide(to, more)
        elif known is None or not known.owing:
            return
        elif what == "lifted":
            self.now[to] = lift(known, "x", NOW)
        elif what == "passed" and known.phase is OPEN:
            self.now[to] = pass_deadline(known)
        elif what == "answered" and known.answers and not known.needs_call:
            self.now[to] = discharge(known, ACKNOWLEDGED, self._given(), NOW)
        elif what == "called" and known.answers:
            self.now[to] = discharge(known, CALLED, self._given(), NOW)
        elif what == "called" and isinstance(more, tuple):
            self.calls.setdefault(known.id, []).append(Instead(self._given(), *more))
        self._settle()

    def _given(self) -> str:
        self.evidence.add(f"evd_{self.count:04}")
        return f"evd_{self.count:04}"

    def _decide(self, to: str | None, demand: Owed) -> None:
        known = self.now.get(to)
        standing = {("child", whom): one for whom, one in self.now.items()}
        if known is not None and known.id in serving(standing, {("child", to): demand}, {"child": self.calls}):
            self.now[to] = renew(known, demand)
            return
        old = () if known is None else (known,)
        self.ended.extend(old)
        self.now[to] = begin(f"dut_{self.count}", ("rec", "child", to), demand, NOW, old)

    def _settle(self) -> None:
        for done in settle(list(self.now.values()), self.calls, NOW):
            self.now[done.recipient_id] = done


def told(happened: list[Happened], look: Callable[[Docket, dict[str | None, datetime]], None]) -> None:
    """Let things happen one after another; `look` at each step also knows the deadlines before it."""
    docket = Docket()
    for one in happened:
        before = {to: duty.deadline for to, duty in docket.now.items()}
        docket.tell(one)
        look(docket, before)


@given(st.lists(happenings, max_size=25))
def test_no_duty_is_discharged_without_evidence(happened: list[Happened]) -> None:
    """Whatever happens in whatever order: what is discharged names evidence that was given, and only that is."""

    def look(docket: Docket, _: dict[str | None, datetime]) -> None:
        for one in (*docket.now.values(), *docket.ended):
            assert (one.phase is DISCHARGED) == (one.evidence_id in docket.evidence) == (one.discharged_by is not None)
            if one.discharged_by is ACKNOWLEDGED:
                assert one.recipient_id is not None
                assert not one.barred
                assert not one.needs_call
        shut = closed(docket.now.values(), (call for some in docket.calls.values() for call in some))
        for one in docket.now.values():
            assert not (one.owing and one.shares and shut.keys() >= set(one.shares))

    told(happened, look)


@given(st.lists(happenings, max_size=25))
def test_no_deadline_ever_moves_later(happened: list[Happened]) -> None:
    """Neither by a new decision, nor because a duty was lifted, discharged, or owed again in between."""

    def look(docket: Docket, before: dict[str | None, datetime]) -> None:
        assert all(docket.now[to].deadline <= deadline for to, deadline in before.items())

    told(happened, look)
