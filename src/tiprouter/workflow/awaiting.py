"""Did anybody at the agency see what arrived there, and is anybody answering what it asks?

1. Delivered is not acknowledged: from the moment something arrived its agency has `ACKNOWLEDGED_WITHIN` to say a word.
   When that is over a human is told, once; a notice about imminent danger is repeated like every such notice.
2. Any acknowledgement ends the waiting, a question or a rejection too. So does whatever ends the disclosure: a recall,
   a withdrawal, a newer disclosure in its place, which is waited for by itself.
3. Where a report is owed, its duty has its own clock and its own notices (`workflow/overdue.py`), in minutes where
   there is imminent danger: a disclosure to an agency that a duty about that record names is not told of twice. One
   whose duty was lifted counts here.
4. A recall is waited for too, for as long as what is not imminent, whatever its lane: the person who took their word
   back hears from us whether somebody read that. No duty asks for it. Answers to questions are not waited for.
5. A question that waited for all of its time is told once more.

Not promised: that what was acknowledged was read by somebody who can act.
"""

from datetime import datetime
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.question import ACKNOWLEDGED_WITHIN
from tiprouter.domain.states import DeliveryState, DutyPhase
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage import acknowledgements, duties, questions
from tiprouter.storage.acknowledgements import Awaited
from tiprouter.storage.database import Transaction
from tiprouter.storage.deliveries import Delivery
from tiprouter.workflow.disclose import RECALL_BASIS
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

AT_ONCE: Final = 50
MISSED: Final = {
    Urgency.IMMINENT: "acknowledgement.missed-imminent",
    Urgency.STANDARD: "acknowledgement.missed",
}
MISSED_RECALL: Final = "acknowledgement.missed-recall"
LATE: Final = "question.late"


def awaited(it: Happening, before: Delivery, after: Delivery) -> dict[str, datetime]:
    """The column that starts the waiting, when something arrived just now (rules 1, 4)."""
    if after.state is not DeliveryState.DELIVERED or before.state is DeliveryState.DELIVERED:
        return {}
    urgency = Urgency.STANDARD if before.basis == RECALL_BASIS else before.urgency
    return {"acknowledge_by": it.now + ACKNOWLEDGED_WITHIN[urgency]}


def heard(it: Happening, delivery_id: str) -> None:
    """The agency said something of it (rule 2)."""
    acknowledgements.wait_no_more(it.tx, delivery_id)
    questions.quiet(it.tx, delivery_id)


def watch_acknowledgements(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Tell of what nobody acknowledged, and of what nobody answered (rules 1, 5); how much was looked at."""
    with happening(tx, desk, ROUTER) as it:
        found = acknowledgements.awaited(tx, it.now, limit)
        for one in found:
            acknowledgements.wait_no_more(tx, one.delivery_id)
            if one.unanswered and (one.recall or not _owed(it, one)):
                _missed(it, one)
        late = questions.late(tx, it.now, limit)
        for question in late:
            questions.change(tx, question.id, late_at=None)
            it.tell(LATE, question.id, question.record_id, question.deadline)
        return len(found) + len(late)


def _owed(it: Happening, one: Awaited) -> bool:
    """Rule 3."""
    return any(
        duty.recipient_id == one.recipient_id and duty.current and duty.phase is not DutyPhase.LIFTED
        for duty in duties.of_record(it.tx, one.record_id)
    )


def _missed(it: Happening, one: Awaited) -> None:
    it.log(
        Kind.ACKNOWLEDGEMENT_MISSED,
        {
            "disclosure": one.disclosure_id,
            "delivery": one.delivery_id,
            "record": one.record_id,
            "recipient": one.recipient_id,
            "deadline": moment(one.deadline),
        },
    )
    it.tell(MISSED_RECALL if one.recall else MISSED[one.urgency], one.delivery_id, one.record_id, one.deadline)
