"""What did agencies ask, what was answered, and which disclosure carries the answer?

The question's words stand with its acknowledgement; the answer is sealed here, under the record's key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tiprouter.domain.disclosure_states import DisclosureState
from tiprouter.domain.question import QuestionState
from tiprouter.domain.record import Statement
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.storage.codec import from_bytes, to_bytes
from tiprouter.storage.disclosures import Disclosure
from tiprouter.storage.pages_table import alarms
from tiprouter.storage.questions_table import questions
from tiprouter.storage.tables import attempts, deliveries, disclosures, notices
from tiprouter.storage.vault import Place, Vault

_TELLS = (DisclosureState.STANDING.value, DisclosureState.RECALLED.value)
"""Where the disclosure that carries an answer is while the answer may be told again."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as stored, without what it asks and without its answer."""

    id: str
    acknowledgement_id: str
    disclosure_id: str
    matter_id: str
    record_id: str
    recipient_id: str
    urgency: Urgency
    state: QuestionState
    asked_at: datetime
    deadline: datetime
    late_at: datetime | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None
    cause: str | None = None
    carried_by: str | None = None


_ANSWERED_OR_AT_THE_GATE = (QuestionState.OPEN.value, QuestionState.ANSWERED.value)
"""An open question has an answer only while the gate is asked about it, inside one story."""

_COLUMNS = tuple(questions.c[name] for name in Question.__slots__)
_OPEN: Final = (
    sa.select(*_COLUMNS)
    .where(questions.c.record_id == sa.bindparam("record"), questions.c.state == QuestionState.OPEN)
    .where(questions.c.sealed.is_(None))  # else its answer is at the gate: this very story answers it, or takes it out
    .order_by(questions.c.id)
)
_OPEN_OF_ONE: Final = _OPEN.where(questions.c.recipient_id == sa.bindparam("asking"))


def add(tx: Connection, question: Question) -> None:
    """Store a new question."""
    tx.execute(questions.insert(), {name: getattr(question, name) for name in Question.__slots__})


def load(tx: Connection, question_id: str) -> Question | None:
    """One question, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(questions.c.id == question_id)).one_or_none()
    return None if row is None else _question(row)


def page(tx: Connection, state: QuestionState | None, after: str | None, limit: int) -> list[Question]:
    """Questions, newest first, below `after`; of one state, or of any."""
    query = sa.select(*_COLUMNS).order_by(questions.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(questions.c.state == state)
    if after is not None:
        query = query.where(questions.c.id < after)
    return [_question(row) for row in tx.execute(query)]


def open_of(tx: Connection, record_id: str, recipient_id: str | None = None) -> list[Question]:
    """The open questions about a record, of one agency or of all."""
    if recipient_id is None:
        return [_question(row) for row in tx.execute(_OPEN, {"record": record_id})]
    return [_question(row) for row in tx.execute(_OPEN_OF_ONE, {"record": record_id, "asking": recipient_id})]


def late(tx: Connection, now: datetime, limit: int) -> list[Question]:
    """Open questions about which a human must be told now; on PostgreSQL those that nobody else holds."""
    query = sa.select(*_COLUMNS).where(questions.c.late_at.is_not(None), questions.c.late_at <= now)
    query = query.order_by(questions.c.late_at).limit(limit)
    return [_question(row) for row in tx.execute(query.with_for_update(skip_locked=True))]


def change(tx: Connection, question_id: str, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Set columns of one question."""
    tx.execute(questions.update().where(questions.c.id == question_id).values(**values))


def keep_answer(tx: Connection, vault: Vault, question: Question, said: Statement, salt: bytes) -> None:
    """Store the hotline's answer, sealed under the record's key, with its `salt`."""
    sealed = vault.key(tx, question.record_id).seal(to_bytes(said), _place(question.id), vault.nonce(), salt)
    change(tx, question.id, sealed=sealed)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answered question whose answer stands or is about to leave.

    `carrier` is the disclosure that carries it, None before there is one; `left` says that its payload was on its way,
    `recalled` that it was taken back since.
    """

    question: Question
    said: Statement
    carrier: Disclosure | None
    left: bool
    recalled: bool


def _answered() -> sa.Select[Any]:
    recall = disclosures.alias()
    left = sa.exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.kind != AttemptKind.ANNOUNCE)
    recalled = sa.exists().where(recall.c.recalls == disclosures.c.id)
    carrier = [disclosures.c[name].label(f"carrier_{name}") for name in Disclosure.__slots__]
    return (
        sa.select(*_COLUMNS, questions.c.sealed, *carrier, left.label("left"), recalled.label("recalled"))
        .outerjoin(disclosures, disclosures.c.id == questions.c.carried_by)
        .outerjoin(deliveries, deliveries.c.disclosure_id == disclosures.c.id)
        .where(questions.c.record_id == sa.bindparam("record"), questions.c.state.in_(_ANSWERED_OR_AT_THE_GATE))
        .where(questions.c.sealed.is_not(None), sa.or_(disclosures.c.id.is_(None), disclosures.c.state.in_(_TELLS)))
        .order_by(questions.c.id)
    )


_ANSWERED: Final = _answered()


def answered(tx: Connection, vault: Vault, record_id: str) -> list[Answered]:
    """The answers about a record that stand or are about to leave, in the order in which they were asked."""
    rows = tx.execute(_ANSWERED, {"record": record_id}).all()
    key = vault.key(tx, record_id) if rows else None
    return [
        Answered(
            _question(row),
            from_bytes(Statement, key.open(row.sealed, _place(row.id))),
            _carrier(row),
            bool(row.left),
            bool(row.recalled),
        )
        for row in rows
        if key is not None
    ]


def delivery_states(tx: Connection, carriers: Sequence[str]) -> dict[str, DeliveryState]:
    """Where the deliveries of these disclosures are."""
    query = sa.select(deliveries.c.disclosure_id, deliveries.c.state).where(deliveries.c.disclosure_id.in_(carriers))
    return {row.disclosure_id: DeliveryState(row.state) for row in tx.execute(query)}


def quiet(tx: Connection, subject: str) -> None:
    """What was told about this is not repeated any more."""
    about = sa.select(notices.c.id).where(notices.c.subject == subject)
    tx.execute(alarms.update().where(alarms.c.notice_id.in_(about)).values(next_at=None))


def _carrier(row: Any) -> Disclosure | None:  # noqa: ANN401 - a SQLAlchemy row
    if row.carrier_id is None:
        return None
    values = {name: getattr(row, f"carrier_{name}") for name in Disclosure.__slots__}
    lists = {name: tuple(values[name]) for name in ("categories", "decisions")}
    return Disclosure(**values | lists | {"state": DisclosureState(row.carrier_state)})


def _question(row: Any) -> Question:  # noqa: ANN401 - a SQLAlchemy row
    values = {name: getattr(row, name) for name in Question.__slots__}
    return Question(**values | {"urgency": Urgency(row.urgency), "state": QuestionState(row.state)})


def _place(question_id: str) -> Place:
    return Place("questions", question_id, "sealed")
