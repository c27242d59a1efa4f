"""What happens to a duty that nobody gives evidence for?

1. A human is told when most of its span has passed and when all of it has; the same of a report in writing. That all of
   it has is told again until there is evidence (`workflow/alarm.py`).
2. Past its deadline it goes on to the next lawful recipients: agencies of a kind that its parts name, which serve the
   place, are active and are not accused. So it does when its agency rejects it or is accused.
3. Whoever has no report yet is decided about anew, at once: nothing is sent but by that decision. Usually all have one;
   then the entry says which duties toward them are discharged. Where nobody else is left, a human is told.
4. Each going on is logged with its reason and with those that were passed over. An accused agency never gets it.

Not promised: that anybody acts on a notice.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from tiprouter.audit.kinds import Kind
from tiprouter.domain.discharge import Share, StandingDuty, moments, pass_deadline
from tiprouter.domain.lateness import warn_at
from tiprouter.domain.recipient import Recipient, RecipientStatus
from tiprouter.domain.record import Record
from tiprouter.domain.repeating import DUTY_OVERDUE
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import Answer, Outcome
from tiprouter.storage import decisions, duties, records, registry
from tiprouter.storage.database import DatabaseError, Transaction
from tiprouter.storage.decisions import Decision
from tiprouter.storage.vault import SealError
from tiprouter.workflow.duties import about, held_by_id
from tiprouter.workflow.happening import ROUTER, Desk, Happening, happening, moment

log = structlog.get_logger()

AT_ONCE: Final = 50
AGAIN_AFTER: Final = timedelta(minutes=1)
LATE = "duty.late"
WRITTEN_LATE, WRITTEN_OVERDUE = "duty.written-late", "duty.written-overdue"


def watch_duties(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Look at the duties whose moment has come (rules 1, 2); how many were looked at."""
    with happening(tx, desk, ROUTER) as it:
        found = duties.due(tx, it.now, limit)
        # Records are locked in one order everywhere.
        for record_id, duty_id in sorted(found):
            _look(it, record_id, duty_id)
        return len(found)


def _look(it: Happening, record_id: str, duty_id: str) -> None:
    """One duty; one that cannot be looked at is told, and the others go on."""
    try:
        with it.forgiving():
            duty = held_by_id(it, duty_id)
            if duty.current:
                duty = _warn(it, duty)
                duties.save(it.tx, duty, min((when for when in moments(duty) if when > it.now), default=None))
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 - promise 1: whatever goes wrong, a human is told
        log.warning("duty.untended", duty=duty_id, error=type(error).__name__)
        it.tell("duty.untended", duty_id, record_id, None)
        duties.look_at(it.tx, duty_id, it.now + AGAIN_AFTER)


def _warn(it: Happening, duty: StandingDuty) -> StandingDuty:
    """Tell what is to be told of a duty now (rule 1); the duty as it is then."""
    if duty.phase is DutyPhase.OPEN and it.now >= duty.deadline:
        duty = pass_deadline(duty)
        it.log(Kind.DUTY_OVERDUE, about(duty) | {"deadline": moment(duty.deadline), "what": "report"})
        it.tell(DUTY_OVERDUE, duty.id, duty.record_id, duty.deadline)
        move_on(it, duty, "overdue")
    elif duty.phase is DutyPhase.OPEN and it.now >= warn_at(duty.received_at, duty.deadline):
        it.tell(LATE, duty.id, duty.record_id, duty.deadline)
    if duty.owes_writing and duty.written_by is not None and it.now >= warn_at(duty.writing_begun, duty.written_by):
        passed = it.now >= duty.written_by
        if passed:
            it.log(Kind.DUTY_OVERDUE, about(duty) | {"deadline": moment(duty.written_by), "what": "writing"})
        it.tell(WRITTEN_OVERDUE if passed else WRITTEN_LATE, duty.id, duty.record_id, duty.written_by)
    return duty


@dataclass(frozen=True, slots=True)
class _Next:
    """Where a duty goes on: recipients decided about anew, duties toward others that have it, who was passed over."""

    asked: list[str]
    discharged: list[str]
    open: list[str]
    passed_over: list[str]


def move_on(it: Happening, duty: StandingDuty, cause: str) -> None:
    """Let a duty go on to the next lawful recipients (rules 2-4); its record is locked by now."""
    try:
        stored = records.load(it.tx, it.vault, duty.record_id)
    except SealError:
        stored = None
    if stored is None:
        it.tell("duty.nobody-left", duty.id, duty.record_id, duty.deadline)
        return
    following = _following(it, duty, stored.record)
    if following.asked:
        records.look_again(it.tx, duty.record_id, it.now)
    it.log(
        Kind.DUTY_MOVED,
        about(duty)
        | {
            "cause": cause,
            "asked": following.asked,
            "discharged": following.discharged,
            "open": following.open,
            "passed_over": following.passed_over,
        },
    )
    if not (following.asked or following.discharged or following.open):
        it.tell("duty.nobody-left", duty.id, duty.record_id, duty.deadline)


def _following(it: Happening, duty: StandingDuty, record: Record) -> _Next:
    standing = {
        one.recipient_id: one
        for one in decisions.current(it.tx, duty.record_id)
        if one.person_id == duty.person_id and one.recipient_id is not None
    }
    toward = {
        other.recipient_id: other
        for other in duties.of_record(it.tx, duty.record_id)
        if other.person_id == duty.person_id and other.id != duty.id
    }
    found = _Next([], [], [], [])
    for recipient in registry.everyone(it.tx):
        if recipient.id == duty.recipient_id or not any(_takes(recipient, share, record) for share in duty.shares):
            continue
        decision, other = standing.get(recipient.id), toward.get(recipient.id)
        if recipient.status is not RecipientStatus.ACTIVE or _accused(decision):
            found.passed_over.append(recipient.id)
        elif decision is None or decision.outcome is not Outcome.REPORT or other is None:
            found.asked.append(recipient.id)
        elif other.phase is DutyPhase.DISCHARGED:
            found.discharged.append(other.id)
        else:
            found.open.append(other.id)
    return found


def _takes(recipient: Recipient, share: Share, record: Record) -> bool:
    """Whether telling this recipient is telling that part."""
    places = [place for place in record.jurisdictions if share.place in ("", place.code)]
    return recipient.kind in share.kinds and any(recipient.serves(place) is not Answer.NO for place in places)


def _accused(decision: Decision | None) -> bool:
    return decision is not None and bool((decision.facts or {}).get("implicated", False))
