"""How does a person learn that something was disclosed about them without their asking?

1. A policy that reports or tells in an emergency says whether its subject must be told (`required`), or is told when
   that is safe (`when_safe`). Once the disclosure was on its way and its delivery has ended, a notice is due, and
   somebody at the hotline is told. So it is once a call for a duty reached somebody, or a letter was recorded. A duty
   that found no recipient asked no policy: its notice is due when that is safe.
2. Only a person gives it, and says how and when. Where the person named a safe channel it is given by that channel and
   no other; where they named a safe time, whoever gives it says that it was then. Both stand beside the notice, from
   the person's last word about them.
3. "Unsafe now" defers it until a date, with a reason; then it is due again, and somebody is told again.
4. What is due and neither given nor deferred is told to somebody again every three days, without end.
5. Who was erased, and what was, is told nothing: nobody is left who could be.

Not promised: that a time was safe. Words are compared for the channel; for the time a person's word is kept.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.consent import SafeContact
from tiprouter.domain.discharge import StandingDuty
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.subject_states import SubjectNoticeEvent, SubjectNoticeState, next_subject_notice_state
from tiprouter.domain.vocabulary import NoticeRule, RecipientKind
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import accounting, consents, decisions, disclosures, erasure, records, subject_notices
from tiprouter.storage.database import Transaction
from tiprouter.storage.subject_notices import Ended, Owed, SubjectNotice
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.accessing import seen
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening, moment

AT_ONCE: Final = 50
REMIND_EVERY: Final = timedelta(days=3)
LATE: Final = "subject.notice-late"


class SettledError(ConflictError):
    """This notice was given before, or nobody is left to be told."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice, what was disclosed, what was said of it, and how the person can be reached safely.

    `kind` and `place` are whom a call or letter went to where that agency is not registered.
    """

    notice: SubjectNotice
    categories: tuple[str, ...]
    text: str | None
    contact: SafeContact | None
    kind: RecipientKind | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """How and when a person was told, as whoever told them says it (rule 2)."""

    channel: str
    at: datetime
    time_was_safe: bool = False
    note: str | None = None


def owe_notices(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Write down whom we owe a notice because of deliveries that ended (rule 1); how many were looked at."""
    with happening(tx, desk, ROUTER) as it:
        found = subject_notices.ended(tx, limit)
        sent = disclosures.sent(tx, sorted({one.record_id for one in found})) if found else set()
        told = [one for one in found if one.disclosure_id in sent]
        owing = subject_notices.owed_by(tx, {decision for one in told for decision in one.decisions}) if told else {}
        for one in told:
            for decision in sorted(owing.keys() & set(one.decisions)):
                _owe(it, _of_disclosure(it, one, owing[decision]))
        subject_notices.looked_at(tx, [one.delivery_id for one in found])
        return len(found)


def resume_notices(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """What was deferred until now is due again (rule 3); how many."""
    with happening(tx, desk, ROUTER) as it:
        found = subject_notices.resumed(tx, it.now, limit)
        for notice in found:
            state = next_subject_notice_state(notice.state, SubjectNoticeEvent.RESUME)
            subject_notices.resume(tx, notice.id, it.now + REMIND_EVERY)
            _log(it, replace(notice, state=state, until=None))
            # It may have been deferred before: each end of a deferral is told.
            it.tell("subject.notice-again", notice.id, notice.record_id, None, again_after=timedelta())
        return len(found)


def remind(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Tell somebody again of what is due and was not given (rule 4); how many."""
    with happening(tx, desk, ROUTER) as it:
        found = subject_notices.neglected(tx, it.now, limit)
        for notice in found:
            subject_notices.remind(tx, notice.id, it.now + REMIND_EVERY)
            it.tell(LATE, notice.id, notice.record_id, None, again_after=timedelta())
        return len(found)


def owe_for_word(it: Happening, duty: StandingDuty, evidence_id: str) -> None:
    """Write down whom we owe a notice because of a call or letter for a duty (rule 1); its record is locked by now."""
    told = accounting.spoken_as(it.tx, evidence_id)
    if told is None:
        return
    owing = subject_notices.owed(it.tx, told.decisions)
    if duty.recipient_id is None and not owing:
        owing = [Owed(duty.person_id, NoticeRule.WHEN_SAFE)]
    for owed in owing:
        waits = subject_notices.waiting(it.tx, owed.person_id, duty.record_id, told.recipient_id)
        if told.recipient_id is not None or not any(_to(it, one) == (told.kind, told.place) for one in waits):
            _owe(
                it,
                SubjectNotice(
                    id=it.id("sno"),
                    person_id=owed.person_id,
                    record_id=duty.record_id,
                    matter_id=None,
                    disclosure_id=None,
                    recipient_id=told.recipient_id,
                    rule=owed.rule,
                    state=SubjectNoticeState.DUE,
                    disclosed_at=told.at,
                    made_at=it.now,
                    evidence_id=told.id,
                ),
            )


def give(tx: Transaction, desk: Desk, actor: Actor, notice_id: str, given: Given) -> Waiting:
    """The person was told (rule 2).

    Raises `NotFoundError`, `SettledError`, `InvalidError` for another channel, or a time that was not or cannot be.
    """
    with happening(tx, desk, actor) as it:
        notice = _held(it, notice_id)
        _refuse_unsafe(contact_of(it, notice), given)
        if given.at > it.now:
            raise InvalidError("This field lies in the future.", "/at")
        if given.at < notice.disclosed_at:
            raise InvalidError("This field is earlier than what the person is to be told of.", "/at")
        said = given.channel if given.note is None else f"{given.channel}\n{given.note}"
        return _change(it, replace(notice, given_at=given.at), SubjectNoticeEvent.GIVE, said, None)


def defer(tx: Transaction, desk: Desk, actor: Actor, notice_id: str, reason: str, until: datetime) -> Waiting:
    """It is not safe now (rule 3). Raises `NotFoundError`, `SettledError`, `InvalidError`."""
    with happening(tx, desk, actor) as it:
        notice = _held(it, notice_id)
        if until <= it.now:
            raise InvalidError("This field lies in the past.", "/until")
        return _change(it, notice, SubjectNoticeEvent.DEFER, reason, until)


def list_notices(
    tx: Transaction, desk: Desk, actor: Actor, state: SubjectNoticeState | None, after: str | None, limit: int
) -> tuple[tuple[Waiting, ...], str | None]:
    """A page of notices, newest first, and the key to go on from."""
    with happening(tx, desk, actor) as it:
        rows = subject_notices.page(tx, state, after, limit + 1)
        kept = tuple(_waiting(it, notice) for notice in rows[:limit])
        seen(it, "subject-notices", len(kept), asked=[] if state is None else [f"state={state.value}"])
        return kept, kept[-1].notice.id if len(rows) > limit else None


def contact_of(it: Happening, notice: SubjectNotice) -> SafeContact | None:
    """How the person can be reached safely: their last word with a consent, or what the record says (rule 2)."""
    said = [one for one, _ in consents.of_person(it.tx, it.vault, notice.person_id) if one.safe_contact is not None]
    if said:
        return max(said, key=lambda one: (one.recorded_at or one.given_at, one.id)).safe_contact
    try:
        stored = records.load(it.tx, it.vault, notice.record_id)
    except ErasedError:
        return None
    if stored is None or notice.person_id not in stored.persons:
        return None
    contact = stored.record.persons[stored.persons.index(notice.person_id)].contact
    if contact is None or (contact.safe_channel is None and contact.safe_time is None):
        return None
    return SafeContact(contact.safe_channel, contact.safe_time)


def _refuse_unsafe(safe: SafeContact | None, given: Given) -> None:
    """Rule 2."""
    if safe is None:
        return
    if safe.channel is not None and safe.channel.strip().casefold() != given.channel.strip().casefold():
        raise InvalidError("The person named another channel as safe; use it, or defer.", "/channel")
    if safe.time is not None and not given.time_was_safe:
        raise InvalidError("The person named a time as safe; say that it was then, or defer.", "/time_was_safe")


def _of_disclosure(it: Happening, ended: Ended, owed: Owed) -> SubjectNotice:
    return SubjectNotice(
        id=it.id("sno"),
        person_id=owed.person_id,
        record_id=ended.record_id,
        matter_id=ended.matter_id,
        disclosure_id=ended.disclosure_id,
        recipient_id=ended.recipient_id,
        rule=owed.rule,
        state=SubjectNoticeState.DUE,
        disclosed_at=ended.finished_at,
        made_at=it.now,
    )


def _owe(it: Happening, notice: SubjectNotice) -> None:
    if not erasure.appears(it.tx, notice.record_id, notice.person_id):
        return
    if notice.recipient_id is not None and subject_notices.waiting(
        it.tx, notice.person_id, notice.record_id, notice.recipient_id
    ):
        return
    notice = replace(notice, remind_at=it.now + REMIND_EVERY)
    if subject_notices.add(it.tx, notice):
        _log(it, notice)
        it.tell("subject.notice", notice.id, notice.record_id, None)


def _held(it: Happening, notice_id: str) -> SubjectNotice:
    notice = subject_notices.load(it.tx, notice_id)
    if notice is None:
        raise NotFoundError
    return notice


def _change(
    it: Happening, notice: SubjectNotice, event: SubjectNoticeEvent, text: str, until: datetime | None
) -> Waiting:
    try:
        state = next_subject_notice_state(notice.state, event)
    except IllegalTransitionError as error:
        raise SettledError from error
    changed = replace(notice, state=state, until=until, changed_by=it.actor.id, changed_at=it.now, remind_at=None)
    subject_notices.change(it.tx, it.vault, changed, text)
    _log(it, changed)
    return _waiting(it, changed)


def _waiting(it: Happening, notice: SubjectNotice) -> Waiting:
    disclosed = None if notice.disclosure_id is None else disclosures.load(it.tx, notice.disclosure_id)
    told = None if notice.evidence_id is None else accounting.spoken_as(it.tx, notice.evidence_id)
    rested = chain.from_iterable(one.decisions for one in (disclosed, told) if one is not None)
    because = (decisions.load(it.tx, one) for one in rested)
    about = [one.categories for one in because if one is not None and one.person_id == notice.person_id]
    kind, place = (None, None) if told is None else (told.kind, told.place)
    return Waiting(
        notice,
        tuple(dict.fromkeys(chain.from_iterable(about))),
        subject_notices.text_of(it.tx, it.vault, notice),
        contact_of(it, notice),
        kind,
        place,
    )


def _to(it: Happening, notice: SubjectNotice) -> tuple[RecipientKind | None, str | None]:
    """Whom the call or letter of a notice went to, where that agency is not registered."""
    told = None if notice.evidence_id is None else accounting.spoken_as(it.tx, notice.evidence_id)
    return (None, None) if told is None else (told.kind, told.place)


def _log(it: Happening, notice: SubjectNotice) -> None:
    it.log(
        Kind.SUBJECT_NOTICE,
        {
            "notice": notice.id,
            "person": notice.person_id,
            "record": notice.record_id,
            "recipient": notice.recipient_id,
            "disclosure": notice.disclosure_id,
            "state": notice.state.value,
            "rule": notice.rule.value,
            "until": moment(notice.until),
            "evidence": notice.evidence_id,
            "given_at": moment(notice.given_at),
        },
    )
