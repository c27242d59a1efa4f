"""How does a person learn that something was disclosed about them without their asking?

1. A policy that reports or tells in an emergency says whether its subject must be told (`required`), or is told when
   that is safe (`when_safe`). Once the disclosure was on its way and its delivery has ended, a notice is due, and
   somebody at the hotline is told.
2. Only a person gives it, and says how. Where the person named a safe channel it is given by that channel and no other;
   channel and time stand beside the notice, from the person's last word about them.
3. "Unsafe now" defers it until a date, with a reason; then it is due again, and somebody is told again.
4. Who was erased, and what was, is told nothing: nobody is left who could be.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.consent import SafeContact
from tiprouter.domain.states import IllegalTransitionError
from tiprouter.domain.subject_states import SubjectNoticeEvent, SubjectNoticeState, next_subject_notice_state
from tiprouter.errors import ConflictError, InvalidError, NotFoundError
from tiprouter.storage import consents, decisions, disclosures, erasure, records, subject_notices
from tiprouter.storage.database import Transaction
from tiprouter.storage.subject_notices import Ended, Owed, SubjectNotice
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening, moment

AT_ONCE: Final = 50


class SettledError(ConflictError):
    """This notice was given before, or nobody is left to be told."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice, what was disclosed, what was said of it, and how the person can be reached safely."""

    notice: SubjectNotice
    categories: tuple[str, ...]
    text: str | None
    contact: SafeContact | None


def owe_notices(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Write down whom we owe a notice because of deliveries that ended (rule 1); how many were looked at."""
    with happening(tx, desk, ROUTER) as it:
        found = subject_notices.ended(tx, limit)
        sent = disclosures.sent(tx, sorted({one.record_id for one in found})) if found else set()
        for one in found:
            if one.disclosure_id in sent:
                for owed in subject_notices.owed(tx, one.decisions):
                    _owe(it, one, owed)
        subject_notices.looked_at(tx, [one.delivery_id for one in found])
        return len(found)


def resume_notices(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """What was deferred until now is due again (rule 3); how many."""
    with happening(tx, desk, ROUTER) as it:
        found = subject_notices.resumed(tx, it.now, limit)
        for notice in found:
            state = next_subject_notice_state(notice.state, SubjectNoticeEvent.RESUME)
            subject_notices.resume(tx, notice.id)
            _log(it, replace(notice, state=state, until=None))
            it.tell("subject.notice-again", notice.id, notice.record_id, None)
        return len(found)


def give(tx: Transaction, desk: Desk, actor: Actor, notice_id: str, channel: str, note: str | None) -> Waiting:
    """The person was told (rule 2). Raises `NotFoundError`, `SettledError`, `InvalidError` for another channel."""
    with happening(tx, desk, actor) as it:
        notice = _held(it, notice_id)
        safe = contact_of(it, notice)
        wanted = None if safe is None else safe.channel
        if wanted is not None and wanted.strip().casefold() != channel.strip().casefold():
            raise InvalidError("The person named another channel as safe; use it, or defer.", "/channel")
        said = channel if note is None else f"{channel}\n{note}"
        return _change(it, notice, SubjectNoticeEvent.GIVE, said, None)


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
        it.log(Kind.ACCESS, {"role": actor.role, "what": "subject-notices", "count": len(kept)})
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


def _owe(it: Happening, ended: Ended, owed: Owed) -> None:
    if not erasure.appears(it.tx, ended.record_id, owed.person_id):
        return
    notice = SubjectNotice(
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
    changed = replace(notice, state=state, until=until, changed_by=it.actor.id, changed_at=it.now)
    subject_notices.change(it.tx, it.vault, changed, text)
    _log(it, changed)
    return _waiting(it, changed)


def _waiting(it: Happening, notice: SubjectNotice) -> Waiting:
    told = disclosures.load(it.tx, notice.disclosure_id)
    because = () if told is None else (decisions.load(it.tx, one) for one in told.decisions)
    about = [one.categories for one in because if one is not None and one.person_id == notice.person_id]
    return Waiting(
        notice,
        tuple(dict.fromkeys(chain.from_iterable(about))),
        subject_notices.text_of(it.tx, it.vault, notice),
        contact_of(it, notice),
    )


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
        },
    )
