"""How does what a person told us end?

1. Erasing takes two credentials: one asks, another confirms within a week. Retention alone needs nobody.
2. A legal hold, a duty that is still owed and a delivery under way keep a record, at the request and again at the
   confirmation; what keeps one record of a person keeps all of them.
3. A record that is erased loses its data key and every sealed value; what waited to be sent is cancelled. Ids, times,
   decisions with their facts (closed vocabulary), the accounting of disclosures and the log stay.
4. Erasing a person erases the records that name nobody else, takes them out of the others
   (`domain/erasure.py`; those are decided again), and erases their consents.
5. With a record goes the consent of every person whom no other record names.
6. Nothing is recalled: what was sent was sent lawfully and is the recipient's to keep or erase. Whoever wants it back
   withdraws first. The answer says how many disclosures there were; the accounting says which.
7. What is closed is erased by itself after the retention of its class (`domain/retention.py`), and never while rule 2
   keeps it, a legal hold stands on another record that names one of its persons, or our time is not to be trusted with
   that (`clock_watch.py`). What else ages is told in `ageing.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tiprouter.audit.kinds import Kind
from tiprouter.domain.disclosure_states import DisclosureEvent
from tiprouter.domain.erasure import without
from tiprouter.domain.retention import Retained, cause_of, counted_until
from tiprouter.domain.vocabulary import RecordKind
from tiprouter.errors import ConflictError, NotFoundError, UnavailableError
from tiprouter.storage import (
    ageing,
    consents,
    deliveries,
    disclosures,
    erasure,
    holds,
    records,
    subject_notices,
)
from tiprouter.storage.database import Transaction
from tiprouter.storage.holds import Erasure
from tiprouter.storage.records import Stored
from tiprouter.storage.vault import ErasedError
from tiprouter.workflow.answering import close_of_record
from tiprouter.workflow.assess import assess
from tiprouter.workflow.clock_watch import runs_ahead
from tiprouter.workflow.disclose import cancel
from tiprouter.workflow.happening import ROUTER, Actor, Desk, Happening, happening
from tiprouter.workflow.review_queue import follow
from tiprouter.workflow.separation import Act, OnePersonError, require_another
from tiprouter.workflow.standing import require_fresh

REQUEST_HOLDS: Final = timedelta(days=7)
AT_ONCE: Final = 20

_SUBJECT: Final = "subject.erased"
_RECORD: Final = "record.erased"
_CLASSES: Final = ((RecordKind.TIP, Retained.TIP), (RecordKind.CASE, Retained.CASE))


class HeldError(ConflictError):
    """This cannot be erased now."""


class MovedError(UnavailableError):
    """Somebody changed this at the same moment; ask again."""


class SamePersonError(OnePersonError):
    """A second credential confirms an erasure; you asked for this one."""

    act = Act.ERASURE


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that was erased whole, or that one person was taken out of."""

    record_id: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Erased:
    """A request to erase, and once it is confirmed what it erased; `sent` disclosures had been attempted before."""

    erasure: Erasure
    taken: tuple[Taken, ...] = ()
    sent: int = 0


def erase_record(tx: Transaction, desk: Desk, actor: Actor, record_id: str) -> Erased:
    """Ask to erase a record, or confirm it (rules 1-3, 5).

    Raises `NotFoundError`, `ErasedError`, `HeldError`, `SamePersonError`.
    """
    with happening(tx, desk, actor) as it:
        if not records.known(tx, record_id):
            raise NotFoundError
        hold_still(it, (record_id,))
        if erasure.erased_at(tx, record_id) is not None:
            raise ErasedError
        _refuse_kept(it, (record_id,))
        asked, confirmed = _asked(it, record_id)
        if not confirmed:
            return Erased(asked)
        sent = len(disclosures.sent(tx, (record_id,)))
        erase_whole(it, record_id, _RECORD)
        return Erased(asked, (Taken(record_id, whole=True),), sent)


def erase_subject(tx: Transaction, desk: Desk, actor: Actor, person_id: str) -> Erased:
    """Ask to erase everything about a person, or confirm it (rules 1-4).

    Raises `NotFoundError`, `ErasedError` when nothing is left of them, `HeldError`, `SamePersonError`.
    """
    with happening(tx, desk, actor, deciding=True) as it:
        if not records.person_known(tx, person_id):
            raise NotFoundError
        touched = erasure.records_with(tx, person_id)
        hold_still(it, touched, person_id)
        if erasure.records_with(tx, person_id) != touched:
            raise MovedError
        if not touched and not consents.of_person(tx, desk.vault, person_id):
            raise ErasedError
        _refuse_kept(it, touched)
        asked, confirmed = _asked(it, person_id)
        if not confirmed:
            return Erased(asked)
        sent = len([one for record in touched for one in _sent_about(it, record, person_id)])
        consents.erase(tx, desk.vault, person_id, it.now)
        erasure.empty_answers(tx, person_id)
        subject_notices.moot(tx, person_id, it.now)
        taken = tuple(take_out(it, record_id, person_id) for record_id in touched)
        it.log(
            Kind.SUBJECT_ERASED,
            {"person": person_id, "records": list(touched), "cause": "request", "approver": asked.requested_by},
        )
        return Erased(asked, taken, sent)


def erase_aged(tx: Transaction, desk: Desk, limit: int = AT_ONCE) -> int:
    """Erase tips and cases that were closed long enough ago (rule 7); how many records were looked at."""
    if runs_ahead(desk):
        return 0
    with happening(tx, desk, ROUTER) as it:
        found: list[tuple[str, Retained, datetime]] = []
        for kind, what in _CLASSES:
            until = counted_until(desk.retention, what, it.now)
            if until is not None and len(found) < limit:
                aged = erasure.aged(tx, kind, until, limit - len(found))
                found += [(record_id, what, until) for record_id in aged]
        hold_still(it, [record_id for record_id, _, _ in found])
        for record_id, what, until in found:
            _erase_if_over(it, record_id, what, until)
        return len(found)


def _erase_if_over(it: Happening, record_id: str, what: Retained, until: datetime) -> None:
    if erasure.erased_at(it.tx, record_id) is not None:
        return
    kept = erasure.keeps(it.tx, record_id) or ageing.held(it.tx, record_id)
    if erasure.closed(it.tx, record_id) and not kept:
        erase_whole(it, record_id, cause_of(what))
    else:
        erasure.age_from(it.tx, record_id, until + erasure.LOOK_AGAIN)


def hold_still(it: Happening, record_ids: Collection[str], *more: str) -> None:
    """Persons before records, as every story holds them. Raises `MovedError` when somebody new came in meanwhile."""
    named = erasure.persons_in(it.tx, record_ids)
    erasure.hold_all(it.tx, {*named, *more}, record_ids)
    if erasure.persons_in(it.tx, record_ids) != named:
        raise MovedError


def _asked(it: Happening, about: str) -> tuple[Erasure, bool]:
    """Rule 1: the request, and whether this is its confirmation. Raises `SamePersonError`."""
    known = holds.asked(it.tx, about, it.now - REQUEST_HOLDS)
    if known is None:
        made = Erasure(it.id("ers"), about, it.actor.id, it.now)
        holds.ask(it.tx, made)
        it.log(Kind.ERASURE_REQUESTED, {"erasure": made.id, "subject": about})
        it.tell("erasure.requested", made.id, None, it.now + REQUEST_HOLDS)
        return made, False
    require_another(it, SamePersonError, known.requested_by)
    require_fresh(it.actor, it.now)
    confirmed = replace(known, confirmed_by=it.actor.id, erased_at=it.now)
    holds.done(it.tx, confirmed)
    return confirmed, True


def _refuse_kept(it: Happening, record_ids: Collection[str]) -> None:
    """Rule 2. Raises `HeldError`."""
    why = sorted({keep.value for record_id in record_ids for keep in erasure.keeps(it.tx, record_id)})
    if why:
        raise HeldError(f"This cannot be erased now: {', '.join(why)}.")


def _sent_about(it: Happening, record_id: str, person_id: str) -> set[str]:
    return set(erasure.about_person(it.tx, record_id, person_id)) & disclosures.sent(it.tx, (record_id,))


def take_out(it: Happening, record_id: str, person_id: str, cause: str = _SUBJECT) -> Taken:
    """Rule 4, for one record; it and its persons are held still by now. Raises `NotFoundError`, `SealError`."""
    stored = records.load(it.tx, it.vault, record_id)
    if stored is None:
        raise NotFoundError
    rest = stored.record
    if person_id in stored.persons:
        left = without(rest, rest.persons[stored.persons.index(person_id)].ref)
        if left is None:
            erase_whole(it, record_id, cause)
            return Taken(record_id, whole=True)
        rest = left
    _rekey(it, stored, person_id)
    counted = erasure.counted_from(it.tx, record_id)
    told = replace(stored, record=rest, persons=tuple(one for one in stored.persons if one != person_id))
    revised = records.revise(it.tx, it.vault, told, it.now)
    erasure.age_from(it.tx, record_id, counted)
    _log(it, revised.id, revised.revision, (person_id,), cause, whole=False)
    assess(it, revised, cause)
    return Taken(record_id, whole=False)


def _rekey(it: Happening, stored: Stored, person_id: str) -> None:
    """What tells of the person stands no longer and waits no longer; then the key is another."""
    theirs = erasure.about_person(it.tx, stored.id, person_id)
    under_way = deliveries.of_disclosures(it.tx, theirs)
    disclosures.move(it.tx, theirs, DisclosureEvent.ERASE)
    for disclosure_id in theirs:
        cancel(it, under_way[disclosure_id], _SUBJECT)
    erasure.one_of_several(it.tx, it.vault, stored.id, person_id, theirs, it.now)


def erase_whole(it: Happening, record_id: str, cause: str) -> None:
    """Rules 3 and 5; it and its persons are held still by now. Raises `NotFoundError`, `SealError`."""
    stored = records.load(it.tx, it.vault, record_id)
    if stored is None:
        raise NotFoundError
    follow(it, stored, ())
    close_of_record(it, record_id, cause)
    for delivery in deliveries.of_disclosures(it.tx, erasure.unended(it.tx, record_id)).values():
        cancel(it, delivery, cause)
    named = erasure.persons_in(it.tx, (record_id,))
    subject_notices.moot_of_record(it.tx, record_id, it.now)
    erasure.whole(it.tx, it.vault, record_id, it.now)
    for person_id in named:
        if not erasure.records_with(it.tx, person_id):
            consents.erase(it.tx, it.vault, person_id, it.now)
            erasure.empty_answers(it.tx, person_id)
    _log(it, record_id, stored.revision, named, cause, whole=True)


def _log(it: Happening, record_id: str, revision: int, persons: Collection[str], cause: str, *, whole: bool) -> None:
    it.log(
        Kind.RECORD_ERASED,
        {"record": record_id, "revision": revision, "persons": list(persons), "cause": cause, "whole": whole},
    )
