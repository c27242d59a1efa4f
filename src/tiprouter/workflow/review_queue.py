"""Which held decisions wait for a human, and who is told when they wait too long?

1. A decision that a human must look at joins the queue in the transaction that makes it, and leaves it in the one that
   replaces it: the queue is never behind the decisions.
2. An answer that is about something else by now, because facts, revision or bundle changed, is superseded in the same
   transaction. What is held then is a new decision, and so a new item.
3. A review has the deadline of its decision. A human is told when four fifths of the time are over, and again when all
   of it is; then again and again until somebody claims it (`workflow/alarm.py`).
4. What waits in the lane of imminent danger is told at once, and again until somebody claims it: one notice for all
   that one story held about one record, for whoever takes the first sees the others.
"""

from collections.abc import Collection
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.lateness import warn_at
from tiprouter.domain.outcome import DEFAULT_WITHIN
from tiprouter.domain.repeating import REVIEW_OVERDUE, REVIEW_WANTED
from tiprouter.domain.review import about, lane, wanted
from tiprouter.domain.states import UNANSWERED, ReviewEvent, ReviewState, next_review_state
from tiprouter.domain.vocabulary import Outcome, Urgency
from tiprouter.storage import reviews
from tiprouter.storage.database import Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.records import Stored
from tiprouter.storage.reviews import Held
from tiprouter.workflow.alarm import let_another_tell
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

AT_ONCE: Final = 100


def follow(it: Happening, stored: Stored, standing: Collection[Decision]) -> None:
    """Bring the queue in line with the decisions that stand about a record (rules 1, 2)."""
    known = [] if stored.id == it.new else reviews.standing(it.tx, stored.id)
    if not known and not any(_wanted(decision) for decision in standing):
        return
    current = {decision.id for decision in standing}
    said = {(one.person_id, one.recipient_id, subject(one)) for one in standing}
    left = []
    for held in known:
        answered = held.state is ReviewState.DECIDED and (held.person_id, held.recipient_id, held.about) in said
        if held.decision_id not in current and not answered:
            end(it, held)
            left.append(held)
    waited = [held for held in left if held.state in UNANSWERED]
    if waited:
        let_another_tell(it, min(waited, key=lambda held: held.deadline))
    queued = {held.decision_id for held in known}
    opened = [_opened(it, one) for one in standing if _wanted(one) and one.id not in queued]
    reviews.add(it.tx, opened)
    outcomes = {decision.id: decision.outcome for decision in standing}
    for held in opened:
        _log_opened(it, held, outcomes[held.decision_id])
    # What leaves anyway waits for nobody, and errors of one bundle would drown the one that matters.
    holds = [held for held in opened if outcomes[held.decision_id] is Outcome.HOLD_REVIEW]
    danger = [held for held in holds if held.urgency is Urgency.IMMINENT]
    if danger:
        first = min(danger, key=lambda held: (held.deadline, held.id))
        it.tell(REVIEW_WANTED, first.id, first.record_id, first.deadline)


def subject(decision: Decision) -> str:
    """What a review of a decision is about. An error's is about no facts: its answer is no answer to a later hold."""
    facts = None if decision.outcome is Outcome.HOLD_ERROR else decision.facts
    return about(decision.revision, facts, decision.bundle)


def end(it: Happening, held: Held) -> None:
    """Supersede a review, wherever it is."""
    state = next_review_state(held.state, ReviewEvent.SUPERSEDE)
    reviews.change(it.tx, held.id, state=state, warn_at=None)


def tell_of_late_reviews(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Tell a human of reviews that wait long or too long (rule 3); how many."""
    with happening(tx, desk, ROUTER) as it:
        found = reviews.late(tx, it.now, limit)
        for held in found:
            overdue = it.now >= held.deadline
            if held.state in UNANSWERED:
                it.tell(REVIEW_OVERDUE if overdue else "review.due", held.id, held.record_id, held.deadline)
        reviews.warn(tx, {held.id: None if it.now >= held.deadline else held.deadline for held in found})
        return len(found)


def _wanted(decision: Decision) -> bool:
    return decision.recipient_id is not None and wanted(decision.outcome, review=decision.review)


def _opened(it: Happening, decision: Decision) -> Held:
    deadline = decision.deadline or it.now + DEFAULT_WITHIN
    return Held(
        id=it.id("rvw"),
        decision_id=decision.id,
        record_id=decision.record_id,
        person_id=decision.person_id,
        recipient_id=decision.recipient_id or "",
        state=ReviewState.OPEN,
        urgency=lane(decision.urgency, decision.facts),
        about=subject(decision),
        deadline=deadline,
        warn_at=warn_at(it.now, deadline),
        opened_at=it.now,
    )


def _log_opened(it: Happening, held: Held, outcome: Outcome) -> None:
    it.log(
        Kind.REVIEW_OPENED,
        {
            "review": held.id,
            "decision": held.decision_id,
            "record": held.record_id,
            "person": held.person_id,
            "recipient": held.recipient_id,
            "outcome": outcome.value,
            "lane": held.urgency.value,
            "deadline": moment(held.deadline),
        },
    )
