"""Which evidence closes a duty, and who gives it?

1. An agency that takes on what it was sent (`accepted`, `closed`) gives it, unless the law wants a call. It speaks of
   the persons in that disclosure. One that was recalled is none; one that another took the place of counts where
   everything that it must be reported for today was reported then.
2. A rejection is none: a human is told, and the duty goes on to others (`workflow/overdue.py`).
3. A person's call that reached somebody gives it: who called whom, when, under which number. A call that nobody
   answered is kept and closes nothing. It was not made in the future, nor before the hotline received the signal.
4. Where no agency is registered, or it is accused, the call says of which kind and place the one was that was called
   instead, and closes those parts alone.
5. A report in writing closes its own clock and nothing else. Where it is to another agency, that is the one that was
   called last, or the letter says which. Nothing is recorded for a duty that is owed no longer.
6. What was told by a call that reached somebody, or by a letter, is owed to its subject as what was sent is
   (`workflow/noticing.py`).
7. An agency that asks for a report in writing starts that clock, from when it asked, where the law gives a time;
   whoever heard it records who asked and when. A request without a clock is recorded all the same.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from tiprouter.audit.kinds import Kind
from tiprouter.domain.discharge import CallOutcome, EvidenceKind, StandingDuty, ask, written_if_asked
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import AcknowledgementStatus, Outcome, RecipientKind
from tiprouter.errors import ConflictError, InvalidError
from tiprouter.storage import decisions, disclosures, duties
from tiprouter.storage.codec import to_bytes
from tiprouter.storage.database import Transaction
from tiprouter.storage.disclosures import Disclosure
from tiprouter.storage.duties import Call, CallWords, Letter, LetterWords, RequestWords, WrittenRequest
from tiprouter.workflow.duties import about, held, held_by_id, keep, prove, settle_others
from tiprouter.workflow.happening import Actor, Desk, Happening, happening, moment
from tiprouter.workflow.noticing import owe_for_word
from tiprouter.workflow.overdue import move_on

REJECTED = "duty.rejected"


class NoLongerOwedError(ConflictError):
    """This duty is owed no longer: another took its place, or what is decided now does not report."""


def acknowledged(it: Happening, told: Disclosure, status: AcknowledgementStatus, acknowledgement_id: str) -> None:
    """What an agency's answer about a disclosure does to the duties it was made for (rules 1, 2)."""
    if told.recalls is not None or status is AcknowledgementStatus.NEEDS_INFORMATION:
        return
    current = held(it, told.record_id)
    # Read again under the lock: a withdrawal may have recalled it meanwhile.
    now_is = disclosures.load(it.tx, told.id)
    if now_is is None or duties.recalled(it.tx, told.id):
        return
    mine = [duty for duty in current if duty.recipient_id == told.recipient_id and _speaks_of(it, now_is, duty)]
    if status is AcknowledgementStatus.REJECTED:
        for duty in mine:
            it.tell(REJECTED, duty.id, duty.record_id, duty.deadline)
            if duty.owing:
                move_on(it, duty, "rejected")
        return
    proved = [duty for duty in mine if duty.owing and duty.answers and not duty.needs_call]
    for duty in proved:
        prove(it, duty, EvidenceKind.ACKNOWLEDGED, acknowledgement_id)
    settle_others(it, told.record_id, [duty.person_id for duty in proved])


def _speaks_of(it: Happening, told: Disclosure, duty: StandingDuty) -> bool:
    """Whether a disclosure told what a duty is about (rule 1)."""
    then = [one for one in (decisions.load(it.tx, key) for key in told.decisions) if one is not None]
    mine = [one for one in then if one.person_id == duty.person_id]
    if told.live or not mine:
        return bool(mine)
    today = decisions.load(it.tx, duty.decision_id)
    return today is not None and any(
        one.outcome is Outcome.REPORT and set(one.policies) >= set(today.policies) for one in mine
    )


@dataclass(frozen=True, slots=True)
class Called:
    """A call as a caller tells it; `kind` and `place` are for one in another agency's place (rule 4)."""

    outcome: CallOutcome
    called_at: datetime
    words: CallWords
    kind: RecipientKind | None = None
    place: str | None = None


def record_call(tx: Transaction, desk: Desk, actor: Actor, duty_id: str, called: Called) -> tuple[Call, StandingDuty]:
    """Record a call (rules 3, 4); the call, and the duty as it is then.

    Raises `NotFoundError`, `InvalidError`, `NoLongerOwedError`.
    """
    with happening(tx, desk, actor) as it:
        duty = _open(it, duty_id)
        _refuse_time(it, duty, called.called_at, "/called_at")
        if called.outcome is CallOutcome.REACHED and called.words.reference is None:
            raise InvalidError("A call that reached somebody has the agency's own number for it.", "/reference")
        kind, place = _instead(duty, called.kind, called.place)
        call = Call(
            it.id("cll"), duty.id, called.outcome, kind, place, called.called_at, actor.id, it.now, called.words
        )
        salt, commitment = it.salted(to_bytes(called.words))
        duties.add_call(tx, desk.vault, call, duty.record_id, salt)
        it.log(
            Kind.DUTY_CALL,
            about(duty)
            | {
                "call": call.id,
                "outcome": call.outcome.value,
                "kind": None if kind is None else kind.value,
                "called_at": moment(call.called_at),
                "commitment": commitment,
            },
        )
        if call.outcome is CallOutcome.REACHED:
            if kind is None and duty.owing:
                prove(it, duty, EvidenceKind.CALLED, call.id)
            settle_others(it, duty.record_id, [duty.person_id])
            owe_for_word(it, duty, call.id)
        return call, held_by_id(it, duty.id)


@dataclass(frozen=True, slots=True)
class Wrote:
    """A report in writing as whoever sent it tells of it; `kind` and `place` as of a call (rule 5)."""

    sent_at: datetime
    words: LetterWords
    kind: RecipientKind | None = None
    place: str | None = None


def record_letter(
    tx: Transaction,
    desk: Desk,
    actor: Actor,
    duty_id: str,
    wrote: Wrote,
) -> tuple[Letter, StandingDuty]:
    """Record a report in writing (rule 5).

    Raises `NotFoundError`, `InvalidError`, `NoLongerOwedError`.
    """
    with happening(tx, desk, actor) as it:
        duty = _open(it, duty_id)
        _refuse_time(it, duty, wrote.sent_at, "/sent_at")
        kind, place = _written_instead(it, duty, wrote)
        letter = Letter(it.id("let"), duty.id, wrote.sent_at, actor.id, it.now, wrote.words, kind, place)
        salt, commitment = it.salted(to_bytes(wrote.words))
        duties.add_letter(tx, desk.vault, letter, duty.record_id, salt)
        it.log(
            Kind.DUTY_WRITTEN,
            about(duty) | {"letter": letter.id, "sent_at": moment(letter.sent_at), "commitment": commitment},
        )
        if duty.written_id is None:
            keep(it, replace(duty, written_id=letter.id))
        owe_for_word(it, duty, letter.id)
        return letter, held_by_id(it, duty.id)


def record_request(
    tx: Transaction, desk: Desk, actor: Actor, duty_id: str, requested_at: datetime, words: RequestWords
) -> tuple[WrittenRequest, StandingDuty]:
    """Record that an agency asked for a report in writing (rule 7).

    Raises `NotFoundError`, `InvalidError`, `NoLongerOwedError`.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        duty = _open(it, duty_id)
        _refuse_time(it, duty, requested_at, "/requested_at")
        request = WrittenRequest(it.id("wrq"), duty.id, requested_at, actor.id, it.now, words)
        salt, commitment = it.salted(to_bytes(words))
        duties.add_request(tx, desk.vault, request, duty.record_id, salt)
        asked = ask(duty, requested_at, written_if_asked(duty.shares, it.engine.bundle.protocol, requested_at))
        it.log(
            Kind.DUTY_WRITTEN_REQUESTED,
            about(duty)
            | {
                "request": request.id,
                "requested_at": moment(requested_at),
                "written_by": moment(asked.written_by),
                "commitment": commitment,
            },
        )
        if asked != duty:
            keep(it, asked)
        return request, held_by_id(it, duty.id)


def _open(it: Happening, duty_id: str) -> StandingDuty:
    duty = held_by_id(it, duty_id)
    if not duty.current or duty.phase is DutyPhase.LIFTED:
        raise NoLongerOwedError
    return duty


def _refuse_time(it: Happening, duty: StandingDuty, when: datetime, pointer: str) -> None:
    if when > it.now:
        raise InvalidError("This field lies in the future.", pointer)
    if when < duty.received_at:
        raise InvalidError("This field is earlier than the record was received.", pointer)


def _written_instead(it: Happening, duty: StandingDuty, wrote: Wrote) -> tuple[RecipientKind | None, str | None]:
    """Who was written to in a recipient's place (rule 5): whom the letter names, or whoever was called last."""
    if not duty.answers and wrote.kind is None and wrote.place is None:
        called = duties.calls_instead(it.tx, duty.record_id).get(duty.person_id, {}).get(duty.id, ())
        if called:
            return called[-1].kind, called[-1].place
    return _instead(duty, wrote.kind, wrote.place)


def _instead(
    duty: StandingDuty, kind: RecipientKind | None, named: str | None
) -> tuple[RecipientKind | None, str | None]:
    """Who was told in a recipient's place (rule 4); nobody where the recipient itself can be."""
    if duty.answers:
        if kind is not None or named is not None:
            raise InvalidError("This duty's own recipient is the one to call; name no other.", "/kind")
        return None, None
    if kind is None:
        raise InvalidError("Nobody of this duty can be called: name the kind of agency that was.", "/kind")
    able = [share for share in duty.shares if kind in share.kinds]
    places = sorted({share.place for share in able if share.place})
    if named is None and len(places) > 1:
        raise InvalidError("Several places want to be told: name the one whose agency was called.", "/jurisdiction")
    place = named or (places[0] if places else "")
    if not any(share.place in ("", place) for share in able):
        raise InvalidError("No part of this duty is told by calling such an agency.", "/kind")
    return kind, place
