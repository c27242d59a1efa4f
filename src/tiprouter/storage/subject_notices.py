"""Who is still to be told that something was disclosed about them without their asking, and what became of it?

A person is told once about one matter at a time: while a notice waits, what else the same recipient is told about the
same record adds none, by whichever way it is told. Free text is sealed under the record's key.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from tiprouter.domain.states import moves
from tiprouter.domain.subject_states import SUBJECT_NOTICE_TRANSITIONS, SubjectNoticeEvent, SubjectNoticeState
from tiprouter.domain.vocabulary import NoticeRule
from tiprouter.storage.columns import moved, named_in
from tiprouter.storage.ready import Ready
from tiprouter.storage.subjects_table import subject_notices
from tiprouter.storage.tables import decisions, deliveries, disclosures
from tiprouter.storage.vault import Place, Vault

_OPEN: Final = (SubjectNoticeState.DUE, SubjectNoticeState.DEFERRED)
# Made once, each: SQLAlchemy takes longer to make a statement than to run it.
_ENDED: Final = Ready(
    sa.select(
        *(
            deliveries.c[name]
            for name in ("id", "disclosure_id", "matter_id", "record_id", "recipient_id", "finished_at", "attempts")
        ),
        disclosures.c.recalls,
        disclosures.c.decisions,
    )
    .join(disclosures, disclosures.c.id == deliveries.c.disclosure_id)
    .where(deliveries.c.finished_at.is_not(None), sa.not_(deliveries.c.noticed))
    .order_by(deliveries.c.finished_at)
    .limit(sa.bindparam("most"))
    .with_for_update(of=deliveries, skip_locked=True, key_share=True)
)
_LOOKED_AT: Final = Ready(deliveries.update().where(named_in(deliveries.c.id, "which")).values(noticed=True))
_OWED: Final = Ready(
    sa.select(decisions.c.id, decisions.c.person_id, decisions.c.notice)
    .where(named_in(decisions.c.id, "which"), named_in(decisions.c.notice, "rules"))
    .order_by(decisions.c.id)
)
_CHANGES: Final = ("state", "until", "changed_by", "changed_at", "remind_at", "given_at")


@dataclass(frozen=True, slots=True)
class SubjectNotice:
    """What a person is to be told: that this recipient was told this about them, and when.

    By a disclosure, or by the call or letter of `evidence_id`; the latter may have gone to an agency that is not
    registered. `remind_at` is when somebody is told again that it is due, `given_at` when the person was told.
    """

    id: str
    person_id: str
    record_id: str
    matter_id: str | None
    disclosure_id: str | None
    recipient_id: str | None
    rule: NoticeRule
    state: SubjectNoticeState
    disclosed_at: datetime
    made_at: datetime
    until: datetime | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    evidence_id: str | None = None
    remind_at: datetime | None = None
    given_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery that has ended, and the decisions that its disclosure rested on."""

    delivery_id: str
    disclosure_id: str
    matter_id: str
    record_id: str
    recipient_id: str
    finished_at: datetime
    attempts: int
    recalls: str | None
    decisions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owed:
    """By which decision a person is owed a notice."""

    person_id: str
    rule: NoticeRule


def ended(tx: Connection, limit: int) -> list[Ended]:
    """Deliveries that ended and that nobody has looked at since; on PostgreSQL those nobody else holds."""
    rows = _ENDED.all(tx, {"most": limit})
    return [replace(Ended(*row), decisions=tuple(row[-1])) for row in rows]


def looked_at(tx: Connection, delivery_ids: Collection[str]) -> None:
    """Not to be looked at again."""
    if delivery_ids:
        _LOOKED_AT.tell(tx, {"which": list(delivery_ids)})


def owed(tx: Connection, decision_ids: Sequence[str]) -> list[Owed]:
    """Who is owed a notice by these decisions."""
    return list(owed_by(tx, decision_ids).values())


def owed_by(tx: Connection, decision_ids: Collection[str]) -> dict[str, Owed]:
    """Who is owed a notice by which of these decisions, in their order."""
    found = _OWED.all(tx, {"which": list(decision_ids), "rules": list(NoticeRule)})
    return {decision_id: Owed(person_id, NoticeRule(rule)) for decision_id, person_id, rule in found}


def waiting(tx: Connection, person_id: str, record_id: str, recipient_id: str | None) -> list[SubjectNotice]:
    """What waits about what this recipient, or whoever is not registered, was told of a person of a record."""
    query = sa.select(*_COLUMNS).where(
        subject_notices.c.person_id == person_id,
        subject_notices.c.record_id == record_id,
        subject_notices.c.recipient_id.is_not_distinct_from(recipient_id),
        subject_notices.c.state.in_(_OPEN),
    )
    return [_notice(row) for row in tx.execute(query)]


def add(tx: Connection, made: SubjectNotice) -> bool:
    """Store a notice; False when one about the same person and matter waits already."""
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    row = {name: getattr(made, name) for name in SubjectNotice.__slots__}
    return tx.execute(insert(subject_notices).on_conflict_do_nothing(), row).rowcount == 1


def load(tx: Connection, notice_id: str) -> SubjectNotice | None:
    """One notice, or None; on PostgreSQL, held until this story commits."""
    row = tx.execute(sa.select(*_COLUMNS).where(subject_notices.c.id == notice_id).with_for_update()).one_or_none()
    return None if row is None else _notice(row)


def change(tx: Connection, vault: Vault, notice: SubjectNotice, text: str | None) -> None:
    """Store what became of a notice; the text is sealed under the record's key."""
    sealed = None
    if text is not None:
        key = vault.key(tx, notice.record_id)
        sealed = key.seal(text.encode(), Place("subject_notices", notice.id, "sealed"), vault.nonce())
    values = {name: getattr(notice, name) for name in _CHANGES}
    tx.execute(subject_notices.update().where(subject_notices.c.id == notice.id).values(**values, sealed=sealed))


def text_of(tx: Connection, vault: Vault, notice: SubjectNotice) -> str | None:
    """What was said of a notice, if anything was and it was not erased."""
    query = sa.select(subject_notices.c.sealed).where(subject_notices.c.id == notice.id)
    sealed = tx.execute(query).scalar_one()
    if not sealed:
        return None
    return vault.key(tx, notice.record_id).open(sealed, Place("subject_notices", notice.id, "sealed")).decode()


def resumed(tx: Connection, now: datetime, limit: int) -> list[SubjectNotice]:
    """Deferred ones whose time has come."""
    query = sa.select(*_COLUMNS).where(
        subject_notices.c.state == SubjectNoticeState.DEFERRED, subject_notices.c.until <= now
    )
    query = query.order_by(subject_notices.c.until).limit(limit).with_for_update(skip_locked=True)
    return [_notice(row) for row in tx.execute(query)]


def resume(tx: Connection, notice_id: str, remind_at: datetime) -> None:
    """One is due again; why it waited stays."""
    deferred, due = moved(subject_notices.c.state, moves(SUBJECT_NOTICE_TRANSITIONS, SubjectNoticeEvent.RESUME))
    values = {"state": due, "until": None, "remind_at": remind_at}
    tx.execute(subject_notices.update().where(subject_notices.c.id == notice_id, deferred).values(**values))


def neglected(tx: Connection, now: datetime, limit: int) -> list[SubjectNotice]:
    """Due ones of which somebody must be told again."""
    query = sa.select(*_COLUMNS).where(
        subject_notices.c.state == SubjectNoticeState.DUE, subject_notices.c.remind_at <= now
    )
    query = query.order_by(subject_notices.c.remind_at).limit(limit).with_for_update(skip_locked=True)
    return [_notice(row) for row in tx.execute(query)]


def remind(tx: Connection, notice_id: str, remind_at: datetime) -> None:
    """Somebody is told again then."""
    tx.execute(subject_notices.update().where(subject_notices.c.id == notice_id).values(remind_at=remind_at))


def moot(tx: Connection, person_id: str, now: datetime) -> None:
    """Nobody is left to tell: the person was erased."""
    _moot(tx, subject_notices.c.person_id == person_id, now)


def moot_of_record(tx: Connection, record_id: str, now: datetime) -> None:
    """Nothing is left to tell of: the record was erased."""
    _moot(tx, subject_notices.c.record_id == record_id, now)


def page(tx: Connection, state: SubjectNoticeState | None, after: str | None, limit: int) -> list[SubjectNotice]:
    """Notices, newest first, below `after`."""
    query = sa.select(*_COLUMNS).order_by(subject_notices.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(subject_notices.c.state == state)
    if after is not None:
        query = query.where(subject_notices.c.id < after)
    return [_notice(row) for row in tx.execute(query)]


def _moot(tx: Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    open_ones, after = moved(subject_notices.c.state, moves(SUBJECT_NOTICE_TRANSITIONS, SubjectNoticeEvent.ERASE))
    values = {"state": after, "until": None, "changed_at": now}
    tx.execute(subject_notices.update().where(which, open_ones).values(**values))


_COLUMNS: Final = [subject_notices.c[name] for name in SubjectNotice.__slots__]


def _notice(row: Any) -> SubjectNotice:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in SubjectNotice.__slots__}
    return SubjectNotice(**values | {"rule": NoticeRule(row.rule), "state": SubjectNoticeState(row.state)})
