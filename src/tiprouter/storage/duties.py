"""Which duties stand, and which evidence did people give for them?

1. A duty that another takes the place of keeps its row; only `current` ones are still looked at.
2. What people say of a call or a letter is sealed under the record's key; outcome, whom it was to, and times are not.
3. Duties are held together with their record, which is locked first (`records.epochs`), so that evidence and a new
   decision never pass each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.discharge import CallOutcome, EvidenceKind, Instead, Share, StandingDuty
from tiprouter.domain.states import OWING, DutyPhase
from tiprouter.domain.vocabulary import AcknowledgementStatus, RecipientKind
from tiprouter.storage.codec import from_bytes, from_plain, to_bytes, to_plain
from tiprouter.storage.columns import named_in
from tiprouter.storage.duties_table import duties, duty_calls, duty_letters, duty_requests
from tiprouter.storage.tables import STANDS, acknowledgements, disclosures
from tiprouter.storage.vault import DataKey, ErasedError, Place, Vault

WORDS = TypeVar("WORDS")

_LAST_WORDS: Final = (AcknowledgementStatus.ACCEPTED, AcknowledgementStatus.CLOSED, AcknowledgementStatus.REJECTED)
"""What an agency says that is an answer to the report; a question is none."""


@dataclass(frozen=True, slots=True)
class CallWords:
    """What a caller says of a call. `reference` is the agency's own number."""

    caller: str
    number: str
    spoken_to: str | None = None
    reference: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One telephone call; `kind` and `place` say who was called where it was not the duty's own recipient.

    `words` are None once they were erased.
    """

    id: str
    duty_id: str
    outcome: CallOutcome
    kind: RecipientKind | None
    place: str | None
    called_at: datetime
    made_by: str
    made_at: datetime
    words: CallWords | None


@dataclass(frozen=True, slots=True)
class LetterWords:
    """What is said of a report in writing: who sent it, under which number, and how."""

    sent_by: str
    reference: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One report in writing; `kind` and `place` say who it was to where that was not the duty's own recipient.

    `words` are None once they were erased.
    """

    id: str
    duty_id: str
    sent_at: datetime
    made_by: str
    made_at: datetime
    words: LetterWords | None
    kind: RecipientKind | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class RequestWords:
    """What is said of an agency's request for a report in writing: who asked, under which number, and how."""

    asked_by: str
    reference: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenRequest:
    """One request for a report in writing; `words` are None once they were erased."""

    id: str
    duty_id: str
    requested_at: datetime
    made_by: str
    made_at: datetime
    words: RequestWords | None


_ADD: Final = duties.insert()
_OF_RECORD: Final = (
    sa.select(duties).where(duties.c.record_id == sa.bindparam("record"), duties.c.current).order_by(duties.c.id)
)


def add(tx: Connection, made: Sequence[StandingDuty], looks: Sequence[datetime | None]) -> None:
    """Store new duties; those whose place they take are `supersede`d first."""
    if made:
        tx.execute(_ADD, [_row(duty, look) for duty, look in zip(made, looks, strict=True)])


def save(tx: Connection, duty: StandingDuty, look_at: datetime | None) -> None:
    """Store what became of a duty."""
    tx.execute(duties.update().where(duties.c.id == duty.id).values(**_row(duty, look_at)))


def supersede(tx: Connection, duty_id: str) -> None:
    """Take the mark of a duty whose place another takes."""
    tx.execute(duties.update().where(duties.c.id == duty_id).values(current=False, look_at=None))


def of_record(tx: Connection, record_id: str) -> list[StandingDuty]:
    """A record's current duties, first to last; the record is locked by now (rule 3)."""
    return [_duty(row) for row in tx.execute(_OF_RECORD, {"record": record_id})]


def load(tx: Connection, duty_id: str) -> StandingDuty | None:
    """One duty, or None."""
    row = tx.execute(sa.select(duties).where(duties.c.id == duty_id)).one_or_none()
    return None if row is None else _duty(row)


def owing(tx: Connection, duty_ids: Sequence[str]) -> set[str]:
    """Which of these still stand without evidence."""
    asked = sa.select(duties.c.id).where(named_in(duties.c.id, "which"), duties.c.current, duties.c.phase.in_(OWING))
    return set(tx.execute(asked, {"which": duty_ids}).scalars())


def due(tx: Connection, now: datetime, limit: int) -> list[tuple[str, str]]:
    """Duties somebody is to be told of, as (record, duty), the longest due first."""
    query = sa.select(duties.c.record_id, duties.c.id).where(duties.c.look_at <= now)
    return [(row.record_id, row.id) for row in tx.execute(query.order_by(duties.c.look_at, duties.c.id).limit(limit))]


def look_at(tx: Connection, duty_id: str, moment: datetime | None) -> None:
    """Set when somebody is to be told of a duty next."""
    tx.execute(duties.update().where(duties.c.id == duty_id).values(look_at=moment))


@dataclass(frozen=True, slots=True)
class Filter:
    """Which duties a question is about; None means any. `overdue_at` is the moment that they are late at."""

    phase: DutyPhase | None = None
    record_id: str | None = None
    recipient_id: str | None = None
    overdue: bool | None = None
    overdue_at: datetime | None = None


def page(tx: Connection, wanted: Filter, after: str | None, limit: int) -> list[StandingDuty]:
    """Duties that match, newest first, below `after`."""
    query = sa.select(duties).order_by(duties.c.id.desc()).limit(limit)
    for column in ("phase", "record_id", "recipient_id"):
        if getattr(wanted, column) is not None:
            query = query.where(duties.c[column] == getattr(wanted, column))
    if wanted.overdue is not None:
        late = _late(wanted.overdue_at)
        query = query.where(late if wanted.overdue else sa.not_(late))
    if after is not None:
        query = query.where(duties.c.id < after)
    return [_duty(row) for row in tx.execute(query)]


def _late(now: datetime | None) -> sa.ColumnElement[bool]:
    """Past its deadline, or its report in writing past its own, and wanted still."""
    unwritten = sa.and_(
        duties.c.current,
        duties.c.phase != DutyPhase.LIFTED,
        duties.c.discharged_by.is_distinct_from(EvidenceKind.ELSEWHERE),
        duties.c.written_id.is_(None),
        duties.c.written_by.is_not(None),
        sa.func.coalesce(duties.c.written_by <= now, sa.false()),
    )
    return sa.or_(sa.and_(duties.c.phase.in_(OWING), duties.c.deadline <= now), unwritten)


def add_call(tx: Connection, vault: Vault, call: Call, owner: str, salt: bytes) -> None:
    """Store a call; its words are sealed under the record's (`owner`'s) key, with their `salt`."""
    sealed = vault.key(tx, owner).seal(to_bytes(call.words), _place("duty_calls", call.id), vault.nonce(), salt)
    row = {name: getattr(call, name) for name in Call.__slots__ if name != "words"}
    tx.execute(duty_calls.insert(), row | {"sealed": sealed})


def calls_of(tx: Connection, vault: Vault, duty_id: str, owner: str) -> list[Call]:
    """Every call that was recorded for a duty, first to last."""
    query = sa.select(duty_calls).where(duty_calls.c.duty_id == duty_id).order_by(duty_calls.c.id)
    key = _key(tx, vault, owner)
    return [
        Call(
            id=row.id,
            duty_id=row.duty_id,
            outcome=CallOutcome(row.outcome),
            kind=None if row.kind is None else RecipientKind(row.kind),
            place=row.place,
            called_at=row.called_at,
            made_by=row.made_by,
            made_at=row.made_at,
            words=_words(CallWords, key, row, "duty_calls"),
        )
        for row in tx.execute(query)
    ]


def calls_instead(tx: Connection, record_id: str) -> dict[str, dict[str, list[Instead]]]:
    """The calls that reached others in a recipient's place, by person and by the duty they were recorded for.

    Those for an earlier duty count: what was told stays told.
    """
    query = (
        sa.select(duty_calls.c.id, duty_calls.c.duty_id, duty_calls.c.kind, duty_calls.c.place, duties.c.person_id)
        .join(duties, duties.c.id == duty_calls.c.duty_id)
        .where(duties.c.record_id == record_id, duty_calls.c.outcome == CallOutcome.REACHED)
        .where(duty_calls.c.kind.is_not(None))
    )
    found: dict[str, dict[str, list[Instead]]] = {}
    for row in tx.execute(query.order_by(duty_calls.c.id)):
        call = Instead(row.id, RecipientKind(row.kind), row.place)
        found.setdefault(row.person_id, {}).setdefault(row.duty_id, []).append(call)
    return found


def add_letter(tx: Connection, vault: Vault, letter: Letter, owner: str, salt: bytes) -> None:
    """Store a report in writing; its words are sealed under the record's (`owner`'s) key, with their `salt`."""
    sealed = vault.key(tx, owner).seal(to_bytes(letter.words), _place("duty_letters", letter.id), vault.nonce(), salt)
    row = {name: getattr(letter, name) for name in Letter.__slots__ if name != "words"}
    tx.execute(duty_letters.insert(), row | {"sealed": sealed})


def letters_of(tx: Connection, vault: Vault, duty_id: str, owner: str) -> list[Letter]:
    """Every report in writing that was recorded for a duty, first to last."""
    query = sa.select(duty_letters).where(duty_letters.c.duty_id == duty_id).order_by(duty_letters.c.id)
    key = _key(tx, vault, owner)
    return [
        Letter(
            id=row.id,
            duty_id=row.duty_id,
            sent_at=row.sent_at,
            made_by=row.made_by,
            made_at=row.made_at,
            words=_words(LetterWords, key, row, "duty_letters"),
            kind=None if row.kind is None else RecipientKind(row.kind),
            place=row.place,
        )
        for row in tx.execute(query)
    ]


def add_request(tx: Connection, vault: Vault, request: WrittenRequest, owner: str, salt: bytes) -> None:
    """Store a request for such a report; its words are sealed under the record's (`owner`'s) key, with their `salt`."""
    place = _place("duty_requests", request.id)
    sealed = vault.key(tx, owner).seal(to_bytes(request.words), place, vault.nonce(), salt)
    row = {name: getattr(request, name) for name in WrittenRequest.__slots__ if name != "words"}
    tx.execute(duty_requests.insert(), row | {"sealed": sealed})


def requests_of(tx: Connection, vault: Vault, duty_id: str, owner: str) -> list[WrittenRequest]:
    """Every request for a report in writing that was recorded for a duty, first to last."""
    query = sa.select(duty_requests).where(duty_requests.c.duty_id == duty_id).order_by(duty_requests.c.id)
    key = _key(tx, vault, owner)
    return [
        WrittenRequest(
            id=row.id,
            duty_id=row.duty_id,
            requested_at=row.requested_at,
            made_by=row.made_by,
            made_at=row.made_at,
            words=_words(RequestWords, key, row, "duty_requests"),
        )
        for row in tx.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class Answered:
    """An acknowledgement of a record's live disclosure: its id, and the decisions that the disclosure was made on."""

    acknowledgement_id: str
    recipient_id: str
    decisions: tuple[str, ...]


def answers(tx: Connection, record_id: str) -> list[Answered]:
    """The agencies whose last answer to what they hold of a record now took it on."""
    query = (
        sa.select(acknowledgements.c.id, acknowledgements.c.status, disclosures.c.recipient_id, disclosures.c.decisions)
        .join(disclosures, disclosures.c.id == acknowledgements.c.disclosure_id)
        .where(disclosures.c.record_id == record_id, STANDS, disclosures.c.recalls.is_(None))
        .where(disclosures.c.answers.is_(None))
        .where(acknowledgements.c.status.in_(_LAST_WORDS))
        .order_by(acknowledgements.c.made_at, acknowledgements.c.id)
    )
    last: dict[str, Any] = {row.recipient_id: row for row in tx.execute(query)}
    return [
        Answered(row.id, row.recipient_id, tuple(row.decisions))
        for row in last.values()
        if row.status != AcknowledgementStatus.REJECTED
    ]


def recalled(tx: Connection, disclosure_id: str) -> bool:
    """Whether a disclosure was recalled."""
    query = sa.select(disclosures.c.id).where(disclosures.c.recalls == disclosure_id)
    return tx.execute(query.limit(1)).first() is not None


def _row(duty: StandingDuty, look: datetime | None) -> dict[str, Any]:
    row = {name: getattr(duty, name) for name in StandingDuty.__slots__}
    return row | {"shares": [to_plain(share) for share in duty.shares], "look_at": look}


def _duty(row: Any) -> StandingDuty:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in StandingDuty.__slots__}
    values["shares"] = tuple(from_plain(Share, share) for share in row.shares)
    by = row.discharged_by
    return StandingDuty(
        **values | {"phase": DutyPhase(row.phase), "discharged_by": None if by is None else EvidenceKind(by)}
    )


def _key(tx: Connection, vault: Vault, owner: str) -> DataKey | None:
    """The record's key; None once it was destroyed: that there was evidence, and when, outlasts its words."""
    try:
        return vault.key(tx, owner)
    except ErasedError:
        return None


def _words(kind: type[WORDS], key: DataKey | None, row: Any, table: str) -> WORDS | None:  # noqa: ANN401 - a SQLAlchemy row
    try:
        return None if key is None else from_bytes(kind, key.open(row.sealed, _place(table, row.id)))
    except ErasedError:
        return None


def _place(table: str, row_id: str) -> Place:
    return Place(table, row_id, "sealed")
